#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/json.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

struct leaf {
    const char *name;
    int64_t weight;
};
static const struct aw_field leaf_fields[] = {
    AW_FIELD(leaf, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 5),
    AW_FIELD(leaf, weight, I64, .dflt = "7"),
};
static const struct aw_schema leaf_schema = AW_SCHEMA(leaf, "leaves", leaf_fields, NULL, 0, "");

struct tree {
    const char *id;
    int64_t version;
    const char *title;
    int64_t count;
    bool alive;
    int colour;
    int64_t planted_at;
    struct aw_bytes seed;
    struct aw_strs tags;
    struct aw_strs shades;
    const void *leaf;
    const char *extra;
    const char *secret;
    const char *hidden;
};
static const struct aw_field tree_fields[] = {
    AW_FIELD(tree, id, STR, .flags = AW_F_READONLY),
    AW_FIELD(tree, version, I64, .flags = AW_F_READONLY),
    AW_FIELD(tree, title, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 10),
    AW_FIELD(tree, count, I64, .dflt = "3", .min = -5, .max = 100),
    AW_FIELD(tree, alive, BOOL, .dflt = "true"),
    AW_FIELD(tree, colour, ENUM, .dflt = "\"green\"", .arg = colours),
    AW_FIELD(tree, planted_at, TIME, .flags = AW_F_NULLABLE),
    AW_FIELD(tree, seed, BYTES, .flags = AW_F_NULLABLE, .max = 8),
    AW_FIELD(tree, tags, STRS, .max = 3),
    AW_FIELD(tree, shades, STRS, .arg = colours, .dflt = "[\"red\",\"blue\"]"),
    AW_FIELD(tree, leaf, OBJ, .flags = AW_F_NULLABLE, .arg = &leaf_schema),
    AW_FIELD(tree, extra, RAW, .flags = AW_F_NULLABLE),
    AW_FIELD(tree, secret, STR, .flags = AW_F_SECRET),
    AW_FIELD(tree, hidden, STR, .flags = AW_F_INTERNAL),
};
static const struct aw_schema tree_schema = AW_SCHEMA(tree, "trees", tree_fields, NULL, 0, "");

static struct aw_arena *arena;
static struct aw_err err;
static struct aw_problems problems;

static int setup(void **state)
{
    (void)state;
    arena = aw_arena_create(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    aw_arena_destroy(&arena);
    return 0;
}

static bool decode(enum aw_json_how how, const char *text, struct tree *row)
{
    /* An exact copy, so that a sanitizer sees a read past the end. */
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    memcpy(copy, text, len);
    char *exact = realloc(copy, len > 0 ? len : 1);
    bool good = aw_json_decode(&tree_schema, how, exact, len, arena, row, NULL, &problems, &err);
    free(exact);
    return good;
}

static void create_fills_row(void **state)
{
    (void)state;
    struct tree row = {.id = "t1", .hidden = "kept"};
    assert_true(decode(AW_JSON_CREATE,
                       " {\"title\": \"Ash \\u00e4\\ud83d\\ude00\", \"count\": -5, \"alive\": "
                       "false, \"colour\": \"blue\","
                       "\"planted_at\": \"2026-11-21T06:50:10.123Z\", \"seed\": \"AQID\", "
                       "\"tags\": [\"a\", \"\\n\"],"
                       "\"leaf\": {\"name\": \"x\"}, \"extra\": {\"a\": [1, 2.50 ,\"\\\"q\"]} , "
                       "\"secret\": \"s\"} ",
                       &row));
    assert_string_equal(row.title, "Ash \xc3\xa4\xf0\x9f\x98\x80");
    assert_int_equal(row.count, -5);
    assert_false(row.alive);
    assert_int_equal(row.colour, 2);
    assert_int_equal(row.planted_at, 1795243810123);
    assert_int_equal(row.seed.len, 3);
    assert_memory_equal(row.seed.ptr, "\1\2\3", 3);
    assert_int_equal(row.tags.n, 2);
    assert_string_equal(row.tags.v[1], "\n");
    assert_int_equal(row.shades.n, 2);
    assert_string_equal(row.shades.v[1], "blue");
    const struct leaf *leaf = row.leaf;
    assert_string_equal(leaf->name, "x");
    assert_int_equal(leaf->weight, 7);
    assert_string_equal(row.extra, "{\"a\": [1, 2.50 ,\"\\\"q\"]}");
    assert_string_equal(row.secret, "s");
    assert_string_equal(row.id, "t1");
    assert_string_equal(row.hidden, "kept");
}

static void create_sets_defaults_over_base(void **state)
{
    (void)state;
    struct tree row = {.id = "t1",
                       .version = 4,
                       .title = "old",
                       .count = 50,
                       .secret = "keep",
                       .tags = {.v = (const char *const[]){"x"}, .n = 1}};
    assert_true(decode(AW_JSON_CREATE, "{\"title\":\"new\",\"id\":\"t1\",\"version\":4}", &row));
    assert_string_equal(row.title, "new");
    assert_int_equal(row.count, 3);
    assert_true(row.alive);
    assert_int_equal(row.colour, 1);
    assert_int_equal(row.tags.n, 0);
    assert_string_equal(row.secret, "keep");
    assert_int_equal(row.version, 4);
}

static void patch_sets_what_is_there(void **state)
{
    (void)state;
    struct leaf leaf = {.name = "old", .weight = 9};
    struct tree row = {.title = "old", .count = 50, .planted_at = 5, .leaf = &leaf, .extra = "1"};
    uint64_t present;
    const char text[] = "{\"planted_at\":null,\"leaf\":{\"name\":\"new\"},\"extra\":null}";
    assert_true(aw_json_decode(&tree_schema, AW_JSON_PATCH, text, sizeof(text) - 1, arena, &row,
                               &present, NULL, &err));
    assert_string_equal(row.title, "old");
    assert_int_equal(row.count, 50);
    assert_int_equal(row.planted_at, 0);
    assert_null(row.extra);
    assert_int_equal(present, 1 << 6 | 1 << 10 | 1 << 11);
    const struct leaf *merged = row.leaf;
    assert_string_equal(merged->name, "new");
    assert_int_equal(merged->weight, 9);
    assert_string_equal(leaf.name, "old");
    assert_true(decode(AW_JSON_PATCH, "{\"leaf\":null}", &row));
    assert_null(row.leaf);
    /* A patch that makes a nested object must give what it requires. */
    assert_false(decode(AW_JSON_PATCH, "{\"leaf\":{\"weight\":1}}", &row));
    assert_string_equal(problems.v[0].pointer, "/leaf/name");
    assert_string_equal(problems.v[0].detail, "is required");
}

static void problems_are_collected(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer, *detail;
    } cases[] = {
        {"{}", "/title", "is required"},
        {"{\"title\":null}", "/title", "must not be null"},
        {"{\"title\":5}", "/title", "must be a string"},
        {"{\"title\":\"\"}", "/title", "must be 1 to 10 characters long"},
        {"{\"title\":\"01234567890\"}", "/title", "must be 1 to 10 characters long"},
        {"{\"title\":\"a\",\"count\":101}", "/count", "must be -5 to 100"},
        {"{\"title\":\"a\",\"count\":1.0}", "/count", "must be a 64-bit integer"},
        {"{\"title\":\"a\",\"count\":9223372036854775808}", "/count", "must be a 64-bit integer"},
        {"{\"title\":\"a\",\"count\":\"1\"}", "/count", "must be a 64-bit integer"},
        {"{\"title\":\"a\",\"alive\":1}", "/alive", "must be true or false"},
        {"{\"title\":\"a\",\"colour\":\"pink\"}", "/colour", "must be one of red, green, blue"},
        {"{\"title\":\"a\",\"planted_at\":\"yesterday\"}", "/planted_at",
         "must be a time as in RFC 3339: 2026-11-21T06:50:10Z"},
        {"{\"title\":\"a\",\"planted_at\":\"1795243810123\"}", "/planted_at",
         "must be a time as in RFC 3339: 2026-11-21T06:50:10Z"},
        {"{\"title\":\"a\",\"seed\":\"A\"}", "/seed", "must be bytes in base64url without padding"},
        {"{\"title\":\"a\",\"seed\":\"AAAAAAAAAAAA\"}", "/seed", "must be 0 to 8 bytes long"},
        {"{\"title\":\"a\",\"tags\":\"x\"}", "/tags", "must be a list of strings"},
        {"{\"title\":\"a\",\"tags\":[\"x\",1]}", "/tags/1", "must be a string"},
        {"{\"title\":\"a\",\"tags\":[\"x\",null]}", "/tags/1", "must be a string"},
        {"{\"title\":\"a\",\"tags\":[\"\",\"\",\"\",\"\"]}", "/tags", "must be 0 to 3 items long"},
        {"{\"title\":\"a\",\"shades\":[\"red\",\"rot\"]}", "/shades/1",
         "must be one of red, green, blue"},
        {"{\"title\":\"a\",\"leaf\":[]}", "/leaf", "must be an object"},
        {"{\"title\":\"a\",\"leaf\":{\"name\":\"a\",\"x\":1}}", "/leaf/x", "is not known"},
        {"{\"title\":\"a\",\"leaf\":{\"name\":\"a\",\"weight\":\"x\"}}", "/leaf/weight",
         "must be a 64-bit integer"},
        {"{\"title\":\"a\",\"hidden\":\"x\"}", "/hidden", "is not known"},
        {"{\"title\":\"a\",\"id\":\"other\"}", "/id", "is read-only"},
        {"{\"title\":\"a\",\"id\":[]}", "/id", "is read-only"},
        {"{\"title\":\"a\",\"version\":2}", "/version", "is read-only"},
        {"{\"title\":\"a\",\"a/b~c\":2}", "/a~1b~0c", "is not known"},
        {"{\"title\":\"a\",\"\":2}", "/", "is not known"},
    };
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        struct tree row = {.id = "t1", .version = 1};
        if (decode(AW_JSON_CREATE, cases[i].text, &row)) {
            fail_msg("accepted: %s", cases[i].text);
        }
        assert_int_equal(err.kind, AW_ERR_INVALID);
        assert_string_equal(err.code, "json.fields");
        assert_int_equal(problems.n, 1);
        assert_string_equal(problems.v[0].pointer, cases[i].pointer);
        assert_string_equal(problems.v[0].detail, cases[i].detail);
        assert_string_equal(err.field, cases[i].pointer);
    }
    struct tree row = {.id = NULL};
    assert_false(decode(AW_JSON_CREATE, "{\"count\":1000,\"alive\":null,\"x\":1}", &row));
    assert_int_equal(problems.n, 4);
}

static void problems_have_a_limit(void **state)
{
    (void)state;
    struct aw_str text;
    aw_str_init(&text, arena);
    for (size_t i = 0; i < 100; i++) {
        aw_str_printf(&text, "%c\"%0100zu\":1", i > 0 ? ',' : '{', i);
    }
    aw_str_add(&text, "}");
    struct tree row = {.id = NULL};
    assert_false(decode(AW_JSON_CREATE, text.ptr, &row));
    assert_int_equal(problems.n, AW_JSON_PROBLEMS);
    assert_true(strlen(problems.v[0].pointer) > 50);
}

static void long_pointers_are_cut_between_characters(void **state)
{
    (void)state;
    struct tree row = {.id = NULL};
    assert_false(decode(
        AW_JSON_PATCH,
        "{\"a\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
        "\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\":1}",
        &row));
    const char *pointer = problems.v[0].pointer;
    assert_int_equal(strlen(pointer) % 2, 0); /* "/a" and whole characters */
    assert_true(strlen(pointer) > 50);
}

static void stored_takes_all(void **state)
{
    (void)state;
    struct tree row = {.title = "garbage", .count = 9};
    assert_true(decode(AW_JSON_STORED,
                       "{\"id\":\"i\",\"version\":3,\"hidden\":\"h\",\"count\":1000000,\"title\":"
                       "null,\"gone\":[{}]}",
                       &row));
    assert_string_equal(row.id, "i");
    assert_int_equal(row.version, 3);
    assert_string_equal(row.hidden, "h");
    assert_int_equal(row.count, 1000000);
    assert_null(row.title);
    assert_true(row.alive);
    assert_false(decode(AW_JSON_STORED, "{\"colour\":\"pink\"}", &row));
}

static void rows_survive_the_way_out_and_in(void **state)
{
    (void)state;
    struct leaf leaf = {.name = "leaf", .weight = INT64_MIN};
    struct tree row = {.id = "a\x01\x1f\"\\/\b\f\n\r\t\x7f",
                       .version = INT64_MAX,
                       .title = "",
                       .count = -1,
                       .colour = 2,
                       .planted_at = -1,
                       .seed = {.ptr = (const uint8_t *)"\xff\0\xfe\x80", .len = 4},
                       .tags = {.v = (const char *const[]){"", "b"}, .n = 2},
                       .leaf = &leaf,
                       .extra = "[1,{}]",
                       .secret = "s",
                       .hidden = "h"},
                back;
    struct aw_str text;
    struct aw_json json;
    aw_str_init(&text, arena);
    aw_json_init(&json, &text);
    aw_json_row(&json, &tree_schema, &row, true);
    assert_true(decode(AW_JSON_STORED, text.ptr, &back));
    assert_true(aw_row_equal(&tree_schema, &row, &back));
    aw_str_clear(&text);
    aw_json_init(&json, &text);
    aw_json_row(&json, &tree_schema, &row, false);
    assert_null(strstr(text.ptr, "secret"));
    assert_null(strstr(text.ptr, "hidden"));
}

static void bad_text_is_malformed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "{}x",
        "{} {}",
        "{}\"",
        "{} -",
        "{} tru",
        "\v{}",
        "{}\f",
        "[]",
        "5",
        "\"a\"",
        "null",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":NaN}",
        "{\"a\":-}",
        "{\"a\":tru}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\xaf\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\ud800x\"}",
        "{\"a\":\"\\udbff\\udbff\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\\u0000\":1}",
        "{\"\\ud800\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "/* */{}",
        "\xef\xbb\xbf{}",
        "{\"a\":123456789012345678901234567890123}",
        "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
    };
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        struct tree row = {.id = NULL};
        if (decode(AW_JSON_PATCH, cases[i], &row)) {
            fail_msg("accepted: %s", cases[i]);
        }
        if (err.kind != AW_ERR_MALFORMED) {
            fail_msg("%s: %s %s", cases[i], err.code, err.msg);
        }
        assert_string_equal(err.code, "json.syntax");
    }
}

static void escapes_of_all_kinds_are_read(void **state)
{
    (void)state;
    struct tree row = {.id = NULL};
    assert_true(decode(AW_JSON_STORED,
                       "{\"title\":\"\\\\\\\\ud800\\/\\\"\\b\\uD83D\\uDE00\\u00E9\"}", &row));
    assert_string_equal(row.title, "\\\\ud800/\"\b\xf0\x9f\x98\x80\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_fills_row),
        cmocka_unit_test(create_sets_defaults_over_base),
        cmocka_unit_test(patch_sets_what_is_there),
        cmocka_unit_test(problems_are_collected),
        cmocka_unit_test(problems_have_a_limit),
        cmocka_unit_test(long_pointers_are_cut_between_characters),
        cmocka_unit_test(stored_takes_all),
        cmocka_unit_test(rows_survive_the_way_out_and_in),
        cmocka_unit_test(bad_text_is_malformed),
        cmocka_unit_test(escapes_of_all_kinds_are_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
