#include "drain.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "batch.h"
#include "figures.h"
#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/thread.h"

enum {
    BATCH_US = 20000,
    LINGER_US = 200,
    QUEUES = 16,
    BUSY = 8,          /* records of the last batch that call for a linger */
    WAIT_ONE_MS = 500, /* sleep on the only queue */
    WAIT_MANY_MS = 10, /* on one of several */
    CONFLICTS = 3,     /* of one batch, before it is taken apart */
    RETRY_MS = 20,
    BROKEN_RETRY_MS = 1000
};

struct aw_drain {
    struct aw_drain_conf conf;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;  /* of stop_by and ended */
    _Atomic int64_t stop_by; /* mono ms, 0 = not stopping */
    _Atomic uint64_t released;
    bool ended, drained;
    struct aw_ingest *ingest; /* used by units only */
    struct aw_batch batch;
    size_t limit, last; /* records: of the next batch at most, of the last one */
    unsigned conflicts;
};

static bool must_end(const struct aw_drain *drain)
{
    int64_t stop_by = atomic_load(&drain->stop_by);
    return stop_by != 0 && aw_clock_mono_ms() >= stop_by;
}

/* Waits, but not past the moment when the thread is asked to end. */
static void pause_ms(struct aw_drain *drain, int64_t ms)
{
    int64_t until_us = aw_clock_mono_us() + ms * 1000;
    pthread_mutex_lock(&drain->lock);
    while (atomic_load(&drain->stop_by) == 0 &&
           aw_cond_wait_until(&drain->changed, &drain->lock, until_us)) {
    }
    pthread_mutex_unlock(&drain->lock);
}

static void sleep_on_queue(struct aw_drain *drain)
{
    const struct aw_batch_source *source = &drain->batch.sources[drain->batch.next_source];
    aw_queue_wait(source->queue, source->cursor,
                  drain->conf.queue_count == 1 ? WAIT_ONE_MS : WAIT_MANY_MS);
}

static void linger(const struct aw_drain *drain)
{
    const struct timespec time = {.tv_nsec = drain->conf.linger_us * 1000};
    (void)nanosleep(&time, NULL);
}

/* Slow commits do not make the batches small. Those would shorten the wait of an API change, but alerts of one batch
 * share the pages that they change and the sync of the commit: smaller ones cost more for each alert, take too long
 * again, and would shrink until the store takes only a fraction of what it can. */
static void committed(struct aw_drain *drain, int64_t took_us)
{
    size_t n = drain->batch.n;
    drain->limit = aw_batch_next_limit(drain->limit, n, took_us, drain->conf.batch_records);
    drain->last = n;
    drain->conflicts = 0;
    aw_batch_release(&drain->batch);
    atomic_fetch_add(&drain->released, n);
    aw_figures_batch(&drain->batch.unit.counts, n, took_us);
}

/* The store does not take this batch: half of it next time, until the culprit stands alone and gets a try. */
static void take_apart(struct aw_drain *drain, const struct aw_err *err)
{
    aw_log(AW_LOG_WARN, "pipeline.refused", AW_I("records", drain->batch.n), AW_E(err));
    if (drain->batch.n == 1) {
        aw_queue_mark_try(drain->batch.records[0]);
    }
    drain->limit = drain->batch.n > 1 ? drain->batch.n / 2 : 1;
}

/* Returns false when the thread must end. */
static bool refused(struct aw_drain *drain, const struct aw_err *err)
{
    int64_t wait_ms = 0;
    bool going = true;
    if (err->kind == AW_ERR_INVALID) {
        take_apart(drain, err);
    } else if (err->kind == AW_ERR_CONFLICT) {
        wait_ms = RETRY_MS;
        if (++drain->conflicts % CONFLICTS == 0) {
            take_apart(drain, err);
        }
    } else if (err->kind == AW_ERR_BUSY || err->kind == AW_ERR_FENCED) {
        going = false;
    } else {
        wait_ms = BROKEN_RETRY_MS;
        aw_log(AW_LOG_ERROR, "pipeline.failed", AW_I("records", drain->batch.n), AW_E(err));
    }
    aw_batch_put_back(&drain->batch);
    if (wait_ms > 0) {
        pause_ms(drain, wait_ms);
    }
    return going;
}

/* One batch, or a sleep when there is nothing. Returns false when the thread must end. */
static bool turn(struct aw_drain *drain)
{
    struct aw_batch *batch = &drain->batch;
    struct aw_err err = {.code = ""};
    int64_t began_us = aw_clock_mono_us(), until_us = began_us + drain->conf.batch_us;
    aw_batch_collect(batch, drain->limit, until_us);
    if (batch->n == 0) {
        aw_batch_release(batch);
        drain->last = 0;
        drain->drained = atomic_load(&drain->stop_by) != 0;
        if (!drain->drained) {
            sleep_on_queue(drain);
        }
        return !drain->drained;
    }
    if (drain->last >= BUSY && batch->n < drain->limit && !batch->alone) {
        linger(drain);
        aw_batch_collect(batch, drain->limit, until_us);
    }
    if (!aw_batch_commit(batch, drain->ingest, drain->conf.writer, aw_clock_wall_ms(), &err)) {
        return refused(drain, &err);
    }
    committed(drain, aw_clock_mono_us() - began_us);
    return true;
}

static void *drain_main(void *arg)
{
    struct aw_drain *drain = arg;
    aw_thread_wake_first(); /* nginx may be busy on the same core */
    while (!must_end(drain) && turn(drain)) {
    }
    pthread_mutex_lock(&drain->lock);
    drain->ended = true;
    pthread_cond_broadcast(&drain->changed);
    pthread_mutex_unlock(&drain->lock);
    return NULL;
}

static void drain_free(struct aw_drain *drain)
{
    aw_batch_fini(&drain->batch);
    aw_ingest_destroy(&drain->ingest);
    pthread_cond_destroy(&drain->changed);
    pthread_mutex_destroy(&drain->lock);
    free(drain);
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

bool aw_drain_start(const struct aw_drain_conf *conf, struct aw_drain **out, struct aw_err *err)
{
    struct aw_queue *queues[QUEUES];
    *out = NULL;
    if (conf->queue_count == 0 || conf->queue_count > QUEUES) {
        return aw_fail(err, AW_ERR_INVALID, "pipeline.queues", "1 to %d queue files can be drained",
                       QUEUES);
    }
    struct aw_drain *drain = aw_alloc_zero(1, sizeof(*drain));
    drain->conf = *conf;
    drain->conf.batch_records = (size_t)or_default((int64_t)conf->batch_records, AW_BATCH_RECORDS);
    drain->conf.batch_us = or_default(conf->batch_us, BATCH_US);
    drain->conf.linger_us = or_default(conf->linger_us, LINGER_US);
    drain->limit =
        drain->conf.batch_records < AW_BATCH_LEAST ? drain->conf.batch_records : AW_BATCH_LEAST;
    drain->ingest = aw_ingest_create();
    aw_figures_register();
    for (size_t i = 0; i < conf->queue_count; i++) {
        queues[i] = conf->queues[i].queue;
    }
    aw_batch_init(&drain->batch, queues, conf->queue_count);
    pthread_mutex_init(&drain->lock, NULL);
    aw_cond_init(&drain->changed);
    if (!aw_thread_start(&drain->thread, "drain", drain_main, drain, err)) {
        drain_free(drain);
        return false;
    }
    *out = drain;
    return true;
}

bool aw_drain_stop(struct aw_drain **out, int64_t grace_ms)
{
    struct aw_drain *drain = *out;
    int64_t stop_by = aw_clock_mono_ms() + grace_ms;
    int64_t until_us =
        (stop_by / 1000 + 1) * 1000000; /* the batch in hand may end a little later */
    if (drain == NULL) {
        return true;
    }
    pthread_mutex_lock(&drain->lock);
    atomic_store(&drain->stop_by, stop_by);
    pthread_cond_broadcast(&drain->changed);
    for (size_t i = 0; i < drain->conf.queue_count; i++) {
        (void)aw_queue_wake(drain->conf.queues[i].queue);
    }
    while (!drain->ended && aw_cond_wait_until(&drain->changed, &drain->lock, until_us)) {
    }
    bool ended = drain->ended, drained = drain->drained;
    pthread_mutex_unlock(&drain->lock);
    if (!ended) {
        return false;
    }
    pthread_join(drain->thread, NULL);
    drain_free(drain);
    *out = NULL;
    return drained;
}

uint64_t aw_drain_released(const struct aw_drain *drain)
{
    return atomic_load(&drain->released);
}
