/* json_tree.h - strict JSON text to a tree: what json_tree.c offers json_read.c.
 * Threads: pure. Owner: memory of the given arenas. */
#ifndef AW_BASE_JSON_TREE_H
#define AW_BASE_JSON_TREE_H

#include "worker/base/json.h"

enum aw_json_limits {
    AW_JSON_DEPTH_MAX = 16,
    AW_JSON_MEMBERS_MAX = 256, /* of one object */
    AW_JSON_KEY_MAX = 128,     /* bytes */
    AW_JSON_NUMBER_MAX = 32,   /* bytes */
    AW_JSON_TEXT_MAX = 1 << 20,
    AW_JSON_NODES_MAX = 1 << 17
};

/* Nodes, keys and numbers lie in `scratch`, decoded strings in `strings`; `raw` points into text.
 * Everything but the length of the text is limited. Fails with MALFORMED json.syntax. */
AW_MUST_CHECK bool aw_json_tree(const char *text, size_t len, struct aw_arena *scratch,
                                struct aw_arena *strings, struct aw_node **root,
                                struct aw_err *err);

#endif
