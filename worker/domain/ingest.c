#include "ingest.h"

#include <stdlib.h>
#include <string.h>

#include "dead_letters.h"
#include "id_index.h"
#include "ingest_dedupe.h"
#include "ingest_run.h"
#include "notifications.h"
#include "save.h"
#include "src/aw_edge.h"
#include "src/aw_id.h"
#include "worker/base/alloc.h"

struct aw_ingest {
    struct aw_company_views *views;
};

struct aw_ingest *aw_ingest_create(void)
{
    struct aw_ingest *ingest = aw_alloc_zero(1, sizeof(*ingest));
    ingest->views = aw_company_views_create();
    return ingest;
}

void aw_ingest_destroy(struct aw_ingest **ingest)
{
    if (*ingest != NULL) {
        aw_company_views_destroy(&(*ingest)->views);
        free(*ingest);
        *ingest = NULL;
    }
}

/* Repeats of one batch. */
struct repeats {
    const char **counted; /* alerts whose delivery_attempts rise, once for each */
    size_t counted_count;
    const struct aw_ingest_item **twins; /* repeats that were given an id of their own */
    const char **firsts;                 /* of the twins */
    size_t twin_count;
};

static bool put_away(struct aw_ingest_run *run, const struct aw_ingest_item *item,
                     const char *reason, int64_t now_ms, struct aw_err *err)
{
    run->counts->dead_letters++;
    return aw_dead_letter_add(run->tx, item->record, reason, now_ms, err);
}

/* Unknown assets have passed the edge: there `reject` is judged. */
static const char *asset_id_of(struct aw_ingest_run *run, struct aw_company_view *view,
                               const struct aw_ingest_item *item)
{
    const struct aw_asset_view *seen = aw_company_view_asset(view, item->asset_name);
    if (seen != NULL) {
        return aw_arena_str(run->arena, seen->id);
    }
    if (view->unknown_assets != AW_ASSETS_REGISTER) {
        return NULL;
    }
    struct aw_asset *asset = AW_NEW(run->arena, struct aw_asset);
    asset->id = aw_new_id(run->arena, item->received_ms);
    asset->company_id = item->company_id;
    asset->name = item->asset_name;
    asset->created_at = asset->updated_at = item->received_ms;
    aw_tx_insert(run->tx, &aw_asset_schema, asset);
    aw_company_view_add_asset(view, asset);
    aw_news_add(&run->news, &(struct aw_event_news){.company_id = item->company_id,
                                                    .permission = "view",
                                                    .object = aw_asset_schema.name,
                                                    .object_id = asset->id,
                                                    .object_version = asset->version,
                                                    .type = "asset_created",
                                                    .now_ms = item->received_ms});
    return asset->id;
}

static void add_alert(struct aw_ingest_run *run, struct aw_company_view *view,
                      const struct aw_ingest_item *item)
{
    struct aw_alert *row = AW_NEW(run->arena, struct aw_alert);
    row->id = item->alert_id;
    row->company_id = item->company_id;
    row->asset_id = asset_id_of(run, view, item);
    row->asset_name = item->asset_name;
    row->signature = item->signature;
    row->severity = item->severity;
    row->message = item->message;
    row->tool_source = item->tool_source;
    row->status = AW_ALERT_ACTIVE;
    row->delivery_id = item->delivery_id;
    row->delivery_attempts = 1;
    row->created_at = row->updated_at = item->received_ms;
    row->raw = item->raw;
    struct aw_ingest_alert *alert = &run->alerts[run->alert_count++];
    *alert = (struct aw_ingest_alert){
        .row = row,
        .view = view,
        .engine = {.key = aw_correlate_key(item->asset_name, item->signature),
                   .at_ms = item->received_ms,
                   .critical = item->severity == AW_CRITICAL,
                   .runbook = aw_company_view_has_runbook(view, item->signature)},
        .incident = AW_ID_INDEX_NONE};
    memcpy(alert->engine.id.v, item->record->alert_id, AW_ID_LEN);
    if (view->rules.automatic) {
        aw_correlate_prefetch(view->keys, alert->engine.key);
    }
    run->counts->alerts++;
    run->counts->by_severity[item->severity]++;
}

static bool take_in(struct aw_ingest_run *run, const struct aw_ingest_batch *batch,
                    const struct aw_ingest_item *item, struct aw_dedupe *dedupe,
                    struct repeats *repeats, struct aw_err *err)
{
    struct aw_company_view *view = NULL;
    struct aw_dedupe_verdict verdict;
    AW_CRASH("ingest.take_in");
    if (item->reason != NULL) {
        return put_away(run, item, item->reason, batch->now_ms, err);
    }
    if (item->record->kind == AW_RECORD_ALERT) {
        AW_FAULT("ingest.unit", item->raw, strlen(item->raw));
        if (!aw_company_views_get(batch->ingest->views, run->tx, item->company_id,
                                  item->received_ms, &view, err)) {
            return false;
        }
        if (!view->there) {
            return put_away(run, item, "there is no such company", batch->now_ms, err);
        }
    }
    if (!aw_dedupe_judge(dedupe, item, &verdict, err)) {
        return false;
    }
    if (verdict.what == AW_DEDUPE_NEW && view != NULL) {
        add_alert(run, view, item);
    } else if (verdict.what == AW_DEDUPE_REPEAT) {
        if (verdict.counted) {
            repeats->counted[repeats->counted_count++] = verdict.first;
            run->counts->duplicates++;
        }
        if (view != NULL) {
            repeats->firsts[repeats->twin_count] = verdict.first;
            repeats->twins[repeats->twin_count++] = item;
        }
    }
    return true;
}

static bool write_aliases(struct aw_ingest_run *run, const struct repeats *repeats,
                          struct aw_err *err)
{
    size_t n = repeats->twin_count;
    if (n == 0) {
        return true;
    }
    const char **ids = AW_NEW_N(run->arena, const char *, n);
    void **rows = AW_NEW_N(run->arena, void *, n);
    for (size_t i = 0; i < n; i++) {
        ids[i] = repeats->twins[i]->alert_id;
    }
    if (!aw_tx_get_many(run->tx, &aw_scope_all, &aw_alias_schema, ids, n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (rows[i] == NULL) {
            struct aw_alias *alias = AW_NEW(run->arena, struct aw_alias);
            alias->id = ids[i];
            alias->company_id = repeats->twins[i]->company_id;
            alias->alert_id = repeats->firsts[i];
            alias->created_at = repeats->twins[i]->received_ms;
            aw_tx_insert(run->tx, &aw_alias_schema, alias);
        }
    }
    return true;
}

static int order_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The new alert of this batch with this id, or NULL. */
static struct aw_alert *new_alert(const struct aw_ingest_run *run, const struct aw_id_index *index,
                                  const char *id)
{
    uint8_t binary[AW_ID_LEN];
    uint32_t number =
        aw_id_parse(id, strlen(id), binary) ? aw_id_index_get(index, binary) : AW_ID_INDEX_NONE;
    return number != AW_ID_INDEX_NONE ? run->alerts[number].row : NULL;
}

/* Raises delivery_attempts: of new alerts before they are written, of stored ones by a replace. */
static bool count_attempts(struct aw_ingest_run *run, struct repeats *repeats, struct aw_err *err)
{
    size_t n = 0;
    if (repeats->counted_count == 0) {
        return true;
    }
    struct aw_id_index index;
    aw_id_index_init(&index, run->alert_count, run->arena);
    for (size_t i = 0; i < run->alert_count; i++) {
        aw_id_index_put(&index, run->alerts[i].engine.id.v, (uint32_t)i);
    }
    const char **ids = AW_NEW_N(run->arena, const char *, repeats->counted_count);
    int64_t *more = AW_NEW_N(run->arena, int64_t, repeats->counted_count);
    qsort(repeats->counted, repeats->counted_count, sizeof(*repeats->counted), order_texts);
    for (size_t i = 0; i < repeats->counted_count; i++) {
        struct aw_alert *alert = new_alert(run, &index, repeats->counted[i]);
        if (alert != NULL) {
            alert->delivery_attempts++;
        } else if (n > 0 && strcmp(ids[n - 1], repeats->counted[i]) == 0) {
            more[n - 1]++;
        } else {
            more[n] = 1;
            ids[n++] = repeats->counted[i];
        }
    }
    void **rows = AW_NEW_N(run->arena, void *, n + 1);
    if (n > 0 && !aw_tx_get_many(run->tx, &aw_scope_all, &aw_alert_schema, ids, n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (rows[i] != NULL) {
            struct aw_alert *alert = aw_arena_copy(run->arena, rows[i], sizeof(*alert));
            alert->delivery_attempts += more[i];
            aw_tx_replace(run->tx, &aw_alert_schema, alert);
        }
    }
    return true;
}

static bool ring(struct aw_ingest_run *run, struct aw_err *err)
{
    const struct aw_alert **loud =
        AW_NEW_N(run->arena, const struct aw_alert *, run->alert_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < run->alert_count; i++) {
        if (run->alerts[i].row->severity >= AW_HIGH) {
            loud[n++] = run->alerts[i].row;
        }
    }
    return aw_notifications_ring(run->tx, loud, n, &run->news, err);
}

bool aw_ingest_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_ingest_batch *batch = arg;
    struct aw_arena *arena = aw_tx_arena(tx);
    struct aw_ingest_run run = {.tx = tx,
                                .arena = arena,
                                .counts = &batch->counts,
                                .news = {.arena = arena},
                                .alerts = AW_NEW_N(arena, struct aw_ingest_alert, batch->n + 1)};
    struct repeats repeats = {.counted = AW_NEW_N(arena, const char *, batch->n + 1),
                              .twins = AW_NEW_N(arena, const struct aw_ingest_item *, batch->n + 1),
                              .firsts = AW_NEW_N(arena, const char *, batch->n + 1)};
    struct aw_dedupe *dedupe;

    batch->counts = (struct aw_ingest_counts){.alerts = 0};
    aw_company_views_begin(batch->ingest->views, tx);
    if (!aw_dedupe_load(tx, batch->items, batch->n, &dedupe, err)) {
        return false;
    }
    for (size_t i = 0; i < batch->n; i++) {
        if (!take_in(&run, batch, &batch->items[i], dedupe, &repeats, err)) {
            return false;
        }
    }
    aw_dedupe_write(dedupe);
    if (!write_aliases(&run, &repeats, err) || !count_attempts(&run, &repeats, err) ||
        !aw_ingest_correlate(&run, err) || !ring(&run, err) ||
        !aw_events_add(tx, run.news.v, run.news.n, err)) {
        return false;
    }
    aw_company_views_trim(batch->ingest->views);
    return true;
}
