/* incident_rows.h - how alerts become part of an incident row: the summary that is carried forward
 * (W9). Threads: writer thread. Owner: rows are in the arena of the unit. */
#ifndef AW_DOMAIN_INCIDENT_ROWS_H
#define AW_DOMAIN_INCIDENT_ROWS_H

#include "events.h"
#include "worker/model/model.h"
#include "worker/store/store.h"

/* A new incident for the key of `first`, without alerts yet; version 0 until it is stored. */
struct aw_incident *aw_incident_open(struct aw_arena *arena, const struct aw_alert *first,
                                     int64_t now_ms);
/* Makes the alert a member: its status, incident_id and updated_at, and count, severity,
 * tool_sources and updated_at of the incident. Both rows are the caller's to write. */
void aw_incident_take(struct aw_arena *arena, struct aw_incident *incident, struct aw_alert *alert,
                      int64_t now_ms);
/* Writes the incident with its score at now_ms: a new one (version 0) with its row of open_keys;
 * adds the news. */
void aw_incident_store(struct aw_tx *tx, struct aw_incident *incident, const char *actor,
                       int64_t now_ms, struct aw_news *news);
/* News of one alert ("alert_received", "alert_updated") as it will be stored. */
void aw_alert_news(struct aw_news *news, const struct aw_alert *alert, const char *type,
                   const char *actor, int64_t now_ms);

#endif
