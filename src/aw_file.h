/* aw_file.h - opening, creating and locking the mapped files (queue, state, edge table).
 *
 * Every open: O_NOFOLLOW, O_CLOEXEC, regular file, one link, owner and mode verified. Creation: O_EXCL under a
 * temporary byte lock, zeros written (no holes, no unwritten extents), fsync of file and directory.
 * Locks are OFD byte locks: 0 attached (shared), 1 consumer or writer, 2 create and repair.
 * Threads: pure functions on descriptors. */
#ifndef AW_FILE_H
#define AW_FILE_H

#include <sys/types.h>

#include "aw_err.h"

/* How a mapped file is opened. */
enum aw_file_how {
    AW_FILE_CREATE =
        1, /* nginx master: create when it is not there; the size must match when it is */
    AW_FILE_CONSUMER =
        2, /* worker: take the lock of the one consumer or writer, fail if somebody has it */
    AW_FILE_INSPECT =
        4, /* read-only mapping: no lock, no recovery, nothing is changed (also for nginx -t) */
    AW_FILE_ANY_FS = 8 /* do not refuse tmpfs, ramfs and overlay on them (memory acks only) */
};

/* Owner of a created file: uid/gid for fchown when running as root, (uid_t) -1 to leave. mode 0600 or 0660. */
struct aw_file_owner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

enum aw_file_lock { AW_LOCK_ATTACHED = 0, AW_LOCK_CONSUMER = 1, AW_LOCK_REPAIR = 2 };

#define AW_BOOT_ID_LEN 16
/* The kernel's boot id (/proc/sys/kernel/random/boot_id), or AW_BOOT_ID from the environment in test builds. */
AW_MUST_CHECK bool aw_file_boot_id(uint8_t id[AW_BOOT_ID_LEN], struct aw_err *err);
AW_MUST_CHECK bool aw_file_lock(int fd, enum aw_file_lock which, bool exclusive, bool wait);
void aw_file_unlock(int fd, enum aw_file_lock which);
/* tmpfs, ramfs, or overlay upon them: power loss takes everything. */
bool aw_file_is_volatile(int fd);

/* One mapped file. `unit` begins its error codes: "queue" gives queue.absent (NOT_FOUND), queue.owner,
 * queue.space, queue.io. `owner` NULL = this user, 0600. */
struct aw_file_spec {
    const char *unit;
    const char *path;
    unsigned how; /* of enum aw_file_how */
    const struct aw_file_owner *owner;
};
/* Opens the file, verified; AW_FILE_CREATE makes an empty one when it is not there. Its size goes to *size. */
AW_MUST_CHECK bool aw_file_open(const struct aw_file_spec *spec, int *fd, uint64_t *size,
                                struct aw_err *err);
/* Makes the file `size` bytes of written zeros, then syncs it and its directory. Only under AW_LOCK_REPAIR, for
 * a file that nobody has attached. */
AW_MUST_CHECK bool aw_file_fill(const struct aw_file_spec *spec, int fd, uint64_t size,
                                struct aw_err *err);
/* Empty or nothing but zeros: its making was cut off. */
bool aw_file_is_blank(int fd);
/* The same from byte `from` on. */
bool aw_file_is_blank_from(int fd, uint64_t from);
/* Maps the whole file, shared; read-only with AW_FILE_INSPECT. In huge pages on tmpfs, where the kernel can (Linux 6.1).
 * NULL = err is filled. */
AW_MUST_CHECK void *aw_file_map(const struct aw_file_spec *spec, int fd, uint64_t size,
                                struct aw_err *err);
/* fdatasync, which on Linux writes dirty pages of a mapping too. False = errno is set. */
AW_MUST_CHECK bool aw_file_sync(int fd);

#endif
