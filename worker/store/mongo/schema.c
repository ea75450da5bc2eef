#include "mongo.h"

#include <stdio.h>
#include <string.h>

#include "worker/base/log.h"
#include "worker/base/map.h"

#define NOT_IMPLEMENTED 238
#define META            "meta"
#define VERSION_SIZE    24

static void append_index(bson_t *list, uint32_t i, const struct aw_index *index)
{
    char buffer[16];
    const char *position;
    bson_t one, key;
    bson_uint32_to_string(i, &position, buffer, sizeof(buffer));
    bson_append_document_begin(list, position, -1, &one);
    bson_append_document_begin(&one, "key", -1, &key);
    for (size_t f = 0; f < AW_COUNT(index->fields) && index->fields[f] != NULL; f++) {
        bool is_falling = index->fields[f][0] == '-';
        BSON_APPEND_INT32(&key, aw_mongo_name(index->fields[f] + is_falling), is_falling ? -1 : 1);
    }
    bson_append_document_end(&one, &key);
    BSON_APPEND_UTF8(&one, "name", index->name);
    if (index->unique) {
        BSON_APPEND_BOOL(&one, "unique", true);
    }
    bson_append_document_end(list, &one);
}

/* Names of the indexes that are there. An index with another definition has another name. */
static bool existing(struct aw_mongo *self, const struct aw_schema *schema, struct aw_map *names,
                     struct aw_err *err)
{
    mongoc_collection_t *rows = mongoc_database_get_collection(self->writer.db, schema->name);
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(rows, NULL);
    const bson_t *doc;
    bson_iter_t it;
    while (mongoc_cursor_next(cursor, &doc)) {
        if (bson_iter_init_find(&it, doc, "name") && BSON_ITER_HOLDS_UTF8(&it)) {
            uint32_t len;
            const char *name = bson_iter_utf8(&it, &len);
            aw_map_put(names, name, len, names);
        }
    }
    bson_error_t error;
    bool is_good = !mongoc_cursor_error(cursor, &error) || aw_mongo_fail(&error, err);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(rows);
    return is_good;
}

static bool create(struct aw_mongo *self, const struct aw_schema *schema,
                   const struct aw_map *names, struct aw_err *err)
{
    bson_t command = BSON_INITIALIZER, list;
    uint32_t missing = 0;
    BSON_APPEND_UTF8(&command, "createIndexes", schema->name);
    bson_append_array_begin(&command, "indexes", -1, &list);
    for (size_t i = 0; i < schema->index_count; i++) {
        const struct aw_index *index = &schema->indexes[i];
        if (aw_map_get(names, index->name, strlen(index->name)) == NULL) {
            append_index(&list, missing++, index);
        }
    }
    bson_append_array_end(&command, &list);
    bson_error_t error;
    bool is_good =
        missing == 0 ||
        mongoc_database_write_command_with_opts(self->writer.db, &command, NULL, NULL, &error);
    bson_destroy(&command);
    if (!is_good && error.domain == MONGOC_ERROR_SERVER && error.code == NOT_IMPLEMENTED) {
        aw_log(AW_LOG_WARN, "mongo.index_unsupported", AW_S("collection", schema->name));
        return true;
    }
    return is_good || aw_mongo_fail(&error, err);
}

/* A collection without an index of ours is made by its first row. */
static bool create_indexes(struct aw_mongo *self, const struct aw_schema *const *schemas,
                           struct aw_err *err)
{
    bool is_good = true;
    for (; *schemas != NULL && is_good; schemas++) {
        if ((*schemas)->index_count > 0) {
            struct aw_map *names = aw_map_create();
            is_good = existing(self, *schemas, names, err) && create(self, *schemas, names, err);
            aw_map_destroy(&names, NULL);
        }
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
    return create_indexes(self, schemas, err) && (!is_new || write_version(self, err));
}
