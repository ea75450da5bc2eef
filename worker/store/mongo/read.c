#include "mongo.h"

#include <string.h>

#include "worker/base/map.h"

/* Ids of one find. A server that compares every row found with every id asked for (mongo-java-server) pays for
 * their square, and each find costs a round trip. */
#define IDS_PER_FIND 256
/* Rows of one answer. */
#define ROWS_PER_REPLY 2000

static bool ready(struct aw_mongo_reader *reader, struct aw_err *err)
{
    return !reader->is_writer || aw_mongo_settle(reader->self, err);
}

bool aw_mongo_find(struct aw_mongo_reader *reader, const char *collection, const bson_t *filter,
                   const bson_t *opts, bool (*each)(void *arg, const bson_t *doc), void *arg,
                   struct aw_err *err)
{
    mongoc_collection_t *rows = mongoc_database_get_collection(reader->db, collection);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(rows, filter, opts, NULL);
    const bson_t *doc;
    while (mongoc_cursor_next(cursor, &doc) && each(arg, doc)) {
    }
    bson_error_t error;
    bool is_good = !mongoc_cursor_error(cursor, &error) || aw_mongo_fail(&error, err);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(rows);
    return is_good;
}

/* One id is looked up as {_id: id}, which every server answers from the index. */
static void filter_ids(bson_t *filter, const char *const *ids, size_t n)
{
    if (n == 1) {
        bson_append_utf8(filter, "_id", -1, ids[0], -1);
        return;
    }
    bson_t in, list;
    bson_append_document_begin(filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (size_t i = 0; i < n; i++) {
        char buffer[16];
        const char *index;
        bson_uint32_to_string((uint32_t)i, &index, buffer, sizeof(buffer));
        bson_append_utf8(&list, index, -1, ids[i], -1);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
}

static bool find_ids(struct aw_mongo_reader *reader, const char *collection, const char *const *ids,
                     size_t n, bool versions_only, bool (*each)(void *arg, const bson_t *doc),
                     void *arg, struct aw_err *err)
{
    bool is_good = true;
    for (size_t done = 0; done < n && is_good; done += IDS_PER_FIND) {
        size_t part = n - done < IDS_PER_FIND ? n - done : IDS_PER_FIND;
        bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
        filter_ids(&filter, ids + done, part);
        bson_append_int32(&opts, "batchSize", -1, ROWS_PER_REPLY);
        if (versions_only) {
            bson_t projection;
            bson_append_document_begin(&opts, "projection", -1, &projection);
            bson_append_int32(&projection, "version", -1, 1);
            bson_append_document_end(&opts, &projection);
        }
        is_good = aw_mongo_find(reader, collection, &filter, &opts, each, arg, err);
        bson_destroy(&filter);
        bson_destroy(&opts);
    }
    return is_good;
}

static const char *id_of(const struct aw_schema *schema, const void *row)
{
    return *(const char *const *)aw_field_at(&schema->fields[0], row);
}

/* row NULL: it is absent */
static void remember(struct aw_mongo_reader *reader, const struct aw_schema *schema, const char *id,
                     const void *row)
{
    if (reader->is_writer && id != NULL) {
        aw_mongo_known_put(&reader->self->known, schema->name, id,
                           row != NULL ? *(int64_t *)aw_field_at(&schema->fields[1], row) : 0);
    }
}

struct taking {
    const struct aw_schema *schema;
    struct aw_arena *arena;
    struct aw_map *found; /* id -> row */
};

static bool take_row(void *arg, const bson_t *doc)
{
    struct taking *taking = arg;
    void *row = aw_mongo_decode(taking->schema, doc, taking->arena);
    const char *id = id_of(taking->schema, row);
    if (id != NULL) {
        aw_map_put(taking->found, id, strlen(id), row);
    }
    return true;
}

bool aw_mongo_get_many(void *reader, const struct aw_schema *schema, const char *const *ids,
                       size_t n, struct aw_arena *arena, void **rows, struct aw_err *err)
{
    if (!ready(reader, err)) {
        return false;
    }
    struct taking taking = {schema, arena, aw_map_create()};
    bool is_good = find_ids(reader, schema->name, ids, n, false, take_row, &taking, err);
    for (size_t i = 0; is_good && i < n; i++) {
        rows[i] = aw_map_get(taking.found, ids[i], strlen(ids[i]));
        remember(reader, schema, ids[i], rows[i]);
    }
    aw_map_destroy(&taking.found, NULL);
    return is_good;
}

static bool take_version(void *arg, const bson_t *doc)
{
    struct taking *taking = arg;
    bson_iter_t id, version;
    if (bson_iter_init_find(&id, doc, "_id") && BSON_ITER_HOLDS_UTF8(&id)) {
        int64_t *number = AW_NEW(taking->arena, int64_t);
        *number = bson_iter_init_find(&version, doc, "version") ? bson_iter_as_int64(&version) : 0;
        uint32_t len;
        const char *text = bson_iter_utf8(&id, &len);
        aw_map_put(taking->found, text, len, number);
    }
    return true;
}

bool aw_mongo_versions(struct aw_mongo_reader *reader, const char *collection,
                       const char *const *ids, size_t n, struct aw_arena *arena,
                       struct aw_map *versions, struct aw_err *err)
{
    struct taking taking = {NULL, arena, versions};
    return find_ids(reader, collection, ids, n, true, take_version, &taking, err);
}

struct walk {
    struct aw_mongo_reader *reader;
    const struct aw_schema *schema;
    struct aw_arena *arena;
    bool (*each)(void *arg, void *row);
    void *arg;
};

static bool walk_row(void *arg, const bson_t *doc)
{
    struct walk *walk = arg;
    void *row = aw_mongo_decode(walk->schema, doc, walk->arena);
    remember(walk->reader, walk->schema, id_of(walk->schema, row), row);
    return walk->each(walk->arg, row);
}

bool aw_mongo_each(void *reader, const struct aw_query *query, struct aw_arena *arena,
                   bool (*each)(void *arg, void *row), void *arg, struct aw_err *err)
{
    if (!ready(reader, err)) {
        return false;
    }
    bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
    aw_mongo_filter(query, &filter);
    aw_mongo_sort(query, &opts);
    bson_append_int32(&opts, "batchSize", -1, ROWS_PER_REPLY);
    struct walk walk = {reader, query->schema, arena, each, arg};
    bool is_good = aw_mongo_find(reader, query->schema->name, &filter, &opts, walk_row, &walk, err);
    bson_destroy(&filter);
    bson_destroy(&opts);
    return is_good;
}

bool aw_mongo_count(void *reader_, const struct aw_query *query, int64_t *count, struct aw_err *err)
{
    struct aw_mongo_reader *reader = reader_;
    if (!ready(reader, err)) {
        return false;
    }
    bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
    aw_mongo_filter(query, &filter);
    if (query->limit != 0) {
        bson_append_int64(&opts, "limit", -1, (int64_t)query->limit);
    }
    mongoc_collection_t *rows = mongoc_database_get_collection(reader->db, query->schema->name);
    bson_error_t error;
    *count = mongoc_collection_count_documents(rows, &filter, &opts, NULL, NULL, &error);
    mongoc_collection_destroy(rows);
    bson_destroy(&filter);
    bson_destroy(&opts);
    return *count >= 0 || aw_mongo_fail(&error, err);
}
