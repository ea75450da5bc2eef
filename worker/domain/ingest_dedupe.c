#include "ingest_dedupe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "save.h"

enum { COUNTED_QUEUES = 16 };

struct entry {
    const char *id;
    struct aw_delivery_row *row; /* a copy of ours, NULL = none */
    bool stored, dirty;
};

struct aw_dedupe {
    struct aw_tx *tx;
    struct aw_arena *arena;
    struct entry **slots; /* by the first bytes of the id, which is a hash */
    size_t mask;
    struct entry *entries;
    size_t n;
};

static struct entry *entry_of(struct aw_dedupe *dedupe, const char *id)
{
    uint64_t hash;
    memcpy(&hash, id, sizeof(hash));
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = (size_t)(hash >> 20) & dedupe->mask;; i = (i + 1) & dedupe->mask) {
        if (dedupe->slots[i] == NULL) {
            dedupe->slots[i] = &dedupe->entries[dedupe->n++];
            dedupe->slots[i]->id = id;
        }
        if (strcmp(dedupe->slots[i]->id, id) == 0) {
            return dedupe->slots[i];
        }
    }
}

bool aw_dedupe_load(struct aw_tx *tx, const struct aw_ingest_item *items, size_t n,
                    struct aw_dedupe **out, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    struct aw_dedupe *dedupe = AW_NEW(arena, struct aw_dedupe);
    size_t size = 16;
    while (size < 4 * n) {
        size *= 2;
    }
    *dedupe = (struct aw_dedupe){.tx = tx,
                                 .arena = arena,
                                 .slots = AW_NEW_N(arena, struct entry *, size),
                                 .mask = size - 1,
                                 .entries = AW_NEW_N(arena, struct entry, 2 * n)};
    for (size_t i = 0; i < n; i++) {
        if (items[i].reason == NULL) {
            (void)entry_of(dedupe, items[i].identity);
            if (items[i].signature_key != NULL) {
                (void)entry_of(dedupe, items[i].signature_key);
            }
        }
    }
    const char **ids = AW_NEW_N(arena, const char *, dedupe->n + 1);
    void **rows = AW_NEW_N(arena, void *, dedupe->n + 1);
    for (size_t i = 0; i < dedupe->n; i++) {
        ids[i] = dedupe->entries[i].id;
    }
    if (dedupe->n > 0 &&
        !aw_tx_get_many(tx, &aw_scope_all, &aw_delivery_schema, ids, dedupe->n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < dedupe->n; i++) {
        if (rows[i] != NULL) {
            dedupe->entries[i].row = aw_arena_copy(arena, rows[i], sizeof(struct aw_delivery_row));
            dedupe->entries[i].stored = true;
        }
    }
    *out = dedupe;
    return true;
}

static int64_t identity_memory(const struct aw_ingest_item *item)
{
    return item->record->flags & AW_RECORD_DELIVERY_ID ? AW_DELIVERY_MEMORY_MS
                                                       : AW_CONTENT_MEMORY_MS;
}

static int64_t signature_memory(const struct aw_ingest_item *item)
{
    return ((int64_t)item->record->sig_timestamp + AW_SIGNATURE_SKEW_S) * 1000 - item->received_ms;
}

/* Of two deliveries the one received first decides how long it is remembered, whichever was drained
 * first. */
static bool is_hit(const struct entry *entry, const struct aw_ingest_item *item, int64_t memory)
{
    if (entry == NULL || entry->row == NULL) {
        return false;
    }
    int64_t age = item->received_ms - entry->row->received_at;
    return age >= 0 ? age <= entry->row->memory_ms : -age <= memory;
}

/* Raises the highest counted seq of the item's queue; false when it was counted before. */
static bool count_seq(struct aw_dedupe *dedupe, struct entry *entry,
                      const struct aw_ingest_item *item)
{
    struct aw_strs *counted = &entry->row->counted;
    size_t queue_len = strlen(item->queue), at = counted->n;
    for (size_t i = 0; i < counted->n; i++) {
        if (strncmp(counted->v[i], item->queue, queue_len) == 0 &&
            counted->v[i][queue_len] == ':') {
            if (strtoull(counted->v[i] + queue_len + 1, NULL, 10) >= item->record->seq) {
                return false;
            }
            at = i;
        }
    }
    /* The queue that counted longest ago makes room. */
    size_t keep = at == counted->n && counted->n == COUNTED_QUEUES ? 1 : 0;
    const char **v = AW_NEW_N(dedupe->arena, const char *, counted->n + 1);
    size_t n = 0;
    for (size_t i = keep; i < counted->n; i++) {
        if (i != at) {
            v[n++] = counted->v[i];
        }
    }
    v[n++] = aw_arena_printf(dedupe->arena, "%s:%" PRIu64, item->queue, item->record->seq);
    *counted = (struct aw_strs){.v = v, .n = n};
    entry->dirty = true;
    return true;
}

/* Lets the row stand for `alert_id`, unless it stands for a delivery that was received later. */
static void remember(struct aw_dedupe *dedupe, struct entry *entry,
                     const struct aw_ingest_item *item, const char *alert_id, int64_t memory)
{
    if (entry->row == NULL) {
        entry->row = AW_NEW(dedupe->arena, struct aw_delivery_row);
        entry->row->id = entry->id;
        entry->row->company_id = item->company_id;
    } else if (entry->row->received_at > item->received_ms) {
        return;
    }
    entry->row->alert_id = alert_id;
    entry->row->received_at = item->received_ms;
    entry->row->memory_ms = memory;
    entry->dirty = true;
}

/* The alert that an id stands for: itself, or the first one of a twin. */
static bool resolve(struct aw_dedupe *dedupe, const char *alert_id, const char **first,
                    struct aw_err *err)
{
    void *alias = NULL;
    if (!aw_tx_peek(dedupe->tx, &aw_alias_schema, alert_id, &alias, err)) {
        return false;
    }
    *first = alias != NULL ? ((const struct aw_alias *)alias)->alert_id : alert_id;
    return true;
}

/* No row says so, because the rows stand for later deliveries: was this one taken in by a former
 * run? */
static bool is_done(struct aw_dedupe *dedupe, const struct aw_ingest_item *item, bool *done,
                    struct aw_err *err)
{
    void *alert = NULL;
    const char *first;
    if (!resolve(dedupe, item->alert_id, &first, err) ||
        !aw_tx_peek(dedupe->tx, &aw_alert_schema, item->alert_id, &alert, err)) {
        return false;
    }
    *done = alert != NULL || first != item->alert_id;
    return true;
}

static bool judge_alert(struct aw_dedupe *dedupe, const struct aw_ingest_item *item,
                        struct entry *identity, struct entry *signature,
                        struct aw_dedupe_verdict *verdict, struct aw_err *err)
{
    if ((identity->row != NULL && strcmp(identity->row->alert_id, item->alert_id) == 0) ||
        (signature != NULL && signature->row != NULL &&
         strcmp(signature->row->alert_id, item->alert_id) == 0)) {
        verdict->what = AW_DEDUPE_DONE;
        return true;
    }
    struct entry *hit = is_hit(identity, item, identity_memory(item)) ? identity : NULL;
    if (hit == NULL && signature != NULL && is_hit(signature, item, signature_memory(item))) {
        hit = signature;
    }
    if (hit != NULL) {
        verdict->what = AW_DEDUPE_REPEAT;
        verdict->first = hit->row->alert_id;
        verdict->counted = count_seq(dedupe, hit, item);
    } else {
        bool done = false;
        if (identity->row != NULL && identity->row->received_at > item->received_ms &&
            !is_done(dedupe, item, &done, err)) {
            return false;
        }
        verdict->what = done ? AW_DEDUPE_DONE : AW_DEDUPE_NEW;
        if (done) {
            return true;
        }
        remember(dedupe, identity, item, item->alert_id, identity_memory(item));
        (void)count_seq(dedupe, identity, item);
    }
    if (signature != NULL && hit != signature && signature->row == NULL) {
        remember(dedupe, signature, item, hit != NULL ? hit->row->alert_id : item->alert_id,
                 signature_memory(item));
    }
    return true;
}

static bool judge_attempt(struct aw_dedupe *dedupe, const struct aw_ingest_item *item,
                          struct entry *identity, struct entry *signature,
                          struct aw_dedupe_verdict *verdict, struct aw_err *err)
{
    struct entry *hit = identity->row != NULL ? identity : NULL;
    if (hit == NULL && signature != NULL && signature->row != NULL) {
        hit = signature;
    }
    verdict->what = AW_DEDUPE_REPEAT;
    if (hit != NULL) {
        verdict->first = hit->row->alert_id;
        verdict->counted = count_seq(dedupe, hit, item);
    }
    if ((item->record->flags & AW_RECORD_NEW_SIGNATURE) && signature != NULL &&
        signature->row == NULL) {
        const char *first = verdict->first;
        if (first == NULL && !resolve(dedupe, item->alert_id, &first, err)) {
            return false;
        }
        remember(dedupe, signature, item, first, signature_memory(item));
    }
    return true;
}

bool aw_dedupe_judge(struct aw_dedupe *dedupe, const struct aw_ingest_item *item,
                     struct aw_dedupe_verdict *verdict, struct aw_err *err)
{
    struct entry *identity = entry_of(dedupe, item->identity);
    struct entry *signature =
        item->signature_key != NULL ? entry_of(dedupe, item->signature_key) : NULL;
    *verdict = (struct aw_dedupe_verdict){.what = AW_DEDUPE_NEW};
    return item->record->kind == AW_RECORD_ALERT
               ? judge_alert(dedupe, item, identity, signature, verdict, err)
               : judge_attempt(dedupe, item, identity, signature, verdict, err);
}

void aw_dedupe_write(struct aw_dedupe *dedupe)
{
    for (size_t i = 0; i < dedupe->n; i++) {
        struct entry *entry = &dedupe->entries[i];
        if (entry->dirty && entry->stored) {
            aw_tx_replace(dedupe->tx, &aw_delivery_schema, entry->row);
        } else if (entry->dirty) {
            aw_tx_insert(dedupe->tx, &aw_delivery_schema, entry->row);
        }
    }
}
