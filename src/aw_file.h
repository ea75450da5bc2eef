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
    AW_FILE_CREATE = 1,   /* nginx master: create when it is not there; the size must match when it is */
    AW_FILE_CONSUMER = 2, /* worker: take the lock of the one consumer or writer, fail if somebody has it */
    AW_FILE_INSPECT = 4,  /* read-only mapping: no lock, no recovery, nothing is changed (also for nginx -t) */
    AW_FILE_ANY_FS = 8    /* do not refuse tmpfs, ramfs and overlay on them (memory acks only) */
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

#endif
