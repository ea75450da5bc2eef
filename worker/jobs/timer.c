#include "timer.h"

#include <pthread.h>
#include <stdlib.h>

#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/metrics.h"
#include "worker/base/str.h"
#include "worker/base/thread.h"

enum {
    AGAIN_MS = 5000, /* after a failure, and while the store is down */
    PAUSE_LEAST_MS = 1,
    PAUSE_MOST_MS = 1000
};

enum { RUNS, ROWS, LAST, FIGURES };

/* A job and what the thread knows of it. */
struct planned {
    const struct aw_job *job;
    struct aw_job_run run;
    int64_t due_ms; /* monotonic */
    struct aw_metric *figures;
};

struct aw_timer {
    struct planned *planned;
    size_t n;
    struct aw_writer *writer;
    struct aw_arena *arena;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of is_stopping */
    bool is_stopping;
};

/* Registered rows are never freed: a job that is planned a second time finds its own again. */
static struct aw_metric *figures_of(const char *name)
{
    static const struct aw_metric rows[FIGURES] = {
        [RUNS] = {.name = "aw_job_runs_total",
                  .help = "Runs of a job of the worker.",
                  .type = AW_METRIC_COUNTER},
        [ROWS] = {.name = "aw_job_rows_total",
                  .help = "Rows that a job has changed or deleted.",
                  .type = AW_METRIC_COUNTER},
        [LAST] = {.name = "aw_job_last_seconds",
                  .help = "When the last run of a job ended, s since 1970.",
                  .scale = 1e-3,
                  .type = AW_METRIC_GAUGE},
    };
    static struct known {
        const char *name;
        struct aw_metric figures[FIGURES];
        struct known *next;
    } * known;
    for (struct known *one = known; one != NULL; one = one->next) {
        if (one->name == name) {
            return one->figures;
        }
    }
    struct known *one = aw_alloc_zero(1, sizeof(*one));
    struct aw_str labels;
    aw_str_init(&labels, NULL);
    aw_str_printf(&labels, "job=\"%s\"", name);
    for (size_t i = 0; i < FIGURES; i++) {
        one->figures[i] = rows[i];
        one->figures[i].labels = labels.ptr;
    }
    aw_metric_register(one->figures, FIGURES);
    one->name = name;
    one->next = known;
    known = one;
    return one->figures;
}

/* Returns false at once when the timer is to stop. */
static bool wait_until(struct aw_timer *timer, int64_t mono_ms)
{
    pthread_mutex_lock(&timer->lock);
    while (!timer->is_stopping &&
           aw_cond_wait_until(&timer->changed, &timer->lock, mono_ms * 1000)) {
    }
    bool goes_on = !timer->is_stopping;
    pthread_mutex_unlock(&timer->lock);
    return goes_on;
}

static int64_t pause_of(int64_t took_ms)
{
    return took_ms < PAUSE_LEAST_MS  ? PAUSE_LEAST_MS
           : took_ms > PAUSE_MOST_MS ? PAUSE_MOST_MS
                                     : took_ms;
}

/* Steps until the run is over. Returns false when it did not come to its end. */
static bool run_steps(struct aw_timer *timer, struct planned *planned, int64_t *rows)
{
    struct aw_job_run *run = &planned->run;
    bool goes_on = true;
    run->now_ms = aw_clock_wall_ms();
    run->first = true;
    run->changed = false;
    while (goes_on && aw_writer_down_since(timer->writer) == 0) {
        struct aw_err err;
        int64_t began_ms = aw_clock_mono_ms();
        run->rows = 0;
        run->more = false;
        bool ok = planned->job->step(run, &err);
        aw_arena_reset(timer->arena);
        if (!ok) {
            aw_log(AW_LOG_WARN, "job.failed", AW_S("job", planned->job->name), AW_E(&err));
            return false;
        }
        *rows += run->rows;
        run->changed = run->changed || run->rows > 0;
        aw_metric_add(&planned->figures[ROWS], run->rows);
        if (!run->more) {
            return true;
        }
        run->first = false;
        int64_t now_ms = aw_clock_mono_ms();
        goes_on = wait_until(timer, now_ms + pause_of(now_ms - began_ms));
    }
    return false;
}

static void run_job(struct aw_timer *timer, struct planned *planned)
{
    int64_t began_ms = aw_clock_mono_ms(), rows = 0;
    bool is_over = run_steps(timer, planned, &rows);
    int64_t now_ms = aw_clock_mono_ms(), wait_ms = planned->job->period_ms;
    if (is_over) {
        aw_metric_add(&planned->figures[RUNS], 1);
        aw_metric_set(&planned->figures[LAST], aw_clock_wall_ms());
    } else if (wait_ms > AGAIN_MS) {
        wait_ms = AGAIN_MS;
    }
    if (rows > 0) {
        aw_log(AW_LOG_INFO, "job.done", AW_S("job", planned->job->name), AW_I("rows", rows),
               AW_I("ms", now_ms - began_ms));
    }
    planned->due_ms = now_ms + wait_ms;
}

static struct planned *next_due(const struct aw_timer *timer)
{
    struct planned *next = &timer->planned[0];
    for (size_t i = 1; i < timer->n; i++) {
        if (timer->planned[i].due_ms < next->due_ms) {
            next = &timer->planned[i];
        }
    }
    return next;
}

static void *timer_main(void *arg)
{
    struct aw_timer *timer = arg;
    struct planned *next = next_due(timer);
    while (wait_until(timer, next->due_ms)) {
        run_job(timer, next);
        next = next_due(timer);
    }
    return NULL;
}

static void timer_free(struct aw_timer *timer)
{
    pthread_cond_destroy(&timer->changed);
    pthread_mutex_destroy(&timer->lock);
    aw_arena_destroy(&timer->arena);
    free(timer->planned);
    free(timer);
}

bool aw_timer_start(const struct aw_job *jobs, size_t n, void *context, struct aw_writer *writer,
                    int64_t first_ms, struct aw_timer **out, struct aw_err *err)
{
    struct aw_timer *timer = aw_alloc_zero(1, sizeof(*timer));
    int64_t now_ms = aw_clock_mono_ms();
    *out = NULL;
    timer->planned = aw_alloc_zero(n, sizeof(*timer->planned));
    timer->n = n;
    timer->writer = writer;
    timer->arena = aw_arena_create(0);
    for (size_t i = 0; i < n; i++) {
        int64_t wait_ms = jobs[i].period_ms < first_ms ? jobs[i].period_ms : first_ms;
        timer->planned[i] =
            (struct planned){.job = &jobs[i],
                             .run = {.arg = jobs[i].arg, .context = context, .arena = timer->arena},
                             .due_ms = now_ms + wait_ms,
                             .figures = figures_of(jobs[i].name)};
    }
    pthread_mutex_init(&timer->lock, NULL);
    aw_cond_init(&timer->changed);
    if (!aw_thread_start(&timer->thread, "jobs", timer_main, timer, err)) {
        timer_free(timer);
        return false;
    }
    *out = timer;
    return true;
}

void aw_timer_stop(struct aw_timer **timer)
{
    if (*timer == NULL) {
        return;
    }
    pthread_mutex_lock(&(*timer)->lock);
    (*timer)->is_stopping = true;
    pthread_cond_signal(&(*timer)->changed);
    pthread_mutex_unlock(&(*timer)->lock);
    pthread_join((*timer)->thread, NULL);
    timer_free(*timer);
    *timer = NULL;
}
