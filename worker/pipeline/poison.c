#include "poison.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "src/aw_queue.h"

#define CONDEMNED UINT64_MAX

/* volatile: the handler of the same thread reads them. */
static struct held {
    const struct aw_record_head *const *volatile records;
    volatile size_t n;
    _Atomic uint64_t turn;
} works[AW_WORKS];
static _Thread_local struct held *volatile mine;

void aw_poison_hold(enum aw_work work, const struct aw_record_head *const *records, size_t n)
{
    struct held *held = &works[work];
    held->records = records;
    held->n = n;
    mine = held;
    atomic_fetch_add(&held->turn, 1);
}

void aw_poison_release(enum aw_work work)
{
    struct held *held = &works[work];
    uint64_t turn = atomic_load(&held->turn);
    mine = NULL;
    while (turn == CONDEMNED || !atomic_compare_exchange_strong(&held->turn, &turn, turn + 1)) {
        (void)pause();
    }
}

uint64_t aw_poison_turn(enum aw_work work)
{
    return atomic_load(&works[work].turn);
}

size_t aw_poison_condemn(enum aw_work work, uint64_t turn, const struct aw_record_head **first)
{
    const struct held *held = &works[work];
    if (!atomic_compare_exchange_strong(&works[work].turn, &turn, CONDEMNED)) {
        return 0;
    }
    for (size_t i = 0; i < held->n; i++) {
        aw_queue_mark_try(held->records[i]);
    }
    *first = held->records[0];
    return held->n;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    const struct held *held = mine;
    (void)context;
    /* alloc.h aborts when there is no memory: no record is to blame for that. */
    bool no_memory = signal_number == SIGABRT && errno == ENOMEM;
    if (held != NULL && info->si_code != SI_USER && !no_memory) {
        for (size_t i = 0; i < held->n; i++) {
            aw_queue_mark_try(held->records[i]);
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
