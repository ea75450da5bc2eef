#include "edge_publish.h"

#include <string.h>

#include "src/aw_state.h"
#include "webhook_security.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/map.h"
#include "worker/base/str.h"

/* What is read, company by company, while the table is built. */
struct builder {
    struct aw_reader *reader;
    struct aw_sealer *sealer;
    struct aw_arena *arena;
    struct aw_map *index; /* company id -> struct aw_edge_company_in */
};

static bool all_of(struct builder *b, const struct aw_schema *schema, const char *sort,
                   struct aw_rows *rows, struct aw_err *err)
{
    const struct aw_query query = {.schema = schema, .sort = sort};
    return aw_store_find(b->reader, &aw_scope_all, &query, b->arena, rows, err);
}

static struct aw_edge_company_in *company_of(struct builder *b, const char *id)
{
    return aw_map_get(b->index, id, strlen(id));
}

static bool fill_key(const struct aw_api_key *row, struct aw_edge_key_in *key)
{
    if (strlen(row->key_sha256) != 2 * sizeof(key->sha256) ||
        !aw_unhex(row->key_sha256, 2 * sizeof(key->sha256), key->sha256)) {
        return false;
    }
    /* rounded up: a key whose time ends within this second is still good in it */
    key->expires_s = (uint64_t)(row->expires_at + 999) / 1000;
    for (size_t i = 0; i < row->networks.n; i++) {
        if (key->network_count == AW_EDGE_NETWORKS ||
            !aw_edge_parse_network(row->networks.v[i], &key->networks[key->network_count++])) {
            return false;
        }
    }
    return true;
}

/* rows are sorted by company, so those of one company stand together. */
static bool add_keys(struct builder *b, struct aw_err *err)
{
    struct aw_rows rows;
    if (!all_of(b, &aw_api_key_schema, "company_id", &rows, err)) {
        return false;
    }
    struct aw_edge_key_in *keys = AW_NEW_N(b->arena, struct aw_edge_key_in, rows.n + 1),
                          *key = keys;
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_api_key *row = rows.v[i];
        struct aw_edge_company_in *company = company_of(b, row->company_id);
        *key = (struct aw_edge_key_in){.expires_s = 0};
        if (!company) {
            continue;
        }
        if (!fill_key(row, key)) {
            aw_log(AW_LOG_ERROR, "edge.bad_key", AW_S("company_id", row->company_id),
                   AW_S("key", row->id));
            continue;
        }
        company->keys = company->keys ? company->keys : key;
        company->key_count++;
        key++;
    }
    return true;
}

static bool add_assets(struct builder *b, struct aw_err *err)
{
    struct aw_rows rows;
    if (!all_of(b, &aw_asset_schema, "company_id", &rows, err)) {
        return false;
    }
    const char **names = AW_NEW_N(b->arena, const char *, rows.n + 1);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_asset *row = rows.v[i];
        struct aw_edge_company_in *company = company_of(b, row->company_id);
        names[i] = row->name;
        if (company) {
            company->assets = company->assets ? company->assets : &names[i];
            company->asset_count++;
        }
    }
    return true;
}

static bool add_security(struct builder *b, struct aw_err *err)
{
    struct aw_rows rows;
    if (!all_of(b, &aw_webhook_security_schema, NULL, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_webhook_security *row = rows.v[i];
        struct aw_edge_company_in *company = company_of(b, row->company_id);
        if (!company || !row->enabled) {
            continue;
        }
        struct aw_bytes secrets[AW_EDGE_MAC_KEYS];
        struct aw_err bad;
        size_t n;
        if (!aw_webhook_security_secrets(row, b->sealer, b->arena, secrets, &n, &bad)) {
            /* without a key its deliveries are refused; the other companies go on */
            aw_log(AW_LOG_ERROR, "edge.bad_secret", AW_S("company_id", row->company_id),
                   AW_E(&bad));
            n = 0;
        }
        company->hmac = true;
        company->mac_key_count = (uint32_t)n;
        for (size_t k = 0; k < n; k++) {
            aw_mac_key_init(&company->mac_keys[k], secrets[k].ptr, secrets[k].len);
            aw_wipe((void *)(uintptr_t)secrets[k].ptr, secrets[k].len);
        }
    }
    return true;
}

static bool add_limits(struct builder *b, struct aw_err *err)
{
    struct aw_rows rows;
    if (!all_of(b, &aw_rate_limit_schema, NULL, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_rate_limit *row = rows.v[i];
        struct aw_edge_company_in *company = company_of(b, row->company_id);
        if (company && row->enabled) {
            company->limited = true;
            company->per_minute = (uint32_t)row->requests_per_minute;
            company->burst = (uint32_t)row->burst_size;
        }
    }
    return true;
}

static bool build(struct builder *b, struct aw_edge_company_in **companies, size_t *n,
                  struct aw_err *err)
{
    struct aw_rows rows;
    if (!all_of(b, &aw_company_schema, NULL, &rows, err)) {
        return false;
    }
    *n = rows.n;
    *companies = AW_NEW_N(b->arena, struct aw_edge_company_in, rows.n + 1);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_company *row = rows.v[i];
        (*companies)[i] = (struct aw_edge_company_in){
            .id = row->id,
            .rate_slot = (uint32_t)row->rate_slot,
            .unknown_assets = row->unknown_assets,
        };
        aw_map_put(b->index, row->id, strlen(row->id), &(*companies)[i]);
    }
    return add_keys(b, err) && add_assets(b, err) && add_security(b, err) && add_limits(b, err);
}

bool aw_edge_table_build(struct aw_reader *reader, struct aw_sealer *sealer, struct aw_arena *arena,
                         struct aw_edge_company_in **companies, size_t *n, struct aw_err *err)
{
    struct builder b = {.reader = reader,
                        .sealer = sealer,
                        .arena = arena,
                        .index = aw_map_create()};
    bool ok = build(&b, companies, n, err);
    aw_map_destroy(&b.index, NULL);
    return ok;
}
