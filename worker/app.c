#include "app.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "admin.h"
#include "queues.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/thread.h"
#include "worker/domain/audit_checkpoint.h"
#include "worker/domain/edge_publish.h"
#include "worker/jobs/jobs.h"
#include "worker/pipeline/poison.h"
#include "worker/pipeline/watchdog.h"

enum { STOP_MS = 1500 }; /* what a stop may take beyond the time for draining */

#define WITNESS_MS (INT64_C(3600) * 1000) /* between two rounds of audit checkpoints */

struct app {
    const char *path; /* of the configuration file */
    const struct aw_options *options;
    int signals;
    atomic_bool draining;
    bool drained, asked_to_stop;
    struct aw_sealer *sealer;
    struct aw_store *store;
    struct aw_audit_witness *witness;
    int64_t witnessed_ms; /* monotonic */
    struct aw_writer *writer;
    struct aw_edge_publisher *edge;
    struct aw_watchdog *watchdog;
    struct aw_queues *queues;
    struct aw_api *api;
    struct aw_admin *admin;
    struct aw_jobs *jobs;
};

static void reload(struct app *app)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_options fresh;
    struct aw_err err;

    if (aw_options_load(app->path, arena, &fresh, &err)) {
        aw_log_level = (enum aw_log_level)fresh.worker.log_level;
        aw_log(AW_LOG_INFO, "app.reloaded", AW_S("log_level", aw_log_level_names[aw_log_level]));
    } else {
        aw_log(AW_LOG_ERROR, "app.reload_failed", AW_E(&err));
    }
    aw_arena_destroy(&arena);
}

/* True: somebody asks the worker to end. */
static bool heard_stop(struct app *app, int64_t wait_ms)
{
    switch (aw_signals_wait(app->signals, wait_ms)) {
    case SIGHUP:
        reload(app);
        return false;
    case SIGUSR1:
        aw_log_reopen();
        return false;
    case SIGTERM:
    case SIGINT:
        app->asked_to_stop = true;
        return true;
    default:
        return false;
    }
}

/* A store that is away, or held by another worker (MongoDB: then this one stands by), is waited
 * for. */
static bool open_store(struct app *app, struct aw_err *err)
{
    bool told = false;

    while (!aw_store_open(&app->options->store, false, &app->store, err)) {
        if (!aw_err_retry(err->kind)) {
            return false;
        }
        if (!told) {
            aw_log(AW_LOG_WARN, "store.awaited", AW_E(err));
            told = true;
        }
        if (heard_stop(app, 1000)) {
            return aw_fail(err, AW_ERR_BUSY, "app.stopped", "stopped while waiting for the store");
        }
    }
    return true;
}

static bool start_store(struct app *app, struct aw_err *err)
{
    return aw_sealer_open(app->options->worker.master_key, false, &app->sealer, err) &&
           open_store(app, err);
}
static void stop_store(struct app *app)
{
    aw_store_close(&app->store);
    aw_sealer_close(&app->sealer);
}

static void witness(struct app *app)
{
    struct aw_err err;

    app->witnessed_ms = aw_clock_mono_ms();
    if (!aw_audit_witness_tell(app->witness, aw_clock_wall_ms(), &err)) {
        aw_log(AW_LOG_WARN, "audit.checkpoint_failed", AW_E(&err));
    }
}

/* Below the writer: what it has written last is told when it has ended. */
static bool start_witness(struct app *app, struct aw_err *err)
{
    (void)err;
    app->witness = aw_audit_witness_create(app->store, app->sealer);
    witness(app);
    return true;
}
static void stop_witness(struct app *app)
{
    witness(app);
    aw_audit_witness_destroy(&app->witness);
}

/* The publisher listens to the writer: it starts after it and ends after it. */
static bool start_writer(struct app *app, struct aw_err *err)
{
    return aw_writer_start(app->store, 256, &app->writer, err) &&
           aw_edge_publisher_start(app->options->worker.edge_table, app->store, app->sealer,
                                   app->writer, &app->edge, err);
}
static void stop_writer(struct app *app)
{
    aw_writer_stop(&app->writer, 1000);
    aw_queues_destroy(&app->queues);
    aw_edge_publisher_stop(&app->edge);
}

static bool start_queues(struct app *app, struct aw_err *err)
{
    aw_poison_guard();
    app->queues = aw_queues_create(app->options->worker.queues, app->writer);
    return aw_watchdog_start(app->writer, app->options->worker.hang_ms, &app->watchdog, err) &&
           aw_queues_tick(app->queues, err);
}
static void stop_queues(struct app *app)
{
    bool can_drain = app->asked_to_stop && aw_writer_down_since(app->writer) == 0;
    app->drained = aw_queues_stop(app->queues, can_drain ? app->options->worker.grace_ms : 0);
    aw_watchdog_stop(&app->watchdog);
}

static size_t report_queues(void *arg, struct aw_api_queue out[AW_API_QUEUES])
{
    return aw_queues_report(((struct app *)arg)->queues, out);
}
static bool is_draining(void *arg)
{
    return ((struct app *)arg)->draining;
}

static bool start_api(struct app *app, struct aw_err *err)
{
    struct aw_api_deps deps = {.store = app->store,
                               .writer = app->writer,
                               .sealer = app->sealer,
                               .edge = app->edge,
                               .app = app,
                               .queues = report_queues,
                               .draining = is_draining};

    return aw_api_start(&app->options->api, &deps, &app->api, err);
}
static void stop_api(struct app *app)
{
    aw_api_stop(&app->api);
}

static bool start_admin(struct app *app, struct aw_err *err)
{
    struct aw_apply_deps deps = {.store = app->store, .writer = app->writer, .sealer = app->sealer};

    return aw_admin_start(app->options->worker.admin_socket, &deps, &app->admin, err);
}
static void stop_admin(struct app *app)
{
    aw_admin_stop(&app->admin);
}

static bool oldest_record(void *arg, int64_t now_ms, int64_t *oldest_ms)
{
    return aw_queues_oldest(((struct app *)arg)->queues, now_ms, oldest_ms);
}
static bool start_jobs(struct app *app, struct aw_err *err)
{
    struct aw_jobs_deps deps = {.store = app->store,
                                .writer = app->writer,
                                .app = app,
                                .oldest = oldest_record};

    return aw_jobs_start(&app->options->jobs, &deps, &app->jobs, err);
}
static void stop_jobs(struct app *app)
{
    aw_jobs_stop(&app->jobs);
}

/* Started from the top, stopped from the bottom; a stop copes with what its start left half done.
 */
static const struct {
    const char *name;
    bool (*start)(struct app *app, struct aw_err *err);
    void (*stop)(struct app *app);
} units[] = {
    {"store", start_store, stop_store},    {"witness", start_witness, stop_witness},
    {"writer", start_writer, stop_writer}, {"queues", start_queues, stop_queues},
    {"api", start_api, stop_api},          {"admin", start_admin, stop_admin},
    {"jobs", start_jobs, stop_jobs},
};

/* Of the stop under way; lives longer than the app. */
static struct {
    _Atomic(const char *) unit;
    int64_t limit_ms;
    int status;
} stopping;

/* A call that waits for a silent database cannot be called back. The process may end in the midst of it as it may be
 * killed: what is not committed lies in the queue, and what was under way is found out at the next start. */
static void *cut_short(void *arg)
{
    (void)arg;
    aw_clock_sleep_ms(stopping.limit_ms);
    aw_log(AW_LOG_WARN, "app.stop_cut", AW_S("unit", atomic_load(&stopping.unit)),
           AW_I("ms", stopping.limit_ms));
    _exit(stopping.status);
}

static void stop(struct app *app, size_t n, bool good)
{
    pthread_t timer;
    struct aw_err err;
    int64_t began = aw_clock_mono_ms();

    app->draining = true;
    aw_notify("STOPPING=1");
    stopping.limit_ms = app->options->worker.grace_ms + STOP_MS;
    stopping.status = good ? 0 : 1;
    if (aw_thread_start(&timer, "stop-timer", cut_short, NULL, &err)) {
        pthread_detach(timer);
    }
    while (n > 0) {
        atomic_store(&stopping.unit, units[--n].name);
        units[n].stop(app);
    }
    if (app->asked_to_stop) {
        aw_log(AW_LOG_INFO, "app.stopped", AW_I("drained", app->drained),
               AW_I("ms", aw_clock_mono_ms() - began));
    }
}

static bool serve(struct app *app, struct aw_err *err)
{
    aw_log(AW_LOG_INFO, "app.started", AW_S("version", AW_VERSION),
           AW_S("store", aw_store_name(app->store)), AW_I("pid", getpid()));
    aw_notify("READY=1");
    while (!heard_stop(app, 250)) {
        aw_notify("WATCHDOG=1");
        if (aw_writer_is_fenced(app->writer)) {
            return aw_fail(err, AW_ERR_FENCED, "app.fenced",
                           "another worker has taken over the store; this one ends so that its "
                           "supervisor may start "
                           "it as a standby");
        }
        if (!aw_queues_tick(app->queues, err)) {
            return false;
        }
        /* a silent store would hold up this thread, which hears the signals */
        if (aw_clock_mono_ms() - app->witnessed_ms >= WITNESS_MS &&
            aw_writer_down_since(app->writer) == 0) {
            witness(app);
        }
    }
    return true;
}

bool aw_app_run(const char *path, const struct aw_options *options, struct aw_err *err)
{
    struct app app = {.path = path, .options = options, .drained = true};
    size_t n = 0;
    bool good = true;

    app.signals = aw_signals_open(err);
    if (app.signals < 0) {
        return false;
    }
    while (good && n < AW_COUNT(units)) {
        good = units[n].start(&app, err);
        n++;
    }
    good = (good && serve(&app, err)) || app.asked_to_stop;
    stop(&app, n, good);
    close(app.signals);
    return good;
}
