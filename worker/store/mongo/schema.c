#include "mongo.h"

#include "worker/base/log.h"

#define NOT_IMPLEMENTED 238

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

static bool create(struct aw_mongo *self, const struct aw_schema *schema, struct aw_err *err)
{
    bson_t command = BSON_INITIALIZER, list;
    BSON_APPEND_UTF8(&command, "createIndexes", schema->name);
    bson_append_array_begin(&command, "indexes", -1, &list);
    for (uint32_t i = 0; i < schema->index_count; i++) {
        append_index(&list, i, &schema->indexes[i]);
    }
    bson_append_array_end(&command, &list);
    bson_error_t error;
    bool is_good =
        mongoc_database_write_command_with_opts(self->writer.db, &command, NULL, NULL, &error);
    bson_destroy(&command);
    if (!is_good && error.domain == MONGOC_ERROR_SERVER && error.code == NOT_IMPLEMENTED) {
        aw_log(AW_LOG_WARN, "mongo.index_unsupported", AW_S("collection", schema->name));
        return true;
    }
    return is_good || aw_mongo_fail(&error, err);
}

bool aw_mongo_create_indexes(struct aw_mongo *self, const struct aw_schema *const *schemas,
                             struct aw_err *err)
{
    for (; *schemas != NULL; schemas++) {
        if ((*schemas)->index_count > 0 && !create(self, *schemas, err)) {
            return false;
        }
    }
    return true;
}
