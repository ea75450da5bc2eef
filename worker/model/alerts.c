#include "worker/model/model.h"

const char *const aw_alert_status_words[] = {"active", "correlated", "resolved", NULL};

static const struct aw_field alert_fields[] = {
    AW_FIELD(aw_alert, id, STR, .flags = AW_F_READONLY | AW_F_UUID,
             .doc = "UUID version 7, given by the edge"),
    AW_FIELD(aw_alert, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_alert, company_id, STR, .flags = AW_F_READONLY | AW_F_UUID,
             .doc = "company of the sender"),
    AW_FIELD(aw_alert, asset_id, STR, .flags = AW_F_READONLY | AW_F_NULLABLE | AW_F_UUID,
             .doc = "asset of this name when the alert came; null = unknown asset"),
    AW_FIELD(aw_alert, asset_name, STR, .flags = AW_F_READONLY, .min = 1, .max = AW_ASSET_NAME_MAX,
             .doc = "name of the asset, as sent"),
    AW_FIELD(aw_alert, signature, STR, .flags = AW_F_READONLY, .min = 1, .max = AW_SIGNATURE_MAX,
             .doc = "kind of trouble, e.g. service_down:nginx"),
    AW_FIELD(aw_alert, severity, ENUM, .flags = AW_F_READONLY, .arg = aw_severity_names,
             .doc = "severity, as sent"),
    AW_FIELD(aw_alert, message, STR, .flags = AW_F_READONLY, .max = AW_MESSAGE_MAX,
             .doc = "text for people"),
    AW_FIELD(aw_alert, tool_source, STR, .flags = AW_F_READONLY, .min = 1, .max = AW_SOURCE_MAX,
             .doc = "monitoring tool that sent it"),
    AW_FIELD(aw_alert, status, ENUM, .flags = AW_F_READONLY, .arg = aw_alert_status_words,
             .doc = "active until it joins an incident, resolved with it"),
    AW_FIELD(aw_alert, incident_id, STR,
             .flags = AW_F_READONLY | AW_F_NULLABLE | AW_F_UUID | AW_F_SCATTERED,
             .doc = "incident that the alert belongs to"),
    AW_FIELD(aw_alert, delivery_id, STR, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .max = AW_DELIVERY_ID_MAX, .doc = "X-Delivery-ID of the sender"),
    AW_FIELD(aw_alert, delivery_attempts, I64, .flags = AW_F_READONLY,
             .doc = "how often the delivery came, 1 = once"),
    AW_FIELD(aw_alert, created_at, TIME, .flags = AW_F_READONLY, .doc = "received by the edge"),
    AW_FIELD(aw_alert, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
    AW_FIELD(aw_alert, raw, RAW, .flags = AW_F_READONLY | AW_F_INTERNAL,
             .doc = "the body as it came, with the members that are not known"),
};
static const struct aw_index alert_indexes[] = {
    {"company_status", {"company_id", "status", "created_at"}, false},
    {"company_created", {"company_id", "created_at"}, false},
    {"created", {"-created_at"}, false},
    {"incident", {"incident_id", "created_at"}, false},
};
const struct aw_schema aw_alert_schema =
    AW_SCHEMA(aw_alert, "alerts", alert_fields, alert_indexes, AW_COUNT(alert_indexes),
              "one delivery of a monitoring tool");

/* Two of these rows are written for each alert. */
static const struct aw_field delivery_fields[] = {
    AW_FIELD(aw_delivery_row, id, STR, .flags = AW_F_INTERNAL | AW_F_RANDOM,
             .doc = "base64url of the SHA-256 over company and identity, or company and signature"),
    AW_FIELD(aw_delivery_row, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_delivery_row, company_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "company of the sender"),
    AW_FIELD(aw_delivery_row, alert_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "alert of the delivery"),
    AW_FIELD(aw_delivery_row, received_at, TIME, .flags = AW_F_INTERNAL,
             .doc = "received time of the delivery"),
    AW_FIELD(aw_delivery_row, memory_ms, I64, .flags = AW_F_INTERNAL,
             .doc = "a hit later than this after received_at is a new delivery, ms"),
    AW_FIELD(aw_delivery_row, counted, STRS, .flags = AW_F_INTERNAL,
             .doc = "queue id:seq, the highest counted seq of each queue"),
};
/* For retention, where the store does not keep the order of arrival itself. */
static const struct aw_index delivery_indexes[] = {
    {"received", {"received_at", "id"}, false},
};
const struct aw_schema aw_delivery_schema =
    AW_SCHEMA(aw_delivery_row, "deliveries", delivery_fields, delivery_indexes,
              AW_COUNT(delivery_indexes),
              "what is already known of deliveries, for as long as a repeat may come");

static const struct aw_field alias_fields[] = {
    AW_FIELD(aw_alias, id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "alert id answered for the twin"),
    AW_FIELD(aw_alias, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_alias, company_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "company of the sender"),
    AW_FIELD(aw_alias, alert_id, STR, .flags = AW_F_INTERNAL | AW_F_UUID,
             .doc = "alert that stands for it"),
    AW_FIELD(aw_alias, created_at, TIME, .flags = AW_F_INTERNAL, .doc = "received by the edge"),
};
const struct aw_schema aw_alias_schema =
    AW_SCHEMA(aw_alias, "aliases", alias_fields, NULL, 0, "alert ids that stand for another alert");

static const struct aw_field dead_letter_fields[] = {
    AW_FIELD(aw_dead_letter, id, STR, .flags = AW_F_READONLY, .doc = "alert id of the record"),
    AW_FIELD(aw_dead_letter, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_dead_letter, company_id, STR, .flags = AW_F_READONLY,
             .doc = "company of the sender"),
    AW_FIELD(aw_dead_letter, alert_id, STR, .flags = AW_F_READONLY,
             .doc = "alert id that the sender was told"),
    AW_FIELD(aw_dead_letter, reason, STR, .flags = AW_F_READONLY,
             .doc = "why it could not become an alert"),
    AW_FIELD(aw_dead_letter, tries, I64, .flags = AW_F_READONLY,
             .doc = "times that the record broke the worker"),
    AW_FIELD(aw_dead_letter, record, BYTES, .flags = AW_F_READONLY | AW_F_INTERNAL,
             .doc = "bytes of the queue record"),
    AW_FIELD(aw_dead_letter, received_at, TIME, .flags = AW_F_READONLY,
             .doc = "received by the edge"),
    AW_FIELD(aw_dead_letter, created_at, TIME, .flags = AW_F_READONLY, .doc = "put away"),
};
static const struct aw_index dead_letter_indexes[] = {
    {"company_created", {"company_id", "created_at"}, false},
};
const struct aw_schema aw_dead_letter_schema =
    AW_SCHEMA(aw_dead_letter, "dead_letters", dead_letter_fields, dead_letter_indexes,
              AW_COUNT(dead_letter_indexes), "accepted records that could not become alerts");
