#include "notifications.h"

#include <stdlib.h>
#include <string.h>

#include "open_keys.h"
#include "save.h"

/* Alerts of one notification, in order of arrival. */
struct ringing {
    const char *id;
    size_t order;
    const struct aw_alert *first, *newest;
    int64_t count;
};

const char *aw_notification_id(const char *company_id, const char *asset_name,
                               const char *signature, int severity, struct aw_arena *arena)
{
    const char *parts[] = {company_id, asset_name, signature, aw_severity_names[severity]};
    return aw_key_hash(parts, AW_COUNT(parts), arena);
}

static int order_ringing(const void *a, const void *b)
{
    const struct ringing *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* One entry for each notification, the alerts of one counted together. Returns their number. */
static size_t gather(const struct aw_alert *const *alerts, size_t n, struct ringing *ringing,
                     struct aw_arena *arena)
{
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        const struct aw_alert *alert = alerts[i];
        ringing[i] =
            (struct ringing){.id = aw_notification_id(alert->company_id, alert->asset_name,
                                                      alert->signature, alert->severity, arena),
                             .order = i,
                             .first = alert,
                             .newest = alert,
                             .count = 1};
    }
    qsort(ringing, n, sizeof(*ringing), order_ringing);
    for (size_t i = 0; i < n; i++) {
        if (distinct > 0 && strcmp(ringing[distinct - 1].id, ringing[i].id) == 0) {
            ringing[distinct - 1].newest = ringing[i].newest;
            ringing[distinct - 1].count++;
        } else {
            ringing[distinct++] = ringing[i];
        }
    }
    return distinct;
}

static void tell(struct aw_news *news, const struct aw_notification *row, const char *type,
                 const char *actor)
{
    aw_news_add(news, &(struct aw_event_news){.company_id = row->company_id,
                                              .permission = "view",
                                              .object = aw_notification_schema.name,
                                              .object_id = row->id,
                                              .object_version = row->version,
                                              .type = type,
                                              .actor = actor,
                                              .now_ms = row->updated_at});
}

static void ring_one(struct aw_tx *tx, const struct ringing *ringing,
                     const struct aw_notification *old, struct aw_news *news)
{
    static const struct {
        const char *type, *title;
    } words[AW_SEVERITIES] = {[AW_HIGH] = {"high_alert", "High alert"},
                              [AW_CRITICAL] = {"critical_alert", "Critical alert"}};
    struct aw_arena *arena = aw_tx_arena(tx);
    const struct aw_alert *alert = ringing->newest;
    bool unread = old != NULL && !old->read;
    struct aw_notification *row = AW_NEW(arena, struct aw_notification);
    *row = (struct aw_notification){
        .id = ringing->id,
        .version = old != NULL ? old->version : 0,
        .company_id = alert->company_id,
        .type = words[alert->severity].type,
        .severity = alert->severity,
        .title =
            aw_arena_printf(arena, "%s on %s", words[alert->severity].title, alert->asset_name),
        .message = aw_arena_printf(arena, "%s: %s", alert->signature, alert->message),
        .alert_id = alert->id,
        .asset_name = alert->asset_name,
        .signature = alert->signature,
        .count = ringing->count + (unread ? old->count : 0),
        .created_at = unread ? old->created_at : ringing->first->created_at,
        .updated_at = alert->created_at};
    if (old == NULL) {
        aw_tx_insert(tx, &aw_notification_schema, row);
    } else {
        aw_tx_replace(tx, &aw_notification_schema, row);
    }
    tell(news, row, unread ? "notification_updated" : "notification", NULL);
}

bool aw_notifications_ring(struct aw_tx *tx, const struct aw_alert *const *alerts, size_t n,
                           struct aw_news *news, struct aw_err *err)
{
    if (n == 0) {
        return true;
    }
    struct aw_arena *arena = aw_tx_arena(tx);
    struct ringing *ringing = AW_NEW_N(arena, struct ringing, n);
    size_t distinct = gather(alerts, n, ringing, arena);
    const char **ids = AW_NEW_N(arena, const char *, distinct);
    void **rows = AW_NEW_N(arena, void *, distinct);
    for (size_t i = 0; i < distinct; i++) {
        ids[i] = ringing[i].id;
    }
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_notification_schema, ids, distinct, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < distinct; i++) {
        ring_one(tx, &ringing[i], rows[i], news);
    }
    return true;
}

static void mark_read(struct aw_tx *tx, struct aw_notification *row, const char *actor,
                      int64_t now_ms, struct aw_news *news)
{
    row->read = true;
    row->updated_at = now_ms;
    aw_tx_replace(tx, &aw_notification_schema, row);
    tell(news, row, "notification_read", actor);
}

bool aw_notification_read(struct aw_tx *tx, const struct aw_scope *scope, const char *id,
                          const char *actor, int64_t now_ms, struct aw_notification **notification,
                          struct aw_err *err)
{
    struct aw_news news = {.arena = aw_tx_arena(tx)};
    void *row = NULL;
    if (!aw_tx_get_many(tx, scope, &aw_notification_schema, &id, 1, &row, err)) {
        return false;
    }
    if (row == NULL) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "notification.absent",
                       "There is no such notification");
    }
    *notification = aw_arena_copy(news.arena, row, sizeof(struct aw_notification));
    if (!(*notification)->read) {
        mark_read(tx, *notification, actor, now_ms, &news);
    }
    return aw_events_add(tx, news.v, news.n, err);
}

bool aw_notifications_read_all(struct aw_tx *tx, const struct aw_scope *scope, const char *actor,
                               int64_t now_ms, size_t limit, size_t *n, struct aw_err *err)
{
    struct aw_news news = {.arena = aw_tx_arena(tx)};
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_notification_schema,
                             .n = 1,
                             .sort = "created_at",
                             .descending = true,
                             .limit = limit};
    query.conds[0] = (struct aw_cond){.field = "read", .op = AW_OP_EQ, .number = false};
    if (!aw_tx_find(tx, scope, &query, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        mark_read(tx, aw_arena_copy(news.arena, rows.v[i], sizeof(struct aw_notification)), actor,
                  now_ms, &news);
    }
    *n = rows.n;
    return aw_events_add(tx, news.v, news.n, err);
}
