#include "worker/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Signals that a fault of the thread itself raises must reach it: blocked, they kill without a
 * handler. */
static void all_but_faults(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < AW_COUNT(faults); i++) {
        sigdelset(set, faults[i]);
    }
}

bool aw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg,
                     struct aw_err *err)
{
    enum { NAME_MAX_LEN = 15 }; /* of the kernel */
    sigset_t blocked, former;
    all_but_faults(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &former);
    int rc = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (rc != 0) {
        return aw_fail(err, AW_ERR_INTERNAL, "thread.start", "cannot start thread %s: %s", name,
                       strerror(rc));
    }
    char cut[NAME_MAX_LEN + 1] = "";
    strncat(cut, name, NAME_MAX_LEN);
    pthread_setname_np(*thread, cut);
    return true;
}

/* sched_setattr(2), first version; the C library of Debian 12 does not know it. */
struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; /* ns; of an ordinary thread, runtime is its slice */
};

/* Who has the shorter slice goes first when it wakes (EEVDF scheduler). */
void aw_thread_wake_first(void)
{
    enum { SLICE_NS = 100000 }; /* the shortest; of others, some milliseconds */
    struct sched_attributes attr = {.size = sizeof(attr)};
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) == 0) {
        attr.runtime = SLICE_NS;
        (void)syscall(SYS_sched_setattr, 0, &attr, 0);
    }
}

void aw_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool aw_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_us)
{
    enum { US_PER_S = 1000000, NS_PER_US = 1000 };
    const struct timespec until = {.tv_sec = mono_us / US_PER_S,
                                   .tv_nsec = mono_us % US_PER_S * NS_PER_US};
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

int aw_signals_open(struct aw_err *err)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < AW_COUNT(wanted); i++) {
        sigaddset(&set, wanted[i]);
    }
    int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (rc != 0) {
        aw_fail(err, AW_ERR_INTERNAL, "thread.signals", "cannot block signals: %s", strerror(rc));
        return -1;
    }
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        aw_fail_errno(err, "thread.signals", "cannot make a signalfd");
    }
    return fd;
}

int aw_signals_wait(int fd, int64_t timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&wait, 1, timeout_ms < 0 ? -1 : (int)timeout_ms) <= 0 ||
        read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return 0;
    }
    return (int)info.ssi_signo;
}

void aw_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path != NULL ? strlen(path) : 0;
    if (len < 2 || len >= sizeof(address.sun_path)) {
        return;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') { /* abstract namespace */
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
        close(fd);
    }
}
