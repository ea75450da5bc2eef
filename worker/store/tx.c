#include <stdatomic.h>
#include <stdlib.h>

#include "worker/base/alloc.h"
#include "worker/base/vec.h"
#include "worker/model/model.h"
#include "worker/store/id_table.h"
#include "worker/store/query.h"
#include "worker/store/store_core.h"

/* What the unit has made of one row so far; several writes to a row are one. */
enum state {
    READ, /* nothing: it is not among the entries to be written */
    INSERTED,
    REPLACED,
    DELETED,
    UNDONE /* inserted and deleted again */
};
struct entry {
    enum state state;
    const char *id;
    void *row;      /* INSERTED, REPLACED */
    int64_t expect; /* REPLACED, DELETED: version that is stored */
    const void *
        stored; /* the row as it was read, because the unit may change what it got; NULL = it was not */
    struct overlay *overlay;
};

/* The entries of one schema. */
struct overlay {
    const struct aw_schema *schema;
    struct aw_id_table by_id;       /* to struct entry */
    AW_VEC(struct entry *) entries; /* without those that were only read */
    size_t covering;                /* entries that hide a stored row, at most */
};

struct after {
    void (*done)(void *arg, bool committed);
    void *arg;
};

struct aw_tx {
    struct aw_store *store;
    struct aw_arena *arena;
    AW_VEC(struct overlay *) overlays;
    AW_VEC(struct entry *) entries; /* in the order of the first touch */
    AW_VEC(struct aw_write) writes;
    AW_VEC(struct after) afters;
    bool contradiction;     /* the unit wrote on a row that is not as it thinks */
    _Atomic uint64_t turns; /* calls of the driver begun and ended: odd = inside one */
};

struct aw_tx *aw_tx_create(struct aw_store *store)
{
    enum {
        ARENA_BLOCK = 8 << 20
    }; /* a large batch: kept between units, so its pages stay mapped */
    struct aw_tx *tx = aw_alloc_zero(1, sizeof(*tx));
    tx->store = store;
    tx->arena = aw_arena_create(ARENA_BLOCK);
    return tx;
}

void aw_tx_destroy(struct aw_tx **tx)
{
    if (*tx == NULL) {
        return;
    }
    for (size_t i = 0; i < (*tx)->overlays.n; i++) {
        struct overlay *overlay = (*tx)->overlays.v[i];
        aw_id_table_free(&overlay->by_id);
        aw_vec_free(&overlay->entries);
        free(overlay);
    }
    aw_vec_free(&(*tx)->overlays);
    aw_vec_free(&(*tx)->entries);
    aw_vec_free(&(*tx)->writes);
    aw_vec_free(&(*tx)->afters);
    aw_arena_destroy(&(*tx)->arena);
    free(*tx);
    *tx = NULL;
}

struct aw_arena *aw_tx_arena(struct aw_tx *tx)
{
    return tx->arena;
}

/* --- writing --- */

static struct overlay *overlay_of(const struct aw_tx *tx, const struct aw_schema *schema)
{
    for (size_t i = 0; i < tx->overlays.n; i++) {
        if (tx->overlays.v[i]->schema == schema) {
            return tx->overlays.v[i];
        }
    }
    return NULL;
}

static struct overlay *overlay_make(struct aw_tx *tx, const struct aw_schema *schema)
{
    struct overlay *overlay = overlay_of(tx, schema);
    if (overlay == NULL) {
        overlay = aw_alloc_zero(1, sizeof(*overlay));
        overlay->schema = schema;
        *aw_vec_push(&tx->overlays) = overlay;
    }
    return overlay;
}

/* What the unit has written to the id, or NULL. */
static struct entry *entry_of(const struct overlay *overlay, const char *id)
{
    struct entry *entry = overlay->entries.n > 0 ? aw_id_table_get(&overlay->by_id, id) : NULL;
    return entry != NULL && entry->state != READ ? entry : NULL;
}

static const char *id_of(const struct aw_schema *schema, const void *row)
{
    return *(const char *const *)aw_field_at(&schema->fields[0], row);
}

static int64_t *version_of(const struct aw_schema *schema, const void *row)
{
    return aw_field_at(&schema->fields[1], row);
}

/* The entry of the id, an empty one where there is none yet. */
static struct entry *entry_make(struct aw_tx *tx, struct overlay *overlay, const char *id)
{
    void **place = aw_id_table_place(&overlay->by_id, id);
    struct entry *entry = *place;
    if (entry == NULL) {
        *place = entry = AW_NEW(tx->arena, struct entry);
        entry->id = id;
        entry->overlay = overlay;
    }
    return entry;
}

/* The first write to the id. */
static void entry_begin(struct aw_tx *tx, struct entry *entry, enum state state, void *row,
                        int64_t expect)
{
    struct overlay *overlay = entry->overlay;
    if (entry->stored != NULL && *version_of(overlay->schema, entry->stored) != expect) {
        entry->stored = NULL;
    }
    entry->state = state;
    entry->row = row;
    entry->expect = expect;
    *aw_vec_push(&overlay->entries) = entry;
    *aw_vec_push(&tx->entries) = entry;
    overlay->covering += state != INSERTED;
}

void aw_tx_insert(struct aw_tx *tx, const struct aw_schema *schema, void *row)
{
    struct entry *entry = entry_make(tx, overlay_make(tx, schema), id_of(schema, row));
    *version_of(schema, row) = 1;
    if (entry->state == READ) {
        entry_begin(tx, entry, INSERTED, row, 0);
    } else if (entry->state == UNDONE) {
        entry->state = INSERTED;
        entry->row = row;
    } else if (entry->state == DELETED) {
        /* the version goes on, so that nobody takes the new row for an old state of the former */
        *version_of(schema, row) = entry->expect + 1;
        entry->state = REPLACED;
        entry->row = row;
    } else {
        tx->contradiction = true;
    }
}

/* Has the unit a row of this version in its buffer? */
static bool holds(const struct entry *entry, int64_t version)
{
    return (entry->state == INSERTED || entry->state == REPLACED) &&
           *version_of(entry->overlay->schema, entry->row) == version;
}

void aw_tx_replace(struct aw_tx *tx, const struct aw_schema *schema, void *row)
{
    struct entry *entry = entry_make(tx, overlay_make(tx, schema), id_of(schema, row));
    int64_t *version = version_of(schema, row);
    if (entry->state == READ) {
        entry_begin(tx, entry, REPLACED, row, *version);
    } else if (holds(entry, *version)) {
        entry->row = row;
    } else {
        tx->contradiction = true;
    }
    ++*version;
}

void aw_tx_delete(struct aw_tx *tx, const struct aw_schema *schema, const char *id, int64_t version)
{
    struct entry *entry = entry_make(tx, overlay_make(tx, schema), aw_arena_str(tx->arena, id));
    if (entry->state == READ) {
        entry_begin(tx, entry, DELETED, NULL, version);
    } else if (holds(entry, version)) {
        entry->state = entry->state == INSERTED ? UNDONE : DELETED;
        entry->row = NULL;
    } else {
        tx->contradiction = true;
    }
}

void aw_tx_after(struct aw_tx *tx, void (*done)(void *arg, bool committed), void *arg)
{
    *aw_vec_push(&tx->afters) = (struct after){.done = done, .arg = arg};
}

size_t aw_tx_writes(const struct aw_tx *tx)
{
    size_t n = 0;
    for (size_t i = 0; i < tx->entries.n; i++) {
        n += tx->entries.v[i]->state != UNDONE;
    }
    return n;
}

/* --- reading --- */

/* The caller may change what it gets before it decides to write: the buffered row stays as it is.
 */
static void *buffered_row(const struct aw_tx *tx, const struct entry *entry)
{
    return entry->row != NULL ? aw_arena_copy(tx->arena, entry->row, entry->overlay->schema->size)
                              : NULL;
}

/* Where there are indexes, a driver spares those whose fields a replace leaves as they are. */
static void remember_read(struct aw_tx *tx, const struct aw_schema *schema, void *const *rows,
                          size_t n)
{
    struct overlay *overlay = schema->index_count > 0 ? overlay_make(tx, schema) : NULL;
    for (size_t i = 0; overlay != NULL && i < n; i++) {
        if (rows[i] != NULL) {
            entry_make(tx, overlay, id_of(schema, rows[i]))->stored =
                aw_arena_copy(tx->arena, rows[i], schema->size);
        }
    }
}

static bool get_stored(struct aw_tx *tx, const struct aw_schema *schema, const char *const *ids,
                       size_t n, void **rows, struct aw_err *err)
{
    const struct aw_driver *driver = tx->store->driver;
    atomic_fetch_add(&tx->turns, 1);
    bool ok = n == 0 || driver->get_many(driver->write_reader(tx->store->self), schema, ids, n,
                                         tx->arena, rows, err);
    atomic_fetch_add(&tx->turns, 1);
    if (ok) {
        remember_read(tx, schema, rows, n);
    }
    return ok;
}

/* Ids that are not buffered are asked for in one go. */
static bool get_merged(struct aw_tx *tx, const struct overlay *overlay,
                       const struct aw_schema *schema, const char *const *ids, size_t n,
                       void **rows, struct aw_err *err)
{
    const char **unknown = aw_alloc_zero(n, sizeof(*unknown));
    size_t *places = aw_alloc_zero(n, sizeof(*places)), asked = 0;
    void **stored = aw_alloc_zero(n, sizeof(*stored));
    for (size_t i = 0; i < n; i++) {
        const struct entry *entry = entry_of(overlay, ids[i]);
        rows[i] = entry != NULL ? buffered_row(tx, entry) : NULL;
        if (entry == NULL) {
            unknown[asked] = ids[i];
            places[asked++] = i;
        }
    }
    bool ok = get_stored(tx, schema, unknown, asked, stored, err);
    for (size_t i = 0; ok && i < asked; i++) {
        rows[places[i]] = stored[i];
    }
    free(stored);
    free(places);
    free(unknown);
    return ok;
}

bool aw_tx_get_many(struct aw_tx *tx, const struct aw_scope *scope, const struct aw_schema *schema,
                    const char *const *ids, size_t n, void **rows, struct aw_err *err)
{
    const struct overlay *overlay = overlay_of(tx, schema);
    bool ok = overlay == NULL || overlay->entries.n == 0
                  ? get_stored(tx, schema, ids, n, rows, err)
                  : get_merged(tx, overlay, schema, ids, n, rows, err);
    for (size_t i = 0; ok && i < n; i++) {
        if (rows[i] != NULL && !aw_store_row_in_scope(scope, schema, rows[i])) {
            rows[i] = NULL;
        }
    }
    return ok;
}

bool aw_tx_get(struct aw_tx *tx, const struct aw_scope *scope, const struct aw_schema *schema,
               const char *id, void **row, struct aw_err *err)
{
    if (!aw_tx_get_many(tx, scope, schema, &id, 1, row, err)) {
        return false;
    }
    return *row != NULL ||
           aw_fail(err, AW_ERR_NOT_FOUND, "store.absent", "no such row in %s", schema->name);
}

struct found {
    const struct overlay *overlay; /* NULL = nothing is buffered */
    AW_VEC(void *) rows;
    size_t limit; /* 0 = all */
};

static bool find_stored(void *arg, void *row)
{
    struct found *found = arg;
    if (found->overlay == NULL ||
        entry_of(found->overlay, id_of(found->overlay->schema, row)) == NULL) {
        *aw_vec_push(&found->rows) = row;
    }
    return found->limit == 0 || found->rows.n < found->limit;
}

static int order_rows(const void *a, const void *b, void *match)
{
    return aw_match_order(match, *(void *const *)a, *(void *const *)b);
}

/* Adds the buffered rows that match and brings all into order. */
static void merge_buffered(struct aw_tx *tx, const struct aw_match *match, struct found *found)
{
    size_t stored = found->rows.n;
    for (size_t i = 0; i < found->overlay->entries.n; i++) {
        const struct entry *entry = found->overlay->entries.v[i];
        if (entry->row != NULL && aw_match_row(match, entry->row)) {
            *aw_vec_push(&found->rows) = buffered_row(tx, entry);
        }
    }
    if (found->rows.n > stored) {
        qsort_r(found->rows.v, found->rows.n, sizeof(*found->rows.v), order_rows,
                (void *)(uintptr_t)match);
    }
    if (found->limit != 0 && found->rows.n > found->limit) {
        found->rows.n = found->limit;
    }
}

bool aw_tx_find(struct aw_tx *tx, const struct aw_scope *scope, const struct aw_query *query,
                struct aw_rows *rows, struct aw_err *err)
{
    const struct aw_driver *driver = tx->store->driver;
    struct aw_query scoped;
    struct aw_match match;
    *rows = (struct aw_rows){.v = NULL};
    if (!aw_query_scoped(query, scope, &scoped, err) || !aw_match_init(&match, &scoped, err)) {
        return false;
    }
    struct found found = {.overlay = overlay_of(tx, query->schema), .limit = query->limit};
    struct aw_query wider = scoped;
    if (found.overlay != NULL && wider.limit != 0) {
        wider.limit += found.overlay->covering;
    }
    atomic_fetch_add(&tx->turns, 1);
    bool ok = driver->each(driver->write_reader(tx->store->self), &wider, tx->arena, find_stored,
                           &found, err);
    atomic_fetch_add(&tx->turns, 1);
    if (ok && found.overlay != NULL) {
        merge_buffered(tx, &match, &found);
    }
    if (ok && found.rows.n > 0) {
        rows->n = found.rows.n;
        rows->v = aw_arena_copy(tx->arena, found.rows.v, rows->n * sizeof(*rows->v));
    }
    aw_vec_free(&found.rows);
    return ok;
}

/* --- the end of the unit --- */

static const enum aw_write_kind kinds[] = {
    [INSERTED] = AW_WRITE_INSERT, [REPLACED] = AW_WRITE_REPLACE, [DELETED] = AW_WRITE_DELETE};

bool aw_tx_commit(struct aw_tx *tx, struct aw_err *err)
{
    if (tx->contradiction) {
        return aw_fail(err, AW_ERR_CONFLICT, "store.conflict",
                       "the unit wrote on a row that it had changed before");
    }
    tx->writes.n = 0;
    for (size_t i = 0; i < tx->entries.n; i++) {
        const struct entry *entry = tx->entries.v[i];
        if (entry->state != UNDONE) {
            *aw_vec_push(&tx->writes) = (struct aw_write){.kind = kinds[entry->state],
                                                          .schema = entry->overlay->schema,
                                                          .row = entry->row,
                                                          .id = entry->id,
                                                          .expect = entry->expect,
                                                          .stored = entry->stored};
        }
    }
    atomic_fetch_add(&tx->turns, 1);
    bool ok = tx->writes.n == 0 ||
              tx->store->driver->commit(tx->store->self, tx->writes.v, tx->writes.n, err);
    atomic_fetch_add(&tx->turns, 1);
    return ok;
}

uint64_t aw_tx_turns(const struct aw_tx *tx)
{
    return atomic_load(&tx->turns);
}

uint64_t aw_tx_schemas(const struct aw_tx *tx)
{
    uint64_t set = 0;
    for (size_t i = 0; aw_model_schemas[i] != NULL; i++) {
        const struct overlay *overlay = overlay_of(tx, aw_model_schemas[i]);
        for (size_t k = 0; overlay != NULL && k < overlay->entries.n; k++) {
            if (overlay->entries.v[k]->state != UNDONE) {
                set |= UINT64_C(1) << i;
                break;
            }
        }
    }
    return set;
}

void aw_tx_end(struct aw_tx *tx, bool committed)
{
    for (size_t i = 0; i < tx->afters.n; i++) {
        tx->afters.v[i].done(tx->afters.v[i].arg, committed);
    }
    for (size_t i = 0; i < tx->overlays.n; i++) {
        struct overlay *overlay = tx->overlays.v[i];
        aw_id_table_clear(&overlay->by_id);
        overlay->entries.n = overlay->covering = 0;
    }
    tx->entries.n = tx->writes.n = tx->afters.n = 0;
    tx->contradiction = false;
    aw_arena_reset(tx->arena);
}
