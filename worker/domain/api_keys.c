#include "api_keys.h"

#include <string.h>

#include "worker/base/str.h"

#define PREFIX  "ak_live_"
#define PURPOSE "api-key"

const char *aw_api_key_generate(struct aw_arena *arena)
{
    uint8_t bytes[32];
    aw_random(bytes, sizeof(bytes));
    const char *key =
        aw_arena_printf(arena, PREFIX "%s", aw_base64url(arena, bytes, sizeof(bytes)));
    aw_wipe(bytes, sizeof(bytes));
    return key;
}

bool aw_api_key_ok(const char *key)
{
    size_t len = 0;
    while (key[len] > ' ' && key[len] <= '~') {
        len++;
    }
    return key[len] == '\0' && len >= AW_API_KEY_MIN && len <= AW_API_KEY_MAX;
}

/* No two rows of the installation share a key: the edge finds the company by it. */
static bool check_free(struct aw_tx *tx, const struct aw_api_key *row, struct aw_err *err)
{
    const struct aw_query query = {
        .schema = &aw_api_key_schema,
        .conds = {{.field = "key_sha256", .op = AW_OP_EQ, .text = row->key_sha256}},
        .n = 1,
        .limit = 2,
    };
    struct aw_rows rows;
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        if (strcmp(((const struct aw_api_key *)rows.v[i])->id, row->id) != 0) {
            return aw_fail(err, AW_ERR_CONFLICT, "api_key.taken",
                           "this API key is in use under another name");
        }
    }
    return true;
}

static const char *where(const struct aw_api_key *row, struct aw_arena *arena)
{
    return aw_arena_printf(arena, "api_keys|%s|%s", row->company_id, row->id);
}

bool aw_api_key_plain(const struct aw_api_key *row, struct aw_sealer *sealer,
                      struct aw_arena *arena, const char **key, struct aw_err *err)
{
    struct aw_bytes plain;
    if (!aw_unseal(sealer, PURPOSE, where(row, arena), row->key_sealed, arena, &plain, err)) {
        return false;
    }
    *key = (const char *)plain.ptr; /* it ends with a NUL */
    return true;
}

static bool set_key(struct aw_tx *tx, struct aw_sealer *sealer, const char *key,
                    struct aw_api_key *row, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    uint8_t digest[32];
    aw_sha256(key, strlen(key), digest);
    const char *hex = aw_hex(arena, digest, sizeof(digest));
    if (row->key_sha256 && strcmp(row->key_sha256, hex) == 0) {
        return true;
    }
    row->key_sha256 = hex;
    row->key_sealed = aw_seal(sealer, PURPOSE, where(row, arena), key, strlen(key), arena);
    return check_free(tx, row, err);
}

/* The company shows when its newest key was made. */
static bool stamp_company(struct aw_tx *tx, const char *company_id, const struct aw_act *act,
                          struct aw_err *err)
{
    void *stored;
    if (!aw_tx_get(tx, &aw_scope_all, &aw_company_schema, company_id, &stored, err)) {
        return false;
    }
    struct aw_company *row = aw_arena_copy(aw_tx_arena(tx), stored, sizeof(*row));
    row->api_key_created_at = act->now_ms;
    enum aw_saved saved;
    const struct aw_saving saving = {.schema = &aw_company_schema,
                                     .noun = "company",
                                     .permission = "view",
                                     .company_id = company_id};
    return aw_save(tx, &saving, stored, row, act, &saved, err);
}

bool aw_api_key_save(struct aw_tx *tx, struct aw_sealer *sealer, const struct aw_api_key *want,
                     const char *key, const struct aw_act *act, const char **made,
                     enum aw_saved *saved, struct aw_err *err)
{
    *made = NULL;
    if (key && !aw_api_key_ok(key)) {
        return aw_fail(err, AW_ERR_INVALID, "api_key.format",
                       "an API key has %d to %d visible ASCII characters", AW_API_KEY_MIN,
                       AW_API_KEY_MAX);
    }
    void *old;
    if (!aw_find_named(tx, &aw_api_key_schema, want->company_id, "name", want->name, &old, err)) {
        return false;
    }
    struct aw_arena *arena = aw_tx_arena(tx);
    struct aw_api_key *row = AW_NEW(arena, struct aw_api_key);
    *row = old ? *(struct aw_api_key *)old
               : (struct aw_api_key){.id = aw_new_id(arena, act->now_ms),
                                     .company_id = want->company_id};
    row->name = want->name;
    row->networks = want->networks;
    row->expires_at = want->expires_at;
    if (!key && !old) {
        key = *made = aw_api_key_generate(arena);
    }
    if (key && !set_key(tx, sealer, key, row, err)) {
        return false;
    }
    const struct aw_saving saving = {.schema = &aw_api_key_schema,
                                     .noun = "api_key",
                                     .permission = "manage_company",
                                     .company_id = want->company_id};
    return aw_save(tx, &saving, old, row, act, saved, err) &&
           (*saved == AW_UNCHANGED || stamp_company(tx, want->company_id, act, err));
}
