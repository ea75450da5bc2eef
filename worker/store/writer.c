#include "worker/store/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"
#include "worker/base/bounded.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/metrics.h"
#include "worker/base/thread.h"
#include "worker/model/model.h"
#include "worker/store/store_core.h"

enum {
    BACKOFF_FIRST_MS = 50,
    BACKOFF_LAST_MS = 2000,
    IDLE_MS = 1000,
    CONFLICT_RUNS = 3,
    LISTENERS = 4
};

/* One call of aw_writer_run(), on the stack of the caller, who waits for `done`. */
struct job {
    const char *name;
    aw_unit_fn *unit;
    void *arg;
    enum aw_patience patience;
    pthread_cond_t answered;
    bool done, ok;
    struct aw_err err;
    struct job *next; /* in the list of those that wait for the store */
};

struct aw_writer {
    struct aw_store *store;
    struct aw_bounded *queue;
    struct aw_tx *tx;
    pthread_t thread;
    pthread_mutex_t lock;          /* of `callers` and of the `done` of every job */
    size_t callers;                /* inside aw_writer_run() */
    pthread_cond_t left;           /* one of them has left */
    struct job *held, **held_end;  /* patient jobs taken from the queue while the store was down */
    _Atomic int64_t down_since;    /* mono ms, 0 = up */
    _Atomic int64_t trying_since;  /* mono ms, 0 = no unit is being run */
    _Atomic int64_t stop_by;       /* mono ms, 0 = not stopping */
    _Atomic bool fenced, retrying; /* retrying: a patient job waits for the store */
    struct {
        void (*told)(void *arg, uint64_t schemas);
        void *arg;
    } listeners[LISTENERS];
    _Atomic size_t listener_count;
};

enum { COMMITS, COMMIT_SECONDS, ERRORS };
#define HANGS_MS 5000 /* a unit that takes longer tells that the store is away */
static struct aw_metric metrics[] = {
    [COMMITS] = {.name = "aw_store_commits_total",
                 .help = "Units of work that were committed.",
                 .type = AW_METRIC_COUNTER},
    [COMMIT_SECONDS] = {.name = "aw_store_commit_seconds",
                        .help = "Time of one commit.",
                        .type = AW_METRIC_HISTOGRAM,
                        .scale = 1e-6,
                        .bounds = {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
                                   500000, 1000000, 5000000}},
    [ERRORS] = {.name = "aw_store_errors_total",
                .help = "Units of work that the store did not take.",
                .type = AW_METRIC_COUNTER},
};

static void register_metrics(void)
{
    aw_metric_register(metrics, AW_COUNT(metrics));
}

static void answer(struct aw_writer *writer, struct job *job, bool ok, const struct aw_err *err)
{
    pthread_mutex_lock(&writer->lock);
    job->ok = ok;
    if (!ok) {
        job->err = *err;
    }
    job->done = true;
    pthread_cond_signal(&job->answered);
    pthread_mutex_unlock(&writer->lock);
}

static void store_went_down(struct aw_writer *writer, const struct aw_err *err)
{
    if (atomic_load(&writer->down_since) == 0) {
        atomic_store(&writer->down_since, aw_clock_mono_ms());
        aw_log(AW_LOG_ERROR, "store.down", AW_E(err));
    }
}

static void store_is_up(struct aw_writer *writer)
{
    int64_t since = atomic_exchange(&writer->down_since, 0);
    if (since != 0) {
        aw_log(AW_LOG_INFO, "store.up", AW_I("after_ms", aw_clock_mono_ms() - since));
    }
}

static bool commit(struct aw_writer *writer, struct aw_err *err)
{
    if (aw_tx_writes(writer->tx) == 0) {
        return aw_tx_commit(writer->tx, err);
    }
    int64_t began_us = aw_clock_mono_us();
    bool ok = aw_tx_commit(writer->tx, err);
    if (ok) {
        aw_metric_observe(&metrics[COMMIT_SECONDS], aw_clock_mono_us() - began_us);
        aw_metric_add(&metrics[COMMITS], 1);
        store_is_up(writer);
    } else {
        aw_metric_add(&metrics[ERRORS], 1);
    }
    return ok;
}

static void tell_listeners(struct aw_writer *writer, uint64_t schemas)
{
    size_t n = atomic_load(&writer->listener_count);
    for (size_t i = 0; schemas != 0 && i < n; i++) {
        writer->listeners[i].told(writer->listeners[i].arg, schemas);
    }
}

/* Runs and commits the unit once. *conflict: it failed only because of what was stored. */
static bool try_once(struct aw_writer *writer, const struct job *job, bool *conflict,
                     struct aw_err *err)
{
    *conflict = false;
    atomic_store(&writer->trying_since, aw_clock_mono_ms());
    bool ok = job->unit(writer->tx, job->arg, err);
    if (ok && !commit(writer, err)) {
        ok = false;
        *conflict = err->kind == AW_ERR_CONFLICT;
    }
    uint64_t schemas = ok ? aw_tx_schemas(writer->tx) : 0;
    aw_tx_end(writer->tx, ok);
    atomic_store(&writer->trying_since, 0);
    tell_listeners(writer, schemas);
    return ok;
}

static bool try_job(struct aw_writer *writer, const struct job *job, struct aw_err *err)
{
    bool ok = false, conflict = true;
    for (int run = 0; run <= CONFLICT_RUNS && conflict && !ok; run++) {
        ok = try_once(writer, job, &conflict, err);
    }
    if (!ok && err->kind == AW_ERR_UNAVAILABLE) {
        store_went_down(writer, err);
    } else if (!ok && err->kind == AW_ERR_FENCED) {
        atomic_store(&writer->fenced, true);
        aw_log(AW_LOG_ERROR, "store.fenced", AW_S("unit", job->name), AW_E(err));
    } else if (!ok && conflict) {
        aw_log(AW_LOG_WARN, "store.conflict", AW_S("unit", job->name), AW_E(err));
    }
    return ok;
}

static void hold(struct aw_writer *writer, struct job *job)
{
    job->next = NULL;
    *writer->held_end = job;
    writer->held_end = &job->next;
}

static struct job *next_job(struct aw_writer *writer)
{
    struct job *job = writer->held;
    if (job == NULL) {
        return aw_bounded_pop(writer->queue, IDLE_MS);
    }
    writer->held = job->next;
    if (writer->held == NULL) {
        writer->held_end = &writer->held;
    }
    return job;
}

/* Waits before the next try. Meanwhile who asks once hears that the store is down, and who is
 * patient keeps his place. */
static void back_off(struct aw_writer *writer, int64_t wait_ms, const struct aw_err *err)
{
    int64_t until = aw_clock_mono_ms() + wait_ms, left;
    while (atomic_load(&writer->stop_by) == 0 && (left = until - aw_clock_mono_ms()) > 0) {
        struct job *job = aw_bounded_pop(writer->queue, left);
        if (job != NULL && job->patience == AW_PATIENT) {
            hold(writer, job);
        } else if (job != NULL) {
            answer(writer, job, false, err);
        }
    }
}

static bool must_end(struct aw_writer *writer)
{
    int64_t stop_by = atomic_load(&writer->stop_by);
    return stop_by != 0 && aw_clock_mono_ms() >= stop_by;
}

static bool refuse_stopping(struct aw_err *err)
{
    return aw_fail(err, AW_ERR_BUSY, "writer.stopping", "the worker is stopping");
}

static bool refuse_fenced(struct aw_err *err)
{
    return aw_fail(err, AW_ERR_FENCED, "store.fenced", "another worker writes to this store now");
}

static bool run_job(struct aw_writer *writer, const struct job *job, struct aw_err *err)
{
    if (atomic_load(&writer->fenced)) {
        return refuse_fenced(err);
    }
    if (must_end(writer)) {
        return refuse_stopping(err);
    }
    bool ok = try_job(writer, job, err);
    for (int64_t wait_ms = BACKOFF_FIRST_MS;
         !ok && job->patience == AW_PATIENT && err->kind == AW_ERR_UNAVAILABLE;
         wait_ms = wait_ms * 2 < BACKOFF_LAST_MS ? wait_ms * 2 : BACKOFF_LAST_MS) {
        atomic_store(&writer->retrying, true);
        back_off(writer, wait_ms, err);
        if (atomic_load(&writer->stop_by) != 0) {
            refuse_stopping(err);
        } else {
            ok = try_job(writer, job, err);
        }
    }
    atomic_store(&writer->retrying, false);
    return ok;
}

/* Writes the row that is always there as it is: reading alone does not show that a full disk has
 * room again. */
static bool probe(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    void *row;
    (void)arg;
    if (!aw_tx_get(tx, &aw_scope_all, &aw_meta_schema, AW_STORE_VERSION_ID, &row, err)) {
        return false;
    }
    aw_tx_replace(tx, &aw_meta_schema, row);
    return true;
}

/* Nobody asks: whether the store is back is found out by the writer itself. */
static void look_after_store(struct aw_writer *writer)
{
    static const struct job looking = {.name = "probe", .unit = probe};
    struct aw_err err;
    if (atomic_load(&writer->down_since) != 0 && try_job(writer, &looking, &err)) {
        store_is_up(writer);
    }
    writer->store->driver->idle(writer->store->self);
}

static void *writer_main(void *arg)
{
    struct aw_writer *writer = arg;
    for (;;) {
        struct job *job = next_job(writer);
        if (job != NULL) {
            struct aw_err err = {.code = ""};
            bool ok = run_job(writer, job, &err);
            answer(writer, job, ok, &err);
            writer->store->driver->idle(writer->store->self);
        } else if (atomic_load(&writer->stop_by) != 0) {
            return NULL;
        } else {
            look_after_store(writer);
        }
    }
}

static void writer_free(struct aw_writer *writer)
{
    aw_tx_destroy(&writer->tx);
    aw_bounded_destroy(&writer->queue);
    pthread_cond_destroy(&writer->left);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

bool aw_writer_start(struct aw_store *store, size_t queue_capacity, struct aw_writer **writer,
                     struct aw_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_metrics);
    struct aw_writer *new = aw_alloc_zero(1, sizeof(*new));
    new->store = store;
    new->queue = aw_bounded_create(queue_capacity);
    new->tx = aw_tx_create(store);
    new->held_end = &new->held;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->left, NULL);
    *writer = NULL;
    if (!aw_thread_start(&new->thread, "writer", writer_main, new, err)) {
        writer_free(new);
        return false;
    }
    *writer = new;
    return true;
}

void aw_writer_stop(struct aw_writer **writer, int64_t grace_ms)
{
    if (*writer == NULL) {
        return;
    }
    const struct aw_store *store = (*writer)->store;
    atomic_store(&(*writer)->stop_by, aw_clock_mono_ms() + grace_ms);
    if (store->driver->give_up != NULL) {
        store->driver->give_up(store->self);
    }
    aw_bounded_close((*writer)->queue);
    pthread_join((*writer)->thread, NULL);
    pthread_mutex_lock(&(*writer)->lock);
    while ((*writer)->callers > 0) {
        pthread_cond_wait(&(*writer)->left, &(*writer)->lock);
    }
    pthread_mutex_unlock(&(*writer)->lock);
    writer_free(*writer);
    *writer = NULL;
}

static bool queue_and_wait(struct aw_writer *writer, struct job *job, struct aw_err *err)
{
    bool patient = job->patience == AW_PATIENT;
    if (atomic_load(&writer->fenced)) {
        return refuse_fenced(err);
    }
    if (!patient && atomic_load(&writer->retrying)) {
        return aw_fail(err, AW_ERR_UNAVAILABLE, "store.down", "the store cannot be written now");
    }
    if (!aw_bounded_push(writer->queue, job, patient ? -1 : 0)) {
        return atomic_load(&writer->stop_by) != 0
                   ? refuse_stopping(err)
                   : aw_fail(err, AW_ERR_BUSY, "writer.full", "too many changes wait already");
    }
    pthread_mutex_lock(&writer->lock);
    while (!job->done) {
        pthread_cond_wait(&job->answered, &writer->lock);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!job->ok) {
        *err = job->err;
    }
    return job->ok;
}

bool aw_writer_run(struct aw_writer *writer, const char *name, aw_unit_fn *unit, void *arg,
                   enum aw_patience patience, struct aw_err *err)
{
    struct job job = {.name = name,
                      .unit = unit,
                      .arg = arg,
                      .patience = patience,
                      .answered = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&writer->lock);
    writer->callers++;
    pthread_mutex_unlock(&writer->lock);
    bool ok = queue_and_wait(writer, &job, err);
    pthread_mutex_lock(&writer->lock);
    writer->callers--;
    pthread_cond_signal(&writer->left);
    pthread_mutex_unlock(&writer->lock);
    pthread_cond_destroy(&job.answered);
    return ok;
}

void aw_writer_listen(struct aw_writer *writer, void (*told)(void *arg, uint64_t schemas),
                      void *arg)
{
    static pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&registering);
    size_t n = atomic_load(&writer->listener_count);
    if (n == LISTENERS) {
        abort(); /* a mistake in the wiring of the program */
    }
    writer->listeners[n].told = told;
    writer->listeners[n].arg = arg;
    atomic_store(&writer->listener_count, n + 1);
    pthread_mutex_unlock(&registering);
}

int64_t aw_writer_down_since(const struct aw_writer *writer)
{
    int64_t since = atomic_load(&writer->down_since);
    int64_t trying = atomic_load(&writer->trying_since);
    bool hangs = trying != 0 && aw_clock_mono_ms() - trying > HANGS_MS;
    return since == 0 && hangs ? trying : since;
}

uint64_t aw_writer_turns(const struct aw_writer *writer)
{
    return aw_tx_turns(writer->tx);
}

bool aw_writer_is_fenced(const struct aw_writer *writer)
{
    return atomic_load(&writer->fenced);
}
