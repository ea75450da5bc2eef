#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "aw_crash.h"
#include "aw_queue_layout.h"

#define SPINS 200 /* a batch of a few records is over before a sleep would be */

/* Monotonic, so that a clock that is set prolongs nothing. ThreadSanitizer knows only the wall-clock call. */
static int lock_within(pthread_mutex_t *mutex, unsigned timeout_us)
{
#ifdef __SANITIZE_THREAD__
    const clockid_t clock = CLOCK_REALTIME;
#else
    const clockid_t clock = CLOCK_MONOTONIC;
#endif
    struct timespec until;
    clock_gettime(clock, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)timeout_us * 1000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
#ifdef __SANITIZE_THREAD__
    return pthread_mutex_timedlock(mutex, &until);
#else
    return pthread_mutex_clocklock(mutex, clock, &until);
#endif
}

int aw_queue_mutex_lock(pthread_mutex_t *mutex, unsigned timeout_us)
{
    int rc = pthread_mutex_trylock(mutex);
    for (int i = 0; rc == EBUSY && i < SPINS; i++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        rc = pthread_mutex_trylock(mutex);
    }
    return rc == EBUSY && timeout_us > 0 ? lock_within(mutex, timeout_us) : rc;
}

/* The dead owner may have finished a record without publishing it. It may also have been answered
 * for: a batch is published record by record, so at most one is in question. */
static void adopt(struct aw_queue *queue)
{
    const struct aw_record_head *record;
    uint64_t head = atomic_load_explicit(&queue->live->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&queue->live->tail, memory_order_relaxed);
    uint64_t free_bytes = queue->data_size - (tail - head);
    uint64_t to_wrap = aw_queue_to_wrap(queue, tail);
    uint64_t room = free_bytes < to_wrap ? free_bytes : to_wrap;
    if (aw_record_check(aw_queue_place(queue, tail), room, tail, queue->seed, &record) &&
        record->seq == aw_queue_seq_at(queue, tail)) {
        AW_CRASH("queue.adopt.before_tail");
        atomic_store(&queue->live->tail, tail + record->length);
        AW_CRASH("queue.adopt.after_tail");
    }
}

enum aw_queue_rc aw_queue_lock(struct aw_queue *queue, unsigned timeout_us)
{
    int rc = aw_queue_mutex_lock(&queue->live->producers, timeout_us);
    if (rc == ETIMEDOUT || rc == EBUSY) {
        return AW_QUEUE_BUSY;
    }
    if (rc != 0 && rc != EOWNERDEAD) {
        return AW_QUEUE_BROKEN;
    }
    uint64_t head = atomic_load_explicit(&queue->live->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&queue->live->tail, memory_order_relaxed);
    bool sound = aw_queue_bounds_hold(queue, head, tail);
    if (rc == EOWNERDEAD) {
        if (sound) {
            adopt(queue);
        }
        AW_CRASH("queue.lock.before_consistent");
        pthread_mutex_consistent(&queue->live->producers);
        AW_CRASH("queue.lock.after_consistent");
    }
    if (!sound) {
        pthread_mutex_unlock(&queue->live->producers);
        return AW_QUEUE_BROKEN;
    }
    return rc == EOWNERDEAD ? AW_QUEUE_REPAIRED : AW_QUEUE_OK;
}

void aw_queue_unlock(struct aw_queue *queue)
{
    AW_CRASH("queue.unlock.before");
    pthread_mutex_unlock(&queue->live->producers);
    AW_CRASH("queue.unlock.after");
}

/* Length of the filler that a record needs in front of it, because records do not wrap. */
static uint64_t filler_before(const struct aw_queue *queue, uint64_t tail, uint64_t length)
{
    uint64_t to_wrap = aw_queue_to_wrap(queue, tail);
    return length > to_wrap ? to_wrap : 0;
}

bool aw_queue_has_room(struct aw_queue *queue, size_t length)
{
    uint64_t head = atomic_load_explicit(&queue->live->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&queue->live->tail, memory_order_relaxed);
    uint64_t high_water = queue->data_size / 10 * 8;
    uint64_t used = tail - head + filler_before(queue, tail, length) + length;
    return used <= high_water;
}

static void publish(struct aw_queue *queue, uint64_t tail)
{
    AW_CRASH("queue.append.before_tail");
    /* Sequentially consistent with `sleeping`: see aw_queue_wake(). */
    atomic_store(&queue->live->tail, tail);
    AW_CRASH("queue.append.after_tail");
}

/* The next record is mostly as long as this one. Its place has not been touched since the ring came round: without this
 * the release of the lock would wait for all of it. */
static void prefetch(const struct aw_queue *queue, uint64_t tail, uint64_t length)
{
    uint64_t to_wrap = aw_queue_to_wrap(queue, tail);
    const uint8_t *line = aw_queue_place(queue, tail);
    for (const uint8_t *end = line + (length < to_wrap ? length : to_wrap); line < end;
         line += AW_CACHE_LINE) {
        __builtin_prefetch(line, 1);
    }
}

uint64_t aw_queue_append(struct aw_queue *queue, const struct aw_delivery *delivery)
{
    size_t length = aw_record_length(delivery->delivery_id_len, delivery->body_len);
    if (!aw_queue_has_room(queue, length)) {
        return 0;
    }
    uint64_t tail = atomic_load_explicit(&queue->live->tail, memory_order_relaxed);
    uint64_t filler = filler_before(queue, tail, length);
    if (filler > 0) {
        AW_CRASH("queue.append.before_filler");
        aw_record_write_filler(aw_queue_place(queue, tail), filler, aw_queue_seq_at(queue, tail),
                               tail, queue->seed);
        publish(queue, tail + filler);
        tail += filler;
    }
    uint64_t seq = aw_queue_seq_at(queue, tail);
    AW_CRASH("queue.append.before_record");
    aw_record_write(aw_queue_place(queue, tail), delivery, seq, tail, queue->seed);
    publish(queue, tail + length);
    prefetch(queue, tail + length, length);
    return seq;
}

uint64_t aw_queue_keyed(struct aw_queue *queue)
{
    return atomic_load_explicit(&queue->live->keyed, memory_order_relaxed);
}

void aw_queue_set_keyed(struct aw_queue *queue, uint64_t position)
{
    AW_CRASH("queue.keyed.before");
    atomic_store_explicit(&queue->live->keyed, position, memory_order_release);
    AW_CRASH("queue.keyed.after");
}

uint64_t aw_queue_tail(struct aw_queue *queue)
{
    return atomic_load_explicit(&queue->live->tail, memory_order_acquire);
}

uint64_t aw_queue_head(struct aw_queue *queue)
{
    return atomic_load_explicit(&queue->live->head, memory_order_acquire);
}

/* A sum, not an or: a position past 2^48 carries into the epoch and seq still only grows. */
uint64_t aw_queue_seq_at(const struct aw_queue *queue, uint64_t position)
{
    return (queue->epoch << 40) + position / AW_CELL;
}

bool aw_queue_is_committed(struct aw_queue *queue, uint64_t seq)
{
    uint64_t synced = atomic_load_explicit(&queue->live->synced, memory_order_acquire);
    uint64_t head = aw_queue_head(queue);
    return seq < aw_queue_seq_at(queue, synced > head ? synced : head);
}

bool aw_queue_is_awaited(struct aw_queue *queue)
{
    return atomic_load(&queue->live->sleeping) != 0;
}

/* With sequential consistency either the producer sees the sleeper, or the sleeper sees the new
 * tail. */
bool aw_queue_wake(struct aw_queue *queue)
{
    struct aw_queue_live *live = queue->live;
    if (!aw_queue_is_awaited(queue) || atomic_exchange(&live->sleeping, 0) == 0) {
        return false;
    }
    AW_CRASH("queue.wake.before_word");
    atomic_fetch_add(&live->wake, 1);
    AW_CRASH("queue.wake.after_word");
    syscall(SYS_futex, &live->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return true;
}
