#include "list.h"

#include <stdlib.h>

#include "worker/domain/correlation.h"
#include "worker/domain/incidents.h"

static const struct aw_param filters[] = {
    {.name = "company_id", .type = AW_T_STR, .field = "company_id", .doc = "of this company"},
    {.name = "status",
     .type = AW_T_ENUM,
     .words = aw_incident_status_words,
     .field = "status",
     .doc = "in this state"},
    {.name = "severity",
     .type = AW_T_ENUM,
     .words = aw_severity_names,
     .field = "severity",
     .doc = "of this severity"},
    {.name = "asset_name", .type = AW_T_STR, .field = "asset_name", .doc = "of this asset"},
    {.name = "signature",
     .type = AW_T_STR,
     .max = 4 * AW_SIGNATURE_MAX,
     .field = "signature",
     .doc = "of this kind"},
    {.name = "tool_source",
     .type = AW_T_STR,
     .field = "tool_sources",
     .doc = "with an alert of this tool"},
    {.name = "assigned_to",
     .type = AW_T_STR,
     .field = "assigned_to",
     .doc = "id of the user who works on it"},
    {.name = "since",
     .type = AW_T_TIME,
     .field = "created_at",
     .op = AW_OP_GE,
     .doc = "opened at or after"},
    {.name = "until",
     .type = AW_T_TIME,
     .field = "created_at",
     .op = AW_OP_LT,
     .doc = "opened before"},
    {.name = NULL},
};

/* --- reading --- */

static int higher_first(const void *a, const void *b)
{
    const struct aw_incident *x = *(void *const *)a, *y = *(void *const *)b;
    return (x->priority_score < y->priority_score) - (x->priority_score > y->priority_score);
}

/* The stored scores order the pages, the exact ones the rows of a page. */
static void rescore(struct aw_rows *rows, int64_t now_ms)
{
    aw_incidents_rescore(rows, now_ms);
    if (rows->n > 1) {
        qsort(rows->v, rows->n, sizeof(*rows->v), higher_first);
    }
}

static bool list_incidents(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {.schema = &aw_incident_schema,
                                 .sort = "priority_score",
                                 .descending = true,
                                 .finish = rescore};
    return aw_list_reply(q, r, &list, err);
}

struct incident_more {
    struct aw_strs alert_ids;
};
static const struct aw_field incident_more_fields[] = {
    AW_FIELD(incident_more, alert_ids, STRS, .max = AW_INCIDENT_ALERT_IDS,
             .doc = "newest alerts, newest first"),
};
static const struct aw_schema incident_more_schema =
    AW_SCHEMA(incident_more, "incident_alerts", incident_more_fields,
              .doc = "alerts of one incident");

static bool get_incident(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct aw_incident *incident;
    struct incident_more more;
    if (!aw_incident_get(q->reader, &q->actor.scope, q->id, q->now_ms, q->arena, &incident,
                         &more.alert_ids, err)) {
        return false;
    }
    aw_reply_joined(r, &aw_incident_schema, incident, &incident_more_schema, &more);
    r->version = incident->version;
    return true;
}

static bool list_incident_alerts(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {
        .schema = &aw_alert_schema,
        .fixed = {.field = "incident_id", .op = AW_OP_EQ, .text = q->id},
        .sort = "created_at",
        .descending = true,
    };
    return aw_list_reply(q, r, &list, err);
}

/* --- correlation by hand --- */

struct correlated {
    int64_t incidents_created, incidents_updated, alerts_correlated;
};
static const struct aw_field correlated_fields[] = {
    AW_FIELD(correlated, incidents_created, I64, .doc = "incidents that were opened"),
    AW_FIELD(correlated, incidents_updated, I64, .doc = "incidents that alerts joined"),
    AW_FIELD(correlated, alerts_correlated, I64, .doc = "alerts that belong to an incident now"),
};
static const struct aw_schema correlated_schema =
    AW_SCHEMA(correlated, "correlation_result", correlated_fields,
              .doc = "what a correlation has done");

static const struct aw_param company_param[] = {
    {.name = "company_id",
     .type = AW_T_STR,
     .required = true,
     .doc = "company whose alerts are correlated"},
    {.name = NULL},
};

struct correlate {
    struct aw_req *q;
    struct aw_reply *r;
};

static bool correlate_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct correlate *work = arg;
    struct aw_req *q = work->q;
    struct aw_correlate_counts counts;
    if (!aw_correlate_by_hand(tx, q->company_id, q->act.user_id, q->now_ms, &counts, err)) {
        return false;
    }
    q->details =
        aw_arena_printf(q->arena, "{\"incidents_created\":%lld,\"incidents_updated\":%lld}",
                        (long long)counts.incidents_created, (long long)counts.incidents_updated);
    const struct correlated out = {
        .incidents_created = counts.incidents_created,
        .incidents_updated = counts.incidents_updated,
        .alerts_correlated = counts.alerts_correlated,
    };
    aw_reply_row(work->r, &correlated_schema, &out, -1);
    return true;
}

static bool correlate(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct correlate work = {q, r};
    return aw_req_commit(q, r, correlate_unit, &work, err);
}

/* --- status --- */

struct status_in {
    int status;
};
static const struct aw_field status_in_fields[] = {
    AW_FIELD(status_in, status, ENUM, .flags = AW_F_REQUIRED, .arg = aw_incident_status_words,
             .doc = "the state that it shall be in"),
};
static const struct aw_schema status_in_schema =
    AW_SCHEMA(status_in, "incident_status", status_in_fields, .doc = "a change of state");

struct status_change {
    struct aw_req *q;
    struct aw_reply *r;
    int64_t version;
};

static bool status_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct status_change *work = arg;
    struct aw_req *q = work->q;
    const struct status_in *in = q->in;
    const struct aw_incident_change change = {
        .scope = &q->actor.scope,
        .id = q->id,
        .version = work->version > 0 ? work->version : 0,
        .actor = q->act.user_id,
        .now_ms = q->now_ms,
        .set_status = true,
        .status = in->status,
    };
    struct aw_incident *incident;
    if (!aw_incident_change(tx, &change, &incident, err)) {
        return false;
    }
    struct aw_incident *shown = aw_row_copy(&aw_incident_schema, incident, aw_tx_arena(tx));
    struct aw_rows one = {.v = (void *[]){shown}, .n = 1};
    aw_incidents_rescore(&one, q->now_ms);
    aw_reply_row(work->r, &aw_incident_schema, shown, shown->version);
    return true;
}

static bool put_status(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_incident *before = q->row;
    const struct status_in *in = q->in;
    struct status_change work = {.q = q, .r = r};
    q->details = aw_arena_printf(q->arena, "{\"from\":\"%s\",\"to\":\"%s\"}",
                                 aw_incident_status_words[before->status],
                                 aw_incident_status_words[in->status]);
    return aw_req_if_match(q, &work.version, err) && aw_req_commit(q, r, status_unit, &work, err);
}

const struct aw_route aw_incident_routes[] = {
    {
        .method = "GET",
        .path = "/api/incidents",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_LIST,
        .summary = "Incidents, highest priority first",
        .params = filters,
        .reply = &aw_incident_schema,
        .list = true,
        .run = list_incidents,
    },
    {
        .method = "GET",
        .path = "/api/incidents/{id}",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_ROW,
        .summary = "One incident, with the ids of its newest alerts",
        .object = &aw_incident_schema,
        .reply = &aw_incident_schema,
        .more = &incident_more_schema,
        .run = get_incident,
    },
    {
        .method = "GET",
        .path = "/api/incidents/{id}/alerts",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_ROW,
        .summary = "Alerts of an incident, newest first",
        .object = &aw_incident_schema,
        .reply = &aw_alert_schema,
        .list = true,
        .run = list_incident_alerts,
    },
    {
        .method = "POST",
        .path = "/api/incidents/correlate",
        .permission = AW_MAY_HANDLE_INCIDENTS,
        .scope = AW_SCOPE_QUERY,
        .summary = "Correlate the active alerts of a company now",
        .params = company_param,
        .body = &aw_no_body,
        .reply = &correlated_schema,
        .audit = "incidents.correlated",
        .run = correlate,
    },
    {
        .method = "PUT",
        .path = "/api/incidents/{id}/status",
        .permission = AW_MAY_HANDLE_INCIDENTS,
        .scope = AW_SCOPE_ROW,
        .summary = "Change the state of an incident",
        .body = &status_in_schema,
        .object = &aw_incident_schema,
        .reply = &aw_incident_schema,
        .audit = "incident.status_changed",
        .run = put_status,
    },
    {.method = NULL},
};
