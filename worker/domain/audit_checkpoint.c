#include "audit_checkpoint.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/map.h"
#include "worker/base/sign.h"

#define PURPOSE "audit-checkpoint"

struct aw_audit_checkpoint aw_audit_checkpoint(struct aw_sealer *sealer, const char *company_id,
                                               const struct aw_audit_head *head, int64_t now_ms,
                                               struct aw_arena *arena)
{
    uint8_t signature[AW_SIGNATURE_LEN];
    char now[AW_TIME_TEXT + 1];
    aw_time_format(now_ms, now);
    const char *text =
        aw_arena_printf(arena, "alertwhisper-audit-1 %s %" PRId64 " %s %s", company_id,
                        head->number, head->number > 0 ? head->hash : "-", now);
    aw_sign(sealer, PURPOSE, text, strlen(text), signature);
    char *base64 = aw_arena_alloc(arena, sizeof(signature) * 4 / 3 + 4);
    EVP_EncodeBlock((uint8_t *)base64, signature, sizeof(signature));
    return (struct aw_audit_checkpoint){.text = text, .signature = base64};
}

const char *aw_audit_public_key(struct aw_sealer *sealer, struct aw_arena *arena)
{
    return aw_sign_public_key(sealer, PURPOSE, arena);
}

/* --- the witness --- */

struct aw_audit_witness {
    struct aw_store *store;
    struct aw_sealer *sealer;
    struct aw_map *told; /* chain -> struct aw_audit_head that was told last */
};

struct aw_audit_witness *aw_audit_witness_create(struct aw_store *store, struct aw_sealer *sealer)
{
    struct aw_audit_witness *witness = aw_alloc_zero(1, sizeof(*witness));
    witness->store = store;
    witness->sealer = sealer;
    witness->told = aw_map_create();
    return witness;
}

void aw_audit_witness_destroy(struct aw_audit_witness **witness)
{
    if (*witness != NULL) {
        aw_map_destroy(&(*witness)->told, free);
        free(*witness);
        *witness = NULL;
    }
}

struct telling {
    struct aw_audit_witness *witness;
    struct aw_arena *arena;
    int64_t now_ms;
};

static void tell(void *arg, const char *company_id, const struct aw_audit_head *head)
{
    const struct telling *telling = arg;
    struct aw_audit_witness *witness = telling->witness;
    size_t len = strlen(company_id);
    struct aw_audit_head *last = aw_map_get(witness->told, company_id, len);
    if (last != NULL && last->number == head->number && strcmp(last->hash, head->hash) == 0) {
        return;
    }
    aw_arena_reset(telling->arena);
    struct aw_audit_checkpoint made =
        aw_audit_checkpoint(witness->sealer, company_id, head, telling->now_ms, telling->arena);
    aw_log_record("audit.checkpoint", AW_S("checkpoint", made.text),
                  AW_S("signature", made.signature));
    if (last == NULL) {
        last = aw_alloc_zero(1, sizeof(*last));
        aw_map_put(witness->told, company_id, len, last);
    }
    *last = *head;
}

bool aw_audit_witness_tell(struct aw_audit_witness *witness, int64_t now_ms, struct aw_err *err)
{
    struct aw_reader *reader;
    struct telling telling = {.witness = witness, .now_ms = now_ms};
    if (!aw_store_read_begin(witness->store, &reader, err)) {
        return false;
    }
    telling.arena = aw_arena_create(0);
    bool ok = aw_audit_heads(reader, tell, &telling, err);
    aw_arena_destroy(&telling.arena);
    aw_store_read_end(&reader);
    return ok;
}
