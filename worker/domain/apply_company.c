#include "apply_company.h"

#include <string.h>

#include "api_keys.h"
#include "assets.h"
#include "audit.h"
#include "companies.h"
#include "correlation_configs.h"
#include "rate_limits.h"
#include "runbooks.h"
#include "src/aw_edge.h"
#include "webhook_security.h"

#define ASSET_ID_MAX 64 /* bytes, of an id that the file brings along */

/* A list item that has a name: the stored row of this name (or NULL) and a copy of it to decode into. */
static bool begin_named(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                        const char *company_id, const struct aw_schema *schema, void **stored,
                        void *row, struct aw_err *err)
{
    const char *name;
    *stored = NULL;
    if (!aw_apply_text(node, "name", pointer, &name, err) ||
        (name && !aw_find_named(run->tx, schema, company_id, "name", name, stored, err))) {
        return false;
    }
    if (*stored) {
        memcpy(row, *stored, schema->size);
    }
    return true;
}

static bool apply_asset(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                        const char *company_id, struct aw_err *err)
{
    struct aw_asset *row = AW_NEW(run->arena, struct aw_asset);
    void *stored;
    enum aw_saved saved;
    const char *id;
    if (!begin_named(run, node, pointer, company_id, &aw_asset_schema, &stored, row, err) ||
        !aw_apply_text(node, "id", pointer, &id, err)) {
        return false;
    }
    row->company_id = company_id;
    if (id && !stored) {
        if (strlen(id) < 1 || strlen(id) > ASSET_ID_MAX) {
            return aw_apply_fail(err, aw_apply_at(run, pointer, "/id"), "must have 1 to 64 bytes");
        }
        row->id = id; /* a new asset may bring its id along */
    }
    if (!aw_apply_decode(run, node, pointer, &aw_asset_schema, NULL, stored != NULL, row, err) ||
        !aw_asset_save(run->tx, row, &run->act, &saved, err)) {
        return false;
    }
    run->counts[saved]++;
    return true;
}

static bool apply_runbook(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                          const char *company_id, struct aw_err *err)
{
    struct aw_runbook *row = AW_NEW(run->arena, struct aw_runbook);
    void *stored;
    enum aw_saved saved;
    if (!begin_named(run, node, pointer, company_id, &aw_runbook_schema, &stored, row, err)) {
        return false;
    }
    row->company_id = company_id;
    if (!aw_apply_decode(run, node, pointer, &aw_runbook_schema, NULL, stored != NULL, row, err) ||
        !aw_runbook_save(run->tx, row, &run->act, &saved, err)) {
        return false;
    }
    run->counts[saved]++;
    return true;
}

static bool check_networks(const struct aw_apply_run *run, const struct aw_strs *networks,
                           const char *pointer, struct aw_err *err)
{
    struct aw_edge_network parsed;
    if (networks->n > AW_EDGE_NETWORKS) {
        return aw_apply_fail(err, aw_apply_at(run, pointer, "/networks"),
                             "has more than 8 networks");
    }
    for (size_t i = 0; i < networks->n; i++) {
        if (!aw_edge_parse_network(networks->v[i], &parsed)) {
            return aw_apply_fail(err, aw_apply_at(run, pointer, "/networks/%zu", i),
                                 "must be a network (CIDR)");
        }
    }
    return true;
}

static bool apply_key(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                      const char *company_id, struct aw_err *err)
{
    static const char *const extras[] = {"key", NULL};
    struct aw_api_key *row = AW_NEW(run->arena, struct aw_api_key);
    void *stored;
    const char *key, *made;
    enum aw_saved saved;
    if (!begin_named(run, node, pointer, company_id, &aw_api_key_schema, &stored, row, err) ||
        !aw_apply_text(node, "key", pointer, &key, err)) {
        return false;
    }
    row->company_id = company_id;
    if (!aw_apply_decode(run, node, pointer, &aw_api_key_schema, extras, stored != NULL, row,
                         err) ||
        !check_networks(run, &row->networks, pointer, err) ||
        !aw_api_key_save(run->tx, run->deps->sealer, row, key, &run->act, &made, &saved, err)) {
        return false;
    }
    if (made) {
        aw_apply_made(run, AW_MADE_KEY, company_id, row->name, made);
    }
    run->counts[saved]++;
    return true;
}

struct security_in {
    bool enabled;
    const char *secret;
};
static const struct aw_field security_fields[] = {
    AW_FIELD(security_in, enabled, BOOL, .flags = AW_F_REQUIRED,
             .doc = "deliveries must be signed"),
    AW_FIELD(security_in, secret, STR, .min = AW_HMAC_SECRET_MIN, .max = AW_HMAC_SECRET_MAX,
             .doc = "the secret; made at random when it is not given"),
};
static const struct aw_schema security_schema =
    AW_SCHEMA(security_in, "webhook_security_applied", security_fields,
              .doc = "signatures of an apply file");

static bool apply_security(struct aw_apply_run *run, const struct aw_node *node,
                           const char *pointer, const char *company_id, struct aw_err *err)
{
    struct security_in in = {0};
    struct aw_webhook_security *row;
    const char *plain;
    void *stored;
    enum aw_saved saved = AW_UNCHANGED;
    if (!aw_apply_decode(run, node, pointer, &security_schema, NULL, false, &in, err) ||
        !aw_tx_peek(run->tx, &aw_webhook_security_schema, company_id, &stored, err)) {
        return false;
    }
    if (!in.enabled) {
        if (!aw_webhook_security_disable(run->tx, company_id, &run->act, &row, &saved, err)) {
            return false;
        }
    } else if (in.secret || !stored || !((struct aw_webhook_security *)stored)->enabled) {
        if (!aw_webhook_security_enable(run->tx, run->deps->sealer, company_id, in.secret,
                                        &run->act, &row, &plain, &saved, err)) {
            return false;
        }
        if (!in.secret) {
            aw_apply_made(run, AW_MADE_SECRET, company_id, NULL, plain);
        }
    }
    run->counts[saved]++;
    return true;
}

static bool apply_limit(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                        const char *company_id, struct aw_err *err)
{
    struct aw_rate_limit *row = AW_NEW(run->arena, struct aw_rate_limit), *out;
    void *stored;
    enum aw_saved saved;
    if (!aw_tx_peek(run->tx, &aw_rate_limit_schema, company_id, &stored, err)) {
        return false;
    }
    if (stored) {
        *row = *(struct aw_rate_limit *)stored;
    }
    row->company_id = company_id;
    if (!aw_apply_decode(run, node, pointer, &aw_rate_limit_schema, NULL, stored != NULL, row,
                         err) ||
        !aw_rate_limit_put(run->tx, row, -1, &run->act, &out, &saved, err)) {
        return false;
    }
    run->counts[saved]++;
    return true;
}

static bool apply_correlation(struct aw_apply_run *run, const struct aw_node *node,
                              const char *pointer, const char *company_id, struct aw_err *err)
{
    const struct aw_schema *schema = &aw_correlation_config_schema;
    struct aw_correlation_config *now;
    if (!aw_correlation_config_tx(run->tx, company_id, &now, err)) {
        return false;
    }
    struct aw_correlation_config *row = aw_row_copy(schema, now, aw_tx_arena(run->tx));
    if (!aw_apply_decode(run, node, pointer, schema, NULL, true, row, err)) {
        return false;
    }
    if (aw_row_equal(schema, now, row)) {
        run->counts[AW_UNCHANGED]++;
        return true;
    }
    run->counts[now->version > 0 ? AW_UPDATED : AW_CREATED]++;
    return aw_correlation_config_put(run->tx, row, -1, run->act.user_id, run->act.now_ms, err);
}

/* Members of a company that are rows of their own. */
static const struct section {
    const char *name;
    bool list;
    aw_apply_item *apply;
} sections[] = {
    {"assets", true, apply_asset},
    {"api_keys", true, apply_key},
    {"webhook_security", false, apply_security},
    {"rate_limit", false, apply_limit},
    {"correlation_config", false, apply_correlation},
    {"runbooks", true, apply_runbook},
};

static bool apply_sections(struct aw_apply_run *run, const struct aw_node *node,
                           const char *pointer, const char *company_id, struct aw_err *err)
{
    for (size_t i = 0; i < AW_COUNT(sections); i++) {
        const struct aw_node *member = aw_node_get(node, sections[i].name);
        const char *at = aw_apply_at(run, pointer, "/%s", sections[i].name);
        bool ok =
            !member ? true
            : sections[i].list
                ? aw_apply_each(run, member, at, company_id, sections[i].apply, err)
                : aw_apply_named(sections[i].apply(run, member, at, company_id, err), at, err);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool audit(struct aw_apply_run *run, const char *company_id, const int64_t before[3],
                  struct aw_err *err)
{
    int64_t created = run->counts[AW_CREATED] - before[AW_CREATED];
    int64_t updated = run->counts[AW_UPDATED] - before[AW_UPDATED];
    const struct aw_audit_act act = {
        .company_id = company_id,
        .action = "company.applied",
        .object = aw_company_schema.name,
        .object_id = company_id,
        .details = aw_arena_printf(run->arena, "{\"created\":%lld,\"updated\":%lld}",
                                   (long long)created, (long long)updated),
        .now_ms = run->act.now_ms,
    };
    return created + updated == 0 || aw_audit_add(run->tx, &act, err);
}

bool aw_apply_company(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                      const char *company_id, struct aw_err *err)
{
    const char *extras[AW_COUNT(sections) + 1] = {NULL}, *id;
    struct aw_company *row = AW_NEW(run->arena, struct aw_company), *out;
    int64_t before[3];
    void *stored;
    enum aw_saved saved;
    (void)company_id;
    for (size_t i = 0; i < AW_COUNT(sections); i++) {
        extras[i] = sections[i].name;
    }
    memcpy(before, run->counts, sizeof(before));
    if (!aw_apply_text(node, "id", pointer, &id, err)) {
        return false;
    }
    if (!id || !aw_company_id_ok(id)) {
        return aw_apply_fail(err, aw_apply_at(run, pointer, "/id"),
                             "must have 1 to 40 of [A-Za-z0-9._-]");
    }
    if (!aw_tx_peek(run->tx, &aw_company_schema, id, &stored, err)) {
        return false;
    }
    *row = stored ? *(struct aw_company *)stored : (struct aw_company){.id = id, .company_id = id};
    if (!aw_apply_decode(run, node, pointer, &aw_company_schema, extras, stored != NULL, row,
                         err) ||
        !aw_company_save(run->tx, row, &run->act, &out, &saved, err)) {
        return false;
    }
    run->counts[saved]++;
    return apply_sections(run, node, pointer, id, err) && audit(run, id, before, err);
}
