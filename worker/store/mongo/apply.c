#include "mongo.h"

#include <string.h>

#include "worker/base/log.h"
#include "worker/base/map.h"

/* Passes without progress before the apply is given up until the next try. */
#define IDLE_PASSES 3

/* Written after everything else: who follows the events must find what they tell of. */
static const char last_collection[] = "events";

struct item {
    const char *collection, *id;
    int32_t kind;
    int64_t expect;
    const uint8_t *doc; /* in the row; NULL for a delete */
    uint32_t doc_len;
};

/* One write of the row. False: it is not of our making. */
static bool parse_item(bson_iter_t *it, struct item *item)
{
    bson_iter_t part;
    if (!BSON_ITER_HOLDS_DOCUMENT(it) || !bson_iter_recurse(it, &part)) {
        return false;
    }
    *item = (struct item){0};
    while (bson_iter_next(&part)) {
        switch (bson_iter_key(&part)[0]) {
        case 'c':
            item->collection = bson_iter_utf8(&part, NULL);
            break;
        case 'i':
            item->id = bson_iter_utf8(&part, NULL);
            break;
        case 'k':
            item->kind = bson_iter_int32(&part);
            break;
        case 'v':
            item->expect = bson_iter_int64(&part);
            break;
        case 'd':
            bson_iter_document(&part, &item->doc_len, &item->doc);
            break;
        default:
            break;
        }
    }
    return item->collection != NULL && item->id != NULL &&
           (item->doc != NULL || item->kind == AW_WRITE_DELETE);
}

static bool writes_of(const bson_t *row, bson_t *list)
{
    bson_iter_t it;
    bson_subtype_t subtype;
    uint32_t len;
    const uint8_t *data;
    if (!bson_iter_init_find(&it, row, "writes") || !BSON_ITER_HOLDS_BINARY(&it)) {
        return false;
    }
    bson_iter_binary(&it, &subtype, &len, &data);
    return bson_init_static(list, data, len);
}

static struct item *parse(const bson_t *row, struct aw_arena *arena, size_t *n, struct aw_err *err)
{
    bson_iter_t it;
    bson_t list;
    *n = 0;
    if (!writes_of(row, &list) || !bson_iter_init(&it, &list)) {
        aw_fail(err, AW_ERR_INTERNAL, "store.journal", "a journal row has no writes");
        return NULL;
    }
    size_t count = 0;
    while (bson_iter_next(&it)) {
        count++;
    }
    struct item *items = aw_arena_alloc(arena, sizeof(*items) * (count + 1));
    bson_iter_init(&it, &list);
    while (bson_iter_next(&it)) {
        if (!parse_item(&it, &items[(*n)++])) {
            aw_fail(err, AW_ERR_INTERNAL, "store.journal",
                    "write %zu of a journal row cannot be read", *n);
            return NULL;
        }
    }
    return items;
}

static void select_version(bson_t *filter, const struct item *item)
{
    BSON_APPEND_UTF8(filter, "_id", item->id);
    BSON_APPEND_INT64(filter, "version", item->expect);
}

static void bulk_add(mongoc_bulk_operation_t *bulk, const struct item *item,
                     const bson_t *unchecked)
{
    bson_t filter = BSON_INITIALIZER, doc = BSON_INITIALIZER;
    if (item->doc != NULL) {
        bson_init_static(&doc, item->doc, item->doc_len);
    }
    switch ((enum aw_write_kind)item->kind) {
    case AW_WRITE_DELETE:
        select_version(&filter, item);
        mongoc_bulk_operation_remove_one_with_opts(bulk, &filter, NULL, NULL);
        break;
    case AW_WRITE_REPLACE:
        select_version(&filter, item);
        mongoc_bulk_operation_replace_one_with_opts(bulk, &filter, &doc, unchecked, NULL);
        break;
    case AW_WRITE_INSERT:
        mongoc_bulk_operation_insert_with_opts(bulk, &doc, unchecked, NULL);
        break;
    }
    bson_destroy(&filter);
}

static int64_t reply_number(const bson_t *reply, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, reply, name) ? bson_iter_as_int64(&it) : 0;
}

/* Sends them all, with the majority of the connection string: what a primary alone has taken may be
 * gone after a failover between two of these messages, and the row would be marked done without it.
 * *all: every one of them took effect now. False only when the server did not answer; what it
 * refused is in err, for the case that it never comes in. */
static bool send_all(struct aw_mongo *self, const char *collection, const struct item *items,
                     size_t n, bool *all, struct aw_err *err)
{
    /* Deletes and replaces first: they may free what a unique index holds. */
    static const enum aw_write_kind order[] = {AW_WRITE_DELETE, AW_WRITE_REPLACE, AW_WRITE_INSERT};
    bson_t *opts = BCON_NEW("ordered", BCON_BOOL(false));
    bson_t *unchecked = BCON_NEW("validate", BCON_BOOL(false)); /* the journal row was checked */
    mongoc_collection_t *rows = mongoc_database_get_collection(self->writer.db, collection);
    mongoc_bulk_operation_t *bulk = mongoc_collection_create_bulk_operation_with_opts(rows, opts);
    for (size_t k = 0; k < AW_COUNT(order); k++) {
        for (size_t i = 0; i < n; i++) {
            if (items[i].kind == (int32_t)order[k]) {
                bulk_add(bulk, &items[i], unchecked);
            }
        }
    }
    bson_t reply;
    bson_error_t error;
    bool is_answered = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
    if (!is_answered) {
        aw_mongo_fail(&error, err);
        is_answered = err->kind != AW_ERR_UNAVAILABLE;
    }
    *all = reply_number(&reply, "nInserted") + reply_number(&reply, "nMatched") +
               reply_number(&reply, "nRemoved") ==
           (int64_t)n;
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(bulk);
    mongoc_collection_destroy(rows);
    bson_destroy(unchecked);
    bson_destroy(opts);
    return is_answered;
}

/* Is the write in, by the version that is stored now (NULL: no row)? */
static bool is_in(const struct item *item, const int64_t *version)
{
    switch ((enum aw_write_kind)item->kind) {
    case AW_WRITE_INSERT:
        return version != NULL;
    case AW_WRITE_REPLACE:
        /* A row that is gone, or behind, was changed by other hands: repeating cannot mend it. */
        return version == NULL || *version != item->expect;
    case AW_WRITE_DELETE:
        return version == NULL || *version != item->expect;
    }
    return true;
}

/* Keeps only what is not in. */
static bool judge(struct aw_mongo *self, const char *collection, struct item *items, size_t *n,
                  struct aw_arena *arena, struct aw_err *err)
{
    const char **ids = AW_NEW_N(arena, const char *, *n);
    for (size_t i = 0; i < *n; i++) {
        ids[i] = items[i].id;
    }
    struct aw_map *versions = aw_map_create();
    bool is_good = aw_mongo_versions(&self->writer, collection, ids, *n, arena, versions, err);
    size_t left = 0;
    for (size_t i = 0; is_good && i < *n; i++) {
        const int64_t *version = aw_map_get(versions, items[i].id, strlen(items[i].id));
        if (!is_in(&items[i], version)) {
            items[left++] = items[i];
        }
    }
    aw_map_destroy(&versions, NULL);
    *n = is_good ? left : *n;
    return is_good;
}

static bool bring_in(struct aw_mongo *self, const char *collection, struct item *items, size_t n,
                     struct aw_arena *arena, struct aw_err *err)
{
    for (int idle = 0; n > 0;) {
        size_t before = n;
        bool all;
        struct aw_err refusal = {0};
        /* A writer that slept through a take-over must not bring back what was deleted since. */
        if (!aw_mongo_journal_is_ours(self, err)) {
            return false;
        }
        if (!send_all(self, collection, items, n, &all, &refusal)) {
            *err = refusal;
            return false;
        }
        AW_CRASH("mongo.apply.sent");
        if (all) {
            return true;
        }
        if (!judge(self, collection, items, &n, arena, err)) {
            return false;
        }
        idle = n == before ? idle + 1 : 0;
        if (idle == IDLE_PASSES) {
            return aw_fail(err, AW_ERR_INTERNAL, "store.apply",
                           "%zu writes of %s do not take, %s: %.120s", n, collection, items[0].id,
                           refusal.msg);
        }
    }
    return true;
}

/* Brings in the items of one collection and takes them off the list. */
static bool apply_collection(struct aw_mongo *self, const char *collection, struct item *items,
                             size_t *n, struct aw_arena *arena, struct aw_err *err)
{
    struct item *mine = aw_arena_alloc(arena, sizeof(*mine) * *n);
    size_t count = 0, left = 0;
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(items[i].collection, collection) == 0) {
            mine[count++] = items[i];
        } else {
            items[left++] = items[i];
        }
    }
    *n = left;
    return bring_in(self, collection, mine, count, arena, err);
}

static const char *next_collection(const struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i].collection, last_collection) != 0) {
            return items[i].collection;
        }
    }
    return last_collection;
}

bool aw_mongo_apply(struct aw_mongo *self, const bson_t *row, struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    size_t n;
    struct item *items = parse(row, arena, &n, err);
    bool is_good = items != NULL;
    while (is_good && n > 0) {
        is_good = apply_collection(self, next_collection(items, n), items, &n, arena, err);
    }
    aw_arena_destroy(&arena);
    return is_good;
}
