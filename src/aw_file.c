#include "aw_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "aw_crash.h"

#define CODE_MAX  40 /* as in struct aw_err */
#define PAGE      4096u
#define HUGE_PAGE (2u << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static const char *code_of(char code[CODE_MAX], const struct aw_file_spec *spec, const char *what)
{
    snprintf(code, CODE_MAX, "%s.%s", spec->unit, what);
    return code;
}

static bool fail_io(const struct aw_file_spec *spec, const char *act, struct aw_err *err)
{
    char code[CODE_MAX];
    const char *what = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? "space" : "io";
    return aw_fail_errno(err, code_of(code, spec, what), "%s %s", act, spec->path);
}

static bool fail_owner(const struct aw_file_spec *spec, const char *why, struct aw_err *err)
{
    char code[CODE_MAX];
    return aw_fail(err, AW_ERR_INTERNAL, code_of(code, spec, "owner"), "%s %s", spec->path, why);
}

bool aw_file_boot_id(uint8_t id[AW_BOOT_ID_LEN], struct aw_err *err)
{
    char text[64] = "";
#ifdef AW_CRASH_POINTS
    const char *given = getenv("AW_BOOT_ID");
    if (given != NULL) {
        snprintf(text, sizeof(text), "%s", given);
    }
#endif
    if (text[0] == '\0') {
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (fd >= 0) {
            close(fd);
        }
        if (got <= 0) {
            return aw_fail_errno(err, "file.boot_id", "reading the kernel's boot id");
        }
    }
    size_t n = 0;
    for (const char *at = text; *at != '\0' && n < AW_BOOT_ID_LEN; at++) {
        unsigned byte;
        if (*at != '-' && sscanf(at, "%2x", &byte) == 1) {
            id[n++] = (uint8_t)byte;
            at += at[1] != '\0';
        }
    }
    if (n != AW_BOOT_ID_LEN) {
        return aw_fail(err, AW_ERR_INTERNAL, "file.boot_id", "the kernel's boot id is malformed");
    }
    return true;
}

static bool set_lock(int fd, enum aw_file_lock which, short type, bool wait)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};
    int rc;
    do {
        rc = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

bool aw_file_lock(int fd, enum aw_file_lock which, bool exclusive, bool wait)
{
    return set_lock(fd, which, exclusive ? F_WRLCK : F_RDLCK, wait);
}

void aw_file_unlock(int fd, enum aw_file_lock which)
{
    set_lock(fd, which, F_UNLCK, false);
}

static bool is_memory_fs(const struct statfs *fs)
{
    return fs->f_type == TMPFS_MAGIC || fs->f_type == RAMFS_MAGIC;
}

/* Asks the mount table for the upper directory of the overlay with this device number. A container
 * may not see that directory; then the overlay counts as lying on a disk. */
static bool overlay_is_volatile(dev_t dev)
{
    char table[65536];
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t len = 0;
    ssize_t got;
    while (len < sizeof(table) - 1 && (got = read(fd, table + len, sizeof(table) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    close(fd);
    table[len] = '\0';

    char *next = table, *line;
    while ((line = strsep(&next, "\n")) != NULL) {
        unsigned high, low;
        char *upper = strstr(line, ",upperdir=");
        if (upper == NULL || sscanf(line, "%*d %*d %u:%u", &high, &low) != 2 ||
            makedev(high, low) != dev) {
            continue;
        }
        upper += strlen(",upperdir=");
        upper[strcspn(upper, ", ")] = '\0';
        struct statfs fs;
        return statfs(upper, &fs) == 0 && is_memory_fs(&fs);
    }
    return false;
}

bool aw_file_is_volatile(int fd)
{
    struct statfs fs;
    struct stat st;
    if (fstatfs(fd, &fs) != 0 || fstat(fd, &st) != 0) {
        return false;
    }
    return is_memory_fs(&fs) ||
           (fs.f_type == OVERLAYFS_SUPER_MAGIC && overlay_is_volatile(st.st_dev));
}

static void directory_of(const char *path, char *directory, size_t size)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        snprintf(directory, size, ".");
    } else if (slash == path) {
        snprintf(directory, size, "/");
    } else {
        snprintf(directory, size, "%.*s", (int)(slash - path), path);
    }
}

/* The owner must be one that could have put the file there rightly: root, this user, the owner of
 * the directory or the one that the caller names. */
static bool verify(const struct aw_file_spec *spec, const struct stat *st, struct aw_err *err)
{
    mode_t allowed = spec->owner == NULL ? 0660 : spec->owner->mode;
    char directory[4096];
    struct stat dir;
    directory_of(spec->path, directory, sizeof(directory));

    if (!S_ISREG(st->st_mode)) {
        return fail_owner(spec, "is not a regular file", err);
    }
    if (st->st_nlink != 1) {
        return fail_owner(spec, "has more than one link", err);
    }
    if ((st->st_mode & 07777 & ~allowed) != 0) {
        return fail_owner(spec, "is open to others: its mode is too wide", err);
    }
    bool known = st->st_uid == 0 || st->st_uid == geteuid() ||
                 (spec->owner != NULL && st->st_uid == spec->owner->uid) ||
                 (stat(directory, &dir) == 0 && st->st_uid == dir.st_uid);
    return known || fail_owner(spec, "belongs to another user", err);
}

static bool give_owner(const struct aw_file_spec *spec, int fd, struct aw_err *err)
{
    const struct aw_file_owner *owner = spec->owner;
    if (owner == NULL) {
        return true;
    }
    if (geteuid() == 0 && fchown(fd, owner->uid, owner->gid) != 0) {
        return fail_io(spec, "setting the owner of", err);
    }
    return fchmod(fd, owner->mode) == 0 || fail_io(spec, "setting the mode of", err);
}

bool aw_file_open(const struct aw_file_spec *spec, int *fd, uint64_t *size, struct aw_err *err)
{
    int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    flags |= spec->how & AW_FILE_INSPECT ? O_RDONLY : O_RDWR;

    *fd = open(spec->path, flags);
    if (*fd < 0 && errno == ENOENT && (spec->how & AW_FILE_CREATE)) {
        *fd = open(spec->path, flags | O_CREAT | O_EXCL, 0600);
        if (*fd < 0 && errno == EEXIST) { /* somebody else was faster */
            *fd = open(spec->path, flags);
        }
    }
    if (*fd < 0) {
        char code[CODE_MAX];
        if (errno == ENOENT) {
            return aw_fail(err, AW_ERR_NOT_FOUND, code_of(code, spec, "absent"), "%s is not there",
                           spec->path);
        }
        return fail_io(spec, "opening", err);
    }

    /* An empty file may be one whose maker died before it could give it away. */
    struct stat st;
    bool ok = (fstat(*fd, &st) == 0 || fail_io(spec, "reading the attributes of", err)) &&
              verify(spec, &st, err) &&
              (!(spec->how & AW_FILE_CREATE) || st.st_size > 0 || give_owner(spec, *fd, err));
    if (!ok) {
        close(*fd);
        *fd = -1;
        return false;
    }
    *size = (uint64_t)st.st_size;
    return true;
}

static bool sync_directory(const char *path)
{
    char directory[4096];
    directory_of(path, directory, sizeof(directory));
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

bool aw_file_fill(const struct aw_file_spec *spec, int fd, uint64_t size, struct aw_err *err)
{
    static const uint8_t zeros[65536];

    /* From the front, where the header is: killed on the way, the file has none. */
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < sizeof(zeros) ? (size_t)(size - at) : sizeof(zeros);
        ssize_t put = pwrite(fd, zeros, want, (off_t)at);
        if (put <= 0 && errno != EINTR) {
            (void)fail_io(spec, "filling", err);
            /* Half a file would keep the room that is needed. */
            if (ftruncate(fd, 0) != 0) {
                return fail_io(spec, "emptying", err);
            }
            return false;
        }
        at += put > 0 ? (uint64_t)put : 0;
    }
    if (ftruncate(fd, (off_t)size) != 0) {
        return fail_io(spec, "cutting", err);
    }
    if (fsync(fd) != 0 || !sync_directory(spec->path)) {
        return fail_io(spec, "syncing", err);
    }
    return true;
}

bool aw_file_is_blank(int fd)
{
    return aw_file_is_blank_from(fd, 0);
}

bool aw_file_is_blank_from(int fd, uint64_t from)
{
    uint8_t buf[65536];
    off_t at = (off_t)from;
    ssize_t got;
    while ((got = pread(fd, buf, sizeof(buf), at)) > 0) {
        if (buf[0] != 0 || memcmp(buf, buf + 1, (size_t)got - 1) != 0) {
            return false;
        }
        at += got;
    }
    return got == 0;
}

/* At a multiple of a huge page, so that the kernel can use them. */
static void *map_aligned(int fd, uint64_t size, int protection)
{
    uint64_t slack = size >= HUGE_PAGE ? HUGE_PAGE : 0, whole = (size + PAGE - 1) / PAGE * PAGE;
    uint8_t *area =
        mmap(NULL, whole + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return MAP_FAILED;
    }
    uint64_t before = slack == 0 ? 0 : HUGE_PAGE - (uintptr_t)area % HUGE_PAGE;
    if (before > 0) {
        munmap(area, before);
    }
    if (slack > before) {
        munmap(area + before + whole, slack - before);
    }
    void *map = mmap(area + before, size, protection, MAP_SHARED | MAP_FIXED, fd, 0);
    if (map == MAP_FAILED) {
        munmap(area + before, whole);
    }
    return map;
}

void *aw_file_map(const struct aw_file_spec *spec, int fd, uint64_t size, struct aw_err *err)
{
    int protection = spec->how & AW_FILE_INSPECT ? PROT_READ : PROT_READ | PROT_WRITE;
    void *map = map_aligned(fd, size, protection);
    if (map == MAP_FAILED) {
        fail_io(spec, "mapping", err);
        return NULL;
    }
    /* On tmpfs, whatever the machine's settings are: a look-up in a table of many megabytes then needs no walk through
     * the page tables. Where it cannot be, it is only slower. */
    (void)madvise(map, size, MADV_COLLAPSE);
    return map;
}

bool aw_file_sync(int fd)
{
#ifdef AW_CRASH_POINTS
    if (aw_crash_sync != NULL && !aw_crash_sync(fd)) {
        errno = EIO;
        return false;
    }
#endif
    return fdatasync(fd) == 0;
}
