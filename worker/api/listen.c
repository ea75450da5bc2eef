#include "listen.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MODE    0660
#define BACKLOG 512

static bool address_of(const char *path, struct sockaddr_un *address, struct aw_err *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        return aw_fail(err, AW_ERR_INTERNAL, "api.socket",
                       "%s: the path of a socket has at most %zu bytes", path,
                       sizeof(address->sun_path) - 1);
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return true;
}

/* Makes way for bind(): removes a socket that is left over, and nothing else. */
static bool clear_stale(const struct sockaddr_un *address, struct aw_err *err)
{
    const char *path = address->sun_path;
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT || aw_fail_errno(err, "api.socket", "%s", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return aw_fail(err, AW_ERR_INTERNAL, "api.socket",
                       "%s: there is a file that is not a socket", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    int why = errno;
    close(fd);
    if (rc == 0 || why != ECONNREFUSED) {
        return aw_fail(err, AW_ERR_CONFLICT, "api.busy", "%s: another process listens there", path);
    }
    return unlink(path) == 0 || aw_fail_errno(err, "api.socket", "%s", path);
}

/* Members of the directory's group (nginx) may connect. Where we may not give the file away, it stays ours. */
static void share(const char *path)
{
    char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;
    memcpy(copy, path, strlen(path) + 1);
    if (stat(dirname(copy), &st) == 0 && lchown(path, (uid_t)-1, st.st_gid) != 0) {
        errno = 0;
    }
}

bool aw_unix_listen(const char *path, int *fd, struct aw_err *err)
{
    struct sockaddr_un address;
    if (!address_of(path, &address, err) || !clear_stale(&address, err)) {
        return false;
    }
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) {
        return aw_fail_errno(err, "api.socket", "%s", path);
    }
    /* before bind(), so that the file is never more open than it shall be, whatever the umask is */
    if (fchmod(*fd, MODE) != 0 || bind(*fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, MODE) != 0 || listen(*fd, BACKLOG) != 0) {
        aw_fail_errno(err, "api.socket", "%s", path);
        close(*fd);
        *fd = -1;
        return false;
    }
    share(path);
    return true;
}
