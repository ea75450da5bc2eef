/* incidents.h - the life of an incident after it was opened (ruling 19).
 *
 * Every change is part of the caller's unit and brings its consequences with it: status of the
 * alerts, rows of open_keys, events. The caller adds the audit row. Threads: changes on the writer
 * thread, reading any. Owner: rows are in the arena of the unit or the given one. Errors: NOT_FOUND
 * incident.absent (also for a foreign company), CONFLICT incident.state ("an incident that is
 * resolved cannot become escalated"), CONFLICT incident.open_key, PRECONDITION incident.version. */
#ifndef AW_DOMAIN_INCIDENTS_H
#define AW_DOMAIN_INCIDENTS_H

#include "worker/model/model.h"
#include "worker/store/store.h"

struct aw_incident_change {
    const struct aw_scope *scope;
    const char *id;
    int64_t version;   /* that must be stored now (If-Match), 0 = any */
    const char *actor; /* user id, NULL = the product */
    int64_t now_ms;
    bool set_status;
    int status; /* enum aw_incident_status */
    bool set_assigned;
    const char
        *assigned_to; /* user id, or NULL = nobody; the caller has checked that the user is there */
    bool self_healed; /* with status resolved: an execution succeeded (ruling 6) */
};
/* Status and assignment in one step. Assigning a new incident makes it in_progress, unless a status
 * is set too. The state that it has already is no change; a change of nothing writes nothing.
 * *incident: as it will be stored. */
AW_MUST_CHECK bool aw_incident_change(struct aw_tx *tx, const struct aw_incident_change *change,
                                      struct aw_incident **incident, struct aw_err *err);
/* May `from` become `to`? */
bool aw_incident_may(enum aw_incident_status from, enum aw_incident_status to);

#define AW_INCIDENT_ALERT_IDS 1000
/* One incident with its exact score at now_ms and the ids of its newest 1,000 alerts, newest first
 * (ruling 12). */
AW_MUST_CHECK bool aw_incident_get(struct aw_reader *reader, const struct aw_scope *scope,
                                   const char *id, int64_t now_ms, struct aw_arena *arena,
                                   struct aw_incident **incident, struct aw_strs *alert_ids,
                                   struct aw_err *err);
/* Rows of the incidents collection (from aw_store_find): puts the exact score into each, for lists.
 */
void aw_incidents_rescore(struct aw_rows *rows, int64_t now_ms);

#endif
