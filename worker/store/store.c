#include "worker/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/model/model.h"
#include "worker/store/query.h"
#include "worker/store/store_core.h"

/* A program may be linked without the MongoDB driver. */
#pragma weak aw_driver_mongo

enum { SLOW_MS = 500 };

struct aw_reader {
    struct aw_store *store;
    void *self; /* of the driver */
};

const struct aw_scope aw_scope_all = {.all = true};

bool aw_scope_sees(const struct aw_scope *scope, const char *company_id)
{
    if (scope->all) {
        return true;
    }
    for (size_t i = 0; company_id != NULL && i < scope->n; i++) {
        if (strcmp(scope->companies[i], company_id) == 0) {
            return true;
        }
    }
    return false;
}

bool aw_store_row_in_scope(const struct aw_scope *scope, const struct aw_schema *schema,
                           const void *row)
{
    static const char company_id[] = "company_id";
    if (scope->all) {
        return true;
    }
    const struct aw_field *field = aw_schema_field(schema, company_id, sizeof(company_id) - 1);
    return field == NULL || aw_scope_sees(scope, *(const char *const *)aw_field_at(field, row));
}

bool aw_store_open_driver(const struct aw_driver *driver, const struct aw_store_conf *conf,
                          bool read_only, const struct aw_schema *const *schemas,
                          struct aw_store **store, struct aw_err *err)
{
    void *self;
    *store = NULL;
    if (!driver->open(&self, conf, read_only, schemas, err)) {
        return false;
    }
    if (!aw_migrate(driver, self, read_only, err)) {
        driver->close(self);
        return false;
    }
    *store = aw_alloc_zero(1, sizeof(**store));
    (*store)->driver = driver;
    (*store)->self = self;
    return true;
}

bool aw_store_open(const struct aw_store_conf *conf, bool read_only, struct aw_store **store,
                   struct aw_err *err)
{
    const struct aw_driver *const drivers[] = {&aw_driver_sqlite, &aw_driver_mongo};
    for (size_t i = 0; i < AW_COUNT(drivers); i++) {
        if (drivers[i] != NULL && strcmp(drivers[i]->name, conf->driver) == 0) {
            return aw_store_open_driver(drivers[i], conf, read_only, aw_model_schemas, store, err);
        }
    }
    *store = NULL;
    return aw_fail(err, AW_ERR_INTERNAL, "store.driver", "there is no store driver \"%s\"",
                   conf->driver);
}

void aw_store_close(struct aw_store **store)
{
    if (*store != NULL) {
        (*store)->driver->close((*store)->self);
        free(*store);
        *store = NULL;
    }
}

const char *aw_store_name(const struct aw_store *store)
{
    return store->driver->name;
}

bool aw_store_ping(struct aw_store *store, struct aw_err *err)
{
    return store->driver->ping(store->self, err);
}

bool aw_store_read_begin(struct aw_store *store, struct aw_reader **reader, struct aw_err *err)
{
    void *self;
    *reader = NULL;
    if (!store->driver->read_begin(store->self, &self, err)) {
        return false;
    }
    *reader = aw_alloc_zero(1, sizeof(**reader));
    (*reader)->store = store;
    (*reader)->self = self;
    return true;
}

void aw_store_read_end(struct aw_reader **reader)
{
    if (*reader != NULL) {
        (*reader)->store->driver->read_end((*reader)->store->self, (*reader)->self);
        free(*reader);
        *reader = NULL;
    }
}

bool aw_store_get_many(struct aw_reader *reader, const struct aw_scope *scope,
                       const struct aw_schema *schema, const char *const *ids, size_t n,
                       struct aw_arena *arena, void **rows, struct aw_err *err)
{
    if (!reader->store->driver->get_many(reader->self, schema, ids, n, arena, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (rows[i] != NULL && !aw_store_row_in_scope(scope, schema, rows[i])) {
            rows[i] = NULL;
        }
    }
    return true;
}

bool aw_store_get(struct aw_reader *reader, const struct aw_scope *scope,
                  const struct aw_schema *schema, const char *id, struct aw_arena *arena,
                  void **row, struct aw_err *err)
{
    if (!aw_store_get_many(reader, scope, schema, &id, 1, arena, row, err)) {
        return false;
    }
    return *row != NULL ||
           aw_fail(err, AW_ERR_NOT_FOUND, "store.absent", "no such row in %s", schema->name);
}

static void log_slow(const char *op, const struct aw_query *query, int64_t began_ms)
{
    int64_t took_ms = aw_clock_mono_ms() - began_ms;
    if (took_ms >= SLOW_MS) {
        aw_log(AW_LOG_WARN, "store.slow", AW_S("op", op), AW_S("collection", query->schema->name),
               AW_S("sort", query->sort), AW_I("conditions", query->n), AW_I("ms", took_ms));
    }
}

struct collector {
    void **v;
    size_t n, cap;
};

static bool collect(void *arg, void *row)
{
    struct collector *rows = arg;
    if (rows->n == rows->cap) {
        rows->cap = rows->cap != 0 ? rows->cap * 2 : 64;
        rows->v = aw_alloc_grow(rows->v, rows->cap, sizeof(*rows->v));
    }
    rows->v[rows->n++] = row;
    return true;
}

bool aw_store_find(struct aw_reader *reader, const struct aw_scope *scope,
                   const struct aw_query *query, struct aw_arena *arena, struct aw_rows *rows,
                   struct aw_err *err)
{
    struct aw_query scoped;
    struct collector found = {.v = NULL};
    int64_t began_ms = aw_clock_mono_ms();
    *rows = (struct aw_rows){.v = NULL};
    if (!aw_query_scoped(query, scope, &scoped, err)) {
        return false;
    }
    bool ok = reader->store->driver->each(reader->self, &scoped, arena, collect, &found, err);
    if (ok && found.n > 0) {
        rows->v = aw_arena_copy(arena, found.v, found.n * sizeof(*found.v));
        rows->n = found.n;
    }
    free(found.v);
    log_slow("find", query, began_ms);
    return ok;
}

bool aw_store_count(struct aw_reader *reader, const struct aw_scope *scope,
                    const struct aw_query *query, int64_t *count, struct aw_err *err)
{
    struct aw_query scoped;
    int64_t began_ms = aw_clock_mono_ms();
    if (!aw_query_scoped(query, scope, &scoped, err)) {
        return false;
    }
    bool ok = reader->store->driver->count(reader->self, &scoped, count, err);
    log_slow("count", query, began_ms);
    return ok;
}

/* By id or by the field: the place is what the last row says. */
static bool walk_by_field(struct aw_reader *reader, const struct aw_query *pages,
                          struct aw_place *place, struct aw_arena *arena, struct collector *found,
                          struct aw_err *err)
{
    struct aw_query query = {.schema = pages->schema, .sort = pages->sort, .limit = pages->limit};
    if (place->id[0] != '\0') {
        query.after_id = place->id;
        query.after_number = place->number;
    }
    if (!reader->store->driver->each(reader->self, &query, arena, collect, found, err)) {
        return false;
    }
    if (found->n > 0) {
        const void *last = found->v[found->n - 1];
        snprintf(place->id, sizeof(place->id), "%s",
                 *(const char *const *)aw_field_at(&query.schema->fields[0], last));
        if (query.sort != NULL) {
            const struct aw_field *field =
                aw_schema_field(query.schema, query.sort, strlen(query.sort));
            place->number = aw_field_number(field, last);
        }
    }
    return true;
}

bool aw_store_walk(struct aw_reader *reader, const struct aw_scope *scope,
                   const struct aw_query *query, struct aw_place *place, struct aw_arena *arena,
                   struct aw_rows *rows, bool *more, struct aw_err *err)
{
    const struct aw_schema *schema = query->schema;
    const struct aw_driver *driver = reader->store->driver;
    struct collector found = {.v = NULL};
    bool by_arrival = driver->walk != NULL && (schema->fields[0].flags & AW_F_RANDOM) != 0;
    *rows = (struct aw_rows){.v = NULL};
    bool ok = by_arrival ? driver->walk(reader->self, schema, &place->number, query->limit, arena,
                                        collect, &found, err)
                         : walk_by_field(reader, query, place, arena, &found, err);
    *more = found.n == query->limit;
    if (ok && found.n > 0) {
        rows->v = AW_NEW_N(arena, void *, found.n);
        for (size_t i = 0; i < found.n; i++) {
            if (aw_store_row_in_scope(scope, schema, found.v[i])) {
                rows->v[rows->n++] = found.v[i];
            }
        }
    }
    free(found.v);
    return ok;
}

struct walker {
    struct aw_arena *arena; /* of one row */
    bool (*each)(void *arg, const void *row);
    void *arg;
};

static bool walk(void *arg, void *row)
{
    struct walker *walker = arg;
    bool more = walker->each(walker->arg, row);
    aw_arena_reset(walker->arena);
    return more;
}

bool aw_store_each(struct aw_reader *reader, const struct aw_scope *scope,
                   const struct aw_query *query, bool (*each)(void *arg, const void *row),
                   void *arg, struct aw_err *err)
{
    struct aw_query scoped;
    if (!aw_query_scoped(query, scope, &scoped, err)) {
        return false;
    }
    struct walker walker = {.arena = aw_arena_create(0), .each = each, .arg = arg};
    bool ok = reader->store->driver->each(reader->self, &scoped, walker.arena, walk, &walker, err);
    aw_arena_destroy(&walker.arena);
    return ok;
}
