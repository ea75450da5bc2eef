#include "worker/base/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    snprintf(folder, sizeof(folder), "%.*s", len > 0 ? (int)len : 1, len > 0 ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

bool aw_key_file_create(const char *path, const void *key, size_t len, struct aw_err *err)
{
    char name[PATH_MAX];
    int n = snprintf(name, sizeof(name), "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(name)) {
        return aw_fail(err, AW_ERR_INVALID, "crypto.key_file",
                       "the path of the key file is too long");
    }
    int fd = mkostemp(name, O_CLOEXEC); /* O_EXCL, mode 0600 */
    if (fd < 0) {
        return aw_fail_errno(err, "crypto.key_file", "cannot create key file %s", path);
    }
    /* The name appears last: a crash leaves no half key behind it. */
    bool good = write(fd, key, len) == (ssize_t)len && fchmod(fd, 0400) == 0 && fsync(fd) == 0 &&
                (link(name, path) == 0 || errno == EEXIST);
    if (!good) {
        aw_fail_errno(err, "crypto.key_file", "cannot write key file %s", path);
    }
    close(fd);
    unlink(name);
    if (good && !sync_folder_of(path)) {
        return aw_fail_errno(err, "crypto.key_file", "cannot sync the folder of key file %s", path);
    }
    return good;
}

static bool is_safe(const struct stat *st, size_t len)
{
    mode_t mode = st->st_mode & 07777;
    return S_ISREG(st->st_mode) && (mode == 0400 || mode == 0600) && st->st_uid == geteuid() &&
           st->st_nlink == 1 && (size_t)st->st_size == len;
}

bool aw_key_file_read(const char *path, void *key, size_t len, struct aw_err *err)
{
    /* O_NONBLOCK: a pipe under the name must not hang the start. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "crypto.key_absent", "key file %s is not there",
                       path);
    }
    if (fd < 0) {
        return aw_fail_errno(err, "crypto.key_file", "cannot open key file %s", path);
    }
    struct stat st;
    bool good = fstat(fd, &st) == 0 && is_safe(&st, len);
    if (!good) {
        aw_fail(err, AW_ERR_INVALID, "crypto.key_unsafe",
                "key file %s must be a regular file of this user, mode 0400 or 0600, one link, %zu "
                "bytes",
                path, len);
    } else if (read(fd, key, len) != (ssize_t)len) {
        good = aw_fail_errno(err, "crypto.key_file", "cannot read key file %s", path);
    }
    close(fd);
    return good;
}
