#include "jobs.h"

#include <stdlib.h>

#include "steps.h"
#include "worker/base/alloc.h"
#include "worker/domain/retention.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000, FIRST_MS = 30000 };

static const struct aw_field conf_fields[] = {
    AW_FIELD(aw_jobs_conf, event_retention_days, I64, .dflt = "30", .min = 1, .max = 3650,
             .doc = "days that events, and with them activities, are kept"),
    AW_FIELD(aw_jobs_conf, notification_retention_days, I64, .dflt = "30", .min = 1, .max = 3650,
             .doc = "days that a notification is kept after it was read"),
};
const struct aw_schema aw_jobs_conf_schema =
    AW_SCHEMA(aw_jobs_conf, "jobs", conf_fields,
              .doc = "what the worker does by itself from time to time");

static const struct aw_job table[] = {
    {"deliveries", 10 * MINUTE_MS, aw_step_retention, &aw_retention_deliveries},
    {"short_deliveries", MINUTE_MS, aw_step_retention, &aw_retention_short_deliveries},
    {"events", 10 * MINUTE_MS, aw_step_retention, &aw_retention_events},
    {"notifications", HOUR_MS, aw_step_retention, &aw_retention_notifications},
    {"kept_replies", HOUR_MS, aw_step_retention, &aw_retention_replies},
    {"members", SECOND_MS, aw_step_members, NULL},
    {"scores", MINUTE_MS, aw_step_scores, NULL},
};

bool aw_jobs_start(const struct aw_jobs_conf *conf, const struct aw_jobs_deps *deps,
                   struct aw_jobs **out, struct aw_err *err)
{
    struct aw_jobs *jobs = aw_alloc_zero(1, sizeof(*jobs));
    *out = NULL;
    jobs->conf = *conf;
    jobs->deps = *deps;
    if (!aw_timer_start(table, AW_COUNT(table), jobs, deps->writer, FIRST_MS, &jobs->timer, err)) {
        free(jobs);
        return false;
    }
    *out = jobs;
    return true;
}

void aw_jobs_stop(struct aw_jobs **jobs)
{
    if (*jobs != NULL) {
        aw_timer_stop(&(*jobs)->timer);
        free(*jobs);
        *jobs = NULL;
    }
}
