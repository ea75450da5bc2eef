#include "worker/model/model.h"

const char *const aw_unknown_assets_words[] = {"reject", "accept", "register", NULL};
const char *const aw_risk_level_words[] = {"low", "medium", "high", NULL};

static const struct aw_field policy_fields[] = {
    AW_FIELD(aw_policy, auto_approve_low_risk, BOOL, .dflt = "true",
             .doc = "runbooks of low risk run without an approval"),
    AW_FIELD(aw_policy, maintenance_window, STR, .flags = AW_F_NULLABLE, .max = 64,
             .doc = "weekly window for changes, e.g. Sat 22:00-02:00"),
};
const struct aw_schema aw_policy_schema =
    AW_SCHEMA(aw_policy, "policy", policy_fields, NULL, 0, "what the product may do by itself");

static const struct aw_field company_fields[] = {
    AW_FIELD(aw_company, id, STR, .flags = AW_F_READONLY, .min = 1, .max = AW_COMPANY_ID_MAX,
             .doc = "1-40 of A-Z, a-z, 0-9, dot, underscore and hyphen; never changes"),
    AW_FIELD(aw_company, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_company, company_id, STR, .flags = AW_F_READONLY | AW_F_INTERNAL,
             .doc = "the same as id: a company is scoped by itself"),
    AW_FIELD(aw_company, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 100,
             .doc = "name, as shown"),
    AW_FIELD(aw_company, policy, OBJ, .arg = &aw_policy_schema,
             .dflt = "{\"auto_approve_low_risk\":true,\"maintenance_window\":null}",
             .doc = "what the product may do by itself"),
    AW_FIELD(aw_company, unknown_assets, ENUM, .arg = aw_unknown_assets_words, .dflt = "\"reject\"",
             .doc = "what to do with alerts of assets that are not known"),
    AW_FIELD(aw_company, rate_slot, I64, .flags = AW_F_READONLY | AW_F_INTERNAL,
             .doc = "place of its rate limit at the edge, given once"),
    AW_FIELD(aw_company, api_key_created_at, TIME, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "when its newest API key was made"),
    AW_FIELD(aw_company, created_at, TIME, .flags = AW_F_READONLY, .doc = "created"),
    AW_FIELD(aw_company, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
};
const struct aw_schema aw_company_schema = AW_SCHEMA(aw_company, "companies", company_fields, NULL,
                                                     0, "a customer: owner of assets and alerts");

static const struct aw_field asset_fields[] = {
    AW_FIELD(aw_asset, id, STR, .flags = AW_F_READONLY, .doc = "id"),
    AW_FIELD(aw_asset, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_asset, company_id, STR, .flags = AW_F_READONLY, .doc = "company"),
    AW_FIELD(aw_asset, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = AW_ASSET_NAME_MAX,
             .doc = "name that alerts give, unique in the company"),
    AW_FIELD(aw_asset, type, STR, .flags = AW_F_NULLABLE, .max = 50, .doc = "e.g. server"),
    AW_FIELD(aw_asset, os, STR, .flags = AW_F_NULLABLE, .max = 100, .doc = "operating system"),
    AW_FIELD(aw_asset, critical, BOOL, .dflt = "false", .doc = "its incidents come first"),
    AW_FIELD(aw_asset, instance_id, STR, .flags = AW_F_NULLABLE, .max = 64,
             .doc = "AWS instance that runbooks act upon"),
    AW_FIELD(aw_asset, created_at, TIME, .flags = AW_F_READONLY, .doc = "created"),
    AW_FIELD(aw_asset, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
};
static const struct aw_index asset_indexes[] = {
    {"company_name", {"company_id", "name"}, true},
};
const struct aw_schema aw_asset_schema =
    AW_SCHEMA(aw_asset, "assets", asset_fields, asset_indexes, AW_COUNT(asset_indexes),
              "a machine or service of a company");

static const struct aw_field api_key_fields[] = {
    AW_FIELD(aw_api_key, id, STR, .flags = AW_F_READONLY, .doc = "id"),
    AW_FIELD(aw_api_key, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_api_key, company_id, STR, .flags = AW_F_READONLY, .doc = "company"),
    AW_FIELD(aw_api_key, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 100,
             .doc = "what it is for"),
    AW_FIELD(aw_api_key, key_sha256, STR, .flags = AW_F_READONLY | AW_F_INTERNAL,
             .doc = "SHA-256 of the key, hex"),
    AW_FIELD(aw_api_key, key_sealed, BYTES, .flags = AW_F_READONLY | AW_F_SECRET,
             .doc = "the key, encrypted"),
    AW_FIELD(aw_api_key, networks, STRS, .max = 32, .dflt = "[]",
             .doc = "networks that may use it (CIDR), empty = any"),
    AW_FIELD(aw_api_key, expires_at, TIME, .flags = AW_F_NULLABLE, .doc = "null = never"),
    AW_FIELD(aw_api_key, created_at, TIME, .flags = AW_F_READONLY, .doc = "created"),
};
static const struct aw_index api_key_indexes[] = {
    {"company_key", {"company_id", "key_sha256"}, true},
};
const struct aw_schema aw_api_key_schema =
    AW_SCHEMA(aw_api_key, "api_keys", api_key_fields, api_key_indexes, AW_COUNT(api_key_indexes),
              "keys with which monitoring tools send alerts");

static const struct aw_field webhook_security_fields[] = {
    AW_FIELD(aw_webhook_security, id, STR, .flags = AW_F_INTERNAL, .doc = "the company's id"),
    AW_FIELD(aw_webhook_security, version, I64, .flags = AW_F_READONLY,
             .doc = "rises with each change"),
    AW_FIELD(aw_webhook_security, company_id, STR, .flags = AW_F_READONLY, .doc = "company"),
    AW_FIELD(aw_webhook_security, enabled, BOOL, .dflt = "false",
             .doc = "deliveries must be signed"),
    AW_FIELD(aw_webhook_security, secret_sealed, BYTES,
             .flags = AW_F_READONLY | AW_F_SECRET | AW_F_NULLABLE,
             .doc = "the secret of the signatures, encrypted"),
    AW_FIELD(aw_webhook_security, previous_sealed, BYTES,
             .flags = AW_F_READONLY | AW_F_SECRET | AW_F_NULLABLE,
             .doc = "the former secret, still accepted while senders change over"),
    AW_FIELD(aw_webhook_security, signature_header, STR, .flags = AW_F_READONLY,
             .dflt = "\"X-Signature\"", .doc = "header with sha256= and the signature"),
    AW_FIELD(aw_webhook_security, timestamp_header, STR, .flags = AW_F_READONLY,
             .dflt = "\"X-Timestamp\"", .doc = "header with the signed unix time in seconds"),
    AW_FIELD(aw_webhook_security, created_at, TIME, .flags = AW_F_READONLY, .doc = "created"),
    AW_FIELD(aw_webhook_security, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
};
const struct aw_schema aw_webhook_security_schema =
    AW_SCHEMA(aw_webhook_security, "webhook_security", webhook_security_fields, NULL, 0,
              "signatures of a company's deliveries");

static const struct aw_field rate_limit_fields[] = {
    AW_FIELD(aw_rate_limit, id, STR, .flags = AW_F_INTERNAL, .doc = "the company's id"),
    AW_FIELD(aw_rate_limit, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_rate_limit, company_id, STR, .flags = AW_F_READONLY, .doc = "company"),
    AW_FIELD(aw_rate_limit, enabled, BOOL, .dflt = "false", .doc = "whether the limit holds"),
    AW_FIELD(aw_rate_limit, requests_per_minute, I64, .min = 1, .max = 1000000, .dflt = "60",
             .doc = "requests a minute in the long run"),
    AW_FIELD(aw_rate_limit, burst_size, I64, .min = 1, .max = 1000000, .dflt = "100",
             .doc = "requests that may come at once"),
    AW_FIELD(aw_rate_limit, updated_at, TIME, .flags = AW_F_READONLY | AW_F_NULLABLE,
             .doc = "last change"),
};
const struct aw_schema aw_rate_limit_schema =
    AW_SCHEMA(aw_rate_limit, "rate_limits", rate_limit_fields, NULL, 0,
              "how much a company may send");

static const struct aw_field runbook_fields[] = {
    AW_FIELD(aw_runbook, id, STR, .flags = AW_F_READONLY, .doc = "id"),
    AW_FIELD(aw_runbook, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_runbook, company_id, STR, .flags = AW_F_READONLY, .doc = "company"),
    AW_FIELD(aw_runbook, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 100,
             .doc = "name, as shown"),
    AW_FIELD(aw_runbook, signature, STR, .flags = AW_F_REQUIRED, .min = 1, .max = AW_SIGNATURE_MAX,
             .doc = "signature of the incidents it is for"),
    AW_FIELD(aw_runbook, risk_level, ENUM, .flags = AW_F_REQUIRED, .arg = aw_risk_level_words,
             .doc = "decides who must approve it"),
    AW_FIELD(aw_runbook, created_at, TIME, .flags = AW_F_READONLY, .doc = "created"),
    AW_FIELD(aw_runbook, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
};
static const struct aw_index runbook_indexes[] = {
    {"company_signature", {"company_id", "signature"}, false},
};
const struct aw_schema aw_runbook_schema =
    AW_SCHEMA(aw_runbook, "runbooks", runbook_fields, runbook_indexes, AW_COUNT(runbook_indexes),
              "steps that heal an incident");
