/* Group commit: who syncs, who only waits, and what a failed sync forbids until it is mended. */
#include "queue_kit.h"

#include <pthread.h>

#define SIZE    AW_QUEUE_SIZE_MIN
#define WAIT_US 1000000u

static uint64_t syncs(struct aw_queue *queue)
{
    struct aw_queue_sync_stats stats;
    aw_queue_sync_stats(queue, &stats);
    return stats.syncs;
}

static void covered_by_one_sync(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    uint64_t first = kit_append(&queue, 1, 10);
    uint64_t middle = aw_queue_tail(&queue);
    uint64_t second = kit_append(&queue, 2, 10);
    assert_false(aw_queue_is_committed(&queue, first));
    assert_int_equal(aw_queue_sync(&queue, middle, WAIT_US), AW_QUEUE_OK);
    assert_true(aw_queue_is_committed(&queue, first));
    assert_true(aw_queue_is_committed(&queue, second)); /* published before the sync began */
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    assert_int_equal(syncs(&queue), 1);
    uint64_t third = kit_append(&queue, 3, 10);
    assert_false(aw_queue_is_committed(&queue, third));
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    assert_int_equal(syncs(&queue), 2);
    struct aw_queue_sync_stats stats;
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.failures, 0);
    assert_true(stats.max_us <= stats.total_us);
    /* A position that was never written is not durable. */
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue) + AW_CELL, WAIT_US),
                     AW_QUEUE_BROKEN);
    aw_queue_close(&queue);
}

static void released_needs_no_sync(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    kit_append(&queue, 1, 10);
    aw_queue_release(&queue, aw_queue_tail(&queue));
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    assert_int_equal(syncs(&queue), 0);
    aw_queue_close(&queue);
}

static void waiting_has_an_end(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    kit_append(&queue, 1, 10);
    int held[2], leave[2];
    char byte;
    assert_int_equal(pipe(held), 0);
    assert_int_equal(pipe(leave), 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(&queue.live->syncing);
        ssize_t done = write(held[1], "", 1) + read(leave[0], &byte, 1);
        pthread_mutex_unlock(&queue.live->syncing);
        _exit(done == 2 ? 0 : 1);
    }
    assert_int_equal(read(held[0], &byte, 1), 1);
    uint64_t began = kit_now_us();
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), 20000), AW_QUEUE_BUSY);
    assert_true(kit_now_us() - began >= 19000);
    assert_false(aw_queue_sync_broken(&queue)); /* slow is not broken */
    assert_int_equal(write(leave[1], "", 1), 1);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    assert_int_equal(kit_wait(child), 0);
    aw_queue_close(&queue);
}

/* The dead one may have been told of a failure that the kernel reports once: nothing after it counts. */
static void syncer_died(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t seq = kit_append(&queue, 1, 10);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(&queue.live->syncing);
        raise(SIGKILL);
    }
    assert_true(kit_was_killed(kit_wait(child)));
    uint64_t tail = aw_queue_tail(&queue);
    assert_int_equal(aw_queue_sync(&queue, tail, WAIT_US), AW_QUEUE_BROKEN);
    assert_true(aw_queue_sync_broken(&queue));
    assert_int_equal(aw_queue_sync(&queue, tail, WAIT_US), AW_QUEUE_BROKEN);
    assert_false(aw_queue_is_committed(&queue, seq));
    uint64_t later = kit_append(&queue, 2, 10);
    /* The worker takes what may be lost; then a new sync mends. */
    aw_queue_release(&queue, tail);
    assert_true(aw_queue_is_committed(&queue, seq));
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    assert_false(aw_queue_sync_broken(&queue));
    assert_true(aw_queue_is_committed(&queue, later));
    aw_queue_close(&queue);
}

/* Two hundred rounds of several threads: everyone hears OK, and many share a sync. */
#define THREADS 4
#define ROUNDS  50
static void *append_and_sync(void *arg)
{
    struct aw_queue *queue = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct aw_delivery delivery = {.kind = AW_RECORD_ALERT, .company = "c", .company_len = 1};
        if (aw_queue_lock(queue, WAIT_US) != AW_QUEUE_OK) {
            return "lock";
        }
        uint64_t seq = aw_queue_append(queue, &delivery);
        uint64_t tail = aw_queue_tail(queue);
        aw_queue_unlock(queue);
        if (aw_queue_sync(queue, tail, WAIT_US) != AW_QUEUE_OK) {
            return "sync";
        }
        if (!aw_queue_is_committed(queue, seq)) {
            return "committed";
        }
    }
    return NULL;
}

static void followers(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    pthread_t threads[THREADS];
    void *what;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, append_and_sync, &queue);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &what);
        assert_null(what);
    }
    assert_int_equal(aw_queue_tail(&queue), THREADS * ROUNDS * AW_CELL);
    assert_true(syncs(&queue) <= THREADS * ROUNDS);
    aw_queue_close(&queue);
}

#ifdef AW_CRASH_POINTS

static bool is_failing;
static struct aw_queue *grows;

static bool fail_sync(int fd)
{
    (void)fd;
    if (grows != NULL) { /* somebody appends while the disk fails */
        kit_append(grows, 100, 10);
        grows = NULL;
    }
    return !is_failing;
}

static void failed_sync(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t good = kit_append(&queue, 1, 10);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    uint64_t good_end = aw_queue_tail(&queue);
    uint64_t bad = kit_append(&queue, 2, 10);
    uint64_t bad_end = aw_queue_tail(&queue);

    aw_crash_sync = fail_sync;
    is_failing = true;
    grows = &queue;
    assert_int_equal(aw_queue_sync(&queue, bad_end, WAIT_US), AW_QUEUE_BROKEN);
    uint64_t failed_end = aw_queue_tail(&queue);
    assert_true(failed_end > bad_end);
    assert_true(aw_queue_is_committed(&queue, good));
    assert_false(aw_queue_is_committed(&queue, bad));
    assert_int_equal(aw_queue_sync(&queue, good_end, WAIT_US),
                     AW_QUEUE_OK); /* was durable before */

    /* The disk works again: a sync would now report success falsely for what was lost. */
    is_failing = false;
    assert_int_equal(aw_queue_sync(&queue, bad_end, WAIT_US), AW_QUEUE_BROKEN);
    aw_queue_release(&queue, bad_end);
    kit_append(&queue, 3, 10);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_BROKEN);
    aw_queue_release(&queue, failed_end); /* what was appended during the failure counts too */
    is_failing = true;
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_BROKEN);
    failed_end = aw_queue_tail(&queue);
    is_failing = false;
    assert_int_equal(aw_queue_sync(&queue, failed_end, WAIT_US), AW_QUEUE_BROKEN);
    aw_queue_release(&queue, failed_end);
    kit_append(&queue, 4, 10);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    assert_false(aw_queue_sync_broken(&queue));
    struct aw_queue_sync_stats stats;
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.failures, 2);
    aw_crash_sync = NULL;
    aw_queue_close(&queue);
}

/* What is published while fdatasync runs may miss it: only the tail from before counts. */
static void appended_during_a_sync(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    kit_append(&queue, 1, 10);
    uint64_t tail = aw_queue_tail(&queue);
    aw_crash_sync = fail_sync;
    is_failing = false;
    grows = &queue;
    assert_int_equal(aw_queue_sync(&queue, tail, WAIT_US), AW_QUEUE_OK);
    assert_true(aw_queue_tail(&queue) > tail);
    assert_int_equal(atomic_load(&queue.live->synced), tail);
    aw_crash_sync = NULL;
    aw_queue_close(&queue);
}

/* The tail cannot be read while the producers' lock is held by a stopped process: broken until it can. */
static void failed_tail_is_found_later(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    int held[2], leave[2];
    char byte;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    kit_append(&queue, 1, 10);
    assert_int_equal(pipe(held), 0);
    assert_int_equal(pipe(leave), 0);
    pid_t child = fork();
    if (child == 0) {
        struct aw_delivery delivery = kit_alert(2, 10);
        if (aw_queue_lock(&queue, WAIT_US) != AW_QUEUE_OK || write(held[1], "", 1) != 1 ||
            read(leave[0], &byte, 1) != 1 || aw_queue_append(&queue, &delivery) == 0) {
            _exit(1);
        }
        aw_queue_unlock(&queue);
        _exit(0);
    }
    assert_int_equal(read(held[0], &byte, 1), 1);
    aw_crash_sync = fail_sync;
    is_failing = true;
    uint64_t before = aw_queue_tail(&queue);
    assert_int_equal(aw_queue_sync(&queue, before, WAIT_US), AW_QUEUE_BROKEN);
    is_failing = false;
    assert_int_equal(write(leave[1], "", 1), 1);
    assert_int_equal(kit_wait(child), 0);
    aw_queue_release(&queue, before);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_BROKEN);
    aw_queue_release(&queue, aw_queue_tail(&queue));
    kit_append(&queue, 3, 10);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    aw_crash_sync = NULL;
    aw_queue_close(&queue);
}

/* Killed at each point of a sync, also of a failing one: nothing counts as durable that is not. */
static void killed_at_every_point(void **unused)
{
    (void)unused;
    size_t count, killed = 0;
    const char *const *names = aw_crash_names(&count);
    for (size_t i = 0; i < 2 * count; i++) {
        const char *name = names[i / 2];
        struct aw_queue queue;
        unlink(kit_queue);
        kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
        uint64_t seq = kit_append(&queue, 1, 10);
        uint64_t tail = aw_queue_tail(&queue);
        pid_t child = fork();
        if (child == 0) {
            aw_crash_sync = fail_sync;
            is_failing = i % 2;
            aw_crash_arm(name);
            _exit(aw_queue_sync(&queue, tail, WAIT_US) == AW_QUEUE_OK ? 0 : 1);
        }
        int status = kit_wait(child);
        if (kit_was_killed(status)) {
            killed++;
            assert_false(aw_queue_is_committed(&queue, seq) && i % 2);
            kit_append(&queue, 2, 10);
            tail = aw_queue_tail(&queue);
            assert_int_equal(aw_queue_sync(&queue, tail, WAIT_US), AW_QUEUE_BROKEN);
            aw_queue_release(&queue, tail);
            uint64_t next = kit_append(&queue, 3, 10);
            assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
            assert_true(aw_queue_is_committed(&queue, next));
        } else {
            assert_int_equal(WEXITSTATUS(status), i % 2);
        }
        aw_queue_close(&queue);
    }
    assert_true(killed >= 12);
}

#endif

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(covered_by_one_sync),
        WITH_DIR(released_needs_no_sync),
        WITH_DIR(waiting_has_an_end),
        WITH_DIR(syncer_died),
        WITH_DIR(followers),
#ifdef AW_CRASH_POINTS
        WITH_DIR(appended_during_a_sync),
        WITH_DIR(failed_sync),
        WITH_DIR(failed_tail_is_found_later),
        WITH_DIR(killed_at_every_point),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_sync", tests, NULL, NULL);
}
