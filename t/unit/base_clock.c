#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "worker/base/clock.h"

static const struct {
    const char *text;
    int64_t ms;
} moments[] = {{"1970-01-01T00:00:00.000Z", 0},
               {"1970-01-01T00:00:00.001Z", 1},
               {"1969-12-31T23:59:59.999Z", -1},
               {"2000-02-29T12:00:00.000Z", 951825600000},
               {"2026-11-21T06:50:10.123Z", 1795243810123},
               {"1900-02-28T23:59:59.000Z", -2203891201000},
               {"0000-01-01T00:00:00.000Z", -62167219200000},
               {"9999-12-31T23:59:59.999Z", 253402300799999}};

static void known_moments_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_COUNT(moments); i++) {
        char text[AW_TIME_TEXT + 1];
        int64_t ms;
        aw_time_format(moments[i].ms, text);
        assert_string_equal(text, moments[i].text);
        assert_true(aw_time_parse(text, strlen(text), &ms));
        assert_true(ms == moments[i].ms);
    }
}

static void every_day_agrees_with_libc(void **state)
{
    (void)state;
    for (int64_t day = -200000; day < 2900000; day += 61) {
        time_t seconds = day * 86400 + 3661;
        struct tm tm;
        char expected[64], text[AW_TIME_TEXT + 1];
        int64_t ms;
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT01:01:01.000Z", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday);
        aw_time_format(seconds * 1000, text);
        assert_string_equal(text, expected);
        assert_true(aw_time_parse(text, AW_TIME_TEXT, &ms));
        assert_true(ms == seconds * 1000);
    }
}

static void offsets_and_fractions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"2026-11-21T06:50:10Z", 1795243810000},
                 {"2026-11-21t06:50:10z", 1795243810000},
                 {"2026-11-21T06:50:10.1Z", 1795243810100},
                 {"2026-11-21T06:50:10.1239999999Z", 1795243810123},
                 {"2026-11-21T07:50:10+01:00", 1795243810000},
                 {"2026-11-21T01:20:10.5-05:30", 1795243810500},
                 {"2026-11-21T06:50:10-00:00", 1795243810000},
                 {"2016-12-31T23:59:60Z", 1483228800000},
                 {"1795243810123", 1795243810123},
                 {"0", 0}};
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        int64_t ms;
        if (!aw_time_parse(cases[i].text, strlen(cases[i].text), &ms)) {
            fail_msg("refused: %s", cases[i].text);
        }
        assert_true(ms == cases[i].ms);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "-1",
                                        "12a",
                                        "2026-11-21",
                                        "2026-11-21T06:50:10",
                                        "2026-11-21 06:50:10Z",
                                        "2026-11-21T06:50:10.Z",
                                        "2026-11-21T06:50:10,1Z",
                                        "2026-13-21T06:50:10Z",
                                        "2026-00-21T06:50:10Z",
                                        "2026-11-31T06:50:10Z",
                                        "2026-11-00T06:50:10Z",
                                        "2026-02-29T06:50:10Z",
                                        "1900-02-29T06:50:10Z",
                                        "2026-11-21T24:00:00Z",
                                        "2026-11-21T06:60:10Z",
                                        "2026-11-21T06:50:61Z",
                                        "2026-11-21T06:50:10+24:00",
                                        "2026-11-21T06:50:10+01:60",
                                        "2026-11-21T06:50:10+0100",
                                        "2026-11-21T06:50:10+01:00x",
                                        "2026-11-21T06:50:10Zx",
                                        "+026-11-21T06:50:10Z",
                                        "2026-1-21T06:50:10Z",
                                        "2026\r11-21T06:50:10Z",
                                        "2026-11-21T06\x1a"
                                        "50:10Z",
                                        "9999-12-31T23:59:59-01:00",
                                        "0000-01-01T00:00:00+01:00",
                                        "999999999999999",
                                        "0000000000000000"};
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        int64_t ms;
        if (aw_time_parse(cases[i], strlen(cases[i]), &ms)) {
            fail_msg("accepted: %s", cases[i]);
        }
    }
}

static void text_is_clamped(void **state)
{
    (void)state;
    char text[AW_TIME_TEXT + 1];
    aw_time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    aw_time_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void clocks_run_and_stand_still(void **state)
{
    (void)state;
    int64_t wall = aw_clock_wall_ms(), mono = aw_clock_mono_us();
    assert_true(wall / 1000 - time(NULL) <= 1 && time(NULL) - wall / 1000 <= 1);
    aw_clock_sleep_ms(5);
    assert_true(aw_clock_mono_us() - mono >= 5000);
    assert_true(aw_clock_mono_ms() <= aw_clock_mono_us() / 1000);
    aw_clock_fake(42);
    assert_int_equal(aw_clock_wall_ms(), 42);
    aw_clock_fake(0);
    assert_true(aw_clock_wall_ms() >= wall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments_both_ways), cmocka_unit_test(every_day_agrees_with_libc),
        cmocka_unit_test(offsets_and_fractions),   cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(text_is_clamped),         cmocka_unit_test(clocks_run_and_stand_still),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
