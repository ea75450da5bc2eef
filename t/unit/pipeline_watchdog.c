/* A worker that hangs: over a record, which is to blame, or over the store, which never is. The worker is a child
 * process on a real queue file; its supervisor is the test. */
#include "domain_kit.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "src/aw_crash.h"
#include "worker/base/clock.h"
#include "worker/domain/dead_letters.h"
#include "worker/pipeline/drain.h"
#include "worker/pipeline/watchdog.h"

enum { QUEUE_SIZE = 2 << 20, LIMIT_MS = 400, WAIT_MS = 60000 };

enum hang { NOWHERE, IN_READ, IN_COMMIT };

/* Seen by both processes. */
struct shared {
    _Atomic enum hang hang; /* of the store */
    _Atomic bool hung;      /* somebody has called it since */
};
static struct shared *shared;

struct line {
    struct kit *kit;
    struct aw_queue queue;
    char path[128];
    size_t sent;
};

static void hang_in(enum hang place)
{
    while (atomic_load(&shared->hang) == place) {
        atomic_store(&shared->hung, true);
        aw_clock_sleep_ms(5);
    }
}

static bool slow_commit(void *self, const struct aw_write *writes, size_t n, struct aw_err *err)
{
    hang_in(IN_COMMIT);
    return aw_driver_sqlite.commit(self, writes, n, err);
}

static bool slow_get_many(void *reader, const struct aw_schema *schema, const char *const *ids,
                          size_t n, struct aw_arena *arena, void **rows, struct aw_err *err)
{
    hang_in(IN_READ);
    return aw_driver_sqlite.get_many(reader, schema, ids, n, arena, rows, err);
}

static void open_queue(struct line *line, unsigned how)
{
    struct aw_err err;
    if (!aw_queue_open(&line->queue, line->path, how & AW_FILE_CREATE ? QUEUE_SIZE : 0,
                       how | AW_FILE_ANY_FS, NULL, &err)) {
        fail_msg("queue: %s %s", err.code, err.msg);
    }
}

/* Nothing is open while a child runs but the queue, as nginx has it. */
static int setup(void **state)
{
    struct line *line = calloc(1, sizeof(*line));
    *state = line;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_int_equal(kit_setup((void **)&line->kit), 0);
    line->kit->driver.commit = slow_commit;
    line->kit->driver.get_many = slow_get_many;
    kit_company(line->kit, "acme", 1);
    snprintf(line->path, sizeof(line->path), "%s/queue", line->kit->folder);
    kit_close(line->kit);
    open_queue(line, AW_FILE_CREATE);
    return 0;
}

static int teardown(void **state)
{
    struct line *line = *state;
    aw_queue_close(&line->queue);
    unlink(line->path);
    kit_open(line->kit);
    assert_int_equal(kit_teardown((void **)&line->kit), 0);
    munmap(shared, sizeof(*shared));
    free(line);
    return 0;
}

static void send_alert(struct line *line)
{
    static const char body[] = "{\"asset_name\":\"a\",\"signature\":\"s\",\"severity\":\"low\","
                               "\"message\":\"m\",\"tool_source\":\"t\"}";
    struct aw_delivery delivery = {.kind = AW_RECORD_ALERT,
                                   .received_ms = (uint64_t)KIT_NOW + line->sent,
                                   .company = "acme",
                                   .company_len = 4,
                                   .body = (const uint8_t *)body,
                                   .body_len = sizeof(body) - 1};
    char identity[32];
    snprintf(identity, sizeof(identity), "%zu", line->sent++);
    aw_sha256(identity, strlen(identity), delivery.identity);
    aw_id_make(delivery.alert_id, delivery.received_ms);
    assert_true(aw_queue_lock(&line->queue, 1000000) == AW_QUEUE_OK);
    assert_true(aw_queue_append(&line->queue, &delivery) != 0);
    aw_queue_unlock(&line->queue);
}

/* Sum of the tries of what waits in the queue. */
static uint32_t tries(struct line *line)
{
    uint64_t cursor = aw_queue_head(&line->queue);
    const struct aw_record_head *record;
    uint32_t sum = 0;
    while ((record = aw_queue_next(&line->queue, &cursor)) != NULL) {
        sum += record->tries;
    }
    return sum;
}

/* The worker: drains everything, then ends with 0. */
static void work(struct line *line, const char *crash)
{
    struct aw_writer *writer;
    struct aw_watchdog *watchdog;
    struct aw_drain *drain;
    struct aw_err err;
#ifdef AW_CRASH_POINTS
    aw_crash_arm(crash);
#else
    (void)crash;
#endif
    kit_open(line->kit);
    open_queue(line, AW_FILE_CONSUMER);
    struct aw_drain_queue queue = {.name = line->path, .queue = &line->queue};
    if (!aw_writer_start(line->kit->store, 8, &writer, &err) ||
        !aw_watchdog_start(writer, LIMIT_MS, &watchdog, &err)) {
        _exit(9);
    }
    struct aw_drain_conf conf = {.writer = writer, .queues = &queue, .queue_count = 1};
    if (!aw_drain_start(&conf, &drain, &err)) {
        _exit(9);
    }
    bool drained = aw_drain_stop(&drain, WAIT_MS);
    aw_watchdog_stop(&watchdog);
    aw_writer_stop(&writer, 1000);
    aw_queue_close(&line->queue);
    kit_close(line->kit);
    _exit(drained ? 0 : 8);
}

static pid_t start(struct line *line, const char *crash)
{
    pid_t child = fork();
    if (child == 0) {
        work(line, crash);
    }
    assert_true(child > 0);
    return child;
}

/* Exit code of the worker. */
static int ended(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static size_t count(struct line *line, const struct aw_schema *schema)
{
    kit_open(line->kit);
    size_t n = kit_count(line->kit, schema);
    kit_close(line->kit);
    return n;
}

static void a_store_that_hangs_condemns_nothing(void **state)
{
    static const enum hang places[] = {IN_READ, IN_COMMIT};
    struct line *line = *state;
    for (size_t i = 0; i < AW_COUNT(places); i++) {
        atomic_store(&shared->hang, places[i]);
        atomic_store(&shared->hung, false);
        send_alert(line);
        send_alert(line);
        pid_t child = start(line, NULL);
        while (!atomic_load(&shared->hung)) {
            assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
            aw_clock_sleep_ms(1);
        }
        aw_clock_sleep_ms(3 * LIMIT_MS);
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
        assert_int_equal(tries(line), 0);
        atomic_store(&shared->hang, NOWHERE);
        assert_int_equal(ended(child), 0);
        assert_int_equal(count(line, &aw_alert_schema), 2 * (i + 1));
    }
}

#ifdef AW_CRASH_POINTS
/* One of ten hangs in the unit: all get a try, run alone afterwards, and pass. */
static void the_others_of_its_batch_pass(void **state)
{
    enum { N = 10 };
    struct line *line = *state;
    for (size_t i = 0; i < N; i++) {
        send_alert(line);
    }
    assert_int_equal(ended(start(line, "ingest.take_in:4:hang")), 1);
    assert_int_equal(tries(line), N);
    assert_int_equal(ended(start(line, NULL)), 0);
    assert_int_equal(count(line, &aw_alert_schema), N);
    assert_int_equal(count(line, &aw_dead_letter_schema), 0);
}

/* Whoever hangs each time is put away, wherever it hangs; who comes behind it passes. */
static void a_record_that_hangs_each_time_is_put_away(void **state)
{
    static const char *const points[] = {"ingest.decode:1:hang", "ingest.take_in:1:hang"};
    struct line *line = *state;
    for (size_t i = 0; i < AW_COUNT(points); i++) {
        send_alert(line);
        for (uint32_t n = 1; n <= AW_DEAD_LETTER_TRIES; n++) {
            assert_int_equal(ended(start(line, points[i])), 1);
            assert_int_equal(tries(line), n);
        }
        send_alert(line);
        assert_int_equal(ended(start(line, NULL)), 0);
        assert_int_equal(count(line, &aw_alert_schema), i + 1);
        assert_int_equal(count(line, &aw_dead_letter_schema), i + 1);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_that_hangs_condemns_nothing, setup, teardown),
#ifdef AW_CRASH_POINTS
        cmocka_unit_test_setup_teardown(the_others_of_its_batch_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_hangs_each_time_is_put_away, setup, teardown),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
