#include "worker/model/model.h"

static const struct aw_field event_fields[] = {
    AW_FIELD(aw_event, user_id, STR, .flags = AW_F_NULLABLE,
             .doc = "the only user who may see it, null = all of the company"),
    AW_FIELD(aw_event, permission, STR, .doc = "permission that is needed to see it"),
    AW_FIELD(aw_event, object, STR, .doc = "collection of the object"),
    AW_FIELD(aw_event, object_id, STR, .doc = "id of the object"),
    AW_FIELD(aw_event, object_version, I64, .doc = "version of the object after the change"),
    AW_FIELD(aw_event, type, STR, .doc = "what happened"),
    AW_FIELD(aw_event, actor, STR, .flags = AW_F_NULLABLE,
             .doc = "id of the user who did it, null = the product"),
    AW_FIELD(aw_event, created_at, TIME, .doc = "when"),
};
const struct aw_schema aw_event_schema =
    AW_SCHEMA(aw_event, "event", event_fields, .doc = "one event of a run");

static const struct aw_field event_run_fields[] = {
    AW_FIELD(aw_event_run, id, STR, .flags = AW_F_INTERNAL,
             .doc = "place of the last event in the stream"),
    AW_FIELD(aw_event_run, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_event_run, company_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "company of all events"),
    AW_FIELD(aw_event_run, count, I64, .flags = AW_F_INTERNAL,
             .doc = "events in it; their numbers end with that of the id"),
    AW_FIELD(aw_event_run, events, RAW, .flags = AW_F_INTERNAL, .doc = "the events, a JSON list"),
    AW_FIELD(aw_event_run, created_at, TIME, .flags = AW_F_INTERNAL, .doc = "of the last event"),
};
const struct aw_schema aw_event_run_schema =
    AW_SCHEMA(aw_event_run, "events", event_run_fields, NULL, 0,
              "the stream of what happened: one row per company and unit of work");

static const struct aw_field audit_fields[] = {
    AW_FIELD(aw_audit, id, STR, .flags = AW_F_READONLY, .doc = "company and number"),
    AW_FIELD(aw_audit, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_audit, company_id, STR, .flags = AW_F_READONLY,
             .doc = "company, - = of no company"),
    AW_FIELD(aw_audit, number, I64, .flags = AW_F_READONLY, .doc = "contiguous per company"),
    AW_FIELD(aw_audit, user_id, STR, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "who did it, null = the product or nobody yet"),
    AW_FIELD(aw_audit, action, STR, .flags = AW_F_READONLY, .doc = "e.g. company.created"),
    AW_FIELD(aw_audit, object, STR, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "collection of the object"),
    AW_FIELD(aw_audit, object_id, STR, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "id of the object"),
    AW_FIELD(aw_audit, details, RAW, .flags = AW_F_READONLY, .dflt = "{}", .doc = "what exactly"),
    AW_FIELD(aw_audit, refused, BOOL, .flags = AW_F_READONLY, .doc = "the act was refused"),
    AW_FIELD(aw_audit, timestamp, TIME, .flags = AW_F_READONLY, .doc = "when"),
    AW_FIELD(aw_audit, previous_hash, STR, .flags = AW_F_READONLY,
             .doc = "hash of the row before it, empty for the first"),
    AW_FIELD(aw_audit, hash, STR, .flags = AW_F_READONLY,
             .doc = "SHA-256 over previous_hash and this row, hex"),
};
static const struct aw_index audit_indexes[] = {
    {"timestamp", {"-timestamp"}, false},
    {"company_timestamp", {"company_id", "timestamp"}, false},
};
const struct aw_schema aw_audit_schema =
    AW_SCHEMA(aw_audit, "audit_logs", audit_fields, audit_indexes, AW_COUNT(audit_indexes),
              "who did what; rows form a hash chain per company");

static const struct aw_field meta_fields[] = {
    AW_FIELD(aw_meta, id, STR, .flags = AW_F_INTERNAL, .doc = "name of the fact"),
    AW_FIELD(aw_meta, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_meta, value, RAW, .flags = AW_F_INTERNAL, .doc = "JSON text"),
};
const struct aw_schema aw_meta_schema =
    AW_SCHEMA(aw_meta, "meta", meta_fields, NULL, 0, "single facts of the installation");
