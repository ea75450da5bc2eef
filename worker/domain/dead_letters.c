#include "dead_letters.h"

#include <string.h>

#include "correlation.h"
#include "events.h"
#include "ingest.h"
#include "save.h"
#include "src/aw_id.h"

static void tell(struct aw_news *news, const struct aw_dead_letter *row, int64_t version,
                 const char *type, const char *actor, int64_t now_ms)
{
    aw_news_add(news, &(struct aw_event_news){.company_id = row->company_id,
                                              .permission = "handle_alerts",
                                              .object = aw_dead_letter_schema.name,
                                              .object_id = row->id,
                                              .object_version = version,
                                              .type = type,
                                              .actor = actor,
                                              .now_ms = now_ms});
}

bool aw_dead_letter_add(struct aw_tx *tx, const struct aw_record_head *record, const char *reason,
                        int64_t now_ms, struct aw_err *err)
{
    struct aw_news news = {.arena = aw_tx_arena(tx)};
    char id[AW_ID_TEXT + 1];
    void *old = NULL;
    aw_id_format(record->alert_id, id);
    if (!aw_tx_peek(tx, &aw_dead_letter_schema, id, &old, err)) {
        return false;
    }
    if (old != NULL) {
        return true;
    }
    struct aw_dead_letter *row = AW_NEW(news.arena, struct aw_dead_letter);
    row->id = row->alert_id = aw_arena_str(news.arena, id);
    row->company_id = aw_arena_strn(news.arena, record->company, aw_record_company_len(record));
    row->reason = reason;
    row->tries = record->tries;
    row->record = (struct aw_bytes){.ptr = (const uint8_t *)record, .len = record->length};
    row->received_at = (int64_t)record->received_ms;
    row->created_at = now_ms;
    aw_tx_insert(tx, &aw_dead_letter_schema, row);
    tell(&news, row, row->version, "dead_letter_created", NULL, now_ms);
    return aw_events_add(tx, news.v, news.n, err);
}

static bool find_letter(struct aw_tx *tx, const struct aw_scope *scope, const char *id,
                        const struct aw_dead_letter **letter, struct aw_err *err)
{
    void *row = NULL;
    if (!aw_tx_get_many(tx, scope, &aw_dead_letter_schema, &id, 1, &row, err)) {
        return false;
    }
    *letter = row;
    return row != NULL ||
           aw_fail(err, AW_ERR_NOT_FOUND, "dead_letter.absent", "There is no such dead letter");
}

static bool remove_letter(struct aw_tx *tx, const struct aw_dead_letter *letter, const char *type,
                          const char *actor, int64_t now_ms, struct aw_err *err)
{
    struct aw_news news = {.arena = aw_tx_arena(tx)};
    aw_tx_delete(tx, &aw_dead_letter_schema, letter->id, letter->version);
    tell(&news, letter, letter->version + 1, type, actor, now_ms);
    return aw_events_add(tx, news.v, news.n, err);
}

/* The bytes as a record, aligned, or NULL when their lengths do not hold. */
static const struct aw_record_head *record_of(const struct aw_dead_letter *letter,
                                              struct aw_arena *arena)
{
    if (letter->record.len < AW_RECORD_HEAD) {
        return NULL;
    }
    const struct aw_record_head *record =
        aw_arena_copy(arena, letter->record.ptr, letter->record.len);
    bool holds = record->magic == AW_RECORD_MAGIC && record->version == AW_RECORD_VERSION &&
                 record->length == letter->record.len && record->body_len <= record->length &&
                 aw_record_length(record->delivery_len, record->body_len) == record->length;
    return holds ? record : NULL;
}

static void destroy_ingest(void *arg, bool committed)
{
    struct aw_ingest *ingest = arg;
    (void)committed;
    aw_ingest_destroy(&ingest);
}

bool aw_dead_letter_retry(struct aw_tx *tx, const struct aw_scope *scope, const char *id,
                          const char *actor, int64_t now_ms, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    const struct aw_dead_letter *letter;
    if (!find_letter(tx, scope, id, &letter, err)) {
        return false;
    }
    struct aw_ingest_item *item = AW_NEW(arena, struct aw_ingest_item);
    item->reason = "its bytes are damaged";
    const struct aw_record_head *record = record_of(letter, arena);
    if (record != NULL) {
        aw_ingest_decode(record, "letter", arena, item);
    }
    if (item->reason != NULL) {
        return aw_fail(err, AW_ERR_INVALID, "dead_letter.record",
                       "The record cannot become an alert: %s", item->reason);
    }
    struct aw_ingest_batch batch = {.ingest = aw_ingest_create(),
                                    .items = item,
                                    .n = 1,
                                    .now_ms = now_ms};
    bool ok = aw_ingest_unit(tx, &batch, err);
    aw_tx_after(tx, destroy_ingest, batch.ingest);
    aw_correlation_forget(letter->company_id);
    if (ok && batch.counts.dead_letters > 0) {
        return aw_fail(err, AW_ERR_CONFLICT, "dead_letter.company",
                       "Its company is not there any more");
    }
    return ok && remove_letter(tx, letter, "dead_letter_retried", actor, now_ms, err);
}

bool aw_dead_letter_discard(struct aw_tx *tx, const struct aw_scope *scope, const char *id,
                            const char *actor, int64_t now_ms, struct aw_err *err)
{
    const struct aw_dead_letter *letter;
    return find_letter(tx, scope, id, &letter, err) &&
           remove_letter(tx, letter, "dead_letter_discarded", actor, now_ms, err);
}
