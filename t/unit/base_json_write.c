#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/json.h"

static struct aw_str text;
static struct aw_json json;

static int begin(void **state)
{
    (void)state;
    aw_str_init(&text, NULL);
    aw_json_init(&json, &text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    aw_str_fini(&text);
    return 0;
}

static void commas_are_placed(void **state)
{
    (void)state;
    aw_json_open(&json, '{');
    aw_json_key(&json, "a");
    aw_json_open(&json, '[');
    aw_json_close(&json, ']');
    aw_json_key(&json, "b");
    aw_json_open(&json, '[');
    aw_json_i64(&json, 1);
    aw_json_null(&json);
    aw_json_open(&json, '{');
    aw_json_close(&json, '}');
    aw_json_open(&json, '{');
    aw_json_key(&json, "c");
    aw_json_bool(&json, true);
    aw_json_key(&json, "d");
    aw_json_bool(&json, false);
    aw_json_close(&json, '}');
    aw_json_close(&json, ']');
    aw_json_key(&json, "e");
    aw_json_raw(&json, "[ 1 ]", 5);
    aw_json_close(&json, '}');
    assert_string_equal(text.ptr,
                        "{\"a\":[],\"b\":[1,null,{},{\"c\":true,\"d\":false}],\"e\":[ 1 ]}");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    char all[0x21];
    for (int i = 0; i < 0x20; i++) {
        all[i] = (char)i;
    }
    all[0x20] = '\x7f';
    aw_json_open(&json, '[');
    aw_json_strn(&json, all, sizeof(all));
    aw_json_str(&json, "\"\\/ \xc3\xa4");
    aw_json_str(&json, "");
    aw_json_str(&json, NULL);
    aw_json_close(&json, ']');
    assert_string_equal(text.ptr, "[\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\"
                                  "t\\n\\u000b\\f\\r\\u000e\\u000f"
                                  "\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018"
                                  "\\u0019\\u001a\\u001b\\u001c\\u001d"
                                  "\\u001e\\u001f\x7f\",\"\\\"\\\\/ \xc3\xa4\",\"\",null]");
}

static void integers_are_exact(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, -1, 10, INT64_MAX, INT64_MIN};
    aw_json_open(&json, '[');
    for (size_t i = 0; i < AW_COUNT(numbers); i++) {
        aw_json_i64(&json, numbers[i]);
    }
    aw_json_close(&json, ']');
    assert_string_equal(text.ptr, "[0,-1,10,9223372036854775807,-9223372036854775808]");
}

static void doubles_are_shortest(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {0.3, "0.3"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1, "1"},
                 {-0.0, "-0"},
                 {1e20, "1e+20"},
                 {5e-324, "4.94065645841247e-324"},
                 {66.7, "66.7"},
                 {NAN, "null"},
                 {INFINITY, "null"},
                 {-INFINITY, "null"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"}};
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        begin(NULL);
        aw_json_f64(&json, cases[i].value);
        assert_string_equal(text.ptr, cases[i].text);
        assert_true(!isfinite(cases[i].value) || strtod(text.ptr, NULL) == cases[i].value);
        end(NULL);
    }
    begin(NULL);
}

static const char *const words[] = {"one", "two", NULL};
struct row {
    const char *str;
    int64_t number;
    bool yes;
    int word;
    int64_t at;
    struct aw_bytes bytes;
    struct aw_strs list;
    const void *inner;
    const char *raw;
    const char *secret, *internal;
};
static const struct aw_schema schema;
static const struct aw_field fields[] = {
    AW_FIELD(row, str, STR),
    AW_FIELD(row, number, I64),
    AW_FIELD(row, yes, BOOL),
    AW_FIELD(row, word, ENUM, .arg = words),
    AW_FIELD(row, at, TIME),
    AW_FIELD(row, bytes, BYTES),
    AW_FIELD(row, list, STRS),
    AW_FIELD(row, inner, OBJ, .arg = &schema),
    AW_FIELD(row, raw, RAW),
    AW_FIELD(row, secret, STR, .flags = AW_F_SECRET),
    AW_FIELD(row, internal, STR, .flags = AW_F_INTERNAL),
};
static const struct aw_schema schema = AW_SCHEMA(row, "rows", fields, NULL, 0, NULL);

#define EMPTY                                                                                      \
    "{\"str\":null,\"number\":0,\"yes\":false,\"word\":\"one\",\"at\":null,\"bytes\":null,"        \
    "\"list\":[],"                                                                                 \
    "\"inner\":null,\"raw\":null"

static void rows_are_objects(void **state)
{
    (void)state;
    static const char *const list[] = {"a", "\n"};
    struct row inner = {.secret = "s2", .internal = "i2"};
    struct row row = {.str = "x",
                      .number = 5,
                      .yes = true,
                      .word = 1,
                      .at = 1795243810123,
                      .bytes = {(const uint8_t *)"\xff\xef", 2},
                      .list = {list, 2},
                      .inner = &inner,
                      .raw = "{\"k\": 1}",
                      .secret = "s1",
                      .internal = "i1"};
    aw_json_row(&json, &schema, &row, false);
    assert_string_equal(
        text.ptr, "{\"str\":\"x\",\"number\":5,\"yes\":true,\"word\":\"two\","
                  "\"at\":\"2026-11-21T06:50:10.123Z\",\"bytes\":\"_-8\",\"list\":[\"a\",\"\\n\"],"
                  "\"inner\":" EMPTY "},\"raw\":{\"k\": 1}}");
    aw_str_clear(&text);
    aw_json_init(&json, &text);
    aw_json_row(&json, &schema, &inner, true);
    assert_string_equal(text.ptr, EMPTY ",\"secret\":\"s2\",\"internal\":\"i2\"}");
    aw_str_clear(&text);
    aw_json_init(&json, &text);
    aw_json_field(&json, &fields[3], &row);
    assert_string_equal(text.ptr, "\"two\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_are_placed, begin, end),
        cmocka_unit_test_setup_teardown(strings_are_escaped, begin, end),
        cmocka_unit_test_setup_teardown(integers_are_exact, begin, end),
        cmocka_unit_test_setup_teardown(doubles_are_shortest, begin, end),
        cmocka_unit_test_setup_teardown(rows_are_objects, begin, end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
