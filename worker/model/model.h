/* model.h - every entity as a struct and a field table; no logic.
 *
 * A row's members of type text and list point into the arena that made it. `id` is the key of the collection;
 * `version` counts the replaces of a row (1 = as inserted). Times are ms since 1970.
 * Threads: constant tables. */
#ifndef AW_MODEL_MODEL_H
#define AW_MODEL_MODEL_H

#include "worker/base/field.h"

/* A flag of the field "id": ids are random and rows many, so the store keeps them in the order of arrival and finds
 * them by id in units of work; reading them by id elsewhere is slow. A store that keeps that order makes unique indexes only. */
#define AW_F_RANDOM (1u << 16)
/* A flag of STR fields that hold UUIDs, lower-case, with few exceptions: a store may keep those in 16 bytes and sort
 * them behind other texts. */
#define AW_F_UUID (1u << 17)
/* A flag of the first field of an index whose entries come in no order and are many: a store may keep them apart by the
 * age of the rows, so that new ones lie together. */
#define AW_F_SCATTERED (1u << 18)

/* --- alerts.c --- */
enum aw_alert_status { AW_ALERT_ACTIVE, AW_ALERT_CORRELATED, AW_ALERT_RESOLVED };
extern const char *const aw_alert_status_words[];
struct aw_alert {
    const char *id; /* UUIDv7 */
    int64_t version;
    const char *company_id;
    const char *asset_id; /* null when the asset is unknown */
    const char *asset_name;
    const char *signature;
    int severity; /* enum aw_severity */
    const char *message;
    const char *tool_source;
    int status;                /* enum aw_alert_status */
    const char *incident_id;   /* membership: the truth (null = none) */
    const char *delivery_id;   /* X-Delivery-ID, or null */
    int64_t delivery_attempts; /* 1 = came once */
    int64_t created_at;        /* received by the edge */
    int64_t updated_at;
    const char *raw; /* the body as it came */
};
extern const struct aw_schema aw_alert_schema;

/* One row per identity and one per signature of a delivery (W8); never shown. */
struct aw_delivery_row {
    const char *id; /* base64url of the SHA-256 key */
    int64_t version;
    const char *company_id;
    const char *alert_id;
    int64_t received_at;    /* of the delivery that the row stands for */
    int64_t memory_ms;      /* a hit later than this is a new delivery */
    struct aw_strs counted; /* "queue id:seq", the highest counted seq of each queue */
};
extern const struct aw_schema aw_delivery_schema;

/* An alert id that was answered for a twin of another alert (W8). */
struct aw_alias {
    const char *id; /* the twin's alert id */
    int64_t version;
    const char *company_id;
    const char *alert_id; /* the alert that stands for it */
    int64_t created_at;
};
extern const struct aw_schema aw_alias_schema;

struct aw_dead_letter {
    const char *id;
    int64_t version;
    const char *company_id;
    const char *alert_id;
    const char *reason;
    int64_t tries;
    struct aw_bytes record; /* the bytes of the queue record */
    int64_t received_at, created_at;
};
extern const struct aw_schema aw_dead_letter_schema;

/* --- incidents.c --- */
enum aw_incident_status {
    AW_INCIDENT_NEW,
    AW_INCIDENT_IN_PROGRESS,
    AW_INCIDENT_ESCALATED,
    AW_INCIDENT_RESOLVED
};
extern const char *const aw_incident_status_words[];
struct aw_incident {
    const char *id; /* UUIDv7 */
    int64_t version;
    const char *company_id;
    const char *asset_id;
    const char *asset_name;
    const char *signature;
    int severity;                /* highest of its alerts */
    const char *aggregation_key; /* "asset|signature", shown only */
    int64_t priority_score;      /* stored for sorting; exact when read */
    int64_t alert_count;
    struct aw_strs tool_sources; /* sorted set */
    bool critical_asset;         /* as it was at the last update */
    int status;
    const char *assigned_to; /* user id or null */
    bool auto_remediated;
    int64_t created_at, updated_at, resolved_at;
    const char *merged_into; /* incident id or null */
};
extern const struct aw_schema aw_incident_schema;

/* The alerts of an incident that are still to follow its change of state; one row per incident. */
struct aw_member_change {
    const char *id; /* of the incident */
    int64_t version;
    const char *company_id;
    int status;         /* enum aw_alert_status that its alerts shall have */
    int64_t created_at; /* when the incident changed */
};
extern const struct aw_schema aw_member_change_schema;

/* W10: a row here means that an incident is open for the key. */
struct aw_open_key {
    const char *id; /* company:base64url(hash of the key) */
    int64_t version;
    const char *company_id;
    const char *incident_id;
};
extern const struct aw_schema aw_open_key_schema;

enum aw_single_alert { AW_SINGLE_RUNBOOK, AW_SINGLE_CRITICAL };
extern const char *const aw_single_alert_words[]; /* "runbook", "critical" */
struct aw_correlation_config {
    const char *id; /* = company_id */
    int64_t version;
    const char *company_id;
    int64_t time_window_minutes; /* 1-10080, default 15 */
    const char *aggregation_key; /* "asset|signature" */
    bool auto_correlate;         /* default true */
    int64_t min_alerts;          /* 1-1000, default 2 */
    struct aw_strs single_alert; /* words */
    int64_t updated_at;
};
extern const struct aw_schema aw_correlation_config_schema;

struct aw_notification {
    const char *id;
    int64_t version;
    const char *company_id;
    const char *type; /* "critical_alert" | "high_alert" */
    int severity;
    const char *title, *message;
    const char *alert_id; /* newest */
    const char *asset_name, *signature;
    int64_t count;
    bool read;
    int64_t created_at, updated_at;
};
extern const struct aw_schema aw_notification_schema;

/* --- companies.c --- */
extern const char
    *const aw_unknown_assets_words[]; /* reject, accept, register: enum aw_unknown_assets */
struct aw_policy {
    bool auto_approve_low_risk;
    const char *maintenance_window; /* "Sat 22:00-02:00" or null */
};
extern const struct aw_schema aw_policy_schema;
struct aw_company {
    const char *id; /* 1-40 of [A-Za-z0-9._-] */
    int64_t version;
    const char *company_id; /* = id: a company is scoped by itself */
    const char *name;
    const void *policy; /* struct aw_policy */
    int unknown_assets;
    int64_t rate_slot;          /* of the edge; unique, given once (internal) */
    int64_t api_key_created_at; /* newest key */
    int64_t created_at, updated_at;
};
extern const struct aw_schema aw_company_schema;

struct aw_asset {
    const char *id;
    int64_t version;
    const char *company_id;
    const char *name; /* unique in the company */
    const char *type, *os;
    bool critical;
    const char *instance_id; /* AWS, or null */
    int64_t created_at, updated_at;
};
extern const struct aw_schema aw_asset_schema;

struct aw_api_key {
    const char *id;
    int64_t version;
    const char *company_id;
    const char *name;
    const char *key_sha256;     /* hex (internal) */
    struct aw_bytes key_sealed; /* secret: AES-256-GCM (ruling 16) */
    struct aw_strs networks;    /* allowed, empty = any */
    int64_t expires_at;         /* 0 = never */
    int64_t created_at;
};
extern const struct aw_schema aw_api_key_schema;

struct aw_webhook_security {
    const char *id; /* = company_id */
    int64_t version;
    const char *company_id;
    bool enabled;
    struct aw_bytes secret_sealed;   /* secret */
    struct aw_bytes previous_sealed; /* secret: still accepted while rotating, or null */
    const char *signature_header;    /* "X-Signature" */
    const char *timestamp_header;    /* "X-Timestamp" */
    int64_t created_at, updated_at;
};
extern const struct aw_schema aw_webhook_security_schema;

struct aw_rate_limit {
    const char *id; /* = company_id */
    int64_t version;
    const char *company_id;
    bool enabled;
    int64_t requests_per_minute; /* 1-1,000,000, default 60 */
    int64_t burst_size;          /* 1-1,000,000, default 100 */
    int64_t updated_at;
};
extern const struct aw_schema aw_rate_limit_schema;

extern const char *const aw_risk_level_words[]; /* low, medium, high */
struct aw_runbook {
    const char *id;
    int64_t version;
    const char *company_id;
    const char *name;
    const char *signature; /* of the incidents it is for */
    int risk_level;
    int64_t created_at, updated_at;
};
extern const struct aw_schema aw_runbook_schema;

/* --- users.c --- */
enum aw_role { AW_ROLE_VIEWER, AW_ROLE_TECHNICIAN, AW_ROLE_COMPANY_ADMIN, AW_ROLE_ADMIN };
extern const char *const aw_role_words[];       /* viewer, technician, company_admin, admin */
extern const char *const aw_permission_words[]; /* ruling 17, in its order */
struct aw_user {
    const char *id;
    int64_t version;
    const char *email; /* lower case, unique */
    const char *name;
    int role;
    struct aw_strs company_ids;
    struct aw_strs permissions; /* beyond the role: words of ruling 17 */
    const char *password_hash;  /* secret: bcrypt */
    bool disabled;
    int64_t created_at, updated_at;
};
extern const struct aw_schema aw_user_schema;

/* The answer to a request that carried an Idempotency-Key (W25); good for so long after created_at. */
#define AW_KEPT_REPLY_MS (INT64_C(24) * 3600 * 1000)
struct aw_kept_reply {
    const char *id; /* hash of user and key */
    int64_t version;
    const char *company_id; /* of the act, "-" = of no company */
    const char *request;    /* hash of method, target and body */
    int64_t status;
    int64_t etag;           /* -1 = none */
    struct aw_bytes sealed; /* the body: AES-256-GCM, for it may hold a secret */
    int64_t created_at;
};
extern const struct aw_schema aw_kept_reply_schema;

/* --- events.c --- */
/* One event of the stream. */
struct aw_event {
    const char *id; /* epoch and seq, zero-padded so that text order is stream order */
    int64_t seq;
    const char *company_id;
    const char *user_id;    /* only for this user, or null */
    const char *permission; /* needed to see it */
    const char *object;     /* collection: "alerts" */
    const char *object_id;
    int64_t object_version;
    const char
        *type; /* "alert_received", "incident_created", "incident_updated", "notification", ... */
    const char *actor; /* user id, or null = the product */
    int64_t created_at;
};
extern const struct aw_schema aw_event_schema; /* inside a run: without id, seq, company_id */

/* Events that one unit told of one company, without a gap between their numbers: the stored row. */
struct aw_event_run {
    const char *id; /* of its last event */
    int64_t version;
    const char *company_id;
    int64_t count;
    const char *events; /* JSON list of events */
    int64_t created_at; /* of its last event */
};
extern const struct aw_schema aw_event_run_schema;

struct aw_audit {
    const char *id; /* company (or "-") and number, zero-padded */
    int64_t version;
    const char *company_id; /* "-" = of no company */
    int64_t number;         /* contiguous per company */
    const char *user_id;
    const char *action; /* "company.created" */
    const char *object, *object_id;
    const char *details; /* JSON text */
    bool refused;
    int64_t timestamp;
    const char *previous_hash,
        *hash; /* hex SHA-256: hash of (previous_hash, the row's canonical JSON without hash) */
};
extern const struct aw_schema aw_audit_schema;

/* Single facts of the installation: schema version, event epoch and head, audit heads. */
struct aw_meta {
    const char *id;
    int64_t version;
    const char *value; /* JSON text */
};
extern const struct aw_schema aw_meta_schema;

/* Every stored schema, NULL-terminated: drivers create and migrate from it. */
extern const struct aw_schema *const aw_model_schemas[];
const struct aw_schema *aw_model_find(const char *name); /* or NULL */

#endif
