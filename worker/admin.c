#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker/base/log.h"
#include "worker/base/thread.h"

#define FILE_MAX (16u << 20) /* of an apply file */

struct aw_admin {
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct aw_apply_deps deps;
    pthread_t thread;
    atomic_bool stop;
};

static bool address_of(const char *path, struct sockaddr_un *address, struct aw_err *err)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path)) {
        return aw_fail(err, AW_ERR_INVALID, "admin.path", "socket path %s is longer than %zu bytes",
                       path, sizeof(address->sun_path) - 1);
    }
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

/* Reads to the end of what the peer sends. */
static bool read_all(int fd, struct aw_str *out)
{
    char piece[16384];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        aw_str_addn(out, piece, (size_t)n);
        if (out->len > FILE_MAX) {
            return false;
        }
    }
    return n == 0;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static void serve(struct aw_admin *admin, int fd)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct timeval limit = {.tv_sec = 10};
    struct aw_str text, reply, result;
    struct aw_err err;

    aw_str_init(&text, arena);
    aw_str_init(&reply, arena);
    aw_str_init(&result, arena);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (!read_all(fd, &text)) {
        aw_str_add(&reply, "error\nthe file did not arrive whole, or is larger than 16 MiB");
    } else if (aw_apply(&admin->deps, text.ptr, text.len, arena, &result, &err)) {
        aw_log(AW_LOG_INFO, "admin.applied", AW_I("bytes", text.len));
        aw_str_add(&reply, "ok\n");
        aw_str_addn(&reply, result.ptr, result.len);
    } else {
        aw_str_printf(&reply, "error\n%s%s%s", err.field, err.field[0] ? ": " : "", err.msg);
    }
    (void)write_all(fd, reply.ptr, reply.len);
    aw_wipe(result.ptr, result.len);
    aw_wipe(reply.ptr, reply.len);
    aw_arena_destroy(&arena);
}

static void *run(void *arg)
{
    struct aw_admin *admin = arg;
    struct pollfd waiting = {.fd = admin->fd, .events = POLLIN};

    while (!atomic_load(&admin->stop)) {
        if (poll(&waiting, 1, 200) > 0) {
            int fd = accept4(admin->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                serve(admin, fd);
                close(fd);
            }
        }
    }
    return NULL;
}

static bool listen_on(struct aw_admin *admin, const char *path, struct aw_err *err)
{
    struct sockaddr_un address;

    if (!address_of(path, &address, err)) {
        return false;
    }
    memcpy(admin->path, address.sun_path, sizeof(admin->path));
    admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The store's lock has told that no other worker lives: what lies there is left from a killed
     * one. */
    (void)unlink(path);
    mode_t former = umask(0177);
    int rc = admin->fd < 0 ? -1 : bind(admin->fd, (struct sockaddr *)&address, sizeof(address));
    int reason = errno;
    (void)umask(former);
    errno = reason;
    if (rc != 0 || listen(admin->fd, 4) != 0) {
        return aw_fail_errno(err, "admin.socket", "cannot listen on %s", path);
    }
    return true;
}

bool aw_admin_start(const char *path, const struct aw_apply_deps *deps, struct aw_admin **out,
                    struct aw_err *err)
{
    struct aw_admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        return aw_fail_errno(err, "admin.start", "cannot start the admin socket");
    }
    admin->fd = -1;
    admin->deps = *deps;
    if (!listen_on(admin, path, err) ||
        !aw_thread_start(&admin->thread, "aw-admin", run, admin, err)) {
        if (admin->fd >= 0) {
            close(admin->fd);
        }
        free(admin);
        return false;
    }
    *out = admin;
    return true;
}

void aw_admin_stop(struct aw_admin **admin)
{
    if (*admin == NULL) {
        return;
    }
    atomic_store(&(*admin)->stop, true);
    pthread_join((*admin)->thread, NULL);
    close((*admin)->fd);
    (void)unlink((*admin)->path);
    free(*admin);
    *admin = NULL;
}

bool aw_admin_send(const char *path, const char *text, size_t len, struct aw_str *result,
                   struct aw_err *err)
{
    struct sockaddr_un address;
    struct aw_str reply;
    bool good = false;

    if (!address_of(path, &address, err)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        bool nobody = errno == ENOENT || errno == ECONNREFUSED;
        (void)aw_fail_errno(err, "admin.connect", "cannot reach the worker on %s", path);
        err->kind = nobody ? AW_ERR_NOT_FOUND : err->kind;
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    aw_str_init(&reply, NULL);
    if (!write_all(fd, text, len) || shutdown(fd, SHUT_WR) != 0 || !read_all(fd, &reply)) {
        (void)aw_fail_errno(err, "admin.exchange", "the worker on %s did not answer", path);
    } else if (strncmp(reply.ptr, "ok\n", 3) == 0) {
        aw_str_addn(result, reply.ptr + 3, reply.len - 3);
        good = true;
    } else {
        (void)aw_fail(err, AW_ERR_INVALID, "apply.refused", "%s",
                      strncmp(reply.ptr, "error\n", 6) == 0
                          ? reply.ptr + 6
                          : "the worker ended before it answered");
    }
    aw_wipe(reply.ptr, reply.len);
    aw_str_fini(&reply);
    close(fd);
    return good;
}
