#include "batch.h"

#include <string.h>

#include "poison.h"
#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/str.h"
#include "worker/domain/dead_letters.h"

size_t aw_batch_next_limit(size_t limit, size_t n, int64_t took_us, size_t most)
{
    size_t least = most < AW_BATCH_LEAST ? most : AW_BATCH_LEAST;
    size_t doubled = limit * 2 < most ? limit * 2 : most;
    size_t fits = (size_t)((int64_t)n * AW_BATCH_GOAL_US / (took_us + 1));
    if (limit < least) {
        return doubled < least ? doubled : least; /* the former ones were taken apart */
    }
    if (n < limit || fits < least) {
        return least;
    }
    return fits < doubled ? fits : doubled;
}

void aw_batch_init(struct aw_batch *batch, struct aw_queue *const *queues, size_t n)
{
    memset(batch, 0, sizeof(*batch));
    batch->arena = aw_arena_create(1u << 20);
    batch->sources = aw_alloc_zero(n, sizeof(*batch->sources));
    batch->source_count = n;
    for (size_t i = 0; i < n; i++) {
        struct aw_batch_source *source = &batch->sources[i];
        source->queue = queues[i];
        source->begin = source->cursor = aw_queue_head(queues[i]);
        const char *id = aw_hex(batch->arena, queues[i]->id, sizeof(queues[i]->id));
        memcpy(source->id, id, sizeof(source->id));
    }
    aw_arena_reset(batch->arena);
}

void aw_batch_fini(struct aw_batch *batch)
{
    aw_arena_destroy(&batch->arena);
    free(batch->sources);
}

static void decode(struct aw_batch *batch, const struct aw_batch_source *source,
                   const struct aw_record_head *record)
{
    struct aw_ingest_item *item = &batch->items[batch->n];
    const struct aw_record_head **place = &batch->records[batch->n++];
    *place = record;
    batch->bytes += record->length;
    if (record->tries >= AW_DEAD_LETTER_TRIES) {
        *item = (struct aw_ingest_item){.record = record,
                                        .queue = source->id,
                                        .reason = "it broke the worker"};
        return;
    }
    aw_poison_hold(AW_WORK_DECODE, place, 1);
    aw_ingest_decode(record, source->id, batch->arena, item);
    aw_poison_release(AW_WORK_DECODE);
}

/* Takes the next record of a source; false when there is none, or when it must wait for a batch of its own. */
static bool take(struct aw_batch *batch, struct aw_batch_source *source)
{
    uint64_t cursor = source->cursor;
    const struct aw_record_head *record = aw_queue_next(source->queue, &cursor);
    if (record != NULL && record->tries > 0 && batch->n > 0) {
        return false;
    }
    source->cursor = cursor;
    if (record == NULL) {
        return false;
    }
    batch->alone = record->tries > 0;
    decode(batch, source, record);
    return true;
}

void aw_batch_collect(struct aw_batch *batch, size_t limit, int64_t until_us)
{
    limit = limit < AW_BATCH_RECORDS ? limit : AW_BATCH_RECORDS;
    for (size_t i = 0; i < batch->source_count; i++) {
        struct aw_batch_source *source =
            &batch->sources[(batch->next_source + i) % batch->source_count];
        while (batch->n < limit && batch->bytes < AW_BATCH_BYTES && !batch->alone &&
               take(batch, source)) {
            if (batch->n % 16 == 0 && aw_clock_mono_us() >= until_us) {
                return;
            }
        }
    }
}

static void released_by_unit(void *arg, bool committed)
{
    (void)arg;
    (void)committed;
    aw_poison_release(AW_WORK_UNIT);
}

/* The records are held until the end of the commit: the store may break over them too. */
static bool run_held(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_batch *batch = arg;
    aw_poison_hold(AW_WORK_UNIT, batch->records, batch->n);
    aw_tx_after(tx, released_by_unit, NULL);
    return aw_ingest_unit(tx, &batch->unit, err);
}

bool aw_batch_commit(struct aw_batch *batch, struct aw_ingest *ingest, struct aw_writer *writer,
                     int64_t now_ms, struct aw_err *err)
{
    batch->unit = (struct aw_ingest_batch){.ingest = ingest,
                                           .items = batch->items,
                                           .n = batch->n,
                                           .now_ms = now_ms};
    return aw_writer_run(writer, "batch", run_held, batch, AW_PATIENT, err);
}

static void clear(struct aw_batch *batch)
{
    batch->n = batch->bytes = 0;
    batch->alone = false;
    aw_arena_reset(batch->arena);
}

void aw_batch_release(struct aw_batch *batch)
{
    for (size_t i = 0; i < batch->source_count; i++) {
        struct aw_batch_source *source = &batch->sources[i];
        if (source->begin != source->cursor) {
            aw_queue_release(source->queue, source->cursor);
            source->begin = source->cursor;
        }
    }
    if (++batch->next_source >= batch->source_count) {
        batch->next_source = 0;
    }
    clear(batch);
}

void aw_batch_put_back(struct aw_batch *batch)
{
    for (size_t i = 0; i < batch->source_count; i++) {
        batch->sources[i].cursor = batch->sources[i].begin;
    }
    clear(batch);
}
