/* The queue file between processes: waking, a lock whose owner is stopped or dead, several producers. */
#include "queue_kit.h"

#include <pthread.h>
#include <sched.h>

#define SIZE AW_QUEUE_SIZE_MIN

/* --- waiting and waking --- */
static void *wake_later(void *arg)
{
    struct aw_queue *queue = arg;
    while (atomic_load(&queue->live->sleeping) == 0) {
        sched_yield();
    }
    struct aw_delivery delivery = kit_alert(1, 10);
    if (aw_queue_lock(queue, 1000000) == AW_QUEUE_OK) {
        aw_queue_append(queue, &delivery);
        aw_queue_unlock(queue);
    }
    return aw_queue_wake(queue) ? queue : NULL;
}

static void waking(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    pthread_t thread;
    void *woke;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    assert_false(aw_queue_wake(&queue)); /* nobody sleeps */
    uint64_t began = kit_now_us();
    aw_queue_wait(&queue, 0, 20);
    assert_true(kit_now_us() - began >= 19000);

    pthread_create(&thread, NULL, wake_later, &queue);
    began = kit_now_us();
    aw_queue_wait(&queue, 0, 1000);
    assert_true(kit_now_us() - began < 900000);
    pthread_join(thread, &woke);
    assert_ptr_equal(woke, &queue);
    assert_false(aw_queue_wake(&queue));
    began = kit_now_us();
    aw_queue_wait(&queue, 0, 1000); /* something is there: no sleep */
    assert_true(kit_now_us() - began < 900000);
    aw_queue_close(&queue);
}

/* --- the lock --- */
static void busy_behind_a_stopped_owner(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    int held[2];
    char byte;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    assert_int_equal(pipe(held), 0);
    pid_t child = fork();
    if (child == 0) {
        if (aw_queue_lock(&queue, 1000) == AW_QUEUE_OK && write(held[1], "", 1) == 1) {
            raise(SIGSTOP);
        }
        _exit(aw_queue_append(&queue, &(struct aw_delivery){.kind = AW_RECORD_ALERT,
                                                            .company = "c",
                                                            .company_len = 1}) == 0);
    }
    assert_int_equal(read(held[0], &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 10; i++) {
        uint64_t began = kit_now_us();
        assert_int_equal(aw_queue_lock(&queue, 2000), AW_QUEUE_BUSY);
        uint64_t took = kit_now_us() - began;
        assert_true(took >= 1900);
        best = took < best ? took : best;
    }
    assert_true(best <
                4000); /* the bound holds whenever this machine is not busy with other things */
    /* A stopped owner is no dead one: it goes on where it was. Its exit without unlocking is a
     * death. */
    kill(child, SIGCONT);
    assert_int_equal(kit_wait(child), 0);
    assert_int_equal(aw_queue_lock(&queue, 2000), AW_QUEUE_REPAIRED);
    assert_int_equal(aw_queue_tail(&queue), AW_CELL);
    aw_queue_unlock(&queue);
    assert_int_equal(aw_queue_lock(&queue, 2000), AW_QUEUE_OK);
    aw_queue_unlock(&queue);
    close(held[0]);
    close(held[1]);
    aw_queue_close(&queue);
}

/* A complete record behind the tail is adopted; one without its commit word is overwritten. */
static void record_behind_the_tail(void **unused)
{
    (void)unused;
    for (int committed = 0; committed <= 1; committed++) {
        struct aw_queue queue;
        kit_open(&queue, SIZE, AW_FILE_CREATE);
        uint64_t tail = aw_queue_tail(&queue);
        pid_t child = fork();
        if (child == 0) {
            struct aw_delivery delivery = kit_alert(9, 700);
            uint8_t *at = queue.data + tail;
            if (aw_queue_lock(&queue, 1000) != AW_QUEUE_OK) {
                _exit(1);
            }
            aw_record_write(at, &delivery, aw_queue_seq_at(&queue, tail), tail, queue.seed);
            if (!committed) {
                atomic_store(&((struct aw_record_head *)at)->commit, 0);
            }
            raise(SIGKILL);
        }
        assert_true(kit_was_killed(kit_wait(child)));
        assert_int_equal(aw_queue_tail(&queue), tail);
        assert_int_equal(aw_queue_lock(&queue, 1000), AW_QUEUE_REPAIRED);
        assert_int_equal(aw_queue_tail(&queue), tail + (committed ? aw_record_length(0, 700) : 0));
        if (committed) {
            kit_check(aw_queue_at(&queue, tail), 9);
        }
        aw_queue_unlock(&queue);
        aw_queue_close(&queue);
    }
}

/* --- several producers --- */
#define PRODUCERS 4
#define EACH      3000

static void produce(struct aw_queue *queue, uint64_t first)
{
    for (uint64_t n = first; n < first + EACH;) {
        struct aw_delivery delivery = kit_alert(n, n % 900);
        if (aw_queue_lock(queue, 1000000) != AW_QUEUE_OK) {
            _exit(1);
        }
        uint64_t seq = aw_queue_append(queue, &delivery);
        aw_queue_unlock(queue);
        aw_queue_wake(queue);
        if (seq != 0) {
            n++;
        } else {
            sched_yield();
        }
    }
    _exit(0);
}

static void many_producers(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    pid_t children[PRODUCERS];
    uint64_t next[PRODUCERS] = {0}, cursor = 0, total = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    for (uint64_t i = 0; i < PRODUCERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            produce(&queue, i * EACH);
        }
    }
    while (total < PRODUCERS * EACH) {
        const struct aw_record_head *record = aw_queue_next(&queue, &cursor);
        if (record == NULL) {
            aw_queue_wait(&queue, cursor, 1000);
            continue;
        }
        uint64_t n = kit_number(record);
        uint64_t from = n / EACH;
        assert_true(from < PRODUCERS);
        assert_int_equal(n, from * EACH + next[from]++); /* none lost, none twice, each in order */
        kit_check(record, n);
        total++;
        aw_queue_release(&queue, cursor);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(kit_wait(children[i]), 0);
    }
    assert_null(aw_queue_next(&queue, &cursor));
    assert_int_equal(queue.damaged, 0);
    assert_true(aw_queue_tail(&queue) > 2 * queue.data_size);
    aw_queue_close(&queue);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(waking),
        WITH_DIR(busy_behind_a_stopped_owner),
        WITH_DIR(record_behind_the_tail),
        WITH_DIR(many_producers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_queue_shared", tests, NULL, NULL);
}
