#include "mongo.h"

#include <string.h>

#include "worker/base/map.h"
#include "worker/base/vec.h"

/* Values of unique indexes asked in one find. */
#define KEYS_PER_FIND 100

static bool conflict(struct aw_err *err, const char *collection, const char *id, const char *why)
{
    return aw_fail(err, AW_ERR_CONFLICT, "store.conflict", "%s %s: %s", collection, id, why);
}

/* --- versions --- */

static bool check_version(const struct aw_write *write, const int64_t *version, struct aw_err *err)
{
    if (write->kind == AW_WRITE_INSERT) {
        return version == NULL || conflict(err, write->schema->name, write->id, "the id exists");
    }
    if (version == NULL) {
        return conflict(err, write->schema->name, write->id, "the row is gone");
    }
    return *version == write->expect ||
           conflict(err, write->schema->name, write->id, "the version has moved");
}

static bool check_versions(struct aw_mongo *self, const struct aw_write *const *writes, size_t n,
                           struct aw_arena *arena, struct aw_err *err)
{
    const char *collection = writes[0]->schema->name, **ids = AW_NEW_N(arena, const char *, n);
    const struct aw_write **asked = AW_NEW_N(arena, const struct aw_write *, n);
    size_t unknown = 0;
    bool is_good = true;
    for (size_t i = 0; is_good && i < n; i++) {
        int64_t version;
        if (aw_mongo_known_get(&self->known, collection, writes[i]->id, &version)) {
            is_good = check_version(writes[i], version != 0 ? &version : NULL, err);
        } else {
            ids[unknown] = writes[i]->id;
            asked[unknown++] = writes[i];
        }
    }
    struct aw_map *versions = aw_map_create();
    is_good =
        is_good && aw_mongo_versions(&self->writer, collection, ids, unknown, arena, versions, err);
    for (size_t i = 0; is_good && i < unknown; i++) {
        is_good = check_version(asked[i], aw_map_get(versions, ids[i], strlen(ids[i])), err);
    }
    aw_map_destroy(&versions, NULL);
    return is_good;
}

/* --- unique indexes --- */

/* The values of an index in a row, as a document: a filter, and a key to compare by bytes. */
static void index_key(const struct aw_schema *schema, const struct aw_index *index, const void *row,
                      bson_t *key)
{
    for (size_t i = 0; i < AW_COUNT(index->fields) && index->fields[i] != NULL; i++) {
        const char *name = index->fields[i] + (index->fields[i][0] == '-');
        const struct aw_field *field = aw_schema_field(schema, name, strlen(name));
        if (field != NULL) {
            aw_mongo_append(key, aw_mongo_name(name), field, row);
        }
    }
}

struct claims {
    const struct aw_schema *schema;
    const struct aw_index *index;
    struct aw_map *by_key; /* values -> write that claims them */
    struct aw_map *by_id;  /* id -> write of the unit */
    struct aw_arena *arena;
    struct aw_err *err;
    bool is_good;
};

/* May the write take the values that the stored row `id` holds? Yes if it is the same row, or if
 * the unit deletes that row, or moves it away before this insert. */
static bool may_take(const struct claims *claims, const struct aw_write *write, const char *id)
{
    if (strcmp(write->id, id) == 0) {
        return true;
    }
    const struct aw_write *of_holder = aw_map_get(claims->by_id, id, strlen(id));
    if (of_holder == NULL) {
        return false;
    }
    /* A holder that keeps the values would have claimed them itself. */
    return of_holder->kind == AW_WRITE_DELETE ||
           (of_holder->kind == AW_WRITE_REPLACE && write->kind == AW_WRITE_INSERT);
}

static bool check_holder(void *arg, const bson_t *doc)
{
    struct claims *claims = arg;
    const void *row = aw_mongo_decode(claims->schema, doc, claims->arena);
    const char *id = *(const char *const *)aw_field_at(&claims->schema->fields[0], row);
    bson_t key = BSON_INITIALIZER;
    index_key(claims->schema, claims->index, row, &key);
    const struct aw_write *write = aw_map_get(claims->by_key, bson_get_data(&key), key.len);
    if (write != NULL && id != NULL && !may_take(claims, write, id)) {
        claims->is_good =
            conflict(claims->err, claims->schema->name, write->id, claims->index->name);
    }
    bson_destroy(&key);
    return claims->is_good;
}

static bool find_holders(struct aw_mongo *self, struct claims *claims, const bson_t *keys,
                         struct aw_err *err)
{
    bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
    BSON_APPEND_ARRAY(&filter, "$or", keys);
    bool is_good = aw_mongo_find(&self->writer, claims->schema->name, &filter, &opts, check_holder,
                                 claims, err);
    bson_destroy(&filter);
    bson_destroy(&opts);
    return is_good && claims->is_good;
}

static bool claim(struct claims *claims, const struct aw_write *write, bson_t *keys, uint32_t i)
{
    char buffer[16];
    const char *position;
    bson_t key = BSON_INITIALIZER;
    index_key(claims->schema, claims->index, write->row, &key);
    bson_uint32_to_string(i, &position, buffer, sizeof(buffer));
    BSON_APPEND_DOCUMENT(keys, position, &key);
    bool is_new =
        aw_map_put(claims->by_key, bson_get_data(&key), key.len, (void *)(uintptr_t)write) == NULL;
    bson_destroy(&key);
    return is_new || conflict(claims->err, claims->schema->name, write->id, claims->index->name);
}

static bool check_index(struct aw_mongo *self, struct claims *claims,
                        const struct aw_write *const *writes, size_t n)
{
    /* All claims are known before the first holder is judged. */
    size_t i = 0;
    AW_VEC(bson_t *) parts = {0};
    for (uint32_t in_part = 0; i < n && claims->is_good; i++) {
        if (writes[i]->kind != AW_WRITE_DELETE) {
            if (in_part % KEYS_PER_FIND == 0) {
                *aw_vec_push(&parts) = bson_new();
            }
            claims->is_good =
                claim(claims, writes[i], parts.v[parts.n - 1], in_part++ % KEYS_PER_FIND);
        }
    }
    for (i = 0; i < parts.n; i++) {
        claims->is_good = claims->is_good && find_holders(self, claims, parts.v[i], claims->err);
        bson_destroy(parts.v[i]);
    }
    aw_vec_free(&parts);
    return claims->is_good;
}

static bool check_unique(struct aw_mongo *self, const struct aw_write *const *writes, size_t n,
                         struct aw_map *by_id, struct aw_arena *arena, struct aw_err *err)
{
    const struct aw_schema *schema = writes[0]->schema;
    bool is_good = true;
    for (size_t i = 0; i < schema->index_count && is_good; i++) {
        if (schema->indexes[i].unique) {
            struct claims claims = {schema, &schema->indexes[i], aw_map_create(), by_id, arena, err,
                                    true};
            is_good = check_index(self, &claims, writes, n);
            aw_map_destroy(&claims.by_key, NULL);
        }
    }
    return is_good;
}

/* --- a unit --- */

/* The writes of one collection: `writes` has room for all. */
static bool check_schema(struct aw_mongo *self, const struct aw_write *const *writes, size_t n,
                         struct aw_arena *arena, struct aw_err *err)
{
    struct aw_map *by_id = aw_map_create();
    bool is_good = true;
    for (size_t i = 0; i < n && is_good; i++) {
        const char *id = writes[i]->id;
        if (aw_map_put(by_id, id, strlen(id), (void *)(uintptr_t)writes[i]) != NULL) {
            is_good = aw_fail(err, AW_ERR_INTERNAL, "store.twice", "a unit writes %s %s twice",
                              writes[i]->schema->name, id);
        }
    }
    is_good = is_good && check_versions(self, writes, n, arena, err) &&
              check_unique(self, writes, n, by_id, arena, err);
    aw_map_destroy(&by_id, NULL);
    return is_good;
}

bool aw_mongo_check(struct aw_mongo *self, const struct aw_write *writes, size_t n,
                    struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    const struct aw_write **left = AW_NEW_N(arena, const struct aw_write *, n);
    const struct aw_write **mine = AW_NEW_N(arena, const struct aw_write *, n);
    for (size_t i = 0; i < n; i++) {
        left[i] = &writes[i];
    }
    bool is_good = true;
    while (n > 0 && is_good) {
        const struct aw_schema *schema = left[0]->schema;
        size_t count = 0, rest = 0;
        for (size_t i = 0; i < n; i++) {
            if (left[i]->schema == schema) {
                mine[count++] = left[i];
            } else {
                left[rest++] = left[i];
            }
        }
        n = rest;
        is_good = check_schema(self, mine, count, arena, err);
    }
    aw_arena_destroy(&arena);
    return is_good;
}
