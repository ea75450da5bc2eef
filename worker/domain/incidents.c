#include "incidents.h"

#include <string.h>

#include "correlation.h"
#include "events.h"
#include "incident_members.h"
#include "open_keys.h"
#include "save.h"
#include "score.h"
#include "src/aw_defs.h"

/* The life of ruling 19: row = from, column = to. */
static const bool may[AW_INCIDENT_RESOLVED + 1][AW_INCIDENT_RESOLVED + 1] = {
    [AW_INCIDENT_NEW] = {[AW_INCIDENT_IN_PROGRESS] = true,
                         [AW_INCIDENT_ESCALATED] = true,
                         [AW_INCIDENT_RESOLVED] = true},
    [AW_INCIDENT_IN_PROGRESS] = {[AW_INCIDENT_ESCALATED] = true, [AW_INCIDENT_RESOLVED] = true},
    [AW_INCIDENT_ESCALATED] = {[AW_INCIDENT_IN_PROGRESS] = true, [AW_INCIDENT_RESOLVED] = true},
    [AW_INCIDENT_RESOLVED] = {[AW_INCIDENT_IN_PROGRESS] = true}};

bool aw_incident_may(enum aw_incident_status from, enum aw_incident_status to)
{
    return may[from][to];
}

/* --- consequences --- */

static bool close_keys(struct aw_tx *tx, const struct aw_incident *incident, struct aw_err *err)
{
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_open_key_schema, .n = 2};
    query.conds[0] =
        (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = incident->company_id};
    query.conds[1] = (struct aw_cond){.field = "incident_id", .op = AW_OP_EQ, .text = incident->id};
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_open_key *key = rows.v[i];
        aw_tx_delete(tx, &aw_open_key_schema, key->id, key->version);
    }
    return true;
}

static bool open_own_key(struct aw_tx *tx, const struct aw_incident *incident, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    const char *id =
        aw_open_key_id(incident->company_id, incident->asset_name, incident->signature, arena);
    void *other = NULL;
    if (incident->merged_into != NULL) {
        return aw_fail(err, AW_ERR_CONFLICT, "incident.state",
                       "An incident that was merged into another cannot be reopened");
    }
    if (!aw_tx_peek(tx, &aw_open_key_schema, id, &other, err)) {
        return false;
    }
    if (other != NULL) {
        return aw_fail(
            err, AW_ERR_CONFLICT, "incident.open_key",
            "An incident that is resolved cannot become in_progress: incident %s is open for "
            "the same asset and signature",
            ((const struct aw_open_key *)other)->incident_id);
    }
    struct aw_open_key *key = AW_NEW(arena, struct aw_open_key);
    key->id = id;
    key->company_id = incident->company_id;
    key->incident_id = incident->id;
    aw_tx_insert(tx, &aw_open_key_schema, key);
    return true;
}

static bool set_status(struct aw_tx *tx, struct aw_incident *incident,
                       const struct aw_incident_change *change, int to, struct aw_err *err)
{
    int from = incident->status;
    if (!may[from][to]) {
        return aw_fail(err, AW_ERR_CONFLICT, "incident.state",
                       "An incident that is %s cannot become %s", aw_incident_status_words[from],
                       aw_incident_status_words[to]);
    }
    incident->status = to;
    if (to == AW_INCIDENT_RESOLVED) {
        incident->resolved_at = change->now_ms;
        incident->auto_remediated = change->self_healed;
        aw_correlation_forget(incident->company_id);
        return close_keys(tx, incident, err) &&
               aw_members_set(tx, incident, AW_ALERT_RESOLVED, change->now_ms, err);
    }
    if (from == AW_INCIDENT_RESOLVED) {
        incident->resolved_at = 0;
        incident->auto_remediated = false;
        aw_correlation_forget(incident->company_id);
        return open_own_key(tx, incident, err) &&
               aw_members_set(tx, incident, AW_ALERT_CORRELATED, change->now_ms, err);
    }
    return true;
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool apply(struct aw_tx *tx, struct aw_incident *incident,
                  const struct aw_incident_change *change, struct aw_err *err)
{
    bool assigns = change->set_assigned && !is_same(incident->assigned_to, change->assigned_to);
    int to = change->set_status ? change->status : incident->status;
    if (assigns && !change->set_status && change->assigned_to != NULL &&
        incident->status == AW_INCIDENT_NEW) {
        to = AW_INCIDENT_IN_PROGRESS;
    }
    if (!assigns && to == incident->status) {
        return true;
    }
    if (assigns) {
        incident->assigned_to = aw_arena_str(aw_tx_arena(tx), change->assigned_to);
    }
    if (to != incident->status && !set_status(tx, incident, change, to, err)) {
        return false;
    }
    incident->updated_at = change->now_ms;
    incident->priority_score = aw_incident_score(incident, change->now_ms);
    aw_tx_replace(tx, &aw_incident_schema, incident);
    struct aw_event_news news = {.company_id = incident->company_id,
                                 .permission = "view",
                                 .object = aw_incident_schema.name,
                                 .object_id = incident->id,
                                 .object_version = incident->version,
                                 .type = "incident_updated",
                                 .actor = change->actor,
                                 .now_ms = change->now_ms};
    return aw_event_add(tx, &news, err);
}

bool aw_incident_change(struct aw_tx *tx, const struct aw_incident_change *change,
                        struct aw_incident **out, struct aw_err *err)
{
    void *row = NULL;
    if (!aw_tx_get_many(tx, change->scope, &aw_incident_schema, &change->id, 1, &row, err)) {
        return false;
    }
    if (row == NULL) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "incident.absent", "There is no such incident");
    }
    struct aw_incident *incident = aw_arena_copy(aw_tx_arena(tx), row, sizeof(*incident));
    if (change->version != 0 && change->version != incident->version) {
        return aw_fail(err, AW_ERR_PRECONDITION, "incident.version",
                       "The incident has been changed meanwhile");
    }
    *out = incident;
    if (!apply(tx, incident, change, err)) {
        return false;
    }
    incident->priority_score = aw_incident_score(incident, change->now_ms);
    return true;
}

/* --- reading --- */

bool aw_incident_get(struct aw_reader *reader, const struct aw_scope *scope, const char *id,
                     int64_t now_ms, struct aw_arena *arena, struct aw_incident **incident,
                     struct aw_strs *alert_ids, struct aw_err *err)
{
    void *row = NULL;
    struct aw_rows rows;
    if (!aw_store_get_many(reader, scope, &aw_incident_schema, &id, 1, arena, &row, err)) {
        return false;
    }
    if (row == NULL) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "incident.absent", "There is no such incident");
    }
    *incident = row;
    (*incident)->priority_score = aw_incident_score(*incident, now_ms);
    struct aw_query query = {.schema = &aw_alert_schema,
                             .n = 2,
                             .sort = "created_at",
                             .descending = true,
                             .limit = AW_INCIDENT_ALERT_IDS};
    query.conds[0] = (struct aw_cond){.field = "incident_id", .op = AW_OP_EQ, .text = id};
    query.conds[1] =
        (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = (*incident)->company_id};
    if (!aw_store_find(reader, scope, &query, arena, &rows, err)) {
        return false;
    }
    const char **ids = AW_NEW_N(arena, const char *, rows.n + 1);
    for (size_t i = 0; i < rows.n; i++) {
        ids[i] = ((const struct aw_alert *)rows.v[i])->id;
    }
    *alert_ids = (struct aw_strs){.v = ids, .n = rows.n};
    return true;
}

void aw_incidents_rescore(struct aw_rows *rows, int64_t now_ms)
{
    for (size_t i = 0; i < rows->n; i++) {
        struct aw_incident *incident = rows->v[i];
        incident->priority_score = aw_incident_score(incident, now_ms);
    }
}
