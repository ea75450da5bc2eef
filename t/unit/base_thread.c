#include <errno.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/base/thread.h"

static struct aw_err err;

struct seen {
    char name[16];
    sigset_t mask;
    pthread_barrier_t named;
};

static void *look(void *arg)
{
    struct seen *seen = arg;
    pthread_barrier_wait(&seen->named);
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    return NULL;
}

static void threads_have_a_name_and_no_signals(void **state)
{
    (void)state;
    struct seen seen;
    pthread_t thread;
    sigset_t before, after;
    pthread_barrier_init(&seen.named, NULL, 2);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_true(aw_thread_start(&thread, "aw-a-name-that-is-too-long", look, &seen, &err));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    pthread_barrier_wait(&seen.named);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&seen.named);
    assert_string_equal(seen.name, "aw-a-name-that-");
    assert_true(sigismember(&seen.mask, SIGTERM) == 1 && sigismember(&seen.mask, SIGUSR2) == 1);
    assert_true(sigismember(&seen.mask, SIGSEGV) == 0 && sigismember(&seen.mask, SIGBUS) == 0);
    assert_int_equal(sigismember(&after, SIGUSR2), sigismember(&before, SIGUSR2));
}

static void signals_are_read_one_by_one(void **state)
{
    (void)state;
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    int fd = aw_signals_open(&err);
    assert_true(fd >= 0);
    assert_int_equal(aw_signals_wait(fd, 0), 0);
    for (size_t i = 0; i < AW_COUNT(numbers); i++) {
        assert_int_equal(kill(getpid(), numbers[i]), 0);
        assert_int_equal(aw_signals_wait(fd, 10000), numbers[i]);
    }
    assert_int_equal(aw_signals_wait(fd, 10), 0);
    close(fd);
}

/* Binds `len` bytes of path, tells through aw_notify(), returns what arrived. */
static void assert_told(const char *path, size_t len, const char *variable)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[64] = "";
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", variable, 1);
    aw_notify("READY=1\nSTATUS=ok");
    assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), strlen("READY=1\nSTATUS=ok"));
    assert_string_equal(text, "READY=1\nSTATUS=ok");
    close(fd);
}

static void service_manager_is_told(void **state)
{
    (void)state;
    char folder[] = "/tmp/aw-thread-XXXXXX", path[64], variable[64], abstract[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/notify", folder);
    assert_told(path, strlen(path), path);
    unlink(path);
    rmdir(folder);
    int n = snprintf(variable, sizeof(variable), "@aw-test-%d", (int)getpid());
    memcpy(abstract, variable, (size_t)n);
    abstract[0] = '\0';
    assert_told(abstract, (size_t)n, variable);
    unsetenv("NOTIFY_SOCKET");
    aw_notify("READY=1"); /* nobody to tell: nothing happens */
}

static void *wake_first(void *arg)
{
    errno = 0;
    assert_true(nice(3) != -1 || errno == 0);
    int before = getpriority(PRIO_PROCESS, 0);
    aw_thread_wake_first();
    *(bool *)arg = getpriority(PRIO_PROCESS, 0) == before && sched_getscheduler(0) == SCHED_OTHER;
    return NULL;
}

static void a_thread_that_wakes_first_keeps_its_nice_value(void **state)
{
    (void)state;
    bool kept = false;
    pthread_t thread;
    assert_true(aw_thread_start(&thread, "first", wake_first, &kept, &err));
    pthread_join(thread, NULL);
    assert_true(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_have_a_name_and_no_signals),
        cmocka_unit_test(a_thread_that_wakes_first_keeps_its_nice_value),
        cmocka_unit_test(signals_are_read_one_by_one),
        cmocka_unit_test(service_manager_is_told),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
