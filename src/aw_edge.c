#include "aw_edge_layout.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t head_crc(const struct aw_edge_file_head *head)
{
    return aw_crc32c(0, head, offsetof(struct aw_edge_file_head, crc));
}

/* Under the repair lock: a file that is there stays as it is, whatever it holds. */
static bool make(const struct aw_file_spec *spec, int fd, uint64_t size, struct aw_err *err)
{
    if (size < AW_EDGE_SIZE_MIN || size > AW_EDGE_SIZE_MAX) {
        return aw_fail(err, AW_ERR_INVALID, "edge.size", "%s: the size must be %u KiB to %llu MiB",
                       spec->path, AW_EDGE_SIZE_MIN >> 10, AW_EDGE_SIZE_MAX >> 20);
    }
    if (!aw_file_fill(spec, fd, size, err)) {
        return false;
    }
    struct aw_edge_file_head head = {.magic = AW_EDGE_MAGIC,
                                     .version = AW_EDGE_VERSION,
                                     .file_size = size};
    head.crc = head_crc(&head);
    if (pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || fsync(fd) != 0) {
        return aw_fail_errno(err, "edge.io", "writing the header of %s", spec->path);
    }
    return true;
}

static bool make_if_blank(const struct aw_file_spec *spec, int fd, uint64_t size,
                          struct aw_err *err)
{
    if (!aw_file_lock(fd, AW_LOCK_REPAIR, true, true)) {
        return aw_fail_errno(err, "edge.io", "locking %s", spec->path);
    }
    bool ok = !aw_file_is_blank(fd) || make(spec, fd, size, err);
    aw_file_unlock(fd, AW_LOCK_REPAIR);
    return ok;
}

/* On success the file has *size bytes and a header that says so. */
static bool check_head(const struct aw_file_spec *spec, int fd, uint64_t wanted, uint64_t *size,
                       struct aw_err *err)
{
    struct aw_edge_file_head head;
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t got = pread(fd, &head, sizeof(head), 0);
    if (end < 0 || got < 0) {
        return aw_fail_errno(err, "edge.io", "reading the header of %s", spec->path);
    }
    if (aw_file_is_blank(fd)) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "edge.absent", "%s is being made", spec->path);
    }
    *size = (uint64_t)end;
    if (got != (ssize_t)sizeof(head) ||
        memcmp(head.magic, AW_EDGE_MAGIC, sizeof(head.magic)) != 0 ||
        !aw_edge_same_crc(head.crc, head_crc(&head)) || head.version != AW_EDGE_VERSION ||
        head.file_size != *size || *size < AW_EDGE_SIZE_MIN || *size > AW_EDGE_SIZE_MAX) {
        return aw_fail(err, AW_ERR_INTERNAL, "edge.format", "%s is not an edge table of version %d",
                       spec->path, AW_EDGE_VERSION);
    }
    if (wanted != 0 && wanted != *size) {
        return aw_fail(err, AW_ERR_CONFLICT, "edge.size",
                       "%s has %llu bytes, not %llu: another size needs another path", spec->path,
                       (unsigned long long)*size, (unsigned long long)wanted);
    }
    return true;
}

static bool take_locks(const struct aw_file_spec *spec, int fd, struct aw_err *err)
{
    if ((spec->how & AW_FILE_CONSUMER) && !aw_file_lock(fd, AW_LOCK_CONSUMER, true, false)) {
        return aw_fail(err, AW_ERR_CONFLICT, "edge.busy", "%s has a writer already", spec->path);
    }
    if (!(spec->how & AW_FILE_INSPECT) && !aw_file_lock(fd, AW_LOCK_ATTACHED, false, true)) {
        return aw_fail_errno(err, "edge.io", "locking %s", spec->path);
    }
    return true;
}

bool aw_edge_open(struct aw_edge *edge, const char *path, uint64_t size, unsigned how,
                  const struct aw_file_owner *owner, struct aw_err *err)
{
    struct aw_file_spec spec = {"edge", path, how, how & AW_FILE_CREATE ? owner : NULL};
    bool writer = (how & AW_FILE_CONSUMER) && !(how & AW_FILE_INSPECT);
    uint64_t have;
    *edge = (struct aw_edge){.fd = -1};
    if (!aw_file_open(&spec, &edge->fd, &have, err)) {
        return false;
    }
    bool ok = (!(how & AW_FILE_CREATE) || make_if_blank(&spec, edge->fd, size, err)) &&
              check_head(&spec, edge->fd, size, &have, err) && take_locks(&spec, edge->fd, err);
    if (ok) {
        /* Only the writer gets a mapping that can be written. */
        struct aw_file_spec as = {"edge", path, writer ? how : AW_FILE_INSPECT, NULL};
        edge->map = aw_file_map(&as, edge->fd, have, err);
        edge->map_size = have;
        edge->writer = writer;
    }
    if (edge->map == NULL) {
        close(edge->fd);
        *edge = (struct aw_edge){.fd = -1};
        return false;
    }
    return true;
}

void aw_edge_close(struct aw_edge *edge)
{
    if (edge->map != NULL) {
        munmap(edge->map, edge->map_size);
    }
    if (edge->fd >= 0) {
        close(edge->fd);
    }
    *edge = (struct aw_edge){.fd = -1};
}

uint64_t aw_edge_generation(const struct aw_edge *edge)
{
    return atomic_load_explicit(&aw_edge_live(edge)->generation, memory_order_acquire);
}
