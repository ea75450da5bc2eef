/* aw_intake.h - the critical section of the edge: known? full? append, insert both keys (E16-E19).
 *
 * Joins the queue and the ids table. Everything before it (key, HMAC, rate, JSON, asset) leaves no trace; what
 * it answers is final. `memory` acks use aw_intake_try() in the event loop; `disk` acks call aw_intake_batch() from a
 * pool thread with all parked requests of the nginx worker and answer after it has synced.
 * Threads: any; the queue's producer mutex orders them. Owner: the caller. */
#ifndef AW_INTAKE_H
#define AW_INTAKE_H

#include "aw_queue.h"
#include "aw_state.h"

struct aw_intake {
    struct aw_queue *queue;
    struct aw_state *state;
    uint32_t clock_skew_s;      /* window of signed timestamps, 300 */
    uint32_t delivery_memory_s; /* of X-Delivery-ID identities, 24 h */
    uint32_t content_memory_s;  /* of content identities, 5 min */
};

enum aw_intake_verdict {
    AW_INTAKE_PENDING,   /* not judged yet */
    AW_INTAKE_ACCEPTED,  /* appended (and synced, if asked) */
    AW_INTAKE_DUPLICATE, /* known; alert_id is the first one's */
    AW_INTAKE_FULL,
    AW_INTAKE_IDS_FULL,
    AW_INTAKE_BUSY,
    AW_INTAKE_BROKEN
};

struct aw_intake_item {
    struct aw_delivery delivery; /* kind AW_RECORD_ALERT; alert_id made by the caller */
    enum aw_intake_verdict verdict;
    uint8_t alert_id[AW_ID_LEN]; /* out, with ACCEPTED and DUPLICATE */
    uint64_t needed;             /* private: end of what must be durable before the answer */
};

/* Starts loading what judging the item needs of the ids table into the cache; needs no lock. aw_intake_batch() does it
 * for all but its first item. */
void aw_intake_prefetch(const struct aw_intake *intake, const struct aw_intake_item *item);

/* Judges n items (pointers) under one lock, then syncs if `durable`. Counts accepted, duplicates, batches,
 * attempts_dropped, repairs and unavailable_* itself; the caller wakes the consumer. lock_timeout_us: at most 2,000 in
 * an event loop, 1,000,000 in a pool thread. now_s: wall clock. */
void aw_intake_batch(struct aw_intake *intake, struct aw_intake_item **items, size_t n,
                     bool durable, unsigned lock_timeout_us, uint32_t now_s);
/* The same without a sync and without sleeping: false = the lock is taken, and nothing has been judged or counted. */
bool aw_intake_try(struct aw_intake *intake, struct aw_intake_item **items, size_t n,
                   uint32_t now_s);

/* After a fresh state file: inserts the keys of every record from head to tail again. Takes the lock. Before any
 * batch (nginx master, before fork): a batch that comes first does this work inside its own critical section. */
enum aw_queue_rc aw_intake_rebuild(struct aw_intake *intake, uint32_t now_s);

#endif
