#include "worker/store/sqlite/gather.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"

enum {
    PIECE = 1 << 16, /* pieces end at its multiples: the kernel then keeps them in large folios */
    FRAME_HEAD =
        24, /* of a frame of the log; bytes 4 to 7 are not 0 in the last one of a transaction */
    FRAME_ENDS = 4,
    FRAME_ENDS_LEN = 4
};

struct gathering {
    sqlite3_file file; /* first: what SQLite knows */
    char *kept;        /* PIECE bytes */
    int n;
    sqlite3_int64 at; /* place of the first one kept */
    bool ends;        /* the frame in hand ends a transaction */
    _Alignas(8) char real[];
};

static sqlite3_vfs *underlying;

static struct gathering *gathering_of(sqlite3_file *file)
{
    return (struct gathering *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)gathering_of(file)->real;
}

/* What cannot be written is forgotten: its transaction fails. */
static int write_kept(sqlite3_file *file)
{
    struct gathering *self = gathering_of(file);
    sqlite3_file *real = real_of(file);
    int n = self->n,
        rc = n == 0 ? SQLITE_OK : real->pMethods->xWrite(real, self->kept, n, self->at);
    self->at += n;
    self->n = 0;
    return rc;
}

static int gather_close(sqlite3_file *file)
{
    int rc = write_kept(file), closed = real_of(file)->pMethods->xClose(real_of(file));
    free(gathering_of(file)->kept);
    return rc != SQLITE_OK ? rc : closed;
}

static int gather_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
    int rc = write_kept(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xRead(real_of(file), data, len, at);
}

static bool ends_transaction(const void *frame_head)
{
    static const char goes_on[FRAME_ENDS_LEN];
    return memcmp((const char *)frame_head + FRAME_ENDS, goes_on, FRAME_ENDS_LEN) != 0;
}

/* Bytes up to the end of the piece. */
static int room_of(const struct gathering *self)
{
    return PIECE - (int)((self->at + self->n) % PIECE);
}

static int keep(sqlite3_file *file, const char *data, int len)
{
    struct gathering *self = gathering_of(file);
    int rc = SQLITE_OK;
    while (len > 0 && rc == SQLITE_OK) {
        int room = room_of(self), n = len < room ? len : room;
        memcpy(self->kept + self->n, data, (size_t)n);
        self->n += n;
        data += n;
        len -= n;
        if (n == room) {
            rc = write_kept(file);
        }
    }
    return rc;
}

static int gather_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    struct gathering *self = gathering_of(file);
    int rc = at != self->at + self->n ? write_kept(file) : SQLITE_OK;
    if (self->n == 0) {
        self->at = at;
    }
    rc = rc == SQLITE_OK ? keep(file, data, len) : rc;
    if (len == FRAME_HEAD) {
        self->ends = ends_transaction(data);
    } else if (rc == SQLITE_OK && self->ends) {
        rc = write_kept(file);
    }
    return rc;
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = write_kept(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int gather_sync(sqlite3_file *file, int flags)
{
    int rc = write_kept(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size)
{
    int rc = write_kept(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int gather_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int gather_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int gather_is_locked(sqlite3_file *file, int *answer)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), answer);
}

static int gather_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int gather_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int gather_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = gather_close,
                                           .xRead = gather_read,
                                           .xWrite = gather_write,
                                           .xTruncate = gather_truncate,
                                           .xSync = gather_sync,
                                           .xFileSize = gather_size,
                                           .xLock = gather_lock,
                                           .xUnlock = gather_unlock,
                                           .xCheckReservedLock = gather_is_locked,
                                           .xFileControl = gather_control,
                                           .xSectorSize = gather_sector,
                                           .xDeviceCharacteristics = gather_traits};

static int gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *flags_out)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0) {
        return underlying->xOpen(underlying, name, file, flags, flags_out);
    }
    struct gathering *self = gathering_of(file);
    self->file.pMethods = NULL; /* stays so after a failure: SQLite does not close such a file */
    int rc = underlying->xOpen(underlying, name, real_of(file), flags, flags_out);
    if (rc == SQLITE_OK) {
        self->kept = aw_alloc_zero(1, PIECE);
        self->n = 0;
        self->at = 0;
        self->ends = false;
        self->file.pMethods = &methods;
    }
    return rc;
}

static sqlite3_vfs gather = {.zName = "gather"};

static void register_once(void)
{
    underlying = sqlite3_vfs_find(NULL);
    const char *name = gather.zName;
    gather = *underlying;
    gather.zName = name;
    gather.pNext = NULL;
    gather.szOsFile += (int)sizeof(struct gathering);
    gather.xOpen = gather_open;
    sqlite3_vfs_register(&gather, 0);
}

const char *aw_gather_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
    return gather.zName;
}
