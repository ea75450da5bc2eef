#include "mongo.h"

#include <stdio.h>
#include <string.h>

#include "worker/base/log.h"
#include "worker/base/map.h"
#include "worker/base/vec.h"

#define NOT_IMPLEMENTED 238
#define META            "meta"
#define VERSION_SIZE    24

/* The fields of an index of the tables, as the server names them. Lists are sorted by a field and the id: an index that
 * ends with the id gives a page in that order, without one the server reads and sorts all that match. */
static void append_key(bson_t *key, const struct aw_index *index)
{
    int direction = 1;
    for (size_t f = 0; f < AW_COUNT(index->fields) && index->fields[f] != NULL; f++) {
        bool is_falling = index->fields[f][0] == '-';
        direction = is_falling ? -1 : 1;
        BSON_APPEND_INT32(key, aw_mongo_name(index->fields[f] + is_falling), direction);
    }
    if (!index->unique && !bson_has_field(key, "_id")) {
        BSON_APPEND_INT32(key, "_id", direction);
    }
}

static void append_index(bson_t *list, uint32_t i, const struct aw_index *index)
{
    char buffer[16];
    const char *position;
    bson_t one, key;
    bson_uint32_to_string(i, &position, buffer, sizeof(buffer));
    bson_append_document_begin(list, position, -1, &one);
    bson_append_document_begin(&one, "key", -1, &key);
    append_key(&key, index);
    bson_append_document_end(&one, &key);
    BSON_APPEND_UTF8(&one, "name", index->name);
    if (index->unique) {
        BSON_APPEND_BOOL(&one, "unique", true);
    }
    bson_append_document_end(list, &one);
}

static const struct aw_index *index_named(const struct aw_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->index_count; i++) {
        if (strcmp(schema->indexes[i].name, name) == 0) {
            return &schema->indexes[i];
        }
    }
    return NULL;
}

/* Is the stored index defined as the one of the tables? Servers tell directions in any type of number. */
static bool is_defined(const bson_t *doc, const struct aw_index *index)
{
    bson_t wanted = BSON_INITIALIZER;
    bson_iter_t unique, key, stored, ours;
    append_key(&wanted, index);
    bool is_unique = bson_iter_init_find(&unique, doc, "unique") && bson_iter_as_bool(&unique);
    bool is_same = is_unique == index->unique && bson_iter_init_find(&key, doc, "key") &&
                   bson_iter_recurse(&key, &stored) && bson_iter_init(&ours, &wanted);
    bool has_more = is_same;
    while (is_same && has_more) {
        has_more = bson_iter_next(&ours);
        is_same = bson_iter_next(&stored) == has_more &&
                  (!has_more || (strcmp(bson_iter_key(&stored), bson_iter_key(&ours)) == 0 &&
                                 bson_iter_as_int64(&stored) == bson_iter_as_int64(&ours)));
    }
    bson_destroy(&wanted);
    return is_same;
}

/* The product names its indexes in small letters and `_`. The names that servers and their tools give hold a digit;
 * the one on _id begins with `_`. */
static bool is_name_of_ours(const char *name)
{
    return name[0] != '_' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

struct stored_indexes {
    struct aw_map *good; /* names of those that are as in the tables */
    AW_VEC(char *) drop; /* names of ours that are not in the tables, or differ */
};

static void judge_index(struct stored_indexes *stored, const struct aw_schema *schema,
                        const bson_t *doc)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "name") || !BSON_ITER_HOLDS_UTF8(&it)) {
        return;
    }
    uint32_t len;
    const char *name = bson_iter_utf8(&it, &len);
    const struct aw_index *index = index_named(schema, name);
    if (index != NULL && is_defined(doc, index)) {
        aw_map_put(stored->good, name, len, stored);
    } else if (index != NULL || is_name_of_ours(name)) {
        *aw_vec_push(&stored->drop) = bson_strdup(name);
    }
}

static bool existing(struct aw_mongo *self, const struct aw_schema *schema,
                     struct stored_indexes *stored, struct aw_err *err)
{
    mongoc_collection_t *rows = mongoc_database_get_collection(self->writer.db, schema->name);
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(rows, NULL);
    const bson_t *doc;
    while (mongoc_cursor_next(cursor, &doc)) {
        judge_index(stored, schema, doc);
    }
    bson_error_t error;
    bool is_good = !mongoc_cursor_error(cursor, &error) || aw_mongo_fail(&error, err);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(rows);
    return is_good;
}

/* A server that does not know the command is told of and left as it is. */
static bool change(struct aw_mongo *self, const struct aw_schema *schema, const bson_t *command,
                   struct aw_err *err)
{
    bson_error_t error;
    if (mongoc_database_write_command_with_opts(self->writer.db, command, NULL, NULL, &error)) {
        return true;
    }
    if (error.domain == MONGOC_ERROR_SERVER && error.code == NOT_IMPLEMENTED) {
        aw_log(AW_LOG_WARN, "mongo.index_unsupported", AW_S("collection", schema->name));
        return true;
    }
    return aw_mongo_fail(&error, err);
}

static bool drop(struct aw_mongo *self, const struct aw_schema *schema, const char *name,
                 struct aw_err *err)
{
    bson_t *command = BCON_NEW("dropIndexes", schema->name, "index", name);
    bool is_good = change(self, schema, command, err);
    bson_destroy(command);
    if (is_good) {
        aw_log(AW_LOG_INFO, "mongo.index_dropped", AW_S("collection", schema->name),
               AW_S("index", name));
    }
    return is_good;
}

static bool create(struct aw_mongo *self, const struct aw_schema *schema, const struct aw_map *good,
                   struct aw_err *err)
{
    bson_t command = BSON_INITIALIZER, list;
    uint32_t missing = 0;
    BSON_APPEND_UTF8(&command, "createIndexes", schema->name);
    bson_append_array_begin(&command, "indexes", -1, &list);
    for (size_t i = 0; i < schema->index_count; i++) {
        const struct aw_index *index = &schema->indexes[i];
        if (aw_map_get(good, index->name, strlen(index->name)) == NULL) {
            append_index(&list, missing++, index);
        }
    }
    bson_append_array_end(&command, &list);
    bool is_good = missing == 0 || change(self, schema, &command, err);
    bson_destroy(&command);
    return is_good;
}

static bool match_indexes(struct aw_mongo *self, const struct aw_schema *schema, struct aw_err *err)
{
    struct stored_indexes stored = {.good = aw_map_create()};
    bool is_good = existing(self, schema, &stored, err);
    for (size_t i = 0; i < stored.drop.n; i++) {
        is_good = is_good && drop(self, schema, stored.drop.v[i], err);
        bson_free(stored.drop.v[i]);
    }
    is_good = is_good && create(self, schema, stored.good, err);
    aw_vec_free(&stored.drop);
    aw_map_destroy(&stored.good, NULL);
    return is_good;
}

/* A collection without an index of ours is made by its first row. */
static bool match_all_indexes(struct aw_mongo *self, const struct aw_schema *const *schemas,
                              struct aw_err *err)
{
    bool is_good = true;
    for (; *schemas != NULL && is_good; schemas++) {
        is_good = match_indexes(self, *schemas, err);
    }
    return is_good;
}

static bool take_value(void *arg, const bson_t *doc)
{
    bson_iter_t it;
    bool is_text = bson_iter_init_find(&it, doc, "value") && BSON_ITER_HOLDS_UTF8(&it);
    snprintf(arg, VERSION_SIZE, "%s", is_text ? bson_iter_utf8(&it, NULL) : "");
    return false;
}

bool aw_mongo_check_version(struct aw_mongo_reader *reader, bool *is_new, struct aw_err *err)
{
    static const char absent[] = "-";
    char value[VERSION_SIZE] = "-";
    bson_t *filter = BCON_NEW("_id", AW_STORE_VERSION_ID);
    bson_t opts = BSON_INITIALIZER;
    bool is_good = aw_mongo_find(reader, META, filter, &opts, take_value, value, err);
    bson_destroy(filter);
    bson_destroy(&opts);
    *is_new = strcmp(value, absent) == 0;
    return is_good && aw_migrate_check(*is_new ? NULL : value, err);
}

static bool write_version(struct aw_mongo *self, struct aw_err *err)
{
    char value[VERSION_SIZE];
    snprintf(value, sizeof(value), "%d", AW_STORE_VERSION);
    bson_t *row = BCON_NEW("_id", AW_STORE_VERSION_ID, "version", BCON_INT64(1), "value", value);
    mongoc_collection_t *meta = mongoc_database_get_collection(self->writer.db, META);
    bson_error_t error;
    bool is_good = mongoc_collection_insert_one(meta, row, NULL, NULL, &error);
    mongoc_collection_destroy(meta);
    bson_destroy(row);
    return is_good || aw_mongo_fail(&error, err);
}

bool aw_mongo_migrate(struct aw_mongo *self, bool is_new, const struct aw_schema *const *schemas,
                      struct aw_err *err)
{
    return match_all_indexes(self, schemas, err) && (!is_new || write_version(self, err));
}
