/* company_view.h - what the pipeline remembers of companies between batches: configuration, assets,
 * signatures that have a runbook, live keys. Loaded when a company is first needed; forgotten when
 * somebody calls aw_correlation_forget(), when a unit is aborted, and when too much is remembered.
 * Threads: writer thread. Owner: create/destroy. */
#ifndef AW_DOMAIN_COMPANY_VIEW_H
#define AW_DOMAIN_COMPANY_VIEW_H

#include "correlate.h"
#include "worker/base/map.h"
#include "worker/model/model.h"
#include "worker/store/store.h"

/* Alerts may be drained a little out of the order in which they were received. */
#define AW_DISORDER_MS 60000

struct aw_asset_view {
    bool critical;
    char id[]; /* NUL-terminated */
};

struct aw_company_view {
    char *id;
    uint64_t generation, used; /* used: tick of the last batch */
    bool there;                /* false: no such company, the rest is empty */
    bool in_unit;              /* changed by the unit under way */
    int unknown_assets;
    struct aw_correlate_rules rules;
    struct aw_map *assets;     /* name to struct aw_asset_view */
    struct aw_map *runbooks;   /* signatures */
    struct aw_correlate *keys; /* NULL while rules.automatic is off */
    int64_t newest_ms;         /* newest received time seen */
};

struct aw_company_views;
struct aw_company_views *aw_company_views_create(void);
void aw_company_views_destroy(struct aw_company_views **views);

/* First call of a unit: if it is not committed, the views that it asked for are forgotten. */
void aw_company_views_begin(struct aw_company_views *views, struct aw_tx *tx);
/* The view of a company; at_ms = received time of the first alert that will be decided. Valid until
 * the next aw_company_views_begin(). */
AW_MUST_CHECK bool aw_company_views_get(struct aw_company_views *views, struct aw_tx *tx,
                                        const char *company_id, int64_t at_ms,
                                        struct aw_company_view **view, struct aw_err *err);
/* Last call of a unit: throws away what decisions no longer need, and whole companies when that is
 * not enough. */
void aw_company_views_trim(struct aw_company_views *views);

const struct aw_asset_view *aw_company_view_asset(const struct aw_company_view *view,
                                                  const char *name);
void aw_company_view_add_asset(struct aw_company_view *view, const struct aw_asset *asset);
bool aw_company_view_has_runbook(const struct aw_company_view *view, const char *signature);

#endif
