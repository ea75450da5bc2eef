#include "worker/model/model.h"

const char *const aw_incident_status_words[] = {"new", "in_progress", "escalated", "resolved",
                                                NULL};
const char *const aw_single_alert_words[] = {"runbook", "critical", NULL};

static const struct aw_field incident_fields[] = {
    AW_FIELD(aw_incident, id, STR, .flags = AW_F_READONLY | AW_F_UUID, .doc = "UUID version 7"),
    AW_FIELD(aw_incident, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_incident, company_id, STR, .flags = AW_F_READONLY | AW_F_UUID, .doc = "company"),
    AW_FIELD(aw_incident, asset_id, STR, .flags = AW_F_READONLY | AW_F_NULLABLE | AW_F_UUID,
             .doc = "asset, null = unknown asset"),
    AW_FIELD(aw_incident, asset_name, STR, .flags = AW_F_READONLY, .max = AW_ASSET_NAME_MAX,
             .doc = "name of the asset"),
    AW_FIELD(aw_incident, signature, STR, .flags = AW_F_READONLY, .max = AW_SIGNATURE_MAX,
             .doc = "kind of trouble of all its alerts"),
    AW_FIELD(aw_incident, severity, ENUM, .flags = AW_F_READONLY, .arg = aw_severity_names,
             .doc = "highest severity of its alerts"),
    AW_FIELD(aw_incident, aggregation_key, STR, .flags = AW_F_READONLY,
             .doc = "asset|signature, to be shown"),
    AW_FIELD(aw_incident, priority_score, I64, .flags = AW_F_READONLY,
             .doc = "priority; higher comes first"),
    AW_FIELD(aw_incident, alert_count, I64, .flags = AW_F_READONLY, .doc = "number of its alerts"),
    AW_FIELD(aw_incident, tool_sources, STRS, .flags = AW_F_READONLY,
             .doc = "monitoring tools of its alerts, sorted"),
    AW_FIELD(aw_incident, critical_asset, BOOL, .flags = AW_F_READONLY,
             .doc = "whether the asset was critical at the last update"),
    AW_FIELD(aw_incident, status, ENUM, .arg = aw_incident_status_words,
             .doc = "where it stands in its life"),
    AW_FIELD(aw_incident, assigned_to, STR, .flags = AW_F_NULLABLE, .max = 64,
             .doc = "id of the user who works on it"),
    AW_FIELD(aw_incident, auto_remediated, BOOL, .flags = AW_F_READONLY,
             .doc = "an automatic runbook resolved it"),
    AW_FIELD(aw_incident, created_at, TIME, .flags = AW_F_READONLY, .doc = "opened"),
    AW_FIELD(aw_incident, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
    AW_FIELD(aw_incident, resolved_at, TIME, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "resolved"),
    AW_FIELD(aw_incident, merged_into, STR, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "incident that took over its alerts"),
};
static const struct aw_index incident_indexes[] = {
    {"company_status", {"company_id", "status", "created_at"}, false},
    {"company_priority", {"company_id", "priority_score"}, false},
    {"company_created", {"company_id", "created_at"}, false},
    {"priority", {"-priority_score"}, false},
    {"created", {"-created_at"}, false},
};
const struct aw_schema aw_incident_schema =
    AW_SCHEMA(aw_incident, "incidents", incident_fields, incident_indexes,
              AW_COUNT(incident_indexes), "alerts of one asset and signature that belong together");

static const struct aw_field member_change_fields[] = {
    AW_FIELD(aw_member_change, id, STR, .flags = AW_F_INTERNAL, .doc = "id of the incident"),
    AW_FIELD(aw_member_change, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_member_change, company_id, STR, .flags = AW_F_INTERNAL, .doc = "company"),
    AW_FIELD(aw_member_change, status, ENUM, .flags = AW_F_INTERNAL, .arg = aw_alert_status_words,
             .doc = "state that its alerts shall have"),
    AW_FIELD(aw_member_change, created_at, TIME, .flags = AW_F_INTERNAL,
             .doc = "when the incident changed"),
};
const struct aw_schema aw_member_change_schema =
    AW_SCHEMA(aw_member_change, "member_changes", member_change_fields, NULL, 0,
              "incidents whose alerts are still to follow their change of state");

static const struct aw_field open_key_fields[] = {
    AW_FIELD(aw_open_key, id, STR, .flags = AW_F_INTERNAL, .doc = "company:hash of the key"),
    AW_FIELD(aw_open_key, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_open_key, company_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID, .doc = "company"),
    AW_FIELD(aw_open_key, incident_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "incident that is open for the key"),
};
static const struct aw_index open_key_indexes[] = {
    {"company_incident", {"company_id", "incident_id"}, false},
};
const struct aw_schema aw_open_key_schema =
    AW_SCHEMA(aw_open_key, "open_keys", open_key_fields, open_key_indexes,
              AW_COUNT(open_key_indexes), "which incident is open for which key");

static const struct aw_field correlation_config_fields[] = {
    AW_FIELD(aw_correlation_config, id, STR, .flags = AW_F_INTERNAL, .doc = "the company's id"),
    AW_FIELD(aw_correlation_config, version, I64, .flags = AW_F_READONLY,
             .doc = "rises with each change"),
    AW_FIELD(aw_correlation_config, company_id, STR, .flags = AW_F_READONLY, .doc = "company"),
    AW_FIELD(aw_correlation_config, time_window_minutes, I64, .min = 1, .max = 10080, .dflt = "15",
             .doc = "alerts of a key that are not older than this form a group"),
    AW_FIELD(aw_correlation_config, aggregation_key, STR, .flags = AW_F_READONLY,
             .dflt = "\"asset|signature\"", .doc = "what alerts of a group share"),
    AW_FIELD(aw_correlation_config, auto_correlate, BOOL, .dflt = "true",
             .doc = "correlate when alerts arrive"),
    AW_FIELD(aw_correlation_config, min_alerts, I64, .min = 1, .max = 1000, .dflt = "2",
             .doc = "alerts that make an incident"),
    AW_FIELD(aw_correlation_config, single_alert, STRS, .arg = aw_single_alert_words, .max = 2,
             .dflt = "[\"runbook\",\"critical\"]",
             .doc = "when one alert is enough: its signature has a runbook; it is critical"),
    AW_FIELD(aw_correlation_config, updated_at, TIME, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "last change"),
};
const struct aw_schema aw_correlation_config_schema =
    AW_SCHEMA(aw_correlation_config, "correlation_configs", correlation_config_fields, NULL, 0,
              "how the alerts of a company become incidents");

static const struct aw_field notification_fields[] = {
    AW_FIELD(aw_notification, id, STR, .flags = AW_F_READONLY,
             .doc = "hash of company, key and severity"),
    AW_FIELD(aw_notification, version, I64, .flags = AW_F_READONLY,
             .doc = "rises with each change"),
    AW_FIELD(aw_notification, company_id, STR, .flags = AW_F_READONLY | AW_F_UUID,
             .doc = "company"),
    AW_FIELD(aw_notification, type, STR, .flags = AW_F_READONLY,
             .doc = "critical_alert or high_alert"),
    AW_FIELD(aw_notification, severity, ENUM, .flags = AW_F_READONLY, .arg = aw_severity_names,
             .doc = "severity of its alerts"),
    AW_FIELD(aw_notification, title, STR, .flags = AW_F_READONLY, .doc = "one line"),
    AW_FIELD(aw_notification, message, STR, .flags = AW_F_READONLY, .doc = "text of the newest"),
    AW_FIELD(aw_notification, alert_id, STR, .flags = AW_F_READONLY | AW_F_UUID,
             .doc = "newest alert"),
    AW_FIELD(aw_notification, asset_name, STR, .flags = AW_F_READONLY, .doc = "name of the asset"),
    AW_FIELD(aw_notification, signature, STR, .flags = AW_F_READONLY, .doc = "kind of trouble"),
    AW_FIELD(aw_notification, count, I64, .flags = AW_F_READONLY,
             .doc = "alerts since it was last read"),
    AW_FIELD(aw_notification, read, BOOL, .dflt = "false", .doc = "somebody has seen it"),
    AW_FIELD(aw_notification, created_at, TIME, .flags = AW_F_READONLY, .doc = "first alert"),
    AW_FIELD(aw_notification, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
};
static const struct aw_index notification_indexes[] = {
    /* by a time that a repeat leaves as it is: the entry of an unread notification stays */
    {"company_read", {"company_id", "read", "created_at"}, false},
};
const struct aw_schema aw_notification_schema =
    AW_SCHEMA(aw_notification, "notifications", notification_fields, notification_indexes,
              AW_COUNT(notification_indexes), "the bell: what wants to be seen by a person");
