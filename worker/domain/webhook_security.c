#include "webhook_security.h"

#include <string.h>

#include "worker/base/str.h"

#define PURPOSE "hmac-secret"
#define PREFIX  "secret_"

static struct aw_webhook_security *fresh(const char *company_id, struct aw_arena *arena)
{
    struct aw_webhook_security *row = AW_NEW(arena, struct aw_webhook_security);
    row->id = row->company_id = company_id;
    row->signature_header = "X-Signature";
    row->timestamp_header = "X-Timestamp";
    return row;
}

bool aw_webhook_security_get(struct aw_reader *reader, const char *company_id,
                             struct aw_arena *arena, struct aw_webhook_security **row,
                             struct aw_err *err)
{
    void *stored;
    if (!aw_store_peek(reader, &aw_webhook_security_schema, company_id, arena, &stored, err)) {
        return false;
    }
    *row = stored ? stored : fresh(company_id, arena);
    return true;
}

/* The same place for the secret in use and the former one: it moves from one member to the other.
 */
static const char *where(const char *company_id, struct aw_arena *arena)
{
    return aw_arena_printf(arena, "webhook_security|%s", company_id);
}

static const char *make_secret(struct aw_arena *arena)
{
    uint8_t bytes[32];
    aw_random(bytes, sizeof(bytes));
    const char *secret =
        aw_arena_printf(arena, PREFIX "%s", aw_base64url(arena, bytes, sizeof(bytes)));
    aw_wipe(bytes, sizeof(bytes));
    return secret;
}

/* Row to change: a copy of the stored one, or a new one. */
static bool begin(struct aw_tx *tx, const char *company_id, void **old,
                  struct aw_webhook_security **row, struct aw_err *err)
{
    if (!aw_tx_peek(tx, &aw_webhook_security_schema, company_id, old, err)) {
        return false;
    }
    *row = *old ? aw_arena_copy(aw_tx_arena(tx), *old, sizeof(**row))
                : fresh(company_id, aw_tx_arena(tx));
    return true;
}

static bool finish(struct aw_tx *tx, const void *old, struct aw_webhook_security *row,
                   const struct aw_act *act, enum aw_saved *saved, struct aw_err *err)
{
    const struct aw_saving saving = {.schema = &aw_webhook_security_schema,
                                     .noun = "webhook_security",
                                     .permission = "view",
                                     .company_id = row->company_id};
    return aw_save(tx, &saving, old, row, act, saved, err);
}

static bool is_in_use(const struct aw_webhook_security *row, struct aw_sealer *sealer,
                      const char *secret, struct aw_arena *arena, bool *same, struct aw_err *err)
{
    struct aw_bytes secrets[2];
    size_t n;
    if (!aw_webhook_security_secrets(row, sealer, arena, secrets, &n, err)) {
        return false;
    }
    *same = n > 0 && row->enabled && secrets[0].len == strlen(secret) &&
            aw_equal_secret(secrets[0].ptr, secret, secrets[0].len);
    return true;
}

bool aw_webhook_security_enable(struct aw_tx *tx, struct aw_sealer *sealer, const char *company_id,
                                const char *secret, const struct aw_act *act,
                                struct aw_webhook_security **row, const char **plain,
                                enum aw_saved *saved, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    if (secret && (strlen(secret) < AW_HMAC_SECRET_MIN || strlen(secret) > AW_HMAC_SECRET_MAX)) {
        return aw_fail(err, AW_ERR_INVALID, "webhook_security.secret",
                       "an HMAC secret has %d to %d bytes", AW_HMAC_SECRET_MIN, AW_HMAC_SECRET_MAX);
    }
    void *old;
    bool same = false;
    if (!begin(tx, company_id, &old, row, err) ||
        (secret && !is_in_use(*row, sealer, secret, arena, &same, err))) {
        return false;
    }
    *plain = secret ? secret : make_secret(arena);
    if (!same) {
        (*row)->previous_sealed = (*row)->secret_sealed;
        (*row)->secret_sealed =
            aw_seal(sealer, PURPOSE, where(company_id, arena), *plain, strlen(*plain), arena);
        (*row)->enabled = true;
    }
    return finish(tx, old, *row, act, saved, err);
}

bool aw_webhook_security_disable(struct aw_tx *tx, const char *company_id, const struct aw_act *act,
                                 struct aw_webhook_security **row, enum aw_saved *saved,
                                 struct aw_err *err)
{
    void *old;
    if (!begin(tx, company_id, &old, row, err)) {
        return false;
    }
    (*row)->enabled = false;
    (*row)->secret_sealed = (*row)->previous_sealed = (struct aw_bytes){0};
    if (!old) {
        *saved = AW_UNCHANGED;
        return true;
    }
    return finish(tx, old, *row, act, saved, err);
}

bool aw_webhook_security_secrets(const struct aw_webhook_security *row, struct aw_sealer *sealer,
                                 struct aw_arena *arena, struct aw_bytes secrets[2], size_t *n,
                                 struct aw_err *err)
{
    const struct aw_bytes sealed[] = {row->secret_sealed, row->previous_sealed};
    *n = 0;
    for (size_t i = 0; i < AW_COUNT(sealed); i++) {
        if (!sealed[i].ptr) {
            continue;
        }
        if (!aw_unseal(sealer, PURPOSE, where(row->company_id, arena), sealed[i], arena,
                       &secrets[*n], err)) {
            return false;
        }
        (*n)++;
    }
    return true;
}
