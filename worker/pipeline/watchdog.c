#include "watchdog.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "poison.h"
#include "src/aw_id.h"
#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/thread.h"

/* It looks so often within the limit: work that has not gone on at this many looks hangs. Looks are counted and not
 * time, so that nobody is to blame for the time in which the whole process was stopped. */
enum { LOOKS = 20 };

struct aw_watchdog {
    const struct aw_writer *writer;
    int64_t limit_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of is_stopping */
    bool is_stopping;
    struct seen {
        uint64_t turn;
        uint64_t writer_turns;
        int looks; /* that have seen the same */
    } seen[AW_WORKS];
};

static void end_process(const struct aw_watchdog *watchdog, enum aw_work work, size_t records,
                        const struct aw_record_head *first)
{
    static const char *const words[] = {[AW_WORK_DECODE] = "decode", [AW_WORK_UNIT] = "unit"};
    char alert_id[AW_ID_TEXT + 1];
    aw_id_format(first->alert_id, alert_id);
    aw_log(AW_LOG_ERROR, "pipeline.hung", AW_S("work", words[work]), AW_I("records", records),
           AW_S("alert_id", alert_id), AW_I("tries", first->tries),
           AW_I("limit_ms", watchdog->limit_ms));
    _exit(1);
}

static void look(struct aw_watchdog *watchdog, enum aw_work work)
{
    const struct aw_record_head *first;
    struct seen *seen = &watchdog->seen[work];
    struct seen now = {.turn = aw_poison_turn(work)};
    if (work == AW_WORK_UNIT) {
        now.writer_turns = aw_writer_turns(watchdog->writer);
    }
    bool works = now.turn % 2 == 1 && now.writer_turns % 2 == 0;
    bool is_same = now.turn == seen->turn && now.writer_turns == seen->writer_turns;
    now.looks = works && is_same ? seen->looks + 1 : 0;
    *seen = now;
    if (now.looks >= LOOKS) {
        size_t records = aw_poison_condemn(work, now.turn, &first);
        if (records > 0) {
            end_process(watchdog, work, records, first);
        }
    }
}

static void *watchdog_main(void *arg)
{
    struct aw_watchdog *watchdog = arg;
    int64_t pause_ms = watchdog->limit_ms / LOOKS;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->is_stopping) {
        int64_t due_us = aw_clock_mono_us() + pause_ms * 1000;
        while (!watchdog->is_stopping &&
               aw_cond_wait_until(&watchdog->changed, &watchdog->lock, due_us)) {
        }
        for (int work = 0; work < AW_WORKS && !watchdog->is_stopping; work++) {
            look(watchdog, (enum aw_work)work);
        }
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

static void watchdog_free(struct aw_watchdog *watchdog)
{
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}

bool aw_watchdog_start(const struct aw_writer *writer, int64_t limit_ms, struct aw_watchdog **out,
                       struct aw_err *err)
{
    struct aw_watchdog *watchdog = aw_alloc_zero(1, sizeof(*watchdog));
    *out = NULL;
    watchdog->writer = writer;
    watchdog->limit_ms = limit_ms;
    pthread_mutex_init(&watchdog->lock, NULL);
    aw_cond_init(&watchdog->changed);
    if (!aw_thread_start(&watchdog->thread, "watchdog", watchdog_main, watchdog, err)) {
        watchdog_free(watchdog);
        return false;
    }
    *out = watchdog;
    return true;
}

void aw_watchdog_stop(struct aw_watchdog **watchdog)
{
    if (*watchdog == NULL) {
        return;
    }
    pthread_mutex_lock(&(*watchdog)->lock);
    (*watchdog)->is_stopping = true;
    pthread_cond_signal(&(*watchdog)->changed);
    pthread_mutex_unlock(&(*watchdog)->lock);
    pthread_join((*watchdog)->thread, NULL);
    watchdog_free(*watchdog);
    *watchdog = NULL;
}
