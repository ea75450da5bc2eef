#include "score_refresh.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "save.h"
#include "score.h"

static const int64_t hour_ms = INT64_C(3600000);
static const char since_id[] = "score_refresh";

size_t aw_score_ranges(int64_t since_ms, int64_t now_ms,
                       struct aw_score_range ranges[AW_SCORE_RANGES])
{
    if (since_ms >= now_ms) {
        return 0;
    }
    if (now_ms - since_ms >= hour_ms) { /* the ranges touch each other */
        ranges[0] = (struct aw_score_range){.after_ms = since_ms - AW_SCORE_RANGES * hour_ms,
                                            .until_ms = now_ms - hour_ms};
        return 1;
    }
    for (int64_t i = 0; i < AW_SCORE_RANGES; i++) {
        int64_t age_ms = (i + 1) * hour_ms;
        ranges[i] =
            (struct aw_score_range){.after_ms = since_ms - age_ms, .until_ms = now_ms - age_ms};
    }
    return AW_SCORE_RANGES;
}

bool aw_score_look(struct aw_reader *reader, const struct aw_score_range *range, int64_t now_ms,
                   struct aw_place *place, struct aw_arena *arena, struct aw_score_page *page,
                   struct aw_err *err)
{
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_incident_schema,
                             .sort = "created_at",
                             .n = 2,
                             .limit = AW_SCORE_ROWS};
    query.conds[0] =
        (struct aw_cond){.field = "created_at", .op = AW_OP_GT, .number = range->after_ms};
    query.conds[1] =
        (struct aw_cond){.field = "created_at", .op = AW_OP_LE, .number = range->until_ms};
    if (place->id[0] != '\0') {
        query.after_id = place->id;
        query.after_number = place->number;
    }
    if (!aw_store_find(reader, &aw_scope_all, &query, arena, &rows, err)) {
        return false;
    }
    *page =
        (struct aw_score_page){.rows = rows.v, .more = rows.n == AW_SCORE_ROWS, .now_ms = now_ms};
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_incident *incident = rows.v[i];
        place->number = incident->created_at;
        snprintf(place->id, sizeof(place->id), "%s", incident->id);
        if (incident->priority_score != aw_incident_score(incident, now_ms)) {
            page->rows[page->n++] = rows.v[i];
        }
    }
    return true;
}

bool aw_score_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct aw_score_page *page = arg;
    struct aw_arena *arena = aw_tx_arena(tx);
    const char **ids = AW_NEW_N(arena, const char *, page->n + 1);
    void **rows = AW_NEW_N(arena, void *, page->n + 1);
    for (size_t i = 0; i < page->n; i++) {
        ids[i] = ((const struct aw_incident *)page->rows[i])->id;
    }
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_incident_schema, ids, page->n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < page->n; i++) {
        struct aw_incident *incident = rows[i];
        if (incident != NULL &&
            incident->priority_score != aw_incident_score(incident, page->now_ms)) {
            incident->priority_score = aw_incident_score(incident, page->now_ms);
            aw_tx_replace(tx, &aw_incident_schema, incident);
        }
    }
    return true;
}

bool aw_score_since(struct aw_reader *reader, int64_t *since_ms, struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    void *row = NULL;
    bool ok = aw_store_peek(reader, &aw_meta_schema, since_id, arena, &row, err);
    *since_ms = row != NULL ? strtoll(((const struct aw_meta *)row)->value, NULL, 10) : 0;
    aw_arena_destroy(&arena);
    return ok;
}

bool aw_score_since_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    void *row = NULL;
    if (!aw_tx_peek(tx, &aw_meta_schema, since_id, &row, err)) {
        return false;
    }
    struct aw_meta *meta = row != NULL ? row : AW_NEW(arena, struct aw_meta);
    meta->id = since_id;
    meta->value = aw_arena_printf(arena, "%" PRId64, *(const int64_t *)arg);
    if (row != NULL) {
        aw_tx_replace(tx, &aw_meta_schema, meta);
    } else {
        aw_tx_insert(tx, &aw_meta_schema, meta);
    }
    return true;
}
