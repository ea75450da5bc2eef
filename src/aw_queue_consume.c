#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "aw_crash.h"
#include "aw_queue_layout.h"

#define WAIT_MAX_MS 1000u

const struct aw_record_head *aw_queue_walk(const struct aw_queue *queue, uint64_t *cursor,
                                           uint64_t tail, uint64_t *regions)
{
    const struct aw_record_head *record;
    bool inside_damage = false;
    while (*cursor < tail) {
        uint64_t to_wrap = aw_queue_to_wrap(queue, *cursor);
        uint64_t room = tail - *cursor < to_wrap ? tail - *cursor : to_wrap;
        if (!aw_record_check(aw_queue_place(queue, *cursor), room, *cursor, queue->seed, &record)) {
            *regions += !inside_damage;
            inside_damage = true;
            *cursor += AW_CELL;
            continue;
        }
        inside_damage = false;
        *cursor += record->length;
        if (record->kind != AW_RECORD_FILLER) {
            return record;
        }
    }
    return NULL;
}

const struct aw_record_head *aw_queue_next(struct aw_queue *queue, uint64_t *cursor)
{
    uint64_t tail = aw_queue_tail(queue);
    if (!aw_queue_bounds_hold(queue, *cursor, tail)) {
        return NULL;
    }
    return aw_queue_walk(queue, cursor, tail, &queue->damaged);
}

const struct aw_record_head *aw_queue_at(struct aw_queue *queue, uint64_t position)
{
    const struct aw_record_head *record;
    uint64_t tail = aw_queue_tail(queue);
    if (!aw_queue_bounds_hold(queue, position, tail) || position == tail) {
        return NULL;
    }
    uint64_t to_wrap = aw_queue_to_wrap(queue, position);
    uint64_t room = tail - position < to_wrap ? tail - position : to_wrap;
    return aw_record_check(aw_queue_place(queue, position), room, position, queue->seed, &record)
               ? record
               : NULL;
}

void aw_queue_save_head(struct aw_queue *queue)
{
    struct aw_queue_header header;
    uint64_t head = aw_queue_head(queue);
    if (!aw_queue_bounds_hold(queue, head, aw_queue_tail(queue)) ||
        !aw_queue_header_read(queue->map, &header) || head <= header.head) {
        return;
    }
    header.head = head;
    aw_queue_header_write(queue->map, &header);
    queue->header_at = head;
}

void aw_queue_release(struct aw_queue *queue, uint64_t position)
{
    uint64_t head = aw_queue_head(queue);
    uint64_t tail = aw_queue_tail(queue);
    if (position <= head || !aw_queue_bounds_hold(queue, head, tail) ||
        !aw_queue_bounds_hold(queue, position, tail)) {
        return;
    }
    AW_CRASH("queue.release.before_head");
    atomic_store_explicit(&queue->live->head, position, memory_order_release);
    AW_CRASH("queue.release.after_head");
    /* Sixteen times a lap: a power cut then delivers little again that is already done. */
    if (position - queue->header_at >= queue->data_size / 16) {
        aw_queue_save_head(queue);
    }
}

void aw_queue_wait(struct aw_queue *queue, uint64_t cursor, unsigned timeout_ms)
{
    struct aw_queue_live *live = queue->live;
    timeout_ms = timeout_ms > WAIT_MAX_MS ? WAIT_MAX_MS : timeout_ms;
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    uint32_t seen = atomic_load(&live->wake);
    atomic_store(&live->sleeping, 1);
    uint64_t tail = atomic_load(&live->tail);
    /* Nonsense in the tail is no reason to spin: it is waited out like an empty queue. */
    if (tail == cursor || !aw_queue_bounds_hold(queue, cursor, tail)) {
        syscall(SYS_futex, &live->wake, FUTEX_WAIT, seen, &timeout, NULL, 0);
    }
    atomic_store(&live->sleeping, 0);
}

/* The position is read before the sync: the header page that tells of it is on the disk afterwards. */
bool aw_queue_oldest(struct aw_queue *queue, uint64_t *received_ms, struct aw_err *err)
{
    uint64_t cursor = atomic_load(&queue->header_at), regions = 0;
    if (!aw_file_sync(queue->fd)) {
        return aw_fail_errno(err, "queue.io", "syncing the queue file");
    }
    const struct aw_record_head *record =
        aw_queue_walk(queue, &cursor, aw_queue_tail(queue), &regions);
    *received_ms = record != NULL ? record->received_ms : 0;
    return true;
}

void aw_queue_mark_try(const struct aw_record_head *record)
{
    __atomic_fetch_add((uint32_t *)&record->tries, 1, __ATOMIC_RELAXED);
}
