#include "mongo.h"

#include <string.h>

#include "src/aw_alert_json.h"

const char *aw_mongo_name(const char *field)
{
    return strcmp(field, "id") == 0 ? "_id" : field;
}

static void append_members(bson_t *doc, const struct aw_schema *schema, const void *row)
{
    for (size_t i = 0; i < schema->n; i++) {
        aw_mongo_append(doc, schema->fields[i].name, &schema->fields[i], row);
    }
}

static void append_text(bson_t *doc, const char *key, const char *text)
{
    if (text != NULL) {
        bson_append_utf8(doc, key, -1, text, -1);
    } else {
        bson_append_null(doc, key, -1);
    }
}

static void append_bytes(bson_t *doc, const char *key, const struct aw_bytes *bytes)
{
    if (bytes->ptr != NULL) {
        bson_append_binary(doc, key, -1, BSON_SUBTYPE_BINARY, bytes->ptr, (uint32_t)bytes->len);
    } else {
        bson_append_null(doc, key, -1);
    }
}

static void append_strs(bson_t *doc, const char *key, const struct aw_strs *strs)
{
    bson_t list;
    bson_append_array_begin(doc, key, -1, &list);
    for (size_t i = 0; i < strs->n; i++) {
        char buffer[16];
        const char *index;
        bson_uint32_to_string((uint32_t)i, &index, buffer, sizeof(buffer));
        append_text(&list, index, strs->v[i]);
    }
    bson_append_array_end(doc, &list);
}

static void append_nested(bson_t *doc, const char *key, const struct aw_schema *schema,
                          const void *nested)
{
    if (nested == NULL) {
        bson_append_null(doc, key, -1);
        return;
    }
    bson_t inner;
    bson_append_document_begin(doc, key, -1, &inner);
    append_members(&inner, schema, nested);
    bson_append_document_end(doc, &inner);
}

void aw_mongo_append(bson_t *doc, const char *key, const struct aw_field *field, const void *row)
{
    const void *at = aw_field_at(field, row);
    switch (field->type) {
    case AW_T_STR:
    case AW_T_RAW:
        append_text(doc, key, *(const char *const *)at);
        break;
    case AW_T_I64:
        bson_append_int64(doc, key, -1, *(const int64_t *)at);
        break;
    case AW_T_BOOL:
        bson_append_bool(doc, key, -1, *(const bool *)at);
        break;
    case AW_T_ENUM:
        bson_append_int32(doc, key, -1, *(const int *)at);
        break;
    case AW_T_TIME:
        if (*(const int64_t *)at != 0) {
            bson_append_date_time(doc, key, -1, *(const int64_t *)at);
        } else {
            bson_append_null(doc, key, -1);
        }
        break;
    case AW_T_BYTES:
        append_bytes(doc, key, at);
        break;
    case AW_T_STRS:
        append_strs(doc, key, at);
        break;
    case AW_T_OBJ:
        append_nested(doc, key, field->arg, *(const void *const *)at);
        break;
    }
}

void aw_mongo_encode(const struct aw_schema *schema, const void *row, bson_t *doc)
{
    for (size_t i = 0; i < schema->n; i++) {
        aw_mongo_append(doc, aw_mongo_name(schema->fields[i].name), &schema->fields[i], row);
    }
}

static const char *take_text(const bson_iter_t *it, struct aw_arena *arena)
{
    if (!BSON_ITER_HOLDS_UTF8(it)) {
        return NULL;
    }
    uint32_t len;
    const char *text = bson_iter_utf8(it, &len);
    return aw_arena_strn(arena, text, len);
}

static struct aw_bytes take_bytes(const bson_iter_t *it, struct aw_arena *arena)
{
    if (!BSON_ITER_HOLDS_BINARY(it)) {
        return (struct aw_bytes){0};
    }
    bson_subtype_t subtype;
    uint32_t len;
    const uint8_t *data;
    bson_iter_binary(it, &subtype, &len, &data);
    uint8_t *copy = aw_arena_alloc(arena, len + 1U);
    memcpy(copy, data, len);
    return (struct aw_bytes){copy, len};
}

static struct aw_strs take_strs(const bson_iter_t *it, struct aw_arena *arena)
{
    bson_iter_t item, again;
    if (!BSON_ITER_HOLDS_ARRAY(it) || !bson_iter_recurse(it, &item)) {
        return (struct aw_strs){0};
    }
    size_t n = 0;
    again = item;
    while (bson_iter_next(&again)) {
        n++;
    }
    const char **list = AW_NEW_N(arena, const char *, n);
    n = 0;
    while (bson_iter_next(&item)) {
        list[n++] = take_text(&item, arena);
    }
    return (struct aw_strs){list, n};
}

static void *take_members(const struct aw_schema *schema, bson_iter_t *it, struct aw_arena *arena);

static void take_value(const struct aw_field *field, const bson_iter_t *it, struct aw_arena *arena,
                       void *row)
{
    void *at = aw_field_at(field, row);
    bson_iter_t inner;
    switch (field->type) {
    case AW_T_STR:
    case AW_T_RAW:
        *(const char **)at = take_text(it, arena);
        break;
    case AW_T_I64:
        *(int64_t *)at = bson_iter_as_int64(it);
        break;
    case AW_T_BOOL:
        *(bool *)at = bson_iter_as_bool(it);
        break;
    case AW_T_ENUM:
        *(int *)at = (int)bson_iter_as_int64(it);
        break;
    case AW_T_TIME:
        *(int64_t *)at = BSON_ITER_HOLDS_DATE_TIME(it) ? bson_iter_date_time(it) : 0;
        break;
    case AW_T_BYTES:
        *(struct aw_bytes *)at = take_bytes(it, arena);
        break;
    case AW_T_STRS:
        *(struct aw_strs *)at = take_strs(it, arena);
        break;
    case AW_T_OBJ:
        if (BSON_ITER_HOLDS_DOCUMENT(it) && bson_iter_recurse(it, &inner)) {
            *(const void **)at = take_members(field->arg, &inner, arena);
        }
        break;
    }
}

static void *take_members(const struct aw_schema *schema, bson_iter_t *it, struct aw_arena *arena)
{
    void *row = aw_arena_zero(arena, schema->size);
    size_t guess = 0; /* documents keep the order of the table, so the next field is nearly always
                         the right one */
    while (bson_iter_next(it)) {
        const char *key = bson_iter_key(it);
        const char *name = strcmp(key, "_id") == 0 ? "id" : key;
        if (guess >= schema->n || strcmp(schema->fields[guess].name, name) != 0) {
            int found = aw_schema_index_of(schema, name);
            if (found < 0) {
                continue;
            }
            guess = (size_t)found;
        }
        take_value(&schema->fields[guess++], it, arena, row);
    }
    return row;
}

void *aw_mongo_decode(const struct aw_schema *schema, const bson_t *doc, struct aw_arena *arena)
{
    bson_iter_t it;
    return bson_iter_init(&it, doc) ? take_members(schema, &it, arena)
                                    : aw_arena_zero(arena, schema->size);
}

bool aw_mongo_is_utf8(const bson_t *doc)
{
    bson_iter_t it;
    if (!bson_iter_init(&it, doc)) {
        return false;
    }
    while (bson_iter_next(&it)) {
        uint32_t len;
        const uint8_t *data;
        bson_t inner;
        if (BSON_ITER_HOLDS_UTF8(&it)) {
            const char *text = bson_iter_utf8(&it, &len);
            if (!aw_utf8_check(text, len, NULL)) {
                return false;
            }
        } else if (BSON_ITER_HOLDS_DOCUMENT(&it) || BSON_ITER_HOLDS_ARRAY(&it)) {
            BSON_ITER_HOLDS_ARRAY(&it) ? bson_iter_array(&it, &len, &data)
                                       : bson_iter_document(&it, &len, &data);
            if (!bson_init_static(&inner, data, len) || !aw_mongo_is_utf8(&inner)) {
                return false;
            }
        }
    }
    return true;
}
