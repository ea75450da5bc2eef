#include <string.h>

#include "aw_queue_layout.h"

static void count_records(const struct aw_queue *queue, struct aw_queue_info *info)
{
    const struct aw_record_head *record;
    uint64_t cursor = info->head;
    while ((record = aw_queue_walk(queue, &cursor, info->tail, &info->damaged)) != NULL) {
        info->records += record->kind == AW_RECORD_ALERT;
        info->attempts += record->kind == AW_RECORD_ATTEMPT;
        info->oldest_ms = info->oldest_ms == 0 ? record->received_ms : info->oldest_ms;
    }
    info->bytes = info->tail - info->head;
}

bool aw_queue_inspect(struct aw_queue *queue, struct aw_queue_info *info, struct aw_err *err)
{
    struct aw_queue_header header;
    uint8_t boot_id[AW_BOOT_ID_LEN];
    *info = (struct aw_queue_info){0};
    if (!aw_queue_header_read(queue->map, &header)) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.format", "the queue file has no valid header");
    }
    if (!aw_file_boot_id(boot_id, err)) {
        return false;
    }
    info->version = header.version;
    info->file_size = header.file_size;
    info->data_size = header.data_size;
    info->epoch = header.epoch;
    memcpy(info->id, header.id, sizeof(info->id));
    info->same_boot = memcmp(boot_id, header.boot_id, sizeof(boot_id)) == 0;
    info->head = aw_queue_head(queue);
    info->tail = aw_queue_tail(queue);
    if (info->same_boot && aw_queue_bounds_hold(queue, info->head, info->tail)) {
        info->synced = atomic_load(&queue->live->synced);
        info->sync_broken = aw_queue_sync_broken(queue);
    } else {
        /* What a recovery would find. */
        struct aw_queue_scan scan;
        aw_queue_scan(queue, header.head, &scan);
        info->head = scan.floor;
        info->tail = info->synced = scan.end;
    }
    count_records(queue, info);
    return true;
}

void aw_queue_depth(struct aw_queue *queue, uint64_t *bytes, uint64_t *oldest_ms)
{
    uint64_t head = aw_queue_head(queue);
    uint64_t tail = aw_queue_tail(queue);
    uint64_t regions = 0;
    *bytes = 0;
    *oldest_ms = 0;
    if (!aw_queue_bounds_hold(queue, head, tail)) {
        return;
    }
    *bytes = tail - head;
    const struct aw_record_head *record = aw_queue_walk(queue, &head, tail, &regions);
    *oldest_ms = record == NULL ? 0 : record->received_ms;
}
