/* The writer thread: order, patience, conflicts, fencing, stopping. A driver around the real one fails on demand. */
#include "store_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "worker/base/clock.h"
#include "worker/base/thread.h"
#include "worker/store/writer.h"

static _Atomic int fail_commits; /* so many commits fail from now on, -1 = all */
static _Atomic enum aw_err_kind fail_kind;
static _Atomic int commits_asked;

static bool failing_commit(void *self, const struct aw_write *writes, size_t n, struct aw_err *err)
{
    atomic_fetch_add(&commits_asked, 1);
    int left = atomic_load(&fail_commits);
    if (left != 0) {
        if (left > 0) {
            atomic_store(&fail_commits, left - 1);
        }
        return aw_fail(err, atomic_load(&fail_kind), "store.test", "as the test wants it");
    }
    return aw_driver_sqlite.commit(self, writes, n, err);
}

static struct aw_driver failing;

struct bench {
    struct kit *kit;
    struct aw_writer *writer;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct aw_err err;
    kit_setup((void **)&bench->kit);
    failing = aw_driver_sqlite;
    failing.commit = failing_commit;
    aw_store_close(&bench->kit->store);
    bench->kit->driver = &failing;
    kit_open(bench->kit);
    atomic_store(&fail_commits, 0);
    atomic_store(&commits_asked, 0);
    assert_true(aw_writer_start(bench->kit->store, 64, &bench->writer, &err));
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    aw_writer_stop(&bench->writer, 1000);
    kit_teardown((void **)&bench->kit);
    free(bench);
    return 0;
}

/* --- units --- */

static bool insert_one(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)err;
    aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), arg, "acme"));
    return true;
}

static bool refuse(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    insert_one(tx, arg, err);
    return aw_fail(err, AW_ERR_INVALID, "test.refused", "no");
}

/* Adds one to the rank of "counter", which says how many units have run before. */
static bool count_up(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    int64_t *place = arg;
    void *row;
    if (!aw_tx_get(tx, &aw_scope_all, &thing_schema, "counter", &row, err)) {
        return false;
    }
    struct thing *thing = row;
    *place = ++thing->rank;
    aw_tx_replace(tx, &thing_schema, thing);
    return true;
}

static void units_commit_or_leave_nothing(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    assert_true(aw_writer_run(bench->writer, "one", insert_one, "a", AW_ONCE, &err));
    assert_non_null(kit_get(bench->kit, "a"));
    assert_false(aw_writer_run(bench->writer, "refused", refuse, "b", AW_PATIENT, &err));
    assert_string_equal(err.code, "test.refused");
    assert_null(kit_get(bench->kit, "b"));
    assert_false(aw_writer_run(bench->writer, "twice", insert_one, "a", AW_PATIENT, &err));
    assert_string_equal(err.code, "store.conflict");
}

enum { THREADS = 8, EACH = 40 };

static void *count_many(void *arg)
{
    struct bench *bench = arg;
    int64_t last = 0, place;
    struct aw_err err;
    for (int i = 0; i < EACH; i++) {
        if (!aw_writer_run(bench->writer, "count", count_up, &place, AW_PATIENT, &err) ||
            place <= last) {
            return "wrong";
        }
        last = place;
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    pthread_t threads[THREADS];
    assert_true(aw_writer_run(bench->writer, "one", insert_one, "counter", AW_ONCE, &err));
    for (int i = 0; i < THREADS; i++) {
        assert_true(aw_thread_start(&threads[i], "counter", count_many, bench, &err));
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(kit_get(bench->kit, "counter")->rank, THREADS * EACH);
    assert_int_equal(kit_get(bench->kit, "counter")->version, 1 + THREADS * EACH);
}

struct call {
    struct bench *bench;
    const char *id;
    enum aw_patience patience;
    bool ok;
    struct aw_err err;
    pthread_t thread;
};

static _Atomic int calls_ended, call_ended; /* how many; number of the first, after its "q" */

static void *call_main(void *arg)
{
    struct call *call = arg;
    call->ok = aw_writer_run(call->bench->writer, "call", insert_one, (void *)(uintptr_t)call->id,
                             call->patience, &call->err);
    if (atomic_load(&calls_ended) == 0) {
        atomic_store(&call_ended, call->id[1] - '0');
    }
    atomic_fetch_add(&calls_ended, 1);
    return NULL;
}

static void start(struct call *call)
{
    struct aw_err err;
    assert_true(aw_thread_start(&call->thread, "call", call_main, call, &err));
}

static void wait_for_commits(int n)
{
    while (atomic_load(&commits_asked) < n) {
        aw_clock_sleep_ms(1);
    }
}

static void a_patient_unit_outlasts_a_store_that_is_down(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    struct call patient = {.bench = bench, .id = "patient", .patience = AW_PATIENT};
    struct call second = {.bench = bench, .id = "second", .patience = AW_PATIENT};
    atomic_store(&fail_kind, AW_ERR_UNAVAILABLE);
    atomic_store(&fail_commits, -1);
    assert_int_equal(aw_writer_down_since(bench->writer), 0);
    start(&patient);
    wait_for_commits(2);
    start(&second);
    assert_true(aw_writer_down_since(bench->writer) > 0);
    assert_false(aw_writer_run(bench->writer, "once", insert_one, "once", AW_ONCE, &err));
    assert_int_equal(err.kind, AW_ERR_UNAVAILABLE);
    assert_null(kit_get(bench->kit, "patient"));
    atomic_store(&fail_commits, 0);
    pthread_join(patient.thread, NULL);
    pthread_join(second.thread, NULL);
    assert_true(patient.ok && second.ok);
    assert_int_equal(aw_writer_down_since(bench->writer), 0);
    assert_non_null(kit_get(bench->kit, "patient"));
    assert_non_null(kit_get(bench->kit, "second"));
    assert_null(kit_get(bench->kit, "once"));
    assert_true(aw_writer_run(bench->writer, "once", insert_one, "once", AW_ONCE, &err));
}

static void the_writer_finds_out_by_itself_that_the_store_is_back(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    atomic_store(&fail_kind, AW_ERR_UNAVAILABLE);
    atomic_store(&fail_commits, 2); /* the call's, and the first look */
    assert_false(aw_writer_run(bench->writer, "once", insert_one, "once", AW_ONCE, &err));
    assert_int_equal(err.kind, AW_ERR_UNAVAILABLE);
    assert_true(aw_writer_down_since(bench->writer) > 0);
    while (aw_writer_down_since(bench->writer) != 0) {
        aw_clock_sleep_ms(1);
    }
    assert_int_equal(atomic_load(&commits_asked), 3);
    assert_null(kit_get(bench->kit, "once"));
}

static void a_conflict_is_run_again_three_times(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    atomic_store(&fail_kind, AW_ERR_CONFLICT);
    atomic_store(&fail_commits, 3);
    assert_true(aw_writer_run(bench->writer, "one", insert_one, "a", AW_ONCE, &err));
    assert_int_equal(atomic_load(&commits_asked), 4);
    atomic_store(&fail_commits, 4);
    assert_false(aw_writer_run(bench->writer, "one", insert_one, "b", AW_PATIENT, &err));
    assert_int_equal(err.kind, AW_ERR_CONFLICT);
    assert_int_equal(atomic_load(&commits_asked), 8);
    assert_null(kit_get(bench->kit, "b"));
}

static void a_refused_document_is_not_tried_again(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    atomic_store(&fail_kind, AW_ERR_INVALID);
    atomic_store(&fail_commits, 1);
    assert_false(aw_writer_run(bench->writer, "one", insert_one, "a", AW_PATIENT, &err));
    assert_int_equal(err.kind, AW_ERR_INVALID);
    assert_int_equal(atomic_load(&commits_asked), 1);
    assert_int_equal(aw_writer_down_since(bench->writer), 0);
}

static void a_fenced_writer_refuses_everything(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    atomic_store(&fail_kind, AW_ERR_FENCED);
    atomic_store(&fail_commits, 1);
    assert_false(aw_writer_is_fenced(bench->writer));
    for (int i = 0; i < 3; i++) {
        assert_false(aw_writer_run(bench->writer, "one", insert_one, "a", AW_PATIENT, &err));
        assert_int_equal(err.kind, AW_ERR_FENCED);
        assert_true(aw_writer_is_fenced(bench->writer));
    }
    assert_int_equal(atomic_load(&commits_asked), 1);
    assert_null(kit_get(bench->kit, "a"));
}

/* --- callbacks --- */

static int after_true, after_false;

static void after(void *arg, bool committed)
{
    (void)arg;
    after_true += committed;
    after_false += !committed;
}

static bool insert_and_tell(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    aw_tx_after(tx, after, NULL);
    return insert_one(tx, arg, err);
}

static bool write_meta(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_meta *meta = AW_NEW(aw_tx_arena(tx), struct aw_meta);
    (void)err;
    meta->id = arg;
    meta->value = "1";
    aw_tx_insert(tx, &aw_meta_schema, meta);
    return true;
}

static bool write_nothing(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)err;
    aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), arg, "acme"));
    aw_tx_delete(tx, &thing_schema, arg, 1);
    return true;
}

static void note(void *arg, uint64_t schemas)
{
    *(uint64_t *)arg = schemas;
}

static void callbacks_hear_the_outcome(void **state)
{
    struct bench *bench = *state;
    struct aw_err err;
    uint64_t first = 0, second = 0;
    aw_writer_listen(bench->writer, note, &first);
    aw_writer_listen(bench->writer, note, &second);
    after_true = after_false = 0;
    atomic_store(&fail_kind, AW_ERR_CONFLICT);
    atomic_store(&fail_commits, 2);
    assert_true(aw_writer_run(bench->writer, "tell", insert_and_tell, "a", AW_ONCE, &err));
    assert_int_equal(after_true, 1);
    assert_int_equal(after_false, 2);
    assert_int_equal(first, 0); /* "things" is in no list of the product */
    assert_true(aw_writer_run(bench->writer, "meta", write_meta, "fact", AW_ONCE, &err));
    assert_ptr_equal(aw_model_schemas[0], &aw_meta_schema);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    int asked = atomic_load(&commits_asked);
    assert_true(aw_writer_run(bench->writer, "nothing", write_nothing, "n", AW_ONCE, &err));
    assert_int_equal(atomic_load(&commits_asked), asked);
}

/* --- a full queue, and stopping --- */

static _Atomic bool may_go, is_inside;

static bool wait_inside(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    atomic_store(&is_inside, true);
    while (!atomic_load(&may_go)) {
        aw_clock_sleep_ms(1);
    }
    return true;
}

static void *wait_main(void *arg)
{
    struct aw_err err;
    bool ok =
        aw_writer_run(((struct bench *)arg)->writer, "wait", wait_inside, NULL, AW_ONCE, &err);
    return ok ? NULL : "wrong";
}

enum { PLACES = 3 };

/* One unit runs, the queue behind it is full, and one call too many was refused: *refused. */
static pthread_t fill_queue(struct bench *bench, struct call *calls, char ids[][8], size_t *refused)
{
    pthread_t thread;
    struct aw_err err;
    aw_writer_stop(&bench->writer, 0);
    assert_true(aw_writer_start(bench->kit->store, PLACES, &bench->writer, &err));
    atomic_store(&may_go, false);
    atomic_store(&is_inside, false);
    atomic_store(&calls_ended, 0);
    assert_true(aw_thread_start(&thread, "wait", wait_main, bench, &err));
    while (!atomic_load(&is_inside)) {
        aw_clock_sleep_ms(1);
    }
    for (size_t i = 0; i <= PLACES; i++) {
        snprintf(ids[i], 8, "q%zu", i);
        calls[i] = (struct call){.bench = bench, .id = ids[i], .patience = AW_ONCE};
        start(&calls[i]);
    }
    while (atomic_load(&calls_ended) == 0) {
        aw_clock_sleep_ms(1);
    }
    *refused = (size_t)atomic_load(&call_ended);
    return thread;
}

static void let_go(struct bench *bench, pthread_t thread, struct call *calls, size_t refused)
{
    void *wrong;
    atomic_store(&may_go, true);
    pthread_join(thread, &wrong);
    assert_null(wrong);
    for (size_t i = 0; i <= PLACES; i++) {
        pthread_join(calls[i].thread, NULL);
        assert_int_equal(calls[i].ok, i != refused);
        assert_int_equal(kit_get(bench->kit, calls[i].id) != NULL, i != refused);
    }
    assert_int_equal(calls[refused].err.kind, AW_ERR_BUSY);
    assert_string_equal(calls[refused].err.code, "writer.full");
}

static void a_full_queue_refuses_who_asks_once(void **state)
{
    struct bench *bench = *state;
    struct call calls[PLACES + 1];
    char ids[PLACES + 1][8];
    size_t refused;
    pthread_t thread = fill_queue(bench, calls, ids, &refused);
    let_go(bench, thread, calls, refused);
}

struct stop {
    struct aw_writer *writer;
    pthread_t thread;
};

static void *stop_main(void *arg)
{
    aw_writer_stop(&((struct stop *)arg)->writer, 60000);
    return NULL;
}

static void stopping_runs_what_is_queued(void **state)
{
    struct bench *bench = *state;
    struct call calls[PLACES + 1];
    char ids[PLACES + 1][8];
    size_t refused;
    struct aw_err err;
    pthread_t thread = fill_queue(bench, calls, ids, &refused);
    struct stop stop = {.writer = bench->writer};
    assert_true(aw_thread_start(&stop.thread, "stop", stop_main, &stop, &err));
    do { /* the queue is full, so this never gets in */
        assert_false(aw_writer_run(bench->writer, "late", insert_one, "late", AW_ONCE, &err));
    } while (strcmp(err.code, "writer.stopping") != 0);
    let_go(bench, thread, calls, refused);
    pthread_join(stop.thread, NULL);
    bench->writer = NULL;
}

static void stopping_ends_a_patient_wait(void **state)
{
    struct bench *bench = *state;
    struct call patient = {.bench = bench, .id = "patient", .patience = AW_PATIENT};
    atomic_store(&fail_kind, AW_ERR_UNAVAILABLE);
    atomic_store(&fail_commits, -1);
    start(&patient);
    wait_for_commits(1);
    aw_writer_stop(&bench->writer, 60000);
    pthread_join(patient.thread, NULL);
    assert_false(patient.ok);
    assert_string_equal(patient.err.code, "writer.stopping");
    assert_null(kit_get(bench->kit, "patient"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(units_commit_or_leave_nothing),
        CASE(threads_take_turns),
        CASE(a_patient_unit_outlasts_a_store_that_is_down),
        CASE(the_writer_finds_out_by_itself_that_the_store_is_back),
        CASE(a_conflict_is_run_again_three_times),
        CASE(a_refused_document_is_not_tried_again),
        CASE(a_fenced_writer_refuses_everything),
        CASE(callbacks_hear_the_outcome),
        CASE(a_full_queue_refuses_who_asks_once),
        CASE(stopping_runs_what_is_queued),
        CASE(stopping_ends_a_patient_wait),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_writer", tests, NULL, NULL);
}
