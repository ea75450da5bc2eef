#include "steps.h"

#include <stdio.h>
#include <string.h>

#include "worker/domain/incident_members.h"
#include "worker/domain/retention.h"
#include "worker/domain/score_refresh.h"

static const int64_t hour_ms = INT64_C(3600000), day_ms = INT64_C(86400000);

/* What a run goes by from its first step on. False: the oldest record is not known just now. */
static bool begin_retention(struct aw_job_run *run, const struct aw_retention_rule *rule)
{
    const struct aw_jobs *jobs = run->context;
    if (!rule->goes_on) {
        run->place = (struct aw_place){.number = 0};
    }
    return !rule->of_records || jobs->deps.oldest(jobs->deps.app, run->now_ms, &run->mark);
}

bool aw_step_retention(struct aw_job_run *run, struct aw_err *err)
{
    const struct aw_jobs *jobs = run->context;
    const struct aw_retention_rule *rule = run->arg;
    struct aw_retention_page page;
    struct aw_reader *reader;
    struct aw_place began;
    if (run->first && !begin_retention(run, rule)) {
        return true;
    }
    const struct aw_retention_limits limits = {.now_ms = run->now_ms,
                                               .oldest_ms = run->mark,
                                               .event_ms = jobs->conf.event_retention_days * day_ms,
                                               .notification_ms =
                                                   jobs->conf.notification_retention_days * day_ms};
    if (!aw_store_read_begin(jobs->deps.store, &reader, err)) {
        return false;
    }
    began = run->place;
    bool ok = aw_retention_look(reader, rule, &limits, &run->place, run->arena, &page, err);
    aw_store_read_end(&reader);
    if (ok && page.n > 0) {
        ok = aw_writer_run(jobs->deps.writer, "retention", aw_retention_unit, &page, AW_ONCE, err);
        run->rows = ok ? (int64_t)page.n : 0;
    }
    if (!ok) {
        run->place = began;
    }
    run->more = page.more;
    return ok;
}

/* A page that is done is begun behind by the next step of the same change; another change, or another run, begins at the
 * first alert, where those that have the status already are passed by. */
bool aw_step_members(struct aw_job_run *run, struct aw_err *err)
{
    const struct aw_jobs *jobs = run->context;
    struct aw_members_page page;
    struct aw_member_change *change;
    struct aw_reader *reader;
    if (!aw_store_read_begin(jobs->deps.store, &reader, err)) {
        return false;
    }
    bool ok = aw_members_next(reader, run->arena, &change, err);
    aw_store_read_end(&reader);
    if (!ok || change == NULL) {
        return ok;
    }
    if (run->first || change->version != run->mark || strcmp(change->id, run->note) != 0) {
        run->place = (struct aw_place){.number = 0};
        run->mark = change->version;
        snprintf(run->note, sizeof(run->note), "%s", change->id);
    }
    page.change = change;
    page.place = run->place;
    if (!aw_writer_run(jobs->deps.writer, "members", aw_members_unit, &page, AW_ONCE, err)) {
        return false;
    }
    run->place = page.next;
    run->rows = (int64_t)page.rows;
    run->more = true; /* perhaps the next incident */
    return true;
}

/* Refreshes one page of the range in hand; *done when the range has no more. */
static bool refresh_page(struct aw_job_run *run, const struct aw_score_range *range, bool *done,
                         struct aw_err *err)
{
    const struct aw_jobs *jobs = run->context;
    struct aw_score_page page;
    struct aw_reader *reader;
    if (!aw_store_read_begin(jobs->deps.store, &reader, err)) {
        return false;
    }
    bool ok = aw_score_look(reader, range, run->now_ms, &run->place, run->arena, &page, err);
    aw_store_read_end(&reader);
    if (ok && page.n > 0) {
        ok = aw_writer_run(jobs->deps.writer, "scores", aw_score_unit, &page, AW_ONCE, err);
        run->rows = (int64_t)page.n;
    }
    *done = !page.more;
    return ok;
}

static bool begin_scores(struct aw_job_run *run, struct aw_err *err)
{
    const struct aw_jobs *jobs = run->context;
    struct aw_reader *reader;
    run->part = 0;
    run->place = (struct aw_place){.number = 0};
    if (run->mark != 0) {
        return true;
    }
    if (!aw_store_read_begin(jobs->deps.store, &reader, err)) {
        return false;
    }
    bool ok = aw_score_since(reader, &run->mark, err);
    aw_store_read_end(&reader);
    return ok;
}

/* The time is stored when something has changed or much was looked at: an idle worker writes nothing, and a later start
 * looks at a little more for it. */
static bool end_scores(struct aw_job_run *run, struct aw_err *err)
{
    const struct aw_jobs *jobs = run->context;
    bool is_worth_it = run->changed || run->now_ms - run->mark > hour_ms;
    if (is_worth_it && !aw_writer_run(jobs->deps.writer, "scores", aw_score_since_unit,
                                      &run->now_ms, AW_ONCE, err)) {
        return false;
    }
    run->mark = run->now_ms;
    return true;
}

bool aw_step_scores(struct aw_job_run *run, struct aw_err *err)
{
    struct aw_score_range ranges[AW_SCORE_RANGES];
    bool done = true;
    if (run->first && !begin_scores(run, err)) {
        return false;
    }
    size_t n = aw_score_ranges(run->mark, run->now_ms, ranges);
    while (run->part < n && done && run->rows == 0) {
        if (!refresh_page(run, &ranges[run->part], &done, err)) {
            return false;
        }
        if (done) {
            run->part++;
            run->place = (struct aw_place){.number = 0};
        }
    }
    run->more = run->part < n;
    return run->more || end_scores(run, err);
}
