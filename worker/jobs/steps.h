/* steps.h - the steps of the jobs, and what they work with.
 * Threads: the timer's. */
#ifndef AW_JOBS_STEPS_H
#define AW_JOBS_STEPS_H

#include "jobs.h"
#include "timer.h"

/* The context of the timer. */
struct aw_jobs {
    struct aw_jobs_conf conf;
    struct aw_jobs_deps deps;
    struct aw_timer *timer;
};

/* arg: the struct aw_retention_rule. */
AW_MUST_CHECK bool aw_step_retention(struct aw_job_run *run, struct aw_err *err);
AW_MUST_CHECK bool aw_step_members(struct aw_job_run *run, struct aw_err *err);
AW_MUST_CHECK bool aw_step_scores(struct aw_job_run *run, struct aw_err *err);

#endif
