#include "aw_alert_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An arena that counts, and fails when told to. */
struct arena {
    uint8_t bytes[1 << 20];
    size_t used;
    int fail_after; /* allocations, -1 = never */
};

static void *arena_alloc(void *ctx, size_t size)
{
    struct arena *arena = ctx;
    if (arena->fail_after == 0) {
        return NULL;
    }
    arena->fail_after -= arena->fail_after > 0;
    void *memory = arena->bytes + arena->used;
    arena->used += (size + 15) & ~(size_t)15;
    assert_true(arena->used <= sizeof(arena->bytes));
    return memory;
}

static struct arena arena;

/* The body lies in a block of exactly its size, so that a sanitizer sees every byte too far. */
static enum aw_json_verdict parse(const char *body, size_t len, struct aw_alert_body *out,
                                  struct aw_json_problem *problem)
{
    static uint8_t *copy;
    free(copy);
    copy = malloc(len > 0 ? len : 1);
    memcpy(copy, body, len);
    arena.used = 0;
    struct aw_json_memory memory = {arena_alloc, &arena};
    *problem = (struct aw_json_problem){NULL, NULL};
    return aw_alert_json_parse(copy, len, &memory, out, problem);
}

static int setup(void **state)
{
    (void)state;
    arena.fail_after = -1;
    return 0;
}

static void assert_slice(struct aw_slice slice, const char *text)
{
    assert_int_equal(slice.len, strlen(text));
    assert_memory_equal(slice.ptr, text, slice.len);
}

static void assert_malformed(const char *body, size_t len, const char *word)
{
    struct aw_alert_body out;
    struct aw_json_problem problem;
    enum aw_json_verdict verdict = parse(body, len, &out, &problem);
    if (verdict != AW_JSON_MALFORMED || strstr(problem.detail, word) == NULL) {
        fail_msg("%.80s: verdict %d, %s", body, verdict,
                 problem.detail == NULL ? "" : problem.detail);
    }
    assert_string_equal(problem.field, "");
}

#define GOOD_REST "\"severity\":\"high\",\"message\":\"m\",\"tool_source\":\"t\""
#define GOOD      "{\"asset_name\":\"a\",\"signature\":\"s\"," GOOD_REST "}"

static void accepts(void **state)
{
    (void)state;
    struct aw_alert_body out;
    struct aw_json_problem problem;
    static const char body[] =
        " { \"tool_source\" : \"Datadog\", \"message\":\"\", "
        "\"signature\":\"service_down:nginx\",\n"
        "\"labels\":{\"a\":[1,2.5e3,-0,true,false,null,\"x\"],\"b\":{\"asset_name\":7}},"
        "\"severity\":\"critical\",\"asset_name\":\"srv-app-01\",\"extra\":"
        "123456789012345678901234}\r\n";
    assert_int_equal(parse(body, sizeof(body) - 1, &out, &problem), AW_JSON_OK);
    assert_slice(out.asset_name, "srv-app-01");
    assert_slice(out.signature, "service_down:nginx");
    assert_slice(out.message, "");
    assert_slice(out.tool_source, "Datadog");
    assert_int_equal(out.severity, AW_CRITICAL);
    assert_int_equal(arena.used, 0); /* without escapes nothing is copied */
}

static void decodes_escapes(void **state)
{
    (void)state;
    struct aw_alert_body out;
    struct aw_json_problem problem;
    static const char body[] = "{\"asset\\u005fname\":\"\\u00e9\\u20AC\\ud83d\\ude00\","
                               "\"signature\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\","
                               "\"severity\":\"l\\u006fw\",\"message\":\"\\\\ud800 "
                               "\\\\u0000\",\"tool_source\":\"\xf0\x9f\x98\x80\"}";
    assert_int_equal(parse(body, sizeof(body) - 1, &out, &problem), AW_JSON_OK);
    assert_slice(out.asset_name, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_slice(out.signature, "\"\\/\b\f\n\r\t");
    assert_int_equal(out.severity, AW_LOW);
    assert_slice(out.message, "\\ud800 \\u0000");
    assert_slice(out.tool_source, "\xf0\x9f\x98\x80");
}

static void severities(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum aw_json_verdict verdict;
        enum aw_severity severity;
    } rows[] = {
        {"\"low\"", AW_JSON_OK, AW_LOW},          {"\"medium\"", AW_JSON_OK, AW_MEDIUM},
        {"\"high\"", AW_JSON_OK, AW_HIGH},        {"\"critical\"", AW_JSON_OK, AW_CRITICAL},
        {"\"High\"", AW_JSON_INVALID, AW_LOW},    {"\"CRITICAL\"", AW_JSON_INVALID, AW_LOW},
        {"\"\"", AW_JSON_INVALID, AW_LOW},        {"\"warning\"", AW_JSON_INVALID, AW_LOW},
        {"\"critica\"", AW_JSON_INVALID, AW_LOW}, {"\"criticall\"", AW_JSON_INVALID, AW_LOW},
        {"\"low \"", AW_JSON_INVALID, AW_LOW},    {"3", AW_JSON_INVALID, AW_LOW},
        {"null", AW_JSON_INVALID, AW_LOW},        {"[\"low\"]", AW_JSON_INVALID, AW_LOW},
        {"{\"low\":1}", AW_JSON_INVALID, AW_LOW},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        char body[256];
        struct aw_alert_body out;
        struct aw_json_problem problem;
        int len = snprintf(body, sizeof(body),
                           "{\"asset_name\":\"a\",\"signature\":\"s\",\"message\":\"\","
                           "\"tool_source\":\"t\",\"severity\":%s}",
                           rows[i].word);
        assert_int_equal(parse(body, (size_t)len, &out, &problem), rows[i].verdict);
        if (rows[i].verdict == AW_JSON_OK) {
            assert_int_equal(out.severity, rows[i].severity);
        } else {
            assert_string_equal(problem.field, "severity");
            assert_non_null(strstr(problem.detail, "critical, high, medium, low"));
        }
    }
}

static const char *const names[] = {"asset_name", "signature", "severity", "message",
                                    "tool_source"};

/* A body in which `which` has `value` (NULL = is left out). */
static int body_with(char *body, size_t size, size_t which, const char *value)
{
    int len = snprintf(body, size, "{");
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        const char *mine = i == which ? value : i == 2 ? "\"low\"" : "\"x\"";
        if (mine != NULL) {
            len += snprintf(body + len, size - (size_t)len, "%s\"%s\":%s", len > 1 ? "," : "",
                            names[i], mine);
        }
    }
    return len + snprintf(body + len, size - (size_t)len, "}");
}

static void every_field_is_required(void **state)
{
    (void)state;
    static const char *const wrong[] = {NULL, "null", "1",       "true",
                                        "[]", "{}",   "[\"x\"]", "{\"x\":\"x\"}"};
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        for (size_t j = 0; j < AW_COUNT(wrong); j++) {
            char body[512];
            struct aw_alert_body out;
            struct aw_json_problem problem;
            int len = body_with(body, sizeof(body), i, wrong[j]);
            assert_int_equal(parse(body, (size_t)len, &out, &problem), AW_JSON_INVALID);
            assert_string_equal(problem.field, names[i]);
            assert_memory_equal(problem.detail, names[i], strlen(names[i]));
        }
    }
}

static void lengths(void **state)
{
    (void)state;
    static const struct {
        size_t field, min, max;
    } rows[] = {{0, 1, 100}, {1, 1, 200}, {3, 0, 8192}, {4, 1, 100}};
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                             "\\u00e9"};
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        for (size_t j = 0; j < AW_COUNT(characters); j++) {
            for (size_t n = 0; n <= rows[i].max + 1;
                 n = n == 1 ? rows[i].max : n + 1) { /* 0, 1, max, max + 1 */
                static char value[60000], body[65000];
                size_t len = 0;
                value[len++] = '"';
                for (size_t k = 0; k < n; k++) {
                    memcpy(value + len, characters[j], strlen(characters[j]));
                    len += strlen(characters[j]);
                }
                value[len++] = '"';
                value[len] = '\0';
                struct aw_alert_body out;
                struct aw_json_problem problem;
                int body_len = body_with(body, sizeof(body), rows[i].field, value);
                bool good = n >= rows[i].min && n <= rows[i].max;
                assert_int_equal(parse(body, (size_t)body_len, &out, &problem),
                                 good ? AW_JSON_OK : AW_JSON_INVALID);
                if (!good) {
                    assert_string_equal(problem.field, names[rows[i].field]);
                }
            }
        }
    }
}

#define TEXT_ROW(text, word)                                                                       \
    {                                                                                              \
        text, sizeof(text) - 1, word                                                               \
    }

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t len;
        const char *word;
    } rows[] = {
        TEXT_ROW("", "JSON"),
        TEXT_ROW("   ", "JSON"),
        TEXT_ROW("{", "JSON"),
        TEXT_ROW("nonsense", "JSON"),
        TEXT_ROW("[]", "one JSON object"),
        TEXT_ROW("[" GOOD "]", "one JSON object"),
        TEXT_ROW("\"text\"", "one JSON object"),
        TEXT_ROW("17", "one JSON object"),
        TEXT_ROW("null", "one JSON object"),
        TEXT_ROW(GOOD GOOD, "JSON"),
        TEXT_ROW(GOOD "x", "JSON"),
        TEXT_ROW(GOOD "\"", "JSON"),
        TEXT_ROW(GOOD " -", "JSON"),
        TEXT_ROW(GOOD "\0", "NUL"),
        TEXT_ROW("\xef\xbb\xbf" GOOD, "JSON"),
        TEXT_ROW("\v" GOOD, "JSON"),
        TEXT_ROW(GOOD "\f", "JSON"),
        TEXT_ROW("{\"a\":1,}", "JSON"),
        TEXT_ROW("{\"a\":[1,]}", "JSON"),
        TEXT_ROW("{\"a\" 1}", "JSON"),
        TEXT_ROW("{\"a\":1 \"b\":2}", "JSON"),
        TEXT_ROW("{\"a\":-}", "JSON"),
        TEXT_ROW("{\"a\":1.}", "JSON"),
        TEXT_ROW("{\"a\":1e+}", "JSON"),
        TEXT_ROW("{\"a\":tru}", "JSON"),
        TEXT_ROW("{\"a\":nulls}", "JSON"),
        TEXT_ROW("{\"a\":01}", "JSON"),
        TEXT_ROW("{\"a\":.5}", "JSON"),
        TEXT_ROW("{\"a\":+1}", "JSON"),
        TEXT_ROW("{\"a\":NaN}", "JSON"),
        TEXT_ROW("{\"a\":\"\x01\"}", "JSON"),
        TEXT_ROW("{\"a\":\"\n\"}", "JSON"),
        TEXT_ROW("{\"a\":\"\\x\"}", "JSON"),
        TEXT_ROW("{\"a\":\"\\u12g4\"}", "JSON"),
        TEXT_ROW("{\"a\":\"\\u12\"}", "JSON"),
        TEXT_ROW("{\"a\":\"\\", "JSON"),
        TEXT_ROW("{/* no */}", "JSON"),
        TEXT_ROW("{'a':1}", "JSON"),
        TEXT_ROW("{a:1}", "JSON"),
        TEXT_ROW("{\"a\":1,\"a\":1}", "twice"),
        TEXT_ROW("{\"a\":1,\"\\u0061\":1}", "twice"),
        TEXT_ROW("{\"\\u0061\":1,\"a\":1}", "twice"),
        TEXT_ROW("{\"\":1,\"\":1}", "twice"),
        TEXT_ROW("{\"first_x\":1,\"other_x\":1,\"first_x\":1}", "twice"),
        TEXT_ROW("{\"x\":{\"b\":1,\"c\":{\"b\":2},\"b\":1}}", "twice"),
        TEXT_ROW("{\"x\":[{\"b\":1,\"b\":1}]}", "twice"),
        TEXT_ROW("{\"a\":123456789012345678901234567890123}", "number"),
        TEXT_ROW("{\"a\":\"\\u0000\"}", "u0000"),
        TEXT_ROW("{\"\\u0000\":1}", "u0000"),
        TEXT_ROW("{\"a\":\"\\ud800\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\\ud800x\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\\ud800\\n\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\\ud800\\u0041\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\\ud800\\ud800\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\\uDC00\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\\udc00\\ud800\"}", "surrogate"),
        TEXT_ROW("{\"a\":\"\xed\xa0\x80\"}", "UTF-8"),
        TEXT_ROW("{\"a\":\"\xc0\xaf\"}", "UTF-8"),
        TEXT_ROW("{\"a\":\"\xe0\x80\xaf\"}", "UTF-8"),
        TEXT_ROW("{\"a\":\"\xf4\x90\x80\x80\"}", "UTF-8"),
        TEXT_ROW("{\"a\":\"\xff\"}", "UTF-8"),
        TEXT_ROW("{\"a\":\"\xc3\"}", "UTF-8"),
        TEXT_ROW("{\"a\":\"x\0y\"}", "NUL"),
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        assert_malformed(rows[i].body, rows[i].len, rows[i].word);
    }
}

/* Names may be the same in different objects, and alike in one. */
static void duplicates_are_of_one_object(void **state)
{
    (void)state;
    struct aw_alert_body out;
    struct aw_json_problem problem;
    static const char body[] =
        "{\"x\":{\"b\":1},\"y\":{\"b\":1,\"x\":{\"b\":[{\"b\":1},{\"b\":2}]}},\"b\":0,"
        "\"\":0,\"first_x\":0,\"other_x\":0,\"firstyx\":0,\"severitx\":0,\"massage\":0,"
        "\"asset_name\":\"a\",\"signature\":\"s\"," GOOD_REST "}";
    assert_int_equal(parse(body, sizeof(body) - 1, &out, &problem), AW_JSON_OK);
}

/* A long body, written piece by piece. */
static char text[300000];
static size_t text_len;

static void AW_PRINTF(1, 2) add(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    text_len += (size_t)vsnprintf(text + text_len, sizeof(text) - text_len, fmt, args);
    va_end(args);
    assert_true(text_len < sizeof(text));
}

static void start_good(void)
{
    text_len = 0;
    add("{\"asset_name\":\"a\",\"signature\":\"s\",%s,", GOOD_REST);
}

static void assert_text(bool good, const char *word)
{
    struct aw_alert_body out;
    struct aw_json_problem problem;
    if (good) {
        assert_int_equal(parse(text, text_len, &out, &problem), AW_JSON_OK);
    } else {
        assert_malformed(text, text_len, word);
    }
}

static void nested(int depth, const char *open, const char *close)
{
    start_good();
    add("\"x\":");
    for (int i = 1; i < depth; i++) {
        add("%s", open);
    }
    add("1");
    for (int i = 1; i < depth; i++) {
        add("%s", close);
    }
    add("}");
}

static void depth_limit(void **state)
{
    (void)state;
    for (int depth = 32; depth <= 33; depth++) {
        nested(depth, "[", "]");
        assert_text(depth == 32, "nested");
        nested(depth, "{\"x\":", "}");
        assert_text(depth == 32, "nested");
    }
    memset(text, '[', 65536);
    memcpy(text, "{\"a\":", 5);
    text_len = 65536;
    assert_text(false, "nested");
}

static void size_limits(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        start_good();
        add("\"more\":[{}");
        for (int i = 6; i < 256 + over; i++) {
            add(",{\"k\":%d}", i);
        }
        add("]}");
        assert_text(!over, "members");

        start_good();
        add("\"%0*d\":1}", 128 + over, 0);
        assert_text(!over, "name");

        start_good();
        add("\"x\":\"%0*d\"}", 65536 + over, 0);
        assert_text(!over, "string");

        start_good();
        add("\"x\":1%0*d}", 31 + over, 0);
        assert_text(!over, "number");
    }
}

/* Whatever allocation fails, the answer is a verdict. */
static void no_memory(void **state)
{
    (void)state;
    struct aw_alert_body out;
    struct aw_json_problem problem;
    text_len = 0;
    add("{\"asset\\u005fname\":\"\\u0061\",\"signature\":\"\\u0062%0*d\",", 10000, 0);
    add("\"severity\":\"low\",\"message\":\"\\n\",\"tool_source\":\"\\n\"}");
    int failures = 0;
    enum aw_json_verdict verdict;
    do {
        arena.fail_after = failures++;
        verdict = parse(text, text_len, &out, &problem);
        if (verdict == AW_JSON_MALFORMED) {
            assert_string_equal(problem.detail, "out of memory");
        }
    } while (verdict == AW_JSON_MALFORMED);
    assert_int_equal(verdict, AW_JSON_INVALID); /* the signature is too long */
    assert_string_equal(problem.field, "signature");
    assert_true(failures > 4);
}

/* Every prefix and every changed byte of a good body gives a verdict without reading past its end.
 */
static void damaged_bodies(void **state)
{
    (void)state;
    char body[] = GOOD;
    struct aw_alert_body out;
    struct aw_json_problem problem;
    for (size_t len = 0; len < sizeof(body) - 1; len++) {
        assert_int_equal(parse(body, len, &out, &problem), AW_JSON_MALFORMED);
    }
    for (size_t i = 0; i < sizeof(body) - 1; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char was = body[i];
            body[i] = (char)byte;
            parse(body, sizeof(body) - 1, &out, &problem);
            body[i] = was;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accepts, setup),
        cmocka_unit_test_setup(decodes_escapes, setup),
        cmocka_unit_test_setup(severities, setup),
        cmocka_unit_test_setup(every_field_is_required, setup),
        cmocka_unit_test_setup(lengths, setup),
        cmocka_unit_test_setup(refuses_what_is_not_json, setup),
        cmocka_unit_test_setup(duplicates_are_of_one_object, setup),
        cmocka_unit_test_setup(depth_limit, setup),
        cmocka_unit_test_setup(size_limits, setup),
        cmocka_unit_test_setup(no_memory, setup),
        cmocka_unit_test_setup(damaged_bodies, setup),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
