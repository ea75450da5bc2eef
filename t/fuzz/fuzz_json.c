/* Any text through the decoder of request bodies. What it accepts must come back equal after
 * writing and reading. First byte: the way of reading. */
#include <stdlib.h>

#include "worker/base/json.h"

static const char *const words[] = {"low", "medium", "high", NULL};

struct leaf {
    const char *name;
    int64_t weight;
};
static const struct aw_field leaf_fields[] = {
    AW_FIELD(leaf, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 5),
    AW_FIELD(leaf, weight, I64, .dflt = "7"),
};
static const struct aw_schema leaf_schema = AW_SCHEMA(leaf, "leaves", leaf_fields, NULL, 0, NULL);

struct tree {
    const char *id;
    int64_t version;
    const char *title;
    int64_t count;
    bool alive;
    int word;
    int64_t at;
    struct aw_bytes bytes;
    struct aw_strs tags, words;
    const void *leaf;
    const char *raw;
    const char *secret, *hidden;
};
static const struct aw_field tree_fields[] = {
    AW_FIELD(tree, id, STR, .flags = AW_F_READONLY),
    AW_FIELD(tree, version, I64, .flags = AW_F_READONLY),
    AW_FIELD(tree, title, STR, .max = 10),
    AW_FIELD(tree, count, I64, .dflt = "3", .min = -5, .max = 100),
    AW_FIELD(tree, alive, BOOL, .dflt = "true"),
    AW_FIELD(tree, word, ENUM, .dflt = "\"medium\"", .arg = words),
    AW_FIELD(tree, at, TIME, .flags = AW_F_NULLABLE),
    AW_FIELD(tree, bytes, BYTES, .flags = AW_F_NULLABLE, .max = 8),
    AW_FIELD(tree, tags, STRS, .max = 3),
    AW_FIELD(tree, words, STRS, .arg = words, .dflt = "[\"low\"]"),
    AW_FIELD(tree, leaf, OBJ, .flags = AW_F_NULLABLE, .arg = &leaf_schema),
    AW_FIELD(tree, raw, RAW, .flags = AW_F_NULLABLE),
    AW_FIELD(tree, secret, STR, .flags = AW_F_SECRET),
    AW_FIELD(tree, hidden, STR, .flags = AW_F_INTERNAL),
};
static const struct aw_schema tree_schema = AW_SCHEMA(tree, "trees", tree_fields, NULL, 0, NULL);

static void check_round_trip(const struct tree *row, struct aw_arena *arena)
{
    struct aw_str text;
    struct aw_json json;
    struct aw_err err;
    struct tree back;
    aw_str_init(&text, arena);
    aw_json_init(&json, &text);
    aw_json_row(&json, &tree_schema, row, true);
    if (!aw_json_decode(&tree_schema, AW_JSON_STORED, text.ptr, text.len, arena, &back, NULL, NULL,
                        &err) ||
        !aw_row_equal(&tree_schema, row, &back)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct aw_arena *arena = aw_arena_create(0);
    struct leaf leaf = {.name = "leaf"};
    struct tree row = {.id = "base", .leaf = &leaf};
    struct aw_problems problems;
    struct aw_err err;
    struct aw_node *root;
    const char *text = (const char *)data + 1;
    uint64_t present;
    bool tree = aw_json_parse(text, size - 1, arena, &root, &err);
    if (aw_json_decode(&tree_schema, (enum aw_json_how)(data[0] % 3), text, size - 1, arena, &row,
                       &present, &problems, &err)) {
        if (!tree || problems.n != 0) {
            abort();
        }
        check_round_trip(&row, arena);
    } else if (err.kind == AW_ERR_INVALID && problems.n == 0) {
        abort();
    }
    aw_arena_destroy(&arena);
    return 0;
}
