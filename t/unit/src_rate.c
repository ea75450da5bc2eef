#include "aw_rate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND 1000000ull
#define START  (1000 * SECOND)

static void of_150_fast_requests_100_pass(void **state)
{
    (void)state;
    struct aw_rate_word word = {0};
    for (int i = 0; i < 150; i++) {
        unsigned wait = aw_rate_take(&word, 7, 60, 100, START + (uint64_t)i * 1000);
        if (i < 100) {
            assert_int_equal(wait, 0);
        } else {
            assert_true(wait >= 1);
        }
    }
}

/* After the burst, one request passes per 60 s / per_minute, and the announced wait is enough and
 * not too much. */
static void steady_rate(void **state)
{
    (void)state;
    struct aw_rate_word word = {0};
    uint64_t now = START;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(aw_rate_take(&word, 1, 6, 5, now), 0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(aw_rate_take(&word, 1, 6, 5, now), 10);
        assert_int_equal(aw_rate_take(&word, 1, 6, 5, now + 10 * SECOND - 1), 1);
        now += 10 * SECOND;
        assert_int_equal(aw_rate_take(&word, 1, 6, 5, now), 0);
    }
    now += 3600 * SECOND;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(aw_rate_take(&word, 1, 6, 5, now), 0);
    }
    assert_true(aw_rate_take(&word, 1, 6, 5, now) > 0);
}

static void another_company_resets(void **state)
{
    (void)state;
    struct aw_rate_word word = {0};
    assert_int_equal(aw_rate_take(&word, 1, 1, 1, START), 0);
    assert_int_equal(aw_rate_take(&word, 1, 1, 1, START), 60);
    assert_int_equal(aw_rate_take(&word, 2, 1, 1, START), 0);
    assert_int_equal(aw_rate_take(&word, 2, 1, 1, START), 60);
}

/* A word from a larger burst, or a wrong one, holds up for one burst at most. */
static void far_tat_is_clamped(void **state)
{
    (void)state;
    struct aw_rate_word word = {0};
    atomic_store(&word.company, 1);
    atomic_store(&word.tat_us, UINT64_MAX);
    assert_int_equal(aw_rate_take(&word, 1, 60, 10, START), 1);
    assert_int_equal(aw_rate_take(&word, 1, 60, 10, START + SECOND), 0);
    assert_int_equal(aw_rate_take(&word, 1, 60, 10, START + SECOND), 1);
}

static void extremes(void **state)
{
    (void)state;
    struct aw_rate_word word = {0};
    assert_int_equal(aw_rate_take(&word, 1, UINT32_MAX, UINT32_MAX, START), 0);
    assert_int_equal(aw_rate_take(&word, 1, 1, UINT32_MAX, START), 0);
    assert_int_equal(aw_rate_take(&word, 1, 1, 1, START), 60);
}

#define THREADS 4
#define TAKES   5000
static struct aw_rate_word shared;
static _Atomic unsigned passed;

static void *take_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < TAKES; i++) {
        if (aw_rate_take(&shared, 9, 60, 1000, START) == 0) {
            atomic_fetch_add(&passed, 1);
        }
    }
    return NULL;
}

static void threads_share_one_burst(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    atomic_store(&shared.company, 9);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&passed), 1000);
}

static void clock_runs(void **state)
{
    (void)state;
    uint64_t before = aw_rate_now();
    uint64_t after = before;
    while (after == before) {
        after = aw_rate_now();
    }
    assert_true(after > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_150_fast_requests_100_pass),
        cmocka_unit_test(steady_rate),
        cmocka_unit_test(another_company_resets),
        cmocka_unit_test(far_tat_is_clamped),
        cmocka_unit_test(extremes),
        cmocka_unit_test(threads_share_one_burst),
        cmocka_unit_test(clock_runs),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
