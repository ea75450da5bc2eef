#include "aw_queue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "aw_crash.h"
#include "aw_crc.h"
#include "aw_queue_layout.h"

static uint64_t data_size_of(uint64_t file_size)
{
    return (file_size - AW_QUEUE_DATA_AT) / AW_CELL * AW_CELL;
}

static bool check_geometry(const struct aw_queue_header *header, const char *path,
                           uint64_t file_size, uint64_t wanted, struct aw_err *err)
{
    if (header->version != AW_QUEUE_VERSION) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.version",
                       "%s has format version %u, this program knows %d", path, header->version,
                       AW_QUEUE_VERSION);
    }
    if (header->cell != AW_CELL || header->live_size != sizeof(struct aw_queue_live) ||
        header->mutex_size != sizeof(pthread_mutex_t) || header->file_size < AW_QUEUE_DATA_AT ||
        header->data_size != data_size_of(header->file_size)) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.format", "%s has another layout", path);
    }
    if (header->file_size != file_size || (wanted != 0 && wanted != file_size)) {
        return aw_fail(
            err, AW_ERR_INTERNAL, "queue.size",
            "%s has %llu bytes, its header says %llu, wanted are %llu: another size needs "
            "another path",
            path, (unsigned long long)file_size, (unsigned long long)header->file_size,
            (unsigned long long)wanted);
    }
    return true;
}

/* A header without a boot id: the first attacher prepares the rest, as after any new boot. */
static bool make(struct aw_queue *queue, const struct aw_file_spec *spec, uint64_t size,
                 struct aw_err *err)
{
    struct aw_queue_header header = {
        .magic = AW_QUEUE_MAGIC,
        .version = AW_QUEUE_VERSION,
        .cell = AW_CELL,
        .file_size = size,
        .data_size = data_size_of(size),
        .live_size = sizeof(struct aw_queue_live),
        .mutex_size = sizeof(pthread_mutex_t),
    };
    if (getrandom(header.id, sizeof(header.id), 0) != sizeof(header.id)) {
        return aw_fail_errno(err, "queue.io", "drawing an id for %s", spec->path);
    }
    AW_CRASH("queue.create.before_fill");
    if (!aw_file_fill(spec, queue->fd, size, err)) {
        return false;
    }
    AW_CRASH("queue.create.after_fill");
    uint8_t *map = aw_file_map(spec, queue->fd, size, err);
    if (map == NULL) {
        return false;
    }
    aw_queue_header_write(map, &header);
    munmap(map, size);
    if (!aw_file_sync(queue->fd)) {
        return aw_fail_errno(err, "queue.io", "syncing %s", spec->path);
    }
    AW_CRASH("queue.create.after_sync");
    return true;
}

/* Nobody has ever attached the file: behind the first page, which may hold a part of a header, there is nothing. */
static bool is_half_made(int fd)
{
    uint64_t magic = 0;
    return pread(fd, &magic, sizeof(magic), 0) >= 0 && (magic == 0 || magic == AW_QUEUE_MAGIC) &&
           aw_file_is_blank_from(fd, AW_QUEUE_PAGE);
}

/* Under the repair lock, or read-only: creates what is not there, and reads the header. */
static bool load(struct aw_queue *queue, const struct aw_file_spec *spec, uint64_t wanted,
                 struct aw_queue_header *header, struct aw_err *err)
{
    off_t size = lseek(queue->fd, 0, SEEK_END);
    if (is_half_made(queue->fd)) {
        if (!(spec->how & AW_FILE_CREATE)) {
            return aw_fail(err, AW_ERR_NOT_FOUND, "queue.absent", "%s is still being made",
                           spec->path);
        }
        if (wanted < AW_QUEUE_SIZE_MIN) {
            return aw_fail(err, AW_ERR_INTERNAL, "queue.size", "%s needs at least %u bytes",
                           spec->path, AW_QUEUE_SIZE_MIN);
        }
        if (!make(queue, spec, wanted, err)) {
            return false;
        }
        size = (off_t)wanted;
    }
    if (size < (off_t)AW_QUEUE_SIZE_MIN) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.format", "%s is no queue file", spec->path);
    }
    queue->map = aw_file_map(spec, queue->fd, (uint64_t)size, err);
    if (queue->map == NULL) {
        return false;
    }
    queue->map_size = (size_t)size;
    if (!aw_queue_header_read(queue->map, header)) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.format", "%s has no valid header", spec->path);
    }
    if (!check_geometry(header, spec->path, (uint64_t)size, wanted, err)) {
        return false;
    }
    queue->live = (struct aw_queue_live *)(queue->map + AW_QUEUE_LIVE_AT);
    queue->data = queue->map + AW_QUEUE_DATA_AT;
    queue->data_size = header->data_size;
    memcpy(queue->id, header->id, sizeof(queue->id));
    queue->seed = aw_crc32c(0, header->id, sizeof(header->id));
    queue->epoch = header->epoch;
    queue->header_at = header->head;
    return true;
}

static bool live_words_hold(struct aw_queue *queue)
{
    uint64_t head = atomic_load(&queue->live->head);
    return aw_queue_bounds_hold(queue, head, atomic_load(&queue->live->tail));
}

/* Under the repair lock. Live words of another boot, or nonsense in them, mean a recovery: only
 * alone. */
static bool attach(struct aw_queue *queue, const struct aw_file_spec *spec,
                   struct aw_queue_header *header, struct aw_err *err)
{
    uint8_t boot_id[AW_BOOT_ID_LEN];
    if (!aw_file_boot_id(boot_id, err)) {
        return false;
    }
    if (memcmp(boot_id, header->boot_id, sizeof(boot_id)) != 0 || !live_words_hold(queue)) {
        if (!aw_file_lock(queue->fd, AW_LOCK_ATTACHED, true, false)) {
            return aw_fail(err, AW_ERR_CONFLICT, "queue.busy",
                           "%s needs recovery, but is attached elsewhere", spec->path);
        }
        if (!aw_queue_recover(queue, header, boot_id, err)) {
            return false;
        }
        queue->recovered = true;
    }
    if (!aw_file_lock(queue->fd, AW_LOCK_ATTACHED, false, true)) {
        return aw_fail_errno(err, "queue.io", "locking %s", spec->path);
    }
    return true;
}

static bool open_locked(struct aw_queue *queue, const struct aw_file_spec *spec, uint64_t size,
                        struct aw_err *err)
{
    struct aw_queue_header header;
    if (spec->how & AW_FILE_INSPECT) {
        return load(queue, spec, size, &header, err);
    }
    if (!(spec->how & AW_FILE_ANY_FS) && aw_file_is_volatile(queue->fd)) {
        return aw_fail(err, AW_ERR_INTERNAL, "queue.volatile",
                       "%s lies on a memory file system: power loss takes everything", spec->path);
    }
    if (spec->how & AW_FILE_CONSUMER) {
        if (!aw_file_lock(queue->fd, AW_LOCK_CONSUMER, true, false)) {
            return aw_fail(err, AW_ERR_CONFLICT, "queue.busy", "%s has a consumer already",
                           spec->path);
        }
        queue->consumer = true;
    }
    if (!aw_file_lock(queue->fd, AW_LOCK_REPAIR, true, true)) {
        return aw_fail_errno(err, "queue.io", "locking %s", spec->path);
    }
    bool ok = load(queue, spec, size, &header, err) && attach(queue, spec, &header, err);
    aw_file_unlock(queue->fd, AW_LOCK_REPAIR);
    return ok;
}

bool aw_queue_open(struct aw_queue *queue, const char *path, uint64_t size, unsigned how,
                   const struct aw_file_owner *owner, struct aw_err *err)
{
    struct aw_file_spec spec = {.unit = "queue", .path = path, .how = how, .owner = owner};
    uint64_t found;
    *queue = (struct aw_queue){.fd = -1};
    if (!aw_file_open(&spec, &queue->fd, &found, err)) {
        return false;
    }
    if (!open_locked(queue, &spec, size, err)) {
        queue->consumer = false;
        aw_queue_close(queue);
        return false;
    }
    return true;
}

void aw_queue_close(struct aw_queue *queue)
{
    if (queue->fd < 0) {
        return;
    }
    if (queue->consumer) {
        aw_queue_save_head(queue);
    }
    if (queue->map != NULL) {
        munmap(queue->map, queue->map_size);
    }
    close(queue->fd);
    *queue = (struct aw_queue){.fd = -1};
}
