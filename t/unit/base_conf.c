#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/base/conf.h"

static const char *const drivers[] = {"sqlite", "mongo", NULL};

struct store {
    const char *path;
    int64_t cache_mib;
    int64_t grace_s;
    int64_t wait_ms;
    bool sync;
    int driver;
    struct aw_strs hosts;
    struct aw_strs allowed;
    const char *password;
};
static const struct aw_field store_fields[] = {
    AW_FIELD(store, path, STR, .dflt = "\"/var/lib/x \\\"${HOME}\\\" 'q' \\\\ #\"", .max = 200,
             .doc = "database file"),
    AW_FIELD(store, cache_mib, I64, .dflt = "64", .min = 1, .max = 4096,
             .doc = "cache of the writer, in MiB: a long text that has to be broken into two lines "
                    "or more, "
                    "since nobody likes lines without an end"),
    AW_FIELD(store, grace_s, I64, .dflt = "30", .max = 86400, .flags = AW_F_RELOAD,
             .doc = "grace, seconds"),
    AW_FIELD(store, wait_ms, I64, .dflt = "5"),
    AW_FIELD(store, sync, BOOL, .dflt = "true"),
    AW_FIELD(store, driver, ENUM, .arg = drivers),
    AW_FIELD(store, hosts, STRS, .dflt = "[\"a\",\"b c\"]", .max = 3),
    AW_FIELD(store, allowed, STRS, .arg = drivers),
    AW_FIELD(store, password, STR, .flags = AW_F_SECRET, .dflt = "\"hunter2\""),
};
static const struct aw_schema store_schema =
    AW_SCHEMA(store, "store", store_fields, NULL, 0, "where rows live");

struct http {
    const char *listen;
};
static const struct aw_field http_fields[] = {
    AW_FIELD(http, listen, STR, .flags = AW_F_REQUIRED, .dflt = "\"127.0.0.1:0\"", .min = 1),
};
static const struct aw_schema http_schema = AW_SCHEMA(http, "http", http_fields, NULL, 0, NULL);

static struct aw_arena *arena;
static struct aw_err err;
static struct store store;
static struct http http;
static const struct aw_conf_section sections[] = {{"store", &store_schema, &store},
                                                  {"http", &http_schema, &http}};
static char path[] = "/tmp/aw-conf-XXXXXX";

static int setup(void **state)
{
    (void)state;
    arena = aw_arena_create(0);
    close(mkstemp(path));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    aw_arena_destroy(&arena);
    return 0;
}

static bool load(const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return aw_conf_load(path, sections, AW_COUNT(sections), arena, &err);
}

static void assert_message(const char *text, const char *tail)
{
    char expected[256];
    snprintf(expected, sizeof(expected), "%s%s", path, tail);
    if (load(text)) {
        fail_msg("accepted: %s", text);
    }
    assert_string_equal(err.msg, expected);
    assert_string_equal(err.code, "conf.invalid");
    assert_int_equal(err.kind, AW_ERR_INVALID);
}

static void values_are_read(void **state)
{
    (void)state;
    setenv("AW_TEST_CONF", "from the environment", 1);
    assert_true(load(
        "# a comment\n"
        "store {\n  path = \"${AW_TEST_CONF}\"\n  cache_mib = 128\n  grace_s = 15m\n  wait_ms = "
        "2s\n  sync = off\n"
        "  driver = mongo\n  hosts = {x, \"y z\"}\n  allowed = {mongo}\n  password = \"p\"\n}\n"
        "http { listen = unix:/run/x.sock }\n"));
    assert_string_equal(store.path, "from the environment");
    assert_int_equal(store.cache_mib, 128);
    assert_int_equal(store.grace_s, 900);
    assert_int_equal(store.wait_ms, 2000);
    assert_false(store.sync);
    assert_int_equal(store.driver, 1);
    assert_int_equal(store.hosts.n, 2);
    assert_string_equal(store.hosts.v[1], "y z");
    assert_int_equal(store.allowed.n, 1);
    assert_string_equal(store.password, "p");
    assert_string_equal(http.listen, "unix:/run/x.sock");
}

static void absent_ones_have_defaults(void **state)
{
    (void)state;
    memset(&store, 0xff, sizeof(store));
    assert_true(load("http { listen = a }\n"));
    assert_string_equal(store.path, "/var/lib/x \"${HOME}\" 'q' \\ #");
    assert_int_equal(store.cache_mib, 64);
    assert_true(store.sync);
    assert_int_equal(store.driver, 0);
    assert_int_equal(store.hosts.n, 2);
    assert_int_equal(store.allowed.n, 0);
}

static void empty_list_is_not_the_default(void **state)
{
    (void)state;
    assert_true(load("store { hosts = {} }\nhttp { listen = a }\n"));
    assert_int_equal(store.hosts.n, 0);
}

static void messages_name_file_and_line(void **state)
{
    (void)state;
    assert_message("store {\n  cache_mb = 1\n}\n",
                   ":2: cache_mb is not known; the nearest is \"cache_mib\"");
    assert_message("\n\nstroe {\n}\n", ":3: stroe is not known; the nearest is \"store\"");
    assert_message("store {\n  zzzzzzzz = 1\n}\n", ":2: zzzzzzzz is not known");
    assert_message("store {\n  cache_mib = 0\n}\n", ":2: cache_mib must be 1 to 4096");
    assert_message("store {\n  cache_mib = x\n}\n", ":2: cache_mib must be a 64-bit integer");
    assert_message("store {\n  cache_mib = 15m\n}\n", ":2: cache_mib must be a 64-bit integer");
    assert_message("store {\n  grace_s = 2d\n}\n", ":2: grace_s must be 0 to 86400");
    assert_message("store {\n  wait_ms = 9223372036854775807s\n}\n",
                   ":2: wait_ms must be a 64-bit integer");
    assert_message("store {\n  sync = maybe\n}\n", ":2: sync must be true or false");
    assert_message("store {\n\n  driver = oracle\n}\n", ":3: driver must be one of sqlite, mongo");
    assert_message("store {\n  allowed = {mongo,\n x}\n}\n",
                   ":3: allowed must be one of sqlite, mongo");
    assert_message("store {\n  hosts = {a,b,c,d}\n}\n", ":2: hosts must be 0 to 3 items long");
    assert_message("store {\n  sync = on\n  sync = on\n}\n", ":3: sync is given twice");
    assert_message("store {\n  sync = on\n}\nstore {\n  sync = on\n}\n", ":5: sync is given twice");
    assert_message("store {\n  sync = on\n}\n\n", ":5: listen is required in section \"http\"");
    assert_message("http {\n\n}\nstore {\n}\n\n\n", ":3: listen is required in section \"http\"");
}

static void broken_text_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"store {",
                                        "store }",
                                        "store = 1",
                                        "= 1",
                                        "store { path = }",
                                        "}",
                                        "{",
                                        "store { path = \"open\n }",
                                        "store { path = {a} }"};
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        if (load(cases[i])) {
            fail_msg("accepted: %s", cases[i]);
        }
        assert_true(strncmp(err.msg, path, strlen(path)) == 0);
        assert_int_equal(err.msg[strlen(path)], ':');
    }
}

static void missing_file_is_told(void **state)
{
    (void)state;
    assert_false(aw_conf_load("/nonexistent/aw.conf", sections, AW_COUNT(sections), arena, &err));
    assert_string_equal(err.code, "conf.file");
    assert_non_null(strstr(err.msg, "/nonexistent/aw.conf"));
}

static void sample_loads_to_the_defaults(void **state)
{
    (void)state;
    struct aw_str sample;
    aw_str_init(&sample, arena);
    aw_conf_print(sections, AW_COUNT(sections), &sample);
    assert_null(strstr(sample.ptr, "hunter2"));
    assert_non_null(strstr(sample.ptr, "    # database file\n    path = "));
    assert_non_null(
        strstr(sample.ptr, "# grace, seconds (0 to 86400; SIGHUP changes it)\n    grace_s = 30\n"));
    assert_non_null(strstr(sample.ptr, "(one of sqlite, mongo)\n"));
    for (const char *line = sample.ptr, *next; (next = strchr(line, '\n')) != NULL;
         line = next + 1) {
        assert_in_range(next - line, 0, 100);
    }
    assert_true(load("http { listen = x }"));
    void *defaults = aw_row_copy(&store_schema, &store, arena);
    if (!load(sample.ptr)) {
        fail_msg("%s\n%s", err.msg, sample.ptr);
    }
    assert_true(aw_row_equal(&store_schema, defaults, &store));
    assert_string_equal(http.listen, "127.0.0.1:0");
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1 = refused */
    } cases[] = {{"0", 0},
                 {"30s", 30},
                 {"15m", 900},
                 {"24h", 86400},
                 {"7d", 604800},
                 {"12", 12},
                 {"", -1},
                 {"s", -1},
                 {"-1s", -1},
                 {"1 s", -1},
                 {"1w", -1},
                 {"1sm", -1},
                 {"1.5h", -1},
                 {"9223372036854775807", INT64_MAX},
                 {"9223372036854775808", -1},
                 {"9223372036854775807m", -1}};
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        int64_t seconds = -1;
        assert_int_equal(aw_duration_parse(cases[i].text, &seconds), cases[i].seconds >= 0);
        if (cases[i].seconds >= 0) {
            assert_int_equal(seconds, cases[i].seconds);
        }
    }
}

static void nearest_words(void **state)
{
    (void)state;
    static const char *const words[] = {"listen", "path", "cache_mib", "a"};
    assert_string_equal(aw_nearest("lisen", words, 4), "listen");
    assert_string_equal(aw_nearest("pth", words, 4), "path");
    assert_string_equal(aw_nearest("cachemb", words, 4), "cache_mib");
    assert_null(aw_nearest("cache", words, 4));
    assert_null(aw_nearest("completely_else", words, 4));
    assert_null(aw_nearest("b", words, 4));
    assert_null(aw_nearest("listen", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(absent_ones_have_defaults),
        cmocka_unit_test(empty_list_is_not_the_default),
        cmocka_unit_test(messages_name_file_and_line),
        cmocka_unit_test(broken_text_is_refused),
        cmocka_unit_test(missing_file_is_told),
        cmocka_unit_test(sample_loads_to_the_defaults),
        cmocka_unit_test(durations),
        cmocka_unit_test(nearest_words),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
