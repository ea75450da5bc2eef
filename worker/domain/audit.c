#include "audit.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "src/aw_defs.h"

#define HEAD_PREFIX "audit:"                  /* of the ids in `meta` */
#define NUMBER_MAX  INT64_C(9999999999999999) /* 16 digits */

static void hash_text(EVP_MD_CTX *ctx, const char *text)
{
    uint32_t len = text == NULL ? UINT32_MAX : (uint32_t)strlen(text);
    uint8_t prefix[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};
    EVP_DigestUpdate(ctx, prefix, sizeof(prefix));
    if (text != NULL) {
        EVP_DigestUpdate(ctx, text, len);
    }
}

static void hash_number(EVP_MD_CTX *ctx, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    hash_text(ctx, text);
}

void aw_audit_hash(const struct aw_audit *row, char text[AW_AUDIT_HASH_TEXT + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[AW_SHA256_LEN];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        abort();
    }
    hash_text(ctx, row->previous_hash);
    hash_text(ctx, row->company_id);
    hash_number(ctx, row->number);
    hash_text(ctx, row->user_id);
    hash_text(ctx, row->action);
    hash_text(ctx, row->object);
    hash_text(ctx, row->object_id);
    hash_text(ctx, row->details);
    hash_number(ctx, row->refused);
    hash_number(ctx, row->timestamp);
    EVP_DigestFinal_ex(ctx, sum, NULL);
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; i < sizeof(sum); i++) {
        text[2 * i] = digits[sum[i] >> 4];
        text[2 * i + 1] = digits[sum[i] & 15];
    }
    text[AW_AUDIT_HASH_TEXT] = '\0';
}

static const char *row_id(struct aw_arena *arena, const char *company_id, int64_t number)
{
    return aw_arena_printf(arena, "%s:%016" PRId64, company_id, number);
}

static const char *head_id(struct aw_arena *arena, const char *company_id)
{
    return aw_arena_printf(arena, HEAD_PREFIX "%s", company_id);
}

static bool parse_head(const struct aw_meta *meta, struct aw_audit_head *head, struct aw_err *err)
{
    *head = (struct aw_audit_head){.number = 0};
    if (meta != NULL && sscanf(meta->value, "{\"number\":%" SCNd64 ",\"hash\":\"%64[0-9a-f]\"}",
                               &head->number, head->hash) != 2) {
        return aw_fail(err, AW_ERR_INTERNAL, "audit.head",
                       "The head of an audit chain cannot be read");
    }
    return true;
}

bool aw_audit_add(struct aw_tx *tx, const struct aw_audit_act *act, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    const char *company_id = act->company_id == NULL ? AW_AUDIT_NO_COMPANY : act->company_id;
    const char *id = head_id(arena, company_id);
    void *found = NULL;
    struct aw_audit_head head;
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_meta_schema, &id, 1, &found, err) ||
        !parse_head(found, &head, err)) {
        return false;
    }

    struct aw_audit *row = AW_NEW(arena, struct aw_audit);
    row->company_id = aw_arena_str(arena, company_id);
    row->number = head.number + 1;
    row->id = row_id(arena, company_id, row->number);
    row->user_id = aw_arena_str(arena, act->user_id);
    row->action = aw_arena_str(arena, act->action);
    row->object = aw_arena_str(arena, act->object);
    row->object_id = aw_arena_str(arena, act->object_id);
    row->details = aw_arena_str(arena, act->details == NULL ? "{}" : act->details);
    row->refused = act->refused;
    row->timestamp = act->now_ms;
    row->previous_hash = aw_arena_str(arena, head.hash);
    char *hash = aw_arena_alloc(arena, AW_AUDIT_HASH_TEXT + 1);
    aw_audit_hash(row, hash);
    row->hash = hash;
    aw_tx_insert(tx, &aw_audit_schema, row);

    struct aw_meta *meta = AW_NEW(arena, struct aw_meta);
    if (found != NULL) {
        *meta = *(const struct aw_meta *)found;
    }
    meta->id = id;
    meta->value =
        aw_arena_printf(arena, "{\"number\":%" PRId64 ",\"hash\":\"%s\"}", row->number, hash);
    if (found == NULL) {
        aw_tx_insert(tx, &aw_meta_schema, meta);
    } else {
        aw_tx_replace(tx, &aw_meta_schema, meta);
    }
    return true;
}

bool aw_audit_head(struct aw_reader *reader, const char *company_id, struct aw_audit_head *head,
                   struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    const char *id = head_id(arena, company_id);
    void *found = NULL;
    bool ok =
        aw_store_get_many(reader, &aw_scope_all, &aw_meta_schema, &id, 1, arena, &found, err) &&
        parse_head(found, head, err);
    aw_arena_destroy(&arena);
    return ok;
}

bool aw_audit_heads(struct aw_reader *reader,
                    void (*each)(void *arg, const char *company_id,
                                 const struct aw_audit_head *head),
                    void *arg, struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_rows rows;
    struct aw_audit_head head;
    /* ';' follows ':' */
    const struct aw_query query = {.schema = &aw_meta_schema,
                                   .conds = {{.field = "id", .op = AW_OP_GE, .text = HEAD_PREFIX},
                                             {.field = "id", .op = AW_OP_LT, .text = "audit;"}},
                                   .n = 2};
    bool ok = aw_store_find(reader, &aw_scope_all, &query, arena, &rows, err);
    for (size_t i = 0; ok && i < rows.n; i++) {
        const struct aw_meta *meta = rows.v[i];
        ok = parse_head(meta, &head, err);
        if (ok) {
            each(arg, meta->id + strlen(HEAD_PREFIX), &head);
        }
    }
    aw_arena_destroy(&arena);
    return ok;
}

bool aw_audit_each(struct aw_reader *reader, const char *company_id, int64_t from, int64_t to,
                   bool (*each)(void *arg, const void *row), void *arg, struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    const struct aw_query query = {
        .schema = &aw_audit_schema,
        .conds = {{.field = "company_id", .op = AW_OP_EQ, .text = company_id},
                  {.field = "id", .op = AW_OP_GE, .text = row_id(arena, company_id, from)},
                  {.field = "id", .op = AW_OP_LE, .text = row_id(arena, company_id, to)}},
        .n = 3};
    bool ok = aw_store_each(reader, &aw_scope_all, &query, each, arg, err);
    aw_arena_destroy(&arena);
    return ok;
}

struct check {
    struct aw_audit_verdict *verdict;
    struct aw_arena *arena;
    const char *company_id;
};

static bool check_row(void *arg, const void *row)
{
    struct check *check = arg;
    const struct aw_audit *audit = row;
    struct aw_audit_verdict *verdict = check->verdict;
    int64_t number = verdict->rows + 1;
    char hash[AW_AUDIT_HASH_TEXT + 1];
    aw_audit_hash(audit, hash);
    aw_arena_reset(check->arena);
    if (audit->number != number ||
        strcmp(audit->id, row_id(check->arena, check->company_id, number)) != 0 ||
        strcmp(audit->previous_hash, verdict->head) != 0 || strcmp(audit->hash, hash) != 0) {
        verdict->bad = number;
        return false;
    }
    memcpy(verdict->head, hash, sizeof(hash));
    verdict->rows = number;
    return true;
}

static bool count_rows(struct aw_reader *reader, const char *company_id, int64_t *n,
                       struct aw_err *err)
{
    const struct aw_query query = {
        .schema = &aw_audit_schema,
        .conds = {{.field = "company_id", .op = AW_OP_EQ, .text = company_id}},
        .n = 1};
    return aw_store_count(reader, &aw_scope_all, &query, n, err);
}

/* Reads head, rows, their number and the head again: on a store without snapshots the chain may grow meanwhile. */
static bool recount(struct aw_reader *reader, struct check *check, bool *still, struct aw_err *err)
{
    struct aw_audit_verdict *verdict = check->verdict;
    struct aw_audit_head head, after;
    int64_t count;
    *verdict = (struct aw_audit_verdict){.rows = 0};
    if (!aw_audit_head(reader, check->company_id, &head, err) ||
        !aw_audit_each(reader, check->company_id, 0, NUMBER_MAX, check_row, check, err) ||
        !count_rows(reader, check->company_id, &count, err) ||
        !aw_audit_head(reader, check->company_id, &after, err)) {
        return false;
    }
    *still = head.number == after.number;
    /* the count finds rows whose ids are none of the chain */
    if (verdict->bad == 0 && (verdict->rows != head.number || count != head.number ||
                              strcmp(verdict->head, head.hash) != 0)) {
        verdict->bad = verdict->rows + 1;
    }
    return true;
}

bool aw_audit_verify(struct aw_reader *reader, const char *company_id,
                     struct aw_audit_verdict *verdict, struct aw_err *err)
{
    enum { TRIES = 5 };
    struct aw_arena *arena = aw_arena_create(0);
    struct check check = {.verdict = verdict, .arena = arena, .company_id = company_id};
    bool ok = true, still = false;
    for (int i = 0; i < TRIES && ok && !still; i++) {
        ok = recount(reader, &check, &still, err);
    }
    aw_arena_destroy(&arena);
    return ok && (still || aw_fail(err, AW_ERR_BUSY, "audit.growing",
                                   "The chain grows while it is read: try again"));
}
