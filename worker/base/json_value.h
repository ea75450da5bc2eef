/* json_value.h - one JSON value to one member of a row: what json_value.c offers json_read.c.
 * Threads: pure. Owner: memory of the given arena. */
#ifndef AW_BASE_JSON_VALUE_H
#define AW_BASE_JSON_VALUE_H

#include "worker/base/json.h"

struct aw_json_value {
    const struct aw_field *field;
    const struct aw_node *node; /* not null; strings of it live as long as the row */
    struct aw_arena *arena;
    bool trusted;     /* ranges are not checked */
    char detail[160]; /* out: what is allowed, when it is refused */
    size_t bad_item;  /* out: index of the refused item of a list, or AW_JSON_NO_ITEM */
};
#define AW_JSON_NO_ITEM SIZE_MAX

/* Reads every type but OBJ into `at`, the member; on failure it is unchanged. */
AW_MUST_CHECK bool aw_json_value(struct aw_json_value *value, void *at);

#endif
