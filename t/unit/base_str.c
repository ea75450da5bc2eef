#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/str.h"

static struct aw_arena *arena;

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

static void check_buffer(struct aw_arena *of)
{
    struct aw_str str;
    aw_str_init(&str, of);
    assert_string_equal(str.ptr, "");
    aw_str_clear(&str);
    aw_str_add(&str, "ab");
    aw_str_addn(&str, "\0c", 2);
    aw_str_addn(&str, NULL, 0);
    aw_str_printf(&str, "%d", 42);
    assert_int_equal(str.len, 6);
    assert_memory_equal(str.ptr, "ab\0c42", 7);
    aw_str_clear(&str);
    assert_string_equal(str.ptr, "");
    for (size_t i = 0; i < 10000; i++) {
        aw_str_add(&str, "0123456789");
    }
    assert_int_equal(str.len, 100000);
    assert_int_equal(strlen(str.ptr), 100000);
    aw_str_printf(&str, "%050000d", 7);
    assert_int_equal(strlen(str.ptr), 150000);
    aw_str_fini(&str);
    assert_string_equal(str.ptr, "");
    aw_str_add(&str, "again");
    assert_string_equal(str.ptr, "again");
    aw_str_fini(&str);
}

static void buffers_grow(void **state)
{
    (void)state;
    check_buffer(NULL);
    check_buffer(arena);
}

static void hex_both_ways(void **state)
{
    (void)state;
    uint8_t out[4] = {0};
    assert_string_equal(aw_hex(arena, "\x00\x7f\xab\xff", 4), "007fabff");
    assert_string_equal(aw_hex(arena, "", 0), "");
    assert_true(aw_unhex("007fABff", 8, out));
    assert_memory_equal(out, "\x00\x7f\xab\xff", 4);
    assert_true(aw_unhex("", 0, out));
    static const char *const bad[] = {"0",
                                      "0g",
                                      "g0",
                                      " 0",
                                      "0x",
                                      "@0",
                                      "`0",
                                      "\xe1"
                                      "0"};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_false(aw_unhex(bad[i], strlen(bad[i]), out));
    }
}

static void base64url_both_ways(void **state)
{
    (void)state;
    /* RFC 4648 section 10, without padding. */
    static const char *const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    uint8_t *out;
    size_t len;
    for (size_t i = 0; i < AW_COUNT(vectors); i++) {
        const char *plain = vectors[i][0], *text = vectors[i][1];
        assert_string_equal(aw_base64url(arena, plain, strlen(plain)), text);
        assert_true(aw_unbase64url(arena, text, strlen(text), &out, &len));
        assert_int_equal(len, strlen(plain));
        assert_memory_equal(out, plain, len);
    }
    static const char *const bad[] = {"A", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9v\n", "Z g"};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_false(aw_unbase64url(arena, bad[i], strlen(bad[i]), &out, &len));
    }
    assert_false(aw_unbase64url(arena, "Zm\0v", 4, &out, &len));
}

static void base64url_appends_long_data(void **state)
{
    (void)state;
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t len = 0; len <= sizeof(data); len += 37) {
        struct aw_str str;
        aw_str_init(&str, arena);
        aw_str_add_base64url(&str, data, len);
        assert_string_equal(str.ptr, aw_base64url(arena, data, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(base64url_both_ways),
        cmocka_unit_test(base64url_appends_long_data),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
