#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/bounded.h"
#include "worker/base/clock.h"

static int items[8];

static void first_in_is_first_out(void **state)
{
    (void)state;
    struct aw_bounded *queue = aw_bounded_create(3);
    for (size_t round = 0; round < 5; round++) {
        assert_true(aw_bounded_try_push(queue, &items[0]));
        assert_true(aw_bounded_try_push(queue, &items[1]));
        assert_ptr_equal(aw_bounded_pop(queue, 0), &items[0]);
        assert_true(aw_bounded_try_push(queue, &items[2]));
        assert_true(aw_bounded_try_push(queue, &items[3]));
        assert_false(aw_bounded_try_push(queue, &items[4]));
        assert_int_equal(aw_bounded_count(queue), 3);
        assert_ptr_equal(aw_bounded_pop(queue, 0), &items[1]);
        assert_ptr_equal(aw_bounded_pop(queue, 0), &items[2]);
        assert_ptr_equal(aw_bounded_pop(queue, 0), &items[3]);
        assert_null(aw_bounded_pop(queue, 0));
    }
    aw_bounded_destroy(&queue);
    assert_null(queue);
    aw_bounded_destroy(&queue);
}

static void timeouts_are_kept(void **state)
{
    (void)state;
    struct aw_bounded *queue = aw_bounded_create(1);
    int64_t start = aw_clock_mono_us();
    assert_null(aw_bounded_pop(queue, 30));
    assert_true(aw_clock_mono_us() - start >= 30000);
    assert_true(aw_bounded_push(queue, &items[0], 30));
    start = aw_clock_mono_us();
    assert_false(aw_bounded_push(queue, &items[1], 1030));
    assert_true(aw_clock_mono_us() - start >= 1030000);
    aw_bounded_destroy(&queue);
}

static void closed_queue_gives_what_it_has(void **state)
{
    (void)state;
    struct aw_bounded *queue = aw_bounded_create(4);
    aw_bounded_try_push(queue, &items[0]);
    assert_false(aw_bounded_is_closed(queue));
    aw_bounded_close(queue);
    assert_true(aw_bounded_is_closed(queue));
    assert_false(aw_bounded_push(queue, &items[1], -1));
    assert_ptr_equal(aw_bounded_pop(queue, -1), &items[0]);
    assert_null(aw_bounded_pop(queue, -1));
    aw_bounded_destroy(&queue);
}

struct work {
    struct aw_bounded *queue;
    _Atomic int64_t sum, count;
};
enum { THREADS = 3, EACH = 5000 };
static int numbers[EACH + 1];

static void *produce(void *arg)
{
    struct work *work = arg;
    for (int i = 1; i <= EACH; i++) {
        assert_true(aw_bounded_push(work->queue, &numbers[i], -1));
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct work *work = arg;
    for (void *item; (item = aw_bounded_pop(work->queue, -1)) != NULL;) {
        work->sum += (int *)item - numbers;
        work->count++;
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    struct work work = {.queue = aw_bounded_create(7)};
    pthread_t producers[THREADS], consumers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&consumers[i], NULL, consume, &work);
        pthread_create(&producers[i], NULL, produce, &work);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(producers[i], NULL);
    }
    aw_bounded_close(work.queue);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(consumers[i], NULL);
    }
    assert_int_equal(work.count, THREADS * EACH);
    assert_int_equal(work.sum, (int64_t)THREADS * EACH * (EACH + 1) / 2);
    aw_bounded_destroy(&work.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(timeouts_are_kept),
        cmocka_unit_test(closed_queue_gives_what_it_has),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
