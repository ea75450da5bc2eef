#include "aw_id.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1790000000123ull

static uint64_t ms_of(const uint8_t id[AW_ID_LEN])
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | id[i];
    }
    return ms;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, AW_ID_LEN);
}

static void assert_all_differ(uint8_t (*ids)[AW_ID_LEN], size_t n)
{
    qsort(ids, n, AW_ID_LEN, compare);
    for (size_t i = 1; i < n; i++) {
        assert_memory_not_equal(ids[i - 1], ids[i], AW_ID_LEN);
    }
}

static void form(void **state)
{
    (void)state;
    unsigned ones[AW_ID_LEN * 8] = {0};
    for (uint64_t i = 0; i < 2000; i++) {
        uint8_t id[AW_ID_LEN];
        aw_id_make(id, NOW + i);
        assert_int_equal(ms_of(id), NOW + i);
        assert_int_equal(id[6] >> 4, 7);
        assert_int_equal(id[8] >> 6, 2);
        for (int bit = 0; bit < AW_ID_LEN * 8; bit++) {
            ones[bit] += id[bit / 8] >> (7 - bit % 8) & 1;
        }
    }
    /* Every random bit is random: 2,000 throws stay within 9 standard deviations. (Bit 52 is
     * headroom.) */
    for (int bit = 53; bit < AW_ID_LEN * 8; bit++) {
        if (bit != 64 && bit != 65) {
            assert_in_range(ones[bit], 800, 1200);
        }
    }
}

static void rises(void **state)
{
    (void)state;
    uint8_t last[AW_ID_LEN], id[AW_ID_LEN];
    aw_id_make(last, NOW + 5000);
    for (int i = 0; i < 100000; i++) {
        /* The clock stands still, steps back, goes on. */
        aw_id_make(id, NOW + 5000 + (uint64_t)(i / 1000) - (i % 7 == 0 ? 900 : 0));
        assert_true(memcmp(last, id, AW_ID_LEN) < 0);
        memcpy(last, id, AW_ID_LEN);
    }
}

/* A process forked in mid-pool must not make its parent's ids. */
static void fork_draws_afresh(void **state)
{
    (void)state;
    static uint8_t ids[3][1000][AW_ID_LEN];
    uint8_t warm[AW_ID_LEN];
    aw_id_make(warm, NOW + 20000);
    for (int child = 0; child < 2; child++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (int i = 0; i < 1000; i++) {
                aw_id_make(ids[child][i], NOW + 20000);
            }
            size_t at = 0;
            while (at < sizeof(ids[child])) {
                ssize_t put = write(ends[1], (uint8_t *)ids[child] + at, sizeof(ids[child]) - at);
                if (put <= 0) {
                    _exit(1);
                }
                at += (size_t)put;
            }
            _exit(0);
        }
        close(ends[1]);
        size_t at = 0;
        ssize_t got;
        while ((got = read(ends[0], (uint8_t *)ids[child] + at, sizeof(ids[child]) - at)) > 0) {
            at += (size_t)got;
        }
        assert_int_equal(at, sizeof(ids[child]));
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < 1000; i++) {
        aw_id_make(ids[2][i], NOW + 20000);
    }
    assert_all_differ(ids[0], 3000);
}

#define THREADS    4
#define PER_THREAD 20000
static uint8_t made[THREADS][PER_THREAD][AW_ID_LEN];

static void *make_many(void *out)
{
    uint8_t(*ids)[AW_ID_LEN] = out;
    for (int i = 0; i < PER_THREAD; i++) {
        aw_id_make(ids[i], NOW);
    }
    return NULL;
}

static void threads_differ(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, made[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_all_differ(made[0], THREADS * PER_THREAD);
}

static void text(void **state)
{
    (void)state;
    static const char sample[] = "019a0b1c-2d3e-7f40-8152-63748596a7b8";
    uint8_t id[AW_ID_LEN];
    char out[AW_ID_TEXT + 1];
    assert_true(aw_id_parse(sample, AW_ID_TEXT, id));
    assert_int_equal(id[0], 0x01);
    assert_int_equal(id[15], 0xb8);
    aw_id_format(id, out);
    assert_string_equal(out, sample);
    assert_true(aw_id_parse("019A0B1C-2D3E-7F40-8152-63748596A7B8", AW_ID_TEXT, id));
    aw_id_format(id, out);
    assert_string_equal(out, sample);

    assert_false(aw_id_parse(sample, AW_ID_TEXT - 1, id));
    assert_false(aw_id_parse("", 0, id));
    for (size_t i = 0; i < AW_ID_TEXT; i++) {
        char bad[AW_ID_TEXT + 1];
        memcpy(bad, sample, sizeof(bad));
        bad[i] = bad[i] == '-' ? '0' : '-';
        assert_false(aw_id_parse(bad, AW_ID_TEXT, id));
        bad[i] = 'g';
        assert_false(aw_id_parse(bad, AW_ID_TEXT, id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form),
        cmocka_unit_test(rises),
        cmocka_unit_test(fork_draws_afresh),
        cmocka_unit_test(threads_differ),
        cmocka_unit_test(text),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
