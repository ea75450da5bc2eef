#include "company_view.h"

#include <string.h>

#include "correlation.h"
#include "correlation_configs.h"
#include "open_keys.h"
#include "save.h"
#include "worker/base/alloc.h"
#include "worker/base/vec.h"

enum {
    PAGE = 500,                /* rows of one query while a company is loaded */
    LOAD_BYTES = 24 << 20,     /* of the unit's arena that loading live keys may fill */
    COMPANY_MEMBERS = 1 << 18, /* live alerts of one company */
    COMPANY_KEYS = 1 << 18,
    ALL_KEYS = 3 << 17, /* of all companies */
    COMPANIES = 4096
};

struct aw_company_views {
    struct aw_map *by_id;
    AW_VEC(struct aw_company_view *) in_unit;
    uint64_t tick;
};

static void free_view(void *value)
{
    struct aw_company_view *view = value;
    aw_map_destroy(&view->assets, free);
    aw_map_destroy(&view->runbooks, NULL);
    aw_correlate_destroy(&view->keys);
    free(view->id);
    free(view);
}

static void forget(struct aw_company_views *views, struct aw_company_view *view)
{
    (void)aw_map_remove(views->by_id, view->id, strlen(view->id));
    free_view(view);
}

struct aw_company_views *aw_company_views_create(void)
{
    struct aw_company_views *views = aw_alloc_zero(1, sizeof(*views));
    views->by_id = aw_map_create();
    return views;
}

void aw_company_views_destroy(struct aw_company_views **views)
{
    if (*views != NULL) {
        aw_map_destroy(&(*views)->by_id, free_view);
        aw_vec_free(&(*views)->in_unit);
        free(*views);
        *views = NULL;
    }
}

static void unit_ended(void *arg, bool committed)
{
    struct aw_company_views *views = arg;
    for (size_t i = 0; i < views->in_unit.n; i++) {
        views->in_unit.v[i]->in_unit = false;
        if (!committed) {
            forget(views, views->in_unit.v[i]);
        }
    }
    views->in_unit.n = 0;
}

void aw_company_views_begin(struct aw_company_views *views, struct aw_tx *tx)
{
    views->tick++;
    aw_tx_after(tx, unit_ended, views);
}

const struct aw_asset_view *aw_company_view_asset(const struct aw_company_view *view,
                                                  const char *name)
{
    return aw_map_get(view->assets, name, strlen(name));
}

void aw_company_view_add_asset(struct aw_company_view *view, const struct aw_asset *asset)
{
    size_t len = strlen(asset->id) + 1;
    struct aw_asset_view *seen = aw_alloc_zero(1, sizeof(*seen) + len);
    seen->critical = asset->critical;
    memcpy(seen->id, asset->id, len);
    free(aw_map_put(view->assets, asset->name, strlen(asset->name), seen));
}

bool aw_company_view_has_runbook(const struct aw_company_view *view, const char *signature)
{
    return aw_map_get(view->runbooks, signature, strlen(signature)) != NULL;
}

/* All rows of a schema that belong to the company. */
static bool find_all(struct aw_tx *tx, const struct aw_schema *schema, const char *company_id,
                     struct aw_rows *rows, struct aw_err *err)
{
    struct aw_query query = {.schema = schema, .n = 1};
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = company_id};
    return aw_tx_find(tx, &aw_scope_all, &query, rows, err);
}

static bool load_names(struct aw_company_view *view, struct aw_tx *tx, struct aw_err *err)
{
    static const bool there = true;
    struct aw_rows rows;
    if (!find_all(tx, &aw_asset_schema, view->id, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        aw_company_view_add_asset(view, rows.v[i]);
    }
    if (!find_all(tx, &aw_runbook_schema, view->id, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        const char *signature = ((const struct aw_runbook *)rows.v[i])->signature;
        (void)aw_map_put(view->runbooks, signature, strlen(signature), (void *)(uintptr_t)&there);
    }
    return true;
}

/* The newest active alerts back to `from`, newest first, as far as memory allows. *known_from:
 * nothing of what was received then or later is missing. */
static bool find_active(struct aw_company_view *view, struct aw_tx *tx, int64_t from,
                        struct aw_alert ***alerts, size_t *n, int64_t *known_from,
                        struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    size_t most = aw_arena_used(arena) + LOAD_BYTES, cap = 0;
    struct aw_rows rows;
    *n = 0;
    *known_from = from;
    struct aw_query query = {.schema = &aw_alert_schema,
                             .n = 3,
                             .sort = "created_at",
                             .descending = true,
                             .limit = PAGE};
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = view->id};
    query.conds[1] = (struct aw_cond){.field = "status", .op = AW_OP_EQ, .number = AW_ALERT_ACTIVE};
    query.conds[2] = (struct aw_cond){.field = "created_at", .op = AW_OP_GE, .number = from};
    do {
        if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
            return false;
        }
        if (*n + rows.n > cap) {
            cap = 2 * (*n + rows.n);
            struct aw_alert **grown = AW_NEW_N(arena, struct aw_alert *, cap);
            if (*n > 0) {
                memcpy(grown, *alerts, *n * sizeof(struct aw_alert *));
            }
            *alerts = grown;
        }
        for (size_t i = 0; i < rows.n; i++) {
            (*alerts)[(*n)++] = rows.v[i];
        }
        if (rows.n == PAGE) {
            query.after_id = (*alerts)[*n - 1]->id;
            query.after_number = (*alerts)[*n - 1]->created_at;
            *known_from = query.after_number + 1;
        }
    } while (rows.n == PAGE && aw_arena_used(arena) < most);
    if (rows.n < PAGE) {
        *known_from = from;
    }
    return true;
}

static bool load_keys(struct aw_company_view *view, struct aw_tx *tx, int64_t at_ms,
                      struct aw_err *err)
{
    struct aw_alert **alerts = NULL;
    size_t n;
    int64_t known_from;
    if (!find_active(view, tx, at_ms - view->rules.window_ms - AW_DISORDER_MS, &alerts, &n,
                     &known_from, err)) {
        return false;
    }
    view->keys = aw_correlate_create(known_from);
    while (n-- > 0) {
        struct aw_correlate_alert alert;
        if (aw_correlate_alert_of(alerts[n],
                                  aw_company_view_has_runbook(view, alerts[n]->signature),
                                  &alert)) {
            aw_correlate_add(view->keys, &alert);
        }
    }
    return true;
}

static bool load(struct aw_company_view *view, struct aw_tx *tx, int64_t at_ms, struct aw_err *err)
{
    void *company = NULL;
    struct aw_correlation_config *config;
    if (!aw_tx_peek(tx, &aw_company_schema, view->id, &company, err)) {
        return false;
    }
    if (company == NULL) {
        return true;
    }
    if (!aw_correlation_config_tx(tx, view->id, &config, err) || !load_names(view, tx, err)) {
        return false;
    }
    view->there = true;
    view->unknown_assets = ((const struct aw_company *)company)->unknown_assets;
    view->rules = aw_correlation_rules(config);
    return !view->rules.automatic || load_keys(view, tx, at_ms, err);
}

bool aw_company_views_get(struct aw_company_views *views, struct aw_tx *tx, const char *company_id,
                          int64_t at_ms, struct aw_company_view **out, struct aw_err *err)
{
    uint64_t generation = aw_correlation_generation(company_id);
    struct aw_company_view *view = aw_map_get(views->by_id, company_id, strlen(company_id));
    if (view != NULL && !view->in_unit && view->generation != generation) {
        forget(views, view);
        view = NULL;
    }
    if (view == NULL) {
        view = aw_alloc_zero(1, sizeof(*view));
        view->id = aw_alloc_must(strdup(company_id));
        view->generation = generation;
        view->assets = aw_map_create();
        view->runbooks = aw_map_create();
        view->newest_ms = at_ms;
        if (!load(view, tx, at_ms, err)) {
            free_view(view);
            return false;
        }
        (void)aw_map_put(views->by_id, company_id, strlen(company_id), view);
    }
    if (!view->in_unit) {
        view->in_unit = true;
        view->used = views->tick;
        *aw_vec_push(&views->in_unit) = view;
    }
    *out = view;
    return true;
}

/* The one that was needed longest ago, but not by this unit. */
static struct aw_company_view *least_used(const struct aw_company_views *views)
{
    struct aw_company_view *least = NULL;
    size_t it = 0, len;
    const void *key;
    void *value;
    while (aw_map_next(views->by_id, &it, &key, &len, &value)) {
        struct aw_company_view *view = value;
        if (!view->in_unit && (least == NULL || view->used < least->used)) {
            least = view;
        }
    }
    return least;
}

static size_t all_keys(const struct aw_company_views *views)
{
    size_t it = 0, len, sum = 0;
    const void *key;
    void *value;
    while (aw_map_next(views->by_id, &it, &key, &len, &value)) {
        const struct aw_company_view *view = value;
        sum += view->keys != NULL ? aw_correlate_groups(view->keys) : 0;
    }
    return sum;
}

void aw_company_views_trim(struct aw_company_views *views)
{
    for (size_t i = 0; i < views->in_unit.n; i++) {
        struct aw_company_view *view = views->in_unit.v[i];
        if (view->keys != NULL) {
            aw_correlate_sweep(view->keys, view->newest_ms - view->rules.window_ms - AW_DISORDER_MS,
                               COMPANY_MEMBERS, COMPANY_KEYS);
        }
    }
    size_t sum = all_keys(views);
    struct aw_company_view *least;
    while ((sum > ALL_KEYS || aw_map_count(views->by_id) > COMPANIES) &&
           (least = least_used(views)) != NULL) {
        sum -= least->keys != NULL ? aw_correlate_groups(least->keys) : 0;
        forget(views, least);
    }
}
