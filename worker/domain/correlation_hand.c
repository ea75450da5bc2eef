#include <stdlib.h>
#include <string.h>

#include "correlation.h"
#include "correlation_configs.h"
#include "id_index.h"
#include "incident_rows.h"
#include "open_keys.h"
#include "save.h"
#include "src/aw_id.h"
#include "worker/base/map.h"

/* One key that joins or opens. */
struct act {
    struct aw_alert **members;
    size_t n;
    const char *incident_id;      /* JOIN; NULL = opens one */
    const struct aw_alert *first; /* of the key that is still active, also outside the window */
};

struct hand {
    struct aw_tx *tx;
    struct aw_arena *arena;
    struct aw_rows alerts; /* active, inside the window */
    struct aw_id_index index;
    struct act *acts;
    size_t act_count;
};

static void active_alerts(struct aw_query *query, const char *company_id)
{
    *query = (struct aw_query){.schema = &aw_alert_schema, .sort = "created_at", .n = 2};
    query->conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = company_id};
    query->conds[1] =
        (struct aw_cond){.field = "status", .op = AW_OP_EQ, .number = AW_ALERT_ACTIVE};
}

static bool find_inside(struct hand *hand, const char *company_id, int64_t since,
                        struct aw_err *err)
{
    struct aw_query query;
    active_alerts(&query, company_id);
    query.conds[query.n++] =
        (struct aw_cond){.field = "created_at", .op = AW_OP_GE, .number = since};
    return aw_tx_find(hand->tx, &aw_scope_all, &query, &hand->alerts, err);
}

static bool signatures_with_runbook(struct hand *hand, const char *company_id,
                                    struct aw_map *signatures, struct aw_err *err)
{
    static const bool there = true;
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_runbook_schema, .n = 1};
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = company_id};
    if (!aw_tx_find(hand->tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        const char *signature = ((const struct aw_runbook *)rows.v[i])->signature;
        (void)aw_map_put(signatures, signature, strlen(signature), (void *)(uintptr_t)&there);
    }
    return true;
}

/* All alerts into the engine, then the open incident of each key. */
static bool fill(struct hand *hand, const char *company_id, const struct aw_map *signatures,
                 struct aw_correlate *state, struct aw_err *err)
{
    const char **ids = AW_NEW_N(hand->arena, const char *, hand->alerts.n + 1);
    struct aw_correlate_key *keys =
        AW_NEW_N(hand->arena, struct aw_correlate_key, hand->alerts.n + 1);
    size_t n = 0;
    aw_id_index_init(&hand->index, hand->alerts.n, hand->arena);
    for (size_t i = 0; i < hand->alerts.n; i++) {
        const struct aw_alert *row = hand->alerts.v[i];
        struct aw_correlate_alert alert;
        bool runbook = aw_map_get(signatures, row->signature, strlen(row->signature)) != NULL;
        if (!aw_correlate_alert_of(row, runbook, &alert)) {
            return aw_fail(err, AW_ERR_INTERNAL, "correlate.alert_id", "An alert's id is no UUID");
        }
        size_t before = aw_correlate_groups(state);
        aw_correlate_add(state, &alert);
        aw_id_index_put(&hand->index, alert.id.v, (uint32_t)i);
        if (aw_correlate_groups(state) > before) {
            ids[n] = aw_open_key_id(company_id, row->asset_name, row->signature, hand->arena);
            keys[n++] = alert.key;
        }
    }
    void **rows = AW_NEW_N(hand->arena, void *, n + 1);
    if (n > 0 && !aw_tx_get_many(hand->tx, &aw_scope_all, &aw_open_key_schema, ids, n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct aw_open_key *open = rows[i];
        struct aw_correlate_id incident;
        if (open != NULL &&
            !aw_id_parse(open->incident_id, strlen(open->incident_id), incident.v)) {
            return aw_fail(err, AW_ERR_INTERNAL, "correlate.incident_id",
                           "An incident's id is no UUID");
        }
        aw_correlate_know(state, keys[i], open != NULL ? &incident : NULL);
    }
    hand->acts = AW_NEW_N(hand->arena, struct act, n + 1);
    return true;
}

static bool decided(void *arg, const struct aw_correlate_hand *decision)
{
    struct hand *hand = arg;
    struct act *act = &hand->acts[hand->act_count++];
    act->n = decision->members->n;
    act->members = AW_NEW_N(hand->arena, struct aw_alert *, act->n);
    for (size_t i = 0; i < act->n; i++) {
        uint32_t number = aw_id_index_get(&hand->index, decision->members->v[i].v);
        act->members[i] = hand->alerts.v[number];
    }
    act->first = act->members[0];
    if (decision->what == AW_CORRELATE_JOIN) {
        char text[AW_ID_TEXT + 1];
        aw_id_format(decision->incident.v, text);
        act->incident_id = aw_arena_str(hand->arena, text);
    }
    return true;
}

static int order_acts(const void *a, const void *b)
{
    const struct aw_alert *x = ((const struct act *)a)->first, *y = ((const struct act *)b)->first;
    if (x->created_at != y->created_at) {
        return x->created_at < y->created_at ? -1 : 1;
    }
    return strcmp(x->id, y->id);
}

/* Keys act in the order of their first alert that is still active; it may lie before the window. */
static bool put_in_order(struct hand *hand, struct aw_err *err)
{
    for (size_t i = 0; hand->act_count > 1 && i < hand->act_count; i++) {
        struct aw_rows rows;
        struct aw_query query;
        const struct aw_alert *member = hand->acts[i].members[0];
        active_alerts(&query, member->company_id);
        query.conds[query.n++] =
            (struct aw_cond){.field = "asset_name", .op = AW_OP_EQ, .text = member->asset_name};
        query.conds[query.n++] =
            (struct aw_cond){.field = "signature", .op = AW_OP_EQ, .text = member->signature};
        query.limit = 1;
        if (!aw_tx_find(hand->tx, &aw_scope_all, &query, &rows, err)) {
            return false;
        }
        if (rows.n > 0) {
            hand->acts[i].first = rows.v[0];
        }
    }
    qsort(hand->acts, hand->act_count, sizeof(*hand->acts), order_acts);
    return true;
}

static bool read_assets(struct hand *hand, const char *company_id, struct aw_map *critical,
                        struct aw_err *err)
{
    static const bool yes = true;
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_asset_schema, .n = 2};
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = company_id};
    query.conds[1] = (struct aw_cond){.field = "critical", .op = AW_OP_EQ, .number = true};
    if (!aw_tx_find(hand->tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        const char *name = ((const struct aw_asset *)rows.v[i])->name;
        (void)aw_map_put(critical, name, strlen(name), (void *)(uintptr_t)&yes);
    }
    return true;
}

static bool perform(struct hand *hand, const struct aw_map *critical, const char *actor,
                    int64_t now_ms, struct aw_correlate_counts *counts, struct aw_err *err)
{
    struct aw_news news = {.arena = hand->arena};
    for (size_t i = 0; i < hand->act_count; i++) {
        const struct act *act = &hand->acts[i];
        struct aw_incident *incident;
        if (act->incident_id == NULL) {
            incident = aw_incident_open(hand->arena, act->members[0], now_ms);
            counts->incidents_created++;
        } else {
            void *row = NULL;
            if (!aw_tx_get(hand->tx, &aw_scope_all, &aw_incident_schema, act->incident_id, &row,
                           err)) {
                return false;
            }
            incident = aw_arena_copy(hand->arena, row, sizeof(*incident));
            counts->incidents_updated++;
        }
        for (size_t k = 0; k < act->n; k++) {
            struct aw_alert *alert = aw_arena_copy(hand->arena, act->members[k], sizeof(*alert));
            aw_incident_take(hand->arena, incident, alert, now_ms);
            aw_tx_replace(hand->tx, &aw_alert_schema, alert);
            aw_alert_news(&news, alert, "alert_updated", actor, now_ms);
            counts->alerts_correlated++;
        }
        incident->critical_asset =
            aw_map_get(critical, incident->asset_name, strlen(incident->asset_name)) != NULL;
        aw_incident_store(hand->tx, incident, actor, now_ms, &news);
    }
    return aw_events_add(hand->tx, news.v, news.n, err);
}

bool aw_correlate_by_hand(struct aw_tx *tx, const char *company_id, const char *actor,
                          int64_t now_ms, struct aw_correlate_counts *counts, struct aw_err *err)
{
    struct hand hand = {.tx = tx, .arena = aw_tx_arena(tx)};
    struct aw_correlation_config *config;
    *counts = (struct aw_correlate_counts){.incidents_created = 0};
    if (!aw_correlation_config_tx(tx, company_id, &config, err)) {
        return false;
    }
    struct aw_correlate_rules rules = aw_correlation_rules(config);
    struct aw_correlate *state = aw_correlate_create(INT64_MIN);
    struct aw_map *signatures = aw_map_create(), *critical = aw_map_create();
    bool ok = find_inside(&hand, company_id, now_ms - rules.window_ms, err) &&
              signatures_with_runbook(&hand, company_id, signatures, err) &&
              fill(&hand, company_id, signatures, state, err) &&
              aw_correlate_hand(state, &rules, now_ms, decided, &hand) &&
              put_in_order(&hand, err) && read_assets(&hand, company_id, critical, err) &&
              perform(&hand, critical, actor, now_ms, counts, err);
    aw_map_destroy(&critical, NULL);
    aw_map_destroy(&signatures, NULL);
    aw_correlate_destroy(&state);
    aw_correlation_forget(company_id);
    return ok;
}
