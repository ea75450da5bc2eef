#include "incident_rows.h"

#include <string.h>

#include "open_keys.h"
#include "save.h"
#include "score.h"

struct aw_incident *aw_incident_open(struct aw_arena *arena, const struct aw_alert *first,
                                     int64_t now_ms)
{
    struct aw_incident *incident = AW_NEW(arena, struct aw_incident);
    incident->id = aw_new_id(arena, now_ms);
    incident->company_id = first->company_id;
    incident->asset_id = first->asset_id;
    incident->asset_name = first->asset_name;
    incident->signature = first->signature;
    incident->aggregation_key =
        aw_arena_printf(arena, "%s|%s", first->asset_name, first->signature);
    incident->severity = first->severity;
    incident->status = AW_INCIDENT_NEW;
    incident->created_at = now_ms;
    incident->updated_at = now_ms;
    return incident;
}

/* Keeps the list sorted and without repeats. */
static void add_source(struct aw_arena *arena, struct aw_strs *sources, const char *source)
{
    size_t at = 0;
    while (at < sources->n && strcmp(sources->v[at], source) < 0) {
        at++;
    }
    if (at < sources->n && strcmp(sources->v[at], source) == 0) {
        return;
    }
    const char **v = AW_NEW_N(arena, const char *, sources->n + 1);
    for (size_t i = 0; i < sources->n; i++) {
        v[i < at ? i : i + 1] = sources->v[i];
    }
    v[at] = source;
    *sources = (struct aw_strs){.v = v, .n = sources->n + 1};
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void aw_incident_take(struct aw_arena *arena, struct aw_incident *incident, struct aw_alert *alert,
                      int64_t now_ms)
{
    alert->status = AW_ALERT_CORRELATED;
    alert->incident_id = incident->id;
    alert->updated_at = later(alert->updated_at, now_ms);
    incident->alert_count++;
    incident->severity =
        alert->severity > incident->severity ? alert->severity : incident->severity;
    incident->updated_at = later(incident->updated_at, now_ms);
    add_source(arena, &incident->tool_sources, alert->tool_source);
}

void aw_incident_store(struct aw_tx *tx, struct aw_incident *incident, const char *actor,
                       int64_t now_ms, struct aw_news *news)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    bool is_new = incident->version == 0;
    incident->priority_score = aw_incident_score(incident, now_ms);
    if (is_new) {
        struct aw_open_key *key = AW_NEW(arena, struct aw_open_key);
        key->id =
            aw_open_key_id(incident->company_id, incident->asset_name, incident->signature, arena);
        key->company_id = incident->company_id;
        key->incident_id = incident->id;
        aw_tx_insert(tx, &aw_open_key_schema, key);
        aw_tx_insert(tx, &aw_incident_schema, incident);
    } else {
        aw_tx_replace(tx, &aw_incident_schema, incident);
    }
    aw_news_add(news,
                &(struct aw_event_news){.company_id = incident->company_id,
                                        .permission = "view",
                                        .object = aw_incident_schema.name,
                                        .object_id = incident->id,
                                        .object_version = incident->version,
                                        .type = is_new ? "incident_created" : "incident_updated",
                                        .actor = actor,
                                        .now_ms = now_ms});
}

void aw_alert_news(struct aw_news *news, const struct aw_alert *alert, const char *type,
                   const char *actor, int64_t now_ms)
{
    aw_news_add(news, &(struct aw_event_news){.company_id = alert->company_id,
                                              .permission = "view",
                                              .object = aw_alert_schema.name,
                                              .object_id = alert->id,
                                              .object_version = alert->version,
                                              .type = type,
                                              .actor = actor,
                                              .now_ms = now_ms});
}
