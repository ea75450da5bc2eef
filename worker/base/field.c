#include "worker/base/field.h"

#include <string.h>

const struct aw_field *aw_schema_field(const struct aw_schema *schema, const char *name, size_t len)
{
    for (size_t i = 0; i < schema->n; i++) {
        const char *have = schema->fields[i].name;
        if (strncmp(have, name, len) == 0 && have[len] == '\0') {
            return &schema->fields[i];
        }
    }
    return NULL;
}

int aw_schema_index_of(const struct aw_schema *schema, const char *name)
{
    const struct aw_field *field = aw_schema_field(schema, name, strlen(name));
    return field != NULL ? (int)(field - schema->fields) : -1;
}

static void field_copy(const struct aw_field *field, void *row, struct aw_arena *arena)
{
    void *at = aw_field_at(field, row);
    switch (field->type) {
    case AW_T_STR:
    case AW_T_RAW: {
        const char **text = at;
        *text = aw_arena_str(arena, *text);
        break;
    }
    case AW_T_BYTES: {
        struct aw_bytes *bytes = at;
        bytes->ptr = bytes->ptr != NULL ? aw_arena_copy(arena, bytes->ptr, bytes->len) : NULL;
        break;
    }
    case AW_T_STRS: {
        struct aw_strs *list = at;
        const char **copy = AW_NEW_N(arena, const char *, list->n);
        for (size_t i = 0; i < list->n; i++) {
            copy[i] = aw_arena_str(arena, list->v[i]);
        }
        list->v = copy;
        break;
    }
    case AW_T_OBJ: {
        const void **nested = at;
        *nested = *nested != NULL ? aw_row_copy(field->arg, *nested, arena) : NULL;
        break;
    }
    case AW_T_I64:
    case AW_T_BOOL:
    case AW_T_ENUM:
    case AW_T_TIME:
        break; /* the copy of the struct has it */
    }
}

void *aw_row_copy(const struct aw_schema *schema, const void *row, struct aw_arena *arena)
{
    void *copy = aw_arena_copy(arena, row, schema->size);
    for (size_t i = 0; i < schema->n; i++) {
        field_copy(&schema->fields[i], copy, arena);
    }
    return copy;
}

static int row_compare(const struct aw_schema *schema, const void *a, const void *b)
{
    int order = 0;
    for (size_t i = 0; i < schema->n && order == 0; i++) {
        order = aw_field_compare(&schema->fields[i], a, b);
    }
    return order;
}

bool aw_row_equal(const struct aw_schema *schema, const void *a, const void *b)
{
    return row_compare(schema, a, b) == 0;
}

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_str(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    if (x == NULL || y == NULL) {
        return order_of(x != NULL, y != NULL);
    }
    return order_of(strcmp(x, y), 0);
}

static int compare_bytes(const struct aw_bytes *a, const struct aw_bytes *b)
{
    if (a->ptr == NULL || b->ptr == NULL) {
        return order_of(a->ptr != NULL, b->ptr != NULL);
    }
    size_t both = a->len < b->len ? a->len : b->len;
    int order = both != 0 ? order_of(memcmp(a->ptr, b->ptr, both), 0) : 0;
    return order != 0 ? order : order_of((int64_t)a->len, (int64_t)b->len);
}

static int compare_strs(const struct aw_strs *a, const struct aw_strs *b)
{
    int order = 0;
    for (size_t i = 0; i < a->n && i < b->n && order == 0; i++) {
        order = compare_str(&a->v[i], &b->v[i]);
    }
    return order != 0 ? order : order_of((int64_t)a->n, (int64_t)b->n);
}

static int compare_obj(const struct aw_schema *schema, const void *a, const void *b)
{
    const void *x = *(const void *const *)a, *y = *(const void *const *)b;
    if (x == NULL || y == NULL) {
        return order_of(x != NULL, y != NULL);
    }
    return row_compare(schema, x, y);
}

int aw_field_compare(const struct aw_field *field, const void *a, const void *b)
{
    const void *x = aw_field_at(field, a), *y = aw_field_at(field, b);
    switch (field->type) {
    case AW_T_STR:
    case AW_T_RAW:
        return compare_str(x, y);
    case AW_T_I64:
    case AW_T_TIME:
        return order_of(*(const int64_t *)x, *(const int64_t *)y);
    case AW_T_BOOL:
        return order_of(*(const bool *)x, *(const bool *)y);
    case AW_T_ENUM:
        return order_of(*(const int *)x, *(const int *)y);
    case AW_T_BYTES:
        return compare_bytes(x, y);
    case AW_T_STRS:
        return compare_strs(x, y);
    case AW_T_OBJ:
        return compare_obj(field->arg, x, y);
    }
    return 0;
}

const char *aw_words_get(const char *const *words, int index)
{
    for (int i = 0; i <= index && words[i] != NULL; i++) {
        if (i == index) {
            return words[i];
        }
    }
    return "";
}

int aw_words_find(const char *const *words, const char *text, size_t len)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strncmp(words[i], text, len) == 0 && words[i][len] == '\0') {
            return i;
        }
    }
    return -1;
}
