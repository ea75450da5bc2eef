#include <errno.h>
#include <time.h>

#include "aw_crash.h"
#include "aw_queue_layout.h"

#define TAIL_WAIT_US 1000000u

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Everything up to failed_tail may be lost, until the worker has it. */
static void mark_broken(struct aw_queue_live *live)
{
    AW_CRASH("queue.sync.before_broken");
    atomic_store(&live->failed_tail, AW_QUEUE_TAIL_UNKNOWN);
    atomic_store(&live->sync_broken, 1);
    AW_CRASH("queue.sync.after_broken");
}

/* Under the producers' mutex, because a record that is being written while the sync fails may lose
 * a page before it is published. */
static void note_failed_tail(struct aw_queue *queue)
{
    enum aw_queue_rc rc = aw_queue_lock(queue, TAIL_WAIT_US);
    if (rc != AW_QUEUE_OK && rc != AW_QUEUE_REPAIRED) {
        return;
    }
    AW_CRASH("queue.sync.before_failed_tail");
    atomic_store(&queue->live->failed_tail, aw_queue_tail(queue));
    AW_CRASH("queue.sync.after_failed_tail");
    aw_queue_unlock(queue);
}

/* Has the worker taken over all that a failed sync may have lost? */
static bool may_mend(struct aw_queue *queue)
{
    if (atomic_load(&queue->live->failed_tail) == AW_QUEUE_TAIL_UNKNOWN) {
        note_failed_tail(queue);
    }
    return aw_queue_head(queue) >= atomic_load(&queue->live->failed_tail);
}

static void count_sync(struct aw_queue_live *live, uint64_t took_us)
{
    atomic_fetch_add_explicit(&live->syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&live->sync_total_us, took_us, memory_order_relaxed);
    if (took_us > atomic_load_explicit(&live->sync_max_us, memory_order_relaxed)) {
        atomic_store_explicit(&live->sync_max_us, took_us, memory_order_relaxed);
    }
}

/* Under the sync mutex. What is published before fdatasync begins is covered by it. */
static enum aw_queue_rc sync_now(struct aw_queue *queue)
{
    struct aw_queue_live *live = queue->live;
    uint64_t target = aw_queue_tail(queue);
    uint64_t began = now_us();
    AW_CRASH("queue.sync.before_fdatasync");
    if (!aw_file_sync(queue->fd)) {
        AW_CRASH("queue.sync.failed_fdatasync");
        mark_broken(live);
        note_failed_tail(queue);
        atomic_fetch_add_explicit(&live->sync_failures, 1, memory_order_relaxed);
        return AW_QUEUE_BROKEN;
    }
    AW_CRASH("queue.sync.after_fdatasync");
    count_sync(live, now_us() - began);
    atomic_store(&live->sync_broken, 0);
    AW_CRASH("queue.sync.before_synced");
    atomic_store_explicit(&live->synced, target, memory_order_release);
    AW_CRASH("queue.sync.after_synced");
    return AW_QUEUE_OK;
}

/* Durable here, or in the worker's store. */
static bool is_covered(struct aw_queue *queue, uint64_t position)
{
    return atomic_load_explicit(&queue->live->synced, memory_order_acquire) >= position ||
           aw_queue_head(queue) >= position;
}

static enum aw_queue_rc sync_locked(struct aw_queue *queue, uint64_t position)
{
    if (is_covered(queue, position)) {
        return AW_QUEUE_OK;
    }
    if (atomic_load(&queue->live->sync_broken) != 0 && !may_mend(queue)) {
        return AW_QUEUE_BROKEN;
    }
    enum aw_queue_rc rc = sync_now(queue);
    return rc == AW_QUEUE_OK && !is_covered(queue, position) ? AW_QUEUE_BROKEN : rc;
}

enum aw_queue_rc aw_queue_sync(struct aw_queue *queue, uint64_t position, unsigned timeout_us)
{
    struct aw_queue_live *live = queue->live;
    if (is_covered(queue, position)) {
        return AW_QUEUE_OK;
    }
    int rc = aw_queue_mutex_lock(&live->syncing, timeout_us);
    if (rc == ETIMEDOUT || rc == EBUSY) {
        return AW_QUEUE_BUSY;
    }
    if (rc == EOWNERDEAD) {
        /* A failed fdatasync is reported once, and the dead one may have been told. */
        mark_broken(live);
        pthread_mutex_consistent(&live->syncing);
        AW_CRASH("queue.sync.after_consistent");
    } else if (rc != 0) {
        return AW_QUEUE_BROKEN;
    }
    enum aw_queue_rc result = sync_locked(queue, position);
    AW_CRASH("queue.sync.before_unlock");
    pthread_mutex_unlock(&live->syncing);
    return result;
}

void aw_queue_sync_stats(struct aw_queue *queue, struct aw_queue_sync_stats *stats)
{
    struct aw_queue_live *live = queue->live;
    stats->syncs = atomic_load_explicit(&live->syncs, memory_order_relaxed);
    stats->total_us = atomic_load_explicit(&live->sync_total_us, memory_order_relaxed);
    stats->max_us = atomic_load_explicit(&live->sync_max_us, memory_order_relaxed);
    stats->failures = atomic_load_explicit(&live->sync_failures, memory_order_relaxed);
}

bool aw_queue_sync_broken(struct aw_queue *queue)
{
    return atomic_load(&queue->live->sync_broken) != 0;
}
