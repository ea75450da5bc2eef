#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/base/arena.h"
#include "worker/base/clock.h"
#include "worker/base/json.h"
#include "worker/base/log.h"
#include "worker/base/log_throttle.h"

static char path[] = "/tmp/aw-log-XXXXXX";
static char text[1 << 20];
static struct aw_err err;

static int setup(void **state)
{
    (void)state;
    close(mkstemp(path));
    aw_clock_fake(1795243810123);
    return aw_log_open(path, &err) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

/* What was written since the last call. */
static const char *written(void)
{
    int fd = open(path, O_RDWR);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    return text;
}

static void line_is_one_object(void **state)
{
    (void)state;
    const char *null = NULL;
    aw_log(AW_LOG_WARN, "store.slow", AW_S("op", "find"), AW_I("ms", -12), AW_S("none", null));
    assert_string_equal(
        written(),
        "{\"time\":\"2026-11-21T06:50:10.123Z\",\"level\":\"warn\",\"event\":\"store.slow\","
        "\"op\":\"find\",\"ms\":-12,\"none\":\"\"}\n");
    aw_fail(&err, AW_ERR_BUSY, "x.busy", "too \"much\"");
    aw_log(AW_LOG_ERROR, "x.failed", AW_E(&err));
    assert_non_null(
        strstr(written(), "\"code\":\"x.busy\",\"error\":\"too \\u0022much\\u0022\"}\n"));
}

static void lower_levels_are_silent(void **state)
{
    (void)state;
    aw_log(AW_LOG_DEBUG, "a.debug");
    assert_string_equal(written(), "");
    aw_log_level = AW_LOG_DEBUG;
    aw_log(AW_LOG_DEBUG, "a.debug");
    aw_log_level = AW_LOG_INFO;
    assert_non_null(strstr(written(), "\"level\":\"debug\""));
}

static void values_cannot_break_the_line(void **state)
{
    (void)state;
    static const char hostile[] =
        "a\"b\\c\nd\x01\x7f \xff \xc3\xa4 \xc0\xaf \xed\xa0\x80 \xf0\x9f\x98\x80 \xc3";
    aw_log(AW_LOG_INFO, "a.hostile", AW_S("v", hostile), AW_I("after", 1));
    const char *line = written();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_node *root;
    assert_true(aw_json_parse(line, strlen(line), arena, &root, &err));
    assert_string_equal(aw_node_get(root, "v")->text,
                        "a\"b\\c\nd\x01\x7f \xef\xbf\xbd \xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xf0\x9f\x98\x80 \xef\xbf\xbd");
    assert_string_equal(aw_node_get(root, "after")->text, "1");
    aw_arena_destroy(&arena);
}

static void long_lines_are_cut_but_whole(void **state)
{
    (void)state;
    static const char fills[] = {'x', '\n', '\xff'};
    for (size_t i = 0; i < sizeof(fills); i++) {
        char value[5000];
        memset(value, fills[i], sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        for (size_t less = 0; less < 12; less++) {
            char first[1024];
            memset(first, 'y', sizeof(first) - 1 - less);
            first[sizeof(first) - 1 - less] = '\0';
            char event[16];
            snprintf(event, sizeof(event), "a.long%zu", less);
            aw_log(AW_LOG_INFO, event, AW_S("a", first), AW_S("b", value), AW_S("c", value),
                   AW_S("d", value), AW_S("e", value), AW_S("f", value), AW_I("g", INT64_MIN));
            const char *line = written();
            assert_true(strlen(line) <= PIPE_BUF);
            assert_non_null(strstr(line, "...\""));
            struct aw_arena *arena = aw_arena_create(0);
            struct aw_node *root;
            if (!aw_json_parse(line, strlen(line), arena, &root, &err)) {
                fail_msg("%s in %s", err.msg, line);
            }
            aw_arena_destroy(&arena);
        }
    }
}

static void repeats_are_counted_and_told(void **state)
{
    (void)state;
    static struct aw_log_throttle throttle;
    const char *name;
    uint64_t held;
    for (int i = 0; i < AW_LOG_PER_SECOND; i++) {
        assert_true(aw_log_throttle_take(&throttle, "a.b", 1000 + i));
    }
    for (int i = 0; i < 5; i++) {
        assert_false(aw_log_throttle_take(&throttle, "a.b", 1500));
    }
    assert_true(aw_log_throttle_take(&throttle, "a.c", 1500));
    assert_false(aw_log_throttle_told(&throttle, 1999, &name, &held));
    assert_true(aw_log_throttle_told(&throttle, 2000, &name, &held));
    assert_string_equal(name, "a.b");
    assert_int_equal(held, 5);
    assert_false(aw_log_throttle_told(&throttle, 2000, &name, &held));
    assert_true(aw_log_throttle_take(&throttle, "a.b", 2000));
}

static void a_full_table_does_not_silence(void **state)
{
    (void)state;
    static struct aw_log_throttle throttle;
    char name[64];
    for (int i = 0; i < 2 * AW_LOG_NAMES; i++) {
        snprintf(name, sizeof(name), "a.name_%d_that_is_longer_than_forty_bytes_in_all", i);
        assert_true(aw_log_throttle_take(&throttle, name, 1000));
    }
}

static void the_log_uses_the_throttle(void **state)
{
    (void)state;
    written();
    for (int i = 0; i < 10 * AW_LOG_PER_SECOND; i++) {
        aw_log(AW_LOG_INFO, "a.storm", AW_I("i", i));
    }
    size_t lines = 0;
    for (const char *at = written(); (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    /* A slow machine may see a second boundary; a storm of 200 never gets through. */
    assert_in_range(lines, AW_LOG_PER_SECOND, 3 * AW_LOG_PER_SECOND);
    const char *told = NULL;
    for (int64_t from = aw_clock_mono_ms(); told == NULL && aw_clock_mono_ms() < from + 10000;) {
        aw_clock_sleep_ms(20);
        aw_log(AW_LOG_INFO, "a.later");
        told = strstr(written(), "\"event\":\"log.repeated\",\"name\":\"a.storm\",\"held\":1");
    }
    assert_non_null(told);
}

static void reopening_follows_a_rotation(void **state)
{
    (void)state;
    char old[64];
    snprintf(old, sizeof(old), "%s.1", path);
    assert_int_equal(rename(path, old), 0);
    aw_log_reopen();
    aw_log(AW_LOG_INFO, "a.rotated");
    assert_non_null(strstr(written(), "a.rotated"));
    struct stat st;
    assert_int_equal(stat(old, &st), 0);
    assert_int_equal(st.st_size, 0);
    unlink(old);
    assert_false(aw_log_open("/nonexistent/aw.log", &err));
    assert_string_equal(err.code, "log.open");
    assert_true(aw_log_open("", &err));
    aw_log(AW_LOG_INFO, "a.still");
    assert_non_null(strstr(written(), "a.still"));
}

static void *chatter(void *arg)
{
    for (int i = 0; i < 100; i++) {
        aw_log(AW_LOG_INFO, arg, AW_S("text", "0123456789"));
        aw_log_level = AW_LOG_INFO;
        if (i % 10 == 0) {
            aw_log_reopen();
        }
    }
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    static const char *const names[] = {"t.one", "t.two", "t.three", "t.four"};
    pthread_t threads[AW_COUNT(names)];
    written();
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        pthread_create(&threads[i], NULL, chatter, (void *)(uintptr_t)names[i]);
    }
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        pthread_join(threads[i], NULL);
    }
    size_t lines = 0;
    written();
    for (char *rest, *at = strtok_r(text, "\n", &rest); at != NULL;
         at = strtok_r(NULL, "\n", &rest), lines++) {
        assert_memory_equal(at, "{\"time\":", 8);
        assert_int_equal(at[strlen(at) - 1], '}');
    }
    assert_true(lines >= AW_COUNT(names) * AW_LOG_PER_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_one_object),
        cmocka_unit_test(lower_levels_are_silent),
        cmocka_unit_test(values_cannot_break_the_line),
        cmocka_unit_test(long_lines_are_cut_but_whole),
        cmocka_unit_test(repeats_are_counted_and_told),
        cmocka_unit_test(a_full_table_does_not_silence),
        cmocka_unit_test(the_log_uses_the_throttle),
        cmocka_unit_test(reopening_follows_a_rotation),
        cmocka_unit_test(threads_do_not_mix_lines),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
