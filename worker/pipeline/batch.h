/* batch.h - records of several queues in hand: read, decoded, committed as one unit, released; or put back.
 * Threads: the drain thread. Owner: init/fini by the drain. */
#ifndef AW_PIPELINE_BATCH_H
#define AW_PIPELINE_BATCH_H

#include "src/aw_queue.h"
#include "worker/base/arena.h"
#include "worker/domain/ingest.h"
#include "worker/store/writer.h"

#define AW_BATCH_RECORDS 2000
#define AW_BATCH_LEAST   1000 /* under load a batch has so many, however long its commit takes */
#define AW_BATCH_GOAL_US                                                                           \
    INT64_C(80000) /* a larger one takes no longer than this: a person's change waits for it */
#define AW_BATCH_BYTES (4u << 20) /* of records: what is decoded is held in memory */

struct aw_batch_source {
    struct aw_queue *queue;
    char id[2 * AW_QUEUE_ID_LEN + 1]; /* hex */
    uint64_t begin, cursor;           /* positions: of the first record in hand, behind the last */
};

struct aw_batch {
    struct aw_arena *arena;
    struct aw_batch_source *sources;
    size_t source_count, next_source; /* next_source: whose turn it is to be first */
    const struct aw_record_head *records[AW_BATCH_RECORDS];
    struct aw_ingest_item items[AW_BATCH_RECORDS];
    size_t n, bytes;
    bool alone; /* one record that has broken the worker before */
    struct aw_ingest_batch unit;
};

/* Records that the next batch may have, after one of n that took so long: `most` at most; more than AW_BATCH_LEAST only
 * while batches are full and fast. Pure. */
size_t aw_batch_next_limit(size_t limit, size_t n, int64_t took_us, size_t most);

void aw_batch_init(struct aw_batch *batch, struct aw_queue *const *queues, size_t n);
void aw_batch_fini(struct aw_batch *batch);
/* Reads and decodes until `limit` records (at most AW_BATCH_RECORDS), AW_BATCH_BYTES or `until_us` (of the monotonic
 * clock) is reached, or nothing is left. A record with a try ends a batch or stands alone. May be called again to add. */
void aw_batch_collect(struct aw_batch *batch, size_t limit, int64_t until_us);
/* Runs the unit once. */
AW_MUST_CHECK bool aw_batch_commit(struct aw_batch *batch, struct aw_ingest *ingest,
                                   struct aw_writer *writer, int64_t now_ms, struct aw_err *err);
/* After the commit: the space of the records may be used again. */
void aw_batch_release(struct aw_batch *batch);
/* Nothing was committed: the same records come again with the next collect. */
void aw_batch_put_back(struct aw_batch *batch);

#endif
