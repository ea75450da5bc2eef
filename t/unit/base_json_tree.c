#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/json.h"

static struct aw_arena *arena;
static struct aw_err err;

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

static void limits_hold(void **state)
{
    (void)state;
    struct aw_node *root;
    char *text = malloc((1 << 20) + 2);
    memset(text, ' ', 1 << 20);
    text[0] = '{';
    text[1] = '}';
    assert_true(aw_json_parse(text, 1 << 20, arena, &root, &err));
    assert_false(aw_json_parse(text, (1 << 20) + 1, arena, &root, &err));
    for (size_t i = 1; i < (1 << 20) - 2; i++) {
        text[i] = i % 2 != 0 ? '0' : ',';
    }
    text[0] = '[';
    text[(1 << 20) - 2] = ' ';
    text[(1 << 20) - 1] = ']';
    assert_false(aw_json_parse(text, 1 << 20, arena, &root, &err));
    assert_non_null(strstr(err.msg, "too many values"));
    free(text);
    struct aw_str members;
    aw_str_init(&members, arena);
    for (size_t i = 0; i < 256; i++) {
        aw_str_printf(&members, "%c\"%zu\":1", i > 0 ? ',' : '{', i);
    }
    assert_false(aw_json_parse(members.ptr, members.len, arena, &root, &err));
    aw_str_add(&members, "}");
    assert_true(aw_json_parse(members.ptr, members.len, arena, &root, &err));
    members.len--;
    aw_str_add(&members, ",\"x\":1}");
    assert_false(aw_json_parse(members.ptr, members.len, arena, &root, &err));
    assert_non_null(strstr(err.msg, "too many members"));
    static const char deep[] = "[[[[[[[[[[[[[[[[ ]]]]]]]]]]]]]]]]"; /* 16 */
    assert_true(aw_json_parse(deep, sizeof(deep) - 1, arena, &root, &err));
}

static void tree_has_raw_text(void **state)
{
    (void)state;
    static const char text[] = " { \"a\" : [ 1 , -2.5e3,\"x\\n\" , { } ] ,\"b\":{\"c\":null ,\"d\" "
                               ": true}, \"e\\u0041\":\"\"}\n";
    struct aw_node *root;
    assert_true(aw_json_parse(text, sizeof(text) - 1, arena, &root, &err));
    const struct aw_node *a = aw_node_get(root, "a"), *at = a->child;
    static const char *const raws[] = {"1", "-2.5e3", "\"x\\n\"", "{ }"};
    for (size_t i = 0; i < 4; i++, at = at->next) {
        assert_int_equal(at->raw_len, strlen(raws[i]));
        assert_memory_equal(at->raw, raws[i], at->raw_len);
    }
    assert_null(at);
    assert_string_equal(a->child->text, "1");
    assert_string_equal(a->child->next->next->text, "x\n");
    const char list[] = "[ 1 , -2.5e3,\"x\\n\" , { } ]";
    assert_int_equal(a->raw_len, sizeof(list) - 1);
    assert_memory_equal(a->raw, list, a->raw_len);
    const struct aw_node *b = aw_node_get(root, "b");
    assert_int_equal(b->raw_len, strlen("{\"c\":null ,\"d\" : true}"));
    assert_int_equal(aw_node_get(b, "c")->type, AW_NODE_NULL);
    assert_true(aw_node_get(b, "d")->truth);
    assert_non_null(aw_node_get(root, "eA"));
    assert_null(aw_node_get(root, "f"));
    assert_null(aw_node_get(a, "x"));
    assert_true(aw_json_parse(" 12", 3, arena, &root, &err));
    assert_int_equal(root->type, AW_NODE_NUMBER);
    assert_string_equal(root->text, "12");
    assert_int_equal(root->raw_len, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(tree_has_raw_text),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
