/* aw_queue.h - the queue file: a ring of records in a mapped file, many producers, one consumer.
 *
 * The file holds a header (two alternating pages with CRC: geometry, queue id, boot id, epoch, persisted
 * head), one page of live words (mutexes, tail, head, synced, wake word), and the data area. Same boot: the
 * live words are authoritative. New boot: recovery trusts records, never pointers (design: E6-E10).
 * Threads: producers of many processes under the producer mutex; exactly one consumer, lock-free.
 * Owner: the caller's storage; aw_queue_close() unmaps. No allocation, no log. */
#ifndef AW_QUEUE_H
#define AW_QUEUE_H

#include "aw_err.h"
#include "aw_file.h"
#include "aw_record.h"

#define AW_QUEUE_SIZE_MIN (1u << 20)
#define AW_QUEUE_ID_LEN   16

struct aw_queue_live; /* the page of live words; its layout is in aw_queue_layout.h */

struct aw_queue {
    int fd; /* -1 = closed */
    uint8_t *map;
    size_t map_size;
    struct aw_queue_live *live;
    uint8_t *data;
    uint64_t data_size; /* multiple of AW_CELL */
    uint8_t id[AW_QUEUE_ID_LEN];
    uint32_t seed; /* of the checksums, from id */
    uint64_t epoch;
    bool consumer;              /* this handle holds the consumer's lock */
    bool recovered;             /* this attach scanned the file after a new boot */
    uint64_t damaged;           /* records or regions that recovery or the consumer had to skip */
    _Atomic uint64_t header_at; /* consumer: last head position written to a header page */
};

/* Opens, creates or recovers the file. `size` of the whole file in bytes, 0 = whatever it has.
 * A file of another boot, or with nonsense in its live words, is recovered by the first to attach, only while nobody
 * else is attached. A making that was cut off is gone on with by AW_FILE_CREATE, and is absent for others.
 * Codes: queue.absent (NOT_FOUND), queue.size, queue.format, queue.version, queue.owner, queue.busy (second consumer,
 * or recovery while attached elsewhere; CONFLICT), queue.volatile (memory file system), queue.io, queue.space. */
AW_MUST_CHECK bool aw_queue_open(struct aw_queue *queue, const char *path, uint64_t size,
                                 unsigned how, const struct aw_file_owner *owner,
                                 struct aw_err *err);
void aw_queue_close(struct aw_queue *queue);

/* --- producers --- */
enum aw_queue_rc {
    AW_QUEUE_OK,
    AW_QUEUE_REPAIRED, /* locked, and the former owner had died: a complete record behind tail was adopted */
    AW_QUEUE_FULL, /* past the high-water mark (80 %) */
    AW_QUEUE_BUSY, /* lock or sync not to be had in time */
    AW_QUEUE_BROKEN /* the file is unusable (not recoverable mutex, nonsense in live words, failed sync) */
};
/* Sleeps up to timeout_us where the mutex is not free within some microseconds; 0 = never. */
enum aw_queue_rc aw_queue_lock(struct aw_queue *queue, unsigned timeout_us);
void aw_queue_unlock(struct aw_queue *queue);
/* Under the lock: would a record of this length be taken? (space below the high-water mark) */
bool aw_queue_has_room(struct aw_queue *queue, size_t length);
/* Under the lock: appends and publishes one record with one release store of tail. Returns its seq, 0 = full. */
uint64_t aw_queue_append(struct aw_queue *queue, const struct aw_delivery *delivery);
/* Under the lock: the `keyed` position; records from there to tail must have their keys inserted (again). */
uint64_t aw_queue_keyed(struct aw_queue *queue);
void aw_queue_set_keyed(struct aw_queue *queue, uint64_t position);
uint64_t aw_queue_tail(struct aw_queue *queue);
uint64_t aw_queue_head(struct aw_queue *queue);
/* seq of the record that is or will be at a position of this epoch (seq = epoch << 40 | position / AW_CELL). */
uint64_t aw_queue_seq_at(const struct aw_queue *queue, uint64_t position);
/* Committed = durable (below synced) or already released by the consumer (below head). */
bool aw_queue_is_committed(struct aw_queue *queue, uint64_t seq);
/* Record at a position between head and tail (or below, while not overwritten); NULL when damaged. */
const struct aw_record_head *aw_queue_at(struct aw_queue *queue, uint64_t position);

/* Makes everything up to `position` durable: joins a running sync or does one (fdatasync). Blocks: only for
 * pool threads. OK, BUSY (1 s), BROKEN (a sync has failed and has not been mended: E13). */
enum aw_queue_rc aw_queue_sync(struct aw_queue *queue, uint64_t position, unsigned timeout_us);
/* Sync figures since creation, for status: batches, total and longest microseconds, failures. */
struct aw_queue_sync_stats {
    uint64_t syncs, total_us, max_us, failures;
};
void aw_queue_sync_stats(struct aw_queue *queue, struct aw_queue_sync_stats *stats);
bool aw_queue_sync_broken(struct aw_queue *queue);
/* Does the consumer sleep? If not, it will see what has been appended before. */
bool aw_queue_is_awaited(struct aw_queue *queue);
/* Wakes the consumer if it sleeps; not for every record. Returns whether a wake was sent. */
bool aw_queue_wake(struct aw_queue *queue);

/* --- the consumer --- */
/* Next record at or after the read cursor, in place in the mapping (valid until it is released), or NULL when
 * nothing is there. *cursor starts as aw_queue_head() and advances behind the record. Fillers are passed over;
 * damaged cells are skipped and counted in queue->damaged. */
const struct aw_record_head *aw_queue_next(struct aw_queue *queue, uint64_t *cursor);
/* Releases everything below `position`: its space may be overwritten. Only after the store's commit. */
void aw_queue_release(struct aw_queue *queue, uint64_t position);
/* Sleeps until a producer wakes, something is there behind `cursor`, or the timeout (<= 1000 ms). */
void aw_queue_wait(struct aw_queue *queue, uint64_t cursor, unsigned timeout_ms);
/* Received time of the oldest record that can still come: not released, or released and delivered again after a power
 * cut, because no header page on the disk tells of it. 0 = there is none. Syncs the file: blocks. Any thread of the
 * process that has the consumer. False: the sync failed, nothing is known. */
AW_MUST_CHECK bool aw_queue_oldest(struct aw_queue *queue, uint64_t *received_ms,
                                   struct aw_err *err);
/* Adds one to the record's tries, in place; async-signal-safe. */
void aw_queue_mark_try(const struct aw_record_head *record);

/* --- for people: header and figures of a file, without stopping anything --- */
struct aw_queue_info {
    uint32_t version;
    uint64_t file_size, data_size, epoch, head, tail, synced;
    uint64_t records, attempts, bytes, damaged;
    uint64_t oldest_ms; /* received time of the oldest record, 0 = empty */
    bool same_boot, sync_broken;
    uint8_t id[AW_QUEUE_ID_LEN];
};
AW_MUST_CHECK bool aw_queue_inspect(struct aw_queue *queue, struct aw_queue_info *info,
                                    struct aw_err *err);
/* Depth figures that cost no scan: bytes between head and tail, received time of the record at head (0 = empty). */
void aw_queue_depth(struct aw_queue *queue, uint64_t *bytes, uint64_t *oldest_ms);

#endif
