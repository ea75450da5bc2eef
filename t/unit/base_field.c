#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/field.h"

static const char *const words[] = {"one", "two", NULL};

struct inner {
    const char *name;
};
static const struct aw_field inner_fields[] = {AW_FIELD(inner, name, STR)};
static const struct aw_schema inner_schema = AW_SCHEMA(inner, "inner", inner_fields, NULL, 0, NULL);

struct row {
    const char *str;
    int64_t i64;
    bool yes;
    int word;
    int64_t at;
    struct aw_bytes bytes;
    struct aw_strs list;
    const void *inner;
    const char *raw;
};
static const struct aw_field fields[] = {
    AW_FIELD(row, str, STR),   AW_FIELD(row, i64, I64),
    AW_FIELD(row, yes, BOOL),  AW_FIELD(row, word, ENUM, .arg = words),
    AW_FIELD(row, at, TIME),   AW_FIELD(row, bytes, BYTES),
    AW_FIELD(row, list, STRS), AW_FIELD(row, inner, OBJ, .arg = &inner_schema),
    AW_FIELD(row, raw, RAW),
};
static const struct aw_schema schema = AW_SCHEMA(row, "rows", fields, NULL, 0, NULL);

/* Rising in the field of the index in every pair. */
static const struct inner inner_low = {"a"}, inner_high = {"b"};
static const char *const list_low[] = {"a"}, *const list_high[] = {"a", ""};
static const struct row low = {.str = "a",
                               .i64 = INT64_MIN,
                               .at = -1,
                               .bytes = {(const uint8_t *)"a", 1},
                               .list = {list_low, 1},
                               .inner = &inner_low,
                               .raw = "1"};
static const struct row high = {.str = "ab",
                                .i64 = INT64_MAX,
                                .yes = true,
                                .word = 1,
                                .at = 1,
                                .bytes = {(const uint8_t *)"a\0", 2},
                                .list = {list_high, 2},
                                .inner = &inner_high,
                                .raw = "2"};
static const struct row null;

static void fields_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(aw_schema_field(&schema, "i64xyz", 3), &fields[1]);
    assert_null(aw_schema_field(&schema, "i6", 2));
    assert_null(aw_schema_field(&schema, "i645", 4));
    assert_null(aw_schema_field(&schema, "", 0));
    assert_int_equal(aw_schema_index_of(&schema, "raw"), 8);
    assert_int_equal(aw_schema_index_of(&schema, "no"), -1);
}

static void fields_have_an_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_COUNT(fields); i++) {
        assert_int_equal(aw_field_compare(&fields[i], &low, &high), -1);
        assert_int_equal(aw_field_compare(&fields[i], &high, &low), 1);
        assert_int_equal(aw_field_compare(&fields[i], &high, &high), 0);
        assert_int_equal(aw_field_compare(&fields[i], &null, &null), 0);
        assert_int_equal(aw_field_compare(&fields[i], &null, &high), -1);
    }
}

static void equality_looks_at_every_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_COUNT(fields); i++) {
        struct row changed = low;
        assert_true(aw_row_equal(&schema, &low, &changed));
        size_t end = i + 1 < AW_COUNT(fields) ? fields[i + 1].offset : sizeof(struct row);
        memcpy(aw_field_at(&fields[i], &changed), aw_field_at(&fields[i], &high),
               end - fields[i].offset);
        assert_false(aw_row_equal(&schema, &low, &changed));
    }
}

static void copies_are_deep(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(0);
    struct row *copy = aw_row_copy(&schema, &high, arena);
    assert_true(aw_row_equal(&schema, &high, copy));
    assert_ptr_not_equal(copy->str, high.str);
    assert_ptr_not_equal(copy->bytes.ptr, high.bytes.ptr);
    assert_ptr_not_equal(copy->list.v, high.list.v);
    assert_ptr_not_equal(copy->list.v[0], high.list.v[0]);
    assert_ptr_not_equal(copy->inner, high.inner);
    assert_ptr_not_equal(copy->raw, high.raw);
    copy = aw_row_copy(&schema, &null, arena);
    assert_true(aw_row_equal(&schema, &null, copy));
    assert_null(copy->str);
    assert_null(copy->inner);
    assert_null(copy->bytes.ptr);
    aw_arena_destroy(&arena);
}

static void words_both_ways(void **state)
{
    (void)state;
    assert_string_equal(aw_words_get(words, 1), "two");
    assert_string_equal(aw_words_get(words, 2), "");
    assert_string_equal(aw_words_get(words, 100), "");
    assert_string_equal(aw_words_get(words, -1), "");
    assert_int_equal(aw_words_find(words, "two", 3), 1);
    assert_int_equal(aw_words_find(words, "tw", 2), -1);
    assert_int_equal(aw_words_find(words, "twoo", 4), -1);
    assert_int_equal(aw_words_find(words, "", 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_by_name),
        cmocka_unit_test(fields_have_an_order),
        cmocka_unit_test(equality_looks_at_every_field),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(words_both_ways),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
