#include "keyed.h"

#include <string.h>

#include "worker/domain/audit.h"
#include "worker/domain/open_keys.h"

#define KEY_MAX 255
#define PURPOSE "kept-reply"

const struct aw_param aw_keyed_param[] = {
    {.name = "Idempotency-Key",
     .type = AW_T_STR,
     .min = 1,
     .max = KEY_MAX,
     .doc = "visible ASCII; the same request with the same key within 24 hours gets the first "
            "answer again, and nothing is done twice"},
    {.name = NULL},
};

static bool has_key(const struct aw_req *q)
{
    return q->idempotency_key && aw_route_acts(q->route);
}

static bool check_key(const struct aw_req *q, struct aw_err *err)
{
    size_t len = 0;
    for (const char *c = q->idempotency_key; *c > ' ' && *c <= '~'; c++) {
        len++;
    }
    return (q->idempotency_key[len] == '\0' && len >= 1 && len <= KEY_MAX) ||
           aw_fail(err, AW_ERR_INVALID, "idempotency.key",
                   "Idempotency-Key has 1 to %d visible ASCII characters", KEY_MAX);
}

static const char *row_id(const struct aw_req *q)
{
    const char *parts[] = {q->act.user_id, q->idempotency_key};
    return aw_key_hash(parts, AW_COUNT(parts), q->arena);
}

static const char *request_hash(const struct aw_req *q)
{
    uint8_t digest[32];
    aw_sha256(q->body, q->body_len, digest);
    const char *parts[] = {q->method, q->target, aw_hex(q->arena, digest, sizeof(digest))};
    return aw_key_hash(parts, AW_COUNT(parts), q->arena);
}

static const char *where(const struct aw_kept_reply *row, struct aw_arena *arena)
{
    return aw_arena_printf(arena, "kept_replies|%s|%s", row->id, row->request);
}

/* Still good, and about a company that the caller may see now. */
static bool counts(const struct aw_req *q, const struct aw_kept_reply *row)
{
    return row && q->now_ms - row->created_at < AW_KEPT_REPLY_MS &&
           (strcmp(row->company_id, AW_AUDIT_NO_COMPANY) == 0 ||
            aw_scope_sees(&q->actor.scope, row->company_id));
}

static bool give_again(struct aw_req *q, struct aw_reply *r, const struct aw_kept_reply *row,
                       bool *known, struct aw_err *err)
{
    struct aw_bytes body;
    *known = counts(q, row);
    if (!*known) {
        return true;
    }
    if (strcmp(row->request, request_hash(q)) != 0) {
        return aw_fail(err, AW_ERR_INVALID, "idempotency.reused",
                       "This Idempotency-Key was used for another request");
    }
    if (!aw_unseal(q->deps->sealer, PURPOSE, where(row, q->arena), row->sealed, q->arena, &body,
                   err)) {
        return false;
    }
    aw_str_addn(&r->body, body.ptr, body.len);
    r->status = (int)row->status;
    r->version = row->etag;
    return true;
}

bool aw_keyed_answered(struct aw_req *q, struct aw_reply *r, bool *known, struct aw_err *err)
{
    void *row;
    *known = false;
    return !has_key(q) ||
           (check_key(q, err) &&
            aw_store_peek(q->reader, &aw_kept_reply_schema, row_id(q), q->arena, &row, err) &&
            give_again(q, r, row, known, err));
}

bool aw_keyed_found(struct aw_tx *tx, struct aw_req *q, struct aw_reply *r, bool *known,
                    struct aw_err *err)
{
    void *row;
    *known = false;
    return !has_key(q) || (aw_tx_peek(tx, &aw_kept_reply_schema, row_id(q), &row, err) &&
                           give_again(q, r, row, known, err));
}

bool aw_keyed_keep(struct aw_tx *tx, const struct aw_req *q, const struct aw_reply *r,
                   struct aw_err *err)
{
    void *old;
    if (!has_key(q)) {
        return true;
    }
    struct aw_kept_reply *row = AW_NEW(aw_tx_arena(tx), struct aw_kept_reply);
    row->id = row_id(q);
    if (!aw_tx_peek(tx, &aw_kept_reply_schema, row->id, &old, err)) {
        return false;
    }
    row->version = old ? ((const struct aw_kept_reply *)old)->version : 0;
    row->company_id = q->company_id ? q->company_id : AW_AUDIT_NO_COMPANY;
    row->request = request_hash(q);
    row->status = r->status;
    row->etag = r->version;
    row->sealed = aw_seal(q->deps->sealer, PURPOSE, where(row, q->arena), r->body.ptr, r->body.len,
                          aw_tx_arena(tx));
    row->created_at = q->now_ms;
    if (old) {
        aw_tx_replace(tx, &aw_kept_reply_schema, row);
    } else {
        aw_tx_insert(tx, &aw_kept_reply_schema, row);
    }
    return true;
}
