#include <string.h>
#include <sys/mman.h>

#include "aw_crash.h"
#include "aw_queue_layout.h"

#define FILLER_MAX (1u << 30) /* a record's length has 32 bits */

void aw_queue_scan(const struct aw_queue *queue, uint64_t persisted_head,
                   struct aw_queue_scan *scan)
{
    const struct aw_record_head *record;
    *scan = (struct aw_queue_scan){0};
    for (uint64_t place = 0; place < queue->data_size;) {
        uint64_t room = queue->data_size - place;
        if (!aw_record_check(queue->data + place, room, AW_ANY_POSITION, queue->seed, &record) ||
            record->position % queue->data_size != place) {
            place += AW_CELL;
            continue;
        }
        uint64_t end = record->position + record->length;
        /* Cells above the low 40 bits of seq count on into the epoch (aw_queue_seq_at): undone
         * here. */
        uint64_t epoch = (record->seq - record->position / AW_CELL) >> 40;
        scan->end = end > scan->end ? end : scan->end;
        scan->epoch = epoch > scan->epoch ? epoch : scan->epoch;
        place += record->length;
    }
    /* A record can only be written where one lap before everything is released. */
    scan->floor = scan->end > queue->data_size ? scan->end - queue->data_size : 0;
    uint64_t head = persisted_head / AW_CELL * AW_CELL;
    scan->floor = head > scan->floor ? head : scan->floor;
    scan->end = scan->floor > scan->end ? scan->floor : scan->end;
}

static bool is_record_at(const struct aw_queue *queue, uint64_t position, uint64_t end,
                         uint64_t *length)
{
    const struct aw_record_head *record;
    uint64_t to_wrap = aw_queue_to_wrap(queue, position);
    uint64_t room = end - position < to_wrap ? end - position : to_wrap;
    if (!aw_record_check(aw_queue_place(queue, position), room, position, queue->seed, &record)) {
        return false;
    }
    *length = record->length;
    return true;
}

/* Lost cells between the records become fillers, so that a consumer can walk from one end to the
 * other. */
static void fill_holes(struct aw_queue *queue, const struct aw_queue_scan *scan)
{
    uint64_t length;
    for (uint64_t at = scan->floor; at < scan->end;) {
        if (is_record_at(queue, at, scan->end, &length)) {
            at += length;
            continue;
        }
        uint64_t start = at;
        uint64_t wrap = start + aw_queue_to_wrap(queue, start);
        do {
            at += AW_CELL;
        } while (at < scan->end && at < wrap && at - start < FILLER_MAX &&
                 !is_record_at(queue, at, scan->end, &length));
        AW_CRASH("queue.recover.before_filler");
        aw_record_write_filler(aw_queue_place(queue, start), at - start,
                               aw_queue_seq_at(queue, start), start, queue->seed);
        AW_CRASH("queue.recover.after_filler");
        queue->damaged++;
    }
}

static bool make_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;
    if (pthread_mutexattr_init(&attr) != 0) {
        return false;
    }
    memset(mutex, 0, sizeof(*mutex));
    bool ok = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
              pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 &&
              pthread_mutex_init(mutex, &attr) == 0;
    pthread_mutexattr_destroy(&attr);
    return ok;
}

static bool make_live_words(struct aw_queue_live *live, uint64_t head, uint64_t tail)
{
    AW_CRASH("queue.recover.before_live");
    memset(live, 0, sizeof(*live));
    AW_CRASH("queue.recover.live_cleared");
    if (!make_mutex(&live->producers) || !make_mutex(&live->syncing)) {
        return false;
    }
    atomic_store(&live->head, head);
    atomic_store(&live->keyed, head);
    atomic_store(&live->tail, tail);
    atomic_store(&live->synced, tail);
    AW_CRASH("queue.recover.after_live");
    return true;
}

static bool persist(struct aw_queue *queue, struct aw_queue_header *header, struct aw_err *err)
{
    aw_queue_header_write(queue->map, header);
    AW_CRASH("queue.recover.before_sync");
    if (!aw_file_sync(queue->fd)) {
        return aw_fail_errno(err, "queue.io", "syncing the queue file");
    }
    AW_CRASH("queue.recover.after_sync");
    return true;
}

/* The boot id is written last, when all else is durable: until then every attacher recovers afresh,
 * in an epoch of its own. */
bool aw_queue_recover(struct aw_queue *queue, struct aw_queue_header *header,
                      const uint8_t boot_id[AW_BOOT_ID_LEN], struct aw_err *err)
{
    struct aw_queue_scan scan;
    aw_queue_scan(queue, header->head, &scan);
    queue->epoch = (scan.epoch > header->epoch ? scan.epoch : header->epoch) + 1;
    fill_holes(queue, &scan);
    if (!make_live_words(queue->live, scan.floor, scan.end)) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.io", "making the mutexes of the queue file");
    }
    header->epoch = queue->epoch;
    header->head = scan.floor;
    memset(header->boot_id, 0, sizeof(header->boot_id));
    if (!persist(queue, header, err)) {
        return false;
    }
    memcpy(header->boot_id, boot_id, sizeof(header->boot_id));
    queue->header_at = header->head;
    return persist(queue, header, err);
}
