#include "poison.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "src/aw_queue.h"

/* volatile: the handler of the same thread reads them. */
static _Thread_local const struct aw_record_head *const *volatile held;
static _Thread_local volatile size_t held_count;

void aw_poison_hold(const struct aw_record_head *const *records, size_t n)
{
    held = records;
    held_count = n;
}

void aw_poison_release(void)
{
    held_count = 0;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    /* alloc.h aborts when there is no memory: no record is to blame for that. */
    bool no_memory = signal_number == SIGABRT && errno == ENOMEM;
    if (info->si_code != SI_USER && !no_memory) {
        for (size_t i = 0; i < held_count; i++) {
            aw_queue_mark_try(held[i]);
        }
    }
    /* SA_RESETHAND has put the default action back: this ends the process when the handler returns. */
    (void)raise(signal_number);
}

void aw_poison_guard(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < AW_COUNT(fatal); i++) {
        (void)sigaction(fatal[i], &action, NULL);
    }
}
