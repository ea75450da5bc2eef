/* Batches in hand: what is read together, what comes again after a crash, whose fault a fatal signal is. */
#include "domain_kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "worker/pipeline/batch.h"
#include "worker/pipeline/poison.h"

enum { QUEUE_SIZE = 2 << 20 };

struct line {
    struct kit *kit;
    struct aw_writer *writer;
    struct aw_queue queue;
    char path[128];
    size_t sent;
};

static void open_queue(struct line *line)
{
    struct aw_err err;
    if (!aw_queue_open(&line->queue, line->path, QUEUE_SIZE,
                       AW_FILE_CREATE | AW_FILE_CONSUMER | AW_FILE_ANY_FS, NULL, &err)) {
        fail_msg("queue: %s %s", err.code, err.msg);
    }
}

static int setup(void **state)
{
    struct aw_err err;
    struct line *line = calloc(1, sizeof(*line));
    *state = line;
    assert_int_equal(kit_setup((void **)&line->kit), 0);
    kit_company(line->kit, "acme", 1);
    snprintf(line->path, sizeof(line->path), "%s/queue", line->kit->folder);
    open_queue(line);
    assert_true(aw_writer_start(line->kit->store, 8, &line->writer, &err));
    return 0;
}

static int teardown(void **state)
{
    struct line *line = *state;
    aw_writer_stop(&line->writer, 1000);
    aw_queue_close(&line->queue);
    unlink(line->path);
    assert_int_equal(kit_teardown((void **)&line->kit), 0);
    free(line);
    return 0;
}

static void send_alert(struct line *line)
{
    static const char body[] = "{\"asset_name\":\"a\",\"signature\":\"s\",\"severity\":\"low\","
                               "\"message\":\"\",\"tool_source\":\"t\"}";
    struct aw_delivery delivery = {.kind = AW_RECORD_ALERT,
                                   .received_ms = (uint64_t)KIT_NOW + line->sent,
                                   .company = "acme",
                                   .company_len = 4,
                                   .body = (const uint8_t *)body,
                                   .body_len = sizeof(body) - 1};
    aw_sha256(&line->sent, sizeof(line->sent), delivery.identity);
    aw_id_make(delivery.alert_id, delivery.received_ms);
    assert_true(aw_queue_lock(&line->queue, 1000000) == AW_QUEUE_OK);
    assert_true(aw_queue_append(&line->queue, &delivery) != 0);
    aw_queue_unlock(&line->queue);
    line->sent++;
}

static struct aw_batch *batch_of(struct line *line)
{
    struct aw_queue *queue = &line->queue;
    struct aw_batch *batch = calloc(1, sizeof(*batch));
    aw_batch_init(batch, &queue, 1);
    return batch;
}

static void batch_end(struct aw_batch **batch)
{
    aw_batch_fini(*batch);
    free(*batch);
    *batch = NULL;
}

static void collect(struct aw_batch *batch, size_t limit, size_t expect)
{
    aw_batch_collect(batch, limit, INT64_MAX);
    assert_int_equal(batch->n, expect);
}

static void commit(struct line *line, struct aw_batch *batch, int64_t alerts)
{
    struct aw_err err;
    if (!aw_batch_commit(batch, line->kit->ingest, line->writer, KIT_NOW, &err)) {
        fail_msg("commit: %s %s", err.code, err.msg);
    }
    assert_int_equal(batch->unit.counts.alerts, alerts);
}

static void records_are_read_in_order_and_put_back(void **state)
{
    struct line *line = *state;
    for (size_t i = 0; i < 10; i++) {
        send_alert(line);
    }
    struct aw_batch *batch = batch_of(line);
    collect(batch, 4, 4);
    collect(batch, 6, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(batch->items[i].received_ms, KIT_NOW + (int64_t)i);
    }
    aw_batch_put_back(batch);
    collect(batch, 3, 3);
    assert_int_equal(batch->items[0].received_ms, KIT_NOW);
    commit(line, batch, 3);
    aw_batch_release(batch);
    collect(batch, 100, 7);
    assert_int_equal(batch->items[0].received_ms, KIT_NOW + 3);
    /* No time left: the batch ends early, but never empty while there is something. */
    aw_batch_put_back(batch);
    for (size_t i = 0; i < 50; i++) {
        send_alert(line);
    }
    aw_batch_collect(batch, 1000, 0);
    assert_int_equal(batch->n, 16);
    batch_end(&batch);
}

/* The process dies between commit and release: the next one gets the same records and changes nothing. */
static void a_crash_before_the_release_changes_nothing(void **state)
{
    struct line *line = *state;
    for (size_t i = 0; i < 10; i++) {
        send_alert(line);
    }
    struct aw_batch *batch = batch_of(line);
    collect(batch, 100, 10);
    commit(line, batch, 10);
    batch_end(&batch);
    aw_ingest_destroy(&line->kit->ingest);
    line->kit->ingest = aw_ingest_create();
    aw_queue_close(&line->queue);
    open_queue(line);
    batch = batch_of(line);
    collect(batch, 100, 10);
    kit_last_writes = 0;
    commit(line, batch, 0);
    assert_int_equal(kit_last_writes, 0);
    aw_batch_release(batch);
    collect(batch, 100, 0);
    batch_end(&batch);
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 10);
}

static void a_tried_record_runs_alone(void **state)
{
    struct line *line = *state;
    for (size_t i = 0; i < 5; i++) {
        send_alert(line);
    }
    struct aw_batch *batch = batch_of(line);
    collect(batch, 100, 5);
    aw_queue_mark_try(batch->records[2]);
    aw_batch_put_back(batch);
    collect(batch, 100, 2);
    collect(batch, 100, 2);
    commit(line, batch, 2);
    aw_batch_release(batch);
    collect(batch, 100, 1);
    assert_true(batch->alone);
    collect(batch, 100, 1);
    commit(line, batch, 1);
    aw_batch_release(batch);
    collect(batch, 100, 2);
    assert_false(batch->alone);
    for (int i = 0; i < 5; i++) {
        aw_queue_mark_try(batch->records[0]);
    }
    aw_batch_put_back(batch);
    collect(batch, 100, 1);
    assert_string_equal(batch->items[0].reason, "it broke the worker");
    batch_end(&batch);
}

/* --- whose fault it is --- */

enum death { FAULT, ABORT, ABORT_NO_MEMORY, KILL, FOREIGN, RELEASED };

static void die(enum death how)
{
    switch (how) {
    case FAULT:
    case RELEASED:
        *(volatile char *)mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
        break;
    case ABORT:
        errno = 0;
        abort();
    case ABORT_NO_MEMORY:
        errno = ENOMEM;
        abort();
    case KILL:
        kill(getpid(), SIGKILL);
        break;
    default:
        kill(getpid(), SIGSEGV);
        break;
    }
    pause();
}

static void only_its_own_fault_is_a_try(void **state)
{
    struct line *line = *state;
    static const struct {
        enum death how;
        int signal;
        uint32_t tries;
    } cases[] = {
        {FAULT, SIGSEGV, 1},
        {ABORT, SIGABRT, 1},
#ifndef __SANITIZE_THREAD__ /* it delivers signals with an errno of its own */
        {ABORT_NO_MEMORY, SIGABRT, 0},
#endif
        {KILL, SIGKILL, 0},
        {FOREIGN, SIGSEGV, 0},
        {RELEASED, SIGSEGV, 0},
    };
    for (size_t i = 0; i < 3; i++) {
        send_alert(line);
    }
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        struct aw_batch *batch = batch_of(line);
        uint64_t cursor = aw_queue_head(&line->queue);
        const struct aw_record_head *records[3];
        uint32_t before[3];
        for (size_t k = 0; k < 3; k++) {
            records[k] = aw_queue_next(&line->queue, &cursor);
            before[k] = records[k]->tries;
        }
        pid_t child = fork();
        if (child == 0) {
            aw_poison_guard();
            aw_poison_hold(AW_WORK_UNIT, records, 2);
            if (cases[i].how == RELEASED) {
                aw_poison_release(AW_WORK_UNIT);
            }
            die(cases[i].how);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), cases[i].signal);
        assert_int_equal(records[0]->tries, before[0] + cases[i].tries);
        assert_int_equal(records[1]->tries, before[1] + cases[i].tries);
        assert_int_equal(records[2]->tries, before[2]);
        batch_end(&batch);
    }
}

static void a_batch_grows_while_it_is_full_and_fast(void **state)
{
    static const struct {
        size_t limit, n;
        int64_t took_us;
        size_t most, next;
    } cases[] = {
        {1000, 1000, 40000, 2000, 1999}, /* twice as many fit the time, but for the microsecond of the rounding */
        {1000, 1000, 10000, 2000, 2000},  /* never more than most */
        {1000, 1000, 64000, 2000, 1249},  /* what fits */
        {1500, 1500, 90000, 2000, 1333},  /* less again */
        {1000, 1000, 900000, 2000, 1000}, /* a slow store does not make it small */
        {2000, 2000, 900000, 2000, 1000},
        {2000, 1700, 10000, 2000, 1000}, /* nothing is backed up */
        {2000, 3, 100000, 2000, 1000},
        {3, 3, 10, 2000, 6}, /* after a batch that was taken apart */
        {600, 600, 10, 2000, 1000},
        {300, 300, 10, 300, 300}, /* a small one was asked for */
        {100, 20, 900000, 300, 200},
    };
    (void)state;
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        assert_int_equal(aw_batch_next_limit(cases[i].limit, cases[i].n, cases[i].took_us,
                                             cases[i].most),
                         cases[i].next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_read_in_order_and_put_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_before_the_release_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_tried_record_runs_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(only_its_own_fault_is_a_try, setup, teardown),
        cmocka_unit_test(a_batch_grows_while_it_is_full_and_fast),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
