#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/arena.h"
#include "worker/base/vec.h"

static void memory_is_aligned_and_apart(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(64);
    uint8_t *parts[200];
    for (size_t i = 0; i < AW_COUNT(parts); i++) {
        parts[i] = aw_arena_alloc(arena, i);
        assert_int_equal((uintptr_t)parts[i] % 16, 0);
        memset(parts[i], (int)i, i);
    }
    for (size_t i = 0; i < AW_COUNT(parts); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(parts[i][k], i);
        }
    }
    aw_arena_destroy(&arena);
    assert_null(arena);
    aw_arena_destroy(&arena);
}

static void large_pieces_fit(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(0);
    memset(aw_arena_alloc(arena, 5 << 20), 1, 5 << 20);
    assert_true(aw_arena_used(arena) >= 5 << 20);
    uint8_t *zero = aw_arena_zero(arena, 3 << 20);
    assert_int_equal(zero[0] | zero[(3 << 20) - 1], 0);
    aw_arena_destroy(&arena);
}

static void reset_keeps_the_largest_block(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(1024);
    void *large = aw_arena_alloc(arena, 1 << 20);
    aw_arena_alloc(arena, 1000);
    for (size_t i = 0; i < 3; i++) {
        aw_arena_reset(arena);
        assert_int_equal(aw_arena_used(arena), 0);
        assert_ptr_equal(aw_arena_alloc(arena, 1 << 20), large);
    }
    aw_arena_destroy(&arena);
}

static void copies_are_equal(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(0);
    assert_null(aw_arena_str(arena, NULL));
    assert_string_equal(aw_arena_str(arena, "text"), "text");
    assert_string_equal(aw_arena_strn(arena, "text", 2), "te");
    assert_string_equal(aw_arena_strn(arena, NULL, 0), "");
    assert_memory_equal(aw_arena_copy(arena, "a\0b", 3), "a\0b", 3);
    assert_string_equal(aw_arena_printf(arena, "%s-%d", "x", 7), "x-7");
    assert_string_equal(aw_arena_printf(arena, "%s", ""), "");
    assert_int_equal(strlen(aw_arena_printf(arena, "%0100000d", 1)), 100000);
    aw_arena_destroy(&arena);
}

static void vec_grows(void **state)
{
    (void)state;
    AW_VEC(int) numbers = {0};
    for (int i = 0; i < 1000; i++) {
        *aw_vec_push(&numbers) = i;
    }
    assert_int_equal(numbers.n, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(numbers.v[i], i);
    }
    aw_vec_free(&numbers);
    assert_int_equal(numbers.n + numbers.cap, 0);
    *aw_vec_push(&numbers) = 5;
    assert_int_equal(numbers.v[0], 5);
    aw_vec_free(&numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(large_pieces_fit),
        cmocka_unit_test(reset_keeps_the_largest_block),
        cmocka_unit_test(copies_are_equal),
        cmocka_unit_test(vec_grows),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
