/* jobs.h - what the worker does by itself from time to time: throws away rows whose time is over, lets the
 * alerts of large incidents follow, refreshes the scores that lists are sorted by.
 * Threads: start and stop from the main thread; one thread of its own. Errors: those of a thread that cannot start;
 * failures of jobs are logged and tried again. */
#ifndef AW_JOBS_JOBS_H
#define AW_JOBS_JOBS_H

#include "worker/store/writer.h"

/* Section `jobs`. */
struct aw_jobs_conf {
    int64_t event_retention_days;
    int64_t notification_retention_days; /* after it was read */
};
extern const struct aw_schema aw_jobs_conf_schema;

struct aw_jobs_deps {
    struct aw_store *store;
    struct aw_writer *writer;
    void *app;
    /* Received time of the oldest record that can still come out of a queue; now_ms when there is none. False: that is
     * not known just now. */
    bool (*oldest)(void *app, int64_t now_ms, int64_t *oldest_ms);
};

struct aw_jobs;
AW_MUST_CHECK bool aw_jobs_start(const struct aw_jobs_conf *conf, const struct aw_jobs_deps *deps,
                                 struct aw_jobs **jobs, struct aw_err *err);
/* At once, or when the small unit that is being written is done. */
void aw_jobs_stop(struct aw_jobs **jobs);

#endif
