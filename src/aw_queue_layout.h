/* aw_queue_layout.h - the bytes of a queue file, and the steps that the aw_queue_*.c files share.
 *
 * Pages 0 and 1: header, written in turn, the newer valid one counts. Pages 2 and 3: live words,
 * each hot one on a cache line of its own. Page 4 on: the data area. Pages are of 4,096 bytes on
 * every machine. Threads: as in aw_queue.h. Private to aw_queue_*.c and their tests. */
#ifndef AW_QUEUE_LAYOUT_H
#define AW_QUEUE_LAYOUT_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "aw_queue.h"

#define AW_QUEUE_MAGIC   0x3165756575715741ull /* "AWqueue1" */
#define AW_QUEUE_VERSION 1
#define AW_QUEUE_PAGE    4096u
#define AW_QUEUE_LIVE_AT (2 * AW_QUEUE_PAGE)
#define AW_QUEUE_DATA_AT (4 * AW_QUEUE_PAGE)

struct aw_queue_header {
    uint64_t magic;
    uint32_t version;
    uint32_t cell;
    uint64_t file_size;
    uint64_t data_size;
    uint32_t live_size; /* these two tell another layout of the live words */
    uint32_t mutex_size;
    uint8_t id[AW_QUEUE_ID_LEN];
    uint8_t boot_id[AW_BOOT_ID_LEN]; /* zero until a first attacher has prepared the file */
    uint64_t epoch;
    uint64_t head;       /* lower bound of what is released */
    uint64_t generation; /* the higher one of the two pages counts */
    uint64_t crc;        /* CRC32C of everything before */
};

/* failed_tail while nobody has been able to read the tail since the failed sync. */
#define AW_QUEUE_TAIL_UNKNOWN UINT64_MAX

struct aw_queue_live {
    alignas(AW_CACHE_LINE) pthread_mutex_t producers;
    alignas(AW_CACHE_LINE) pthread_mutex_t syncing; /* taken before `producers`, never after */
    alignas(AW_CACHE_LINE) _Atomic uint64_t tail;   /* end of what is published */
    alignas(AW_CACHE_LINE) _Atomic uint64_t keyed;  /* end of the records whose keys are in */
    alignas(AW_CACHE_LINE) _Atomic uint64_t head;   /* end of what is released */
    alignas(AW_CACHE_LINE) _Atomic uint64_t synced; /* end of what is durable */
    _Atomic uint64_t failed_tail;                   /* with sync_broken: end of what may be lost */
    _Atomic uint32_t sync_broken;
    alignas(AW_CACHE_LINE) _Atomic uint32_t wake;  /* futex: counts wake-ups */
    _Atomic uint32_t sleeping;                     /* the consumer waits, or is about to */
    alignas(AW_CACHE_LINE) _Atomic uint64_t syncs; /* figures, written under `syncing` */
    _Atomic uint64_t sync_total_us;
    _Atomic uint64_t sync_max_us;
    _Atomic uint64_t sync_failures;
};
_Static_assert(sizeof(struct aw_queue_live) <= AW_QUEUE_DATA_AT - AW_QUEUE_LIVE_AT,
               "live words fit their pages");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "shared words need no lock");

static inline uint8_t *aw_queue_place(const struct aw_queue *queue, uint64_t position)
{
    return queue->data + position % queue->data_size;
}

/* Bytes from a position to the end of the data area: no record is longer. */
static inline uint64_t aw_queue_to_wrap(const struct aw_queue *queue, uint64_t position)
{
    return queue->data_size - position % queue->data_size;
}

/* Are these two what a ring of this size can have? Nothing read from memory is used before this. */
static inline bool aw_queue_bounds_hold(const struct aw_queue *queue, uint64_t head, uint64_t tail)
{
    return head <= tail && tail - head <= queue->data_size && head % AW_CELL == 0 &&
           tail % AW_CELL == 0;
}

/* The newer valid header page; false = none is valid. `map` holds at least two pages. */
AW_MUST_CHECK bool aw_queue_header_read(const uint8_t *map, struct aw_queue_header *header);
/* Writes the header into the older page, with the next generation. One writer at a time. */
void aw_queue_header_write(uint8_t *map, struct aw_queue_header *header);

/* What a scan of all cells finds, without believing any pointer. */
struct aw_queue_scan {
    uint64_t floor; /* everything below is released */
    uint64_t end;   /* of the last record */
    uint64_t epoch; /* highest one seen in a record */
};
void aw_queue_scan(const struct aw_queue *queue, uint64_t persisted_head,
                   struct aw_queue_scan *scan);

/* Prepares a file of another boot: holes become fillers, the live words are made anew, a new epoch
 * begins. The caller holds the repair lock and nobody else is attached. */
AW_MUST_CHECK bool aw_queue_recover(struct aw_queue *queue, struct aw_queue_header *header,
                                    const uint8_t boot_id[AW_BOOT_ID_LEN], struct aw_err *err);

/* Like aw_queue_next() up to `tail`, with any bounds; *regions counts what had to be skipped. */
const struct aw_record_head *aw_queue_walk(const struct aw_queue *queue, uint64_t *cursor,
                                           uint64_t tail, uint64_t *regions);

/* Consumer: writes the released head to a header page; not synced, it is only a lower bound. */
void aw_queue_save_head(struct aw_queue *queue);

/* pthread_mutex_trylock for some microseconds, then sleeping up to timeout_us of monotonic time. An errno value. */
int aw_queue_mutex_lock(pthread_mutex_t *mutex, unsigned timeout_us);

#endif
