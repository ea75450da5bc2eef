/* timer.h - one thread that runs the jobs of a table when their time has come.
 *
 * A job works in steps. A step looks for work with a reader and hands the writer one small unit; the thread waits as
 * long as the step took before the next, so that jobs take at most half of the writer from those who need it. While the
 * store is down nothing runs. Threads: start and stop from the main thread; steps run on the thread of the timer.
 * Owner: create by start, destroyed by stop; table and writer outlive it. */
#ifndef AW_JOBS_TIMER_H
#define AW_JOBS_TIMER_H

#include "worker/store/writer.h"

/* What a step gets and says. */
struct aw_job_run {
    const void *arg;        /* of the job */
    void *context;          /* of the timer */
    struct aw_arena *arena; /* emptied after each step */
    int64_t now_ms;         /* when the run began */
    bool first;             /* step of its run */
    /* the job's own, kept between steps and runs */
    struct aw_place place;
    size_t part;
    int64_t mark;
    char note[64];
    bool changed; /* some step of this run */
    /* out; zeroed before each step */
    int64_t rows; /* that were changed */
    bool more;    /* the run is not over */
};
struct aw_job {
    const char *name; /* label of its metrics */
    int64_t period_ms;
    bool (*step)(struct aw_job_run *run, struct aw_err *err);
    const void *arg;
};

struct aw_timer;
/* The first run of a job comes one period after the start, or `first_ms` if that is sooner. */
AW_MUST_CHECK bool aw_timer_start(const struct aw_job *jobs, size_t n, void *context,
                                  struct aw_writer *writer, int64_t first_ms,
                                  struct aw_timer **timer, struct aw_err *err);
/* Waits for the step in hand, for no more. */
void aw_timer_stop(struct aw_timer **timer);

#endif
