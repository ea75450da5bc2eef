#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/map.h"
#include "worker/base/siphash.h"

enum { MANY = 20000 };

static void hash_is_siphash_2_4(void **state)
{
    (void)state;
    /* Appendix A of the SipHash paper: key 00..0f, message 00..0e. */
    static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    uint8_t message[15];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)i;
    }
    assert_true(aw_siphash(key, message, sizeof(message)) == 0xa129ca6149be45e5u);
}

static void values_are_found_by_key(void **state)
{
    (void)state;
    struct aw_map *map = aw_map_create();
    int a, b, c;
    assert_null(aw_map_get(map, "a", 1));
    assert_null(aw_map_put(map, "a", 1, &a));
    assert_null(aw_map_put(map, "a\0", 2, &b));
    assert_null(aw_map_put(map, "", 0, &c));
    assert_ptr_equal(aw_map_get(map, "a", 1), &a);
    assert_ptr_equal(aw_map_get(map, "a\0", 2), &b);
    assert_ptr_equal(aw_map_get(map, NULL, 0), &c);
    assert_ptr_equal(aw_map_put(map, "a", 1, &b), &a);
    assert_int_equal(aw_map_count(map), 3);
    assert_ptr_equal(aw_map_remove(map, "a", 1), &b);
    assert_null(aw_map_remove(map, "a", 1));
    assert_null(aw_map_get(map, "a", 1));
    assert_int_equal(aw_map_count(map), 2);
    aw_map_destroy(&map, NULL);
    assert_null(map);
    aw_map_destroy(&map, NULL);
}

static void many_come_and_go(void **state)
{
    (void)state;
    struct aw_map *map = aw_map_create();
    static char values[MANY];
    for (size_t i = 0; i < MANY; i++) {
        assert_null(aw_map_put(map, &i, sizeof(i), &values[i]));
    }
    for (size_t i = 0; i < MANY; i += 2) {
        assert_ptr_equal(aw_map_remove(map, &i, sizeof(i)), &values[i]);
    }
    assert_int_equal(aw_map_count(map), MANY / 2);
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(aw_map_get(map, &i, sizeof(i)), i % 2 == 0 ? NULL : &values[i]);
    }
    /* Coming and going of one key for ever must not fill the table. */
    for (size_t i = 0; i < 10 * MANY; i++) {
        size_t key = MANY + i;
        aw_map_put(map, &key, sizeof(key), map);
        assert_ptr_equal(aw_map_remove(map, &key, sizeof(key)), map);
    }
    assert_int_equal(aw_map_count(map), MANY / 2);
    aw_map_destroy(&map, NULL);
}

static void iteration_sees_each_once(void **state)
{
    (void)state;
    struct aw_map *map = aw_map_create();
    static unsigned seen[MANY];
    for (size_t i = 0; i < MANY; i++) {
        aw_map_put(map, &i, sizeof(i), &seen[i]);
    }
    const void *key;
    size_t it = 0, len;
    void *value;
    while (aw_map_next(map, &it, &key, &len, &value)) {
        ++*(unsigned *)value;
        assert_int_equal(len, sizeof(size_t));
        size_t copy;
        memcpy(&copy, key, len);
        assert_ptr_equal(value, &seen[copy]);
        if (copy % 3 == 0) {
            aw_map_remove(map, &copy, sizeof(copy));
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(seen[i], 1);
        assert_int_equal(aw_map_get(map, &i, sizeof(i)) == NULL, i % 3 == 0);
    }
    aw_map_destroy(&map, NULL);
}

static void clear_frees_values(void **state)
{
    (void)state;
    struct aw_map *map = aw_map_create();
    aw_map_put(map, "a", 1, malloc(1));
    aw_map_put(map, "b", 1, malloc(1));
    aw_map_clear(map, free);
    assert_int_equal(aw_map_count(map), 0);
    assert_null(aw_map_get(map, "a", 1));
    aw_map_put(map, "a", 1, malloc(1));
    aw_map_destroy(&map, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash_2_4), cmocka_unit_test(values_are_found_by_key),
        cmocka_unit_test(many_come_and_go),    cmocka_unit_test(iteration_sees_each_once),
        cmocka_unit_test(clear_frees_values),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
