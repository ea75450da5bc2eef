#include "route.h"

#include "worker/domain/correlation_configs.h"
#include "worker/domain/rate_limits.h"
#include "worker/domain/webhook_security.h"

/* --- correlation --- */

static bool correlation_base(struct aw_req *q, void **row, struct aw_err *err)
{
    struct aw_correlation_config *config;
    if (!aw_correlation_config_get(q->reader, q->id, q->arena, &config, err)) {
        return false;
    }
    *row = config;
    return true;
}

static bool get_correlation(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    void *row;
    if (!correlation_base(q, &row, err)) {
        return false;
    }
    aw_reply_row(r, &aw_correlation_config_schema, row,
                 ((struct aw_correlation_config *)row)->version);
    return true;
}

/* A change of configuration: what the unit needs. */
struct change {
    struct aw_req *q;
    struct aw_reply *r;
    int64_t version; /* of If-Match, -1 = any */
};

static bool run_change(struct aw_req *q, struct aw_reply *r, aw_unit_fn *unit, struct aw_err *err)
{
    struct change change = {.q = q, .r = r};
    return aw_req_if_match(q, &change.version, err) && aw_req_commit(q, r, unit, &change, err);
}

static bool correlation_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct change *change = arg;
    struct aw_req *q = change->q;
    struct aw_correlation_config *row =
        aw_row_copy(&aw_correlation_config_schema, q->in, aw_tx_arena(tx));
    if (!aw_correlation_config_put(tx, row, change->version, q->act.user_id, q->now_ms, err)) {
        return false;
    }
    aw_reply_row(change->r, &aw_correlation_config_schema, row, row->version);
    return true;
}

static bool put_correlation(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    return run_change(q, r, correlation_unit, err);
}

/* --- rate limit --- */

static bool rate_base(struct aw_req *q, void **row, struct aw_err *err)
{
    struct aw_rate_limit *limit;
    if (!aw_rate_limit_get(q->reader, q->id, q->arena, &limit, err)) {
        return false;
    }
    *row = limit;
    return true;
}

static bool get_rate(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    void *row;
    if (!rate_base(q, &row, err)) {
        return false;
    }
    aw_reply_row(r, &aw_rate_limit_schema, row, ((struct aw_rate_limit *)row)->version);
    return true;
}

static bool rate_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct change *change = arg;
    struct aw_rate_limit *row;
    enum aw_saved saved;
    if (!aw_rate_limit_put(tx, change->q->in, change->version, &change->q->act, &row, &saved,
                           err)) {
        return false;
    }
    aw_reply_row(change->r, &aw_rate_limit_schema, row, row->version);
    return true;
}

static bool put_rate(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    return run_change(q, r, rate_unit, err);
}

/* --- webhook security --- */

struct enabled_out {
    bool enabled;
    const char *hmac_secret, *signature_header, *timestamp_header;
};
static const struct aw_field enabled_out_fields[] = {
    AW_FIELD(enabled_out, enabled, BOOL, .doc = "deliveries must be signed"),
    AW_FIELD(enabled_out, hmac_secret, STR, .doc = "the new secret; it is shown only here"),
    AW_FIELD(enabled_out, signature_header, STR, .doc = "header with sha256= and the signature"),
    AW_FIELD(enabled_out, timestamp_header, STR,
             .doc = "header with the signed unix time in seconds"),
};
static const struct aw_schema enabled_out_schema =
    AW_SCHEMA(enabled_out, "webhook_security_enabled", enabled_out_fields,
              .doc = "signatures, with their secret");

static bool get_security(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct aw_webhook_security *row;
    if (!aw_webhook_security_get(q->reader, q->id, q->arena, &row, err)) {
        return false;
    }
    aw_reply_row(r, &aw_webhook_security_schema, row, row->version);
    return true;
}

static bool enable_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct change *change = arg;
    struct aw_req *q = change->q;
    struct aw_webhook_security *row;
    const char *secret;
    enum aw_saved saved;
    if (!aw_webhook_security_enable(tx, q->deps->sealer, q->id, NULL, &q->act, &row, &secret,
                                    &saved, err)) {
        return false;
    }
    const struct enabled_out out = {
        .enabled = row->enabled,
        .hmac_secret = secret,
        .signature_header = row->signature_header,
        .timestamp_header = row->timestamp_header,
    };
    aw_reply_row(change->r, &enabled_out_schema, &out, -1);
    return true;
}

static bool enable(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    return run_change(q, r, enable_unit, err);
}

static bool disable_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct change *change = arg;
    struct aw_webhook_security *row;
    enum aw_saved saved;
    if (!aw_webhook_security_disable(tx, change->q->id, &change->q->act, &row, &saved, err)) {
        return false;
    }
    aw_reply_row(change->r, &aw_webhook_security_schema, row, -1);
    return true;
}

static bool disable(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    return run_change(q, r, disable_unit, err);
}

const struct aw_route aw_config_routes[] = {
    {
        .method = "GET",
        .path = "/api/companies/{id}/correlation-config",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_COMPANY,
        .summary = "How the company's alerts become incidents",
        .reply = &aw_correlation_config_schema,
        .run = get_correlation,
    },
    {
        .method = "PUT",
        .path = "/api/companies/{id}/correlation-config",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_COMPANY,
        .summary = "Change how the company's alerts become incidents",
        .body = &aw_correlation_config_schema,
        .object = &aw_correlation_config_schema,
        .reply = &aw_correlation_config_schema,
        .audit = "correlation_config.updated",
        .base = correlation_base,
        .run = put_correlation,
    },
    {
        .method = "GET",
        .path = "/api/companies/{id}/rate-limit",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_COMPANY,
        .summary = "How much the company may send",
        .reply = &aw_rate_limit_schema,
        .run = get_rate,
    },
    {
        .method = "PUT",
        .path = "/api/companies/{id}/rate-limit",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_COMPANY,
        .summary = "Change how much the company may send",
        .body = &aw_rate_limit_schema,
        .object = &aw_rate_limit_schema,
        .reply = &aw_rate_limit_schema,
        .audit = "rate_limit.updated",
        .base = rate_base,
        .run = put_rate,
    },
    {
        .method = "GET",
        .path = "/api/companies/{id}/webhook-security",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_COMPANY,
        .summary = "Whether deliveries must be signed; without the secret",
        .reply = &aw_webhook_security_schema,
        .run = get_security,
    },
    {
        .method = "POST",
        .path = "/api/companies/{id}/webhook-security/enable",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_COMPANY,
        .summary = "Ask for signatures, with a new secret; the one in use till now stays accepted "
                   "beside it",
        .body = &aw_no_body,
        .object = &aw_webhook_security_schema,
        .reply = &enabled_out_schema,
        .audit = "webhook_security.enabled",
        .run = enable,
    },
    {
        .method = "POST",
        .path = "/api/companies/{id}/webhook-security/disable",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_COMPANY,
        .summary = "Ask for no signatures, and forget the secrets",
        .body = &aw_no_body,
        .object = &aw_webhook_security_schema,
        .reply = &aw_webhook_security_schema,
        .audit = "webhook_security.disabled",
        .run = disable,
    },
    {.method = NULL},
};
