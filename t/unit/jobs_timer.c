/* The thread of the jobs and their steps, on a real writer: runs, failures, a store that is down, a stop in between. */
#include "domain_kit.h"

#include <stdatomic.h>

#include "worker/base/clock.h"
#include "worker/base/metrics.h"
#include "worker/domain/incident_members.h"
#include "worker/domain/incidents.h"
#include "worker/domain/retention.h"
#include "worker/domain/score.h"
#include "worker/domain/score_refresh.h"
#include "worker/jobs/steps.h"

enum { WAIT_MS = 20000 };
static const int64_t hour = 3600000, day = 86400000;

struct line {
    struct kit *kit;
    struct aw_writer *writer;
    struct aw_timer *timer;
    struct aw_jobs jobs;
    atomic_int steps, runs, failures; /* of the job of the test */
    int most;                         /* steps of a run */
    bool knows_oldest;
    int64_t oldest_ms;
};

static bool oldest(void *app, int64_t now_ms, int64_t *oldest_ms)
{
    struct line *line = app;
    *oldest_ms = line->oldest_ms != 0 ? line->oldest_ms : now_ms;
    return line->knows_oldest;
}

static int setup(void **state)
{
    struct line *line = calloc(1, sizeof(*line));
    *state = line;
    assert_int_equal(kit_setup((void **)&line->kit), 0);
    kit_company(line->kit, "acme", 1);
    line->knows_oldest = true;
    line->jobs =
        (struct aw_jobs){.conf = {.event_retention_days = 30, .notification_retention_days = 30},
                         .deps = {.store = line->kit->store, .app = line, .oldest = oldest}};
    return 0;
}

/* From now on the store is the writer's: what the kit writes by itself comes before. */
static void start_writer(struct line *line)
{
    struct aw_err err;
    assert_true(aw_writer_start(line->kit->store, 64, &line->writer, &err));
    line->jobs.deps.writer = line->writer;
}

static int teardown(void **state)
{
    struct line *line = *state;
    aw_timer_stop(&line->timer);
    aw_writer_stop(&line->writer, 1000);
    assert_int_equal(kit_teardown((void **)&line->kit), 0);
    free(line);
    return 0;
}

/* --- the timer --- */

static bool count_step(struct aw_job_run *run, struct aw_err *err)
{
    struct line *line = run->context;
    (void)err;
    assert_ptr_equal(run->arg, "arg");
    run->part = run->first ? 1 : run->part + 1;
    line->steps++;
    run->rows = 3;
    run->more = run->part < (size_t)line->most;
    line->runs += !run->more;
    return true;
}

static bool fail_first(struct aw_job_run *run, struct aw_err *err)
{
    struct line *line = run->context;
    if (line->failures++ == 0) {
        return aw_fail(err, AW_ERR_UNAVAILABLE, "job.test", "failed by the test");
    }
    line->runs++;
    return true;
}

static void start(struct line *line, const struct aw_job *job, int64_t first_ms)
{
    struct aw_err err;
    if (line->writer == NULL) {
        start_writer(line);
    }
    assert_true(aw_timer_start(job, 1, line, line->writer, first_ms, &line->timer, &err));
}

static void await(atomic_int *value, int least)
{
    int64_t until = aw_clock_mono_ms() + WAIT_MS;
    while (*value < least) {
        assert_true(aw_clock_mono_ms() < until);
        aw_clock_sleep_ms(1);
    }
}

static int64_t figure(const char *line_start)
{
    struct aw_str text;
    aw_str_init(&text, NULL);
    aw_metrics_print(&text);
    const char *at = strstr(text.ptr, line_start);
    int64_t value = at != NULL ? strtoll(at + strlen(line_start), NULL, 10) : -1;
    aw_str_fini(&text);
    return value;
}

static void runs_come_again_and_are_counted(void **state)
{
    static const struct aw_job job = {"test_runs", 5, count_step, "arg"};
    struct line *line = *state;
    line->most = 4;
    start(line, &job, 0);
    await(&line->runs, 3);
    aw_timer_stop(&line->timer);
    assert_null(line->timer);
    int steps = line->steps;
    assert_true(steps >= 12);
    assert_int_equal(figure("aw_job_runs_total{job=\"test_runs\"} "), steps / 4);
    assert_int_equal(figure("aw_job_rows_total{job=\"test_runs\"} "), steps * 3);
    assert_true(figure("aw_job_last_seconds{job=\"test_runs\"} ") > 1600000000);
    /* Another start goes on with the same figures. */
    start(line, &job, 0);
    await(&line->steps, steps + 8);
    aw_timer_stop(&line->timer);
    assert_int_equal(figure("aw_job_rows_total{job=\"test_runs\"} "), line->steps * 3);
}

static void a_stop_waits_for_nothing(void **state)
{
    static const struct aw_job endless = {"test_endless", 1, count_step, "arg"};
    static const struct aw_job later = {"test_later", 3600000, count_step, "arg"};
    struct line *line = *state;
    line->most = 1 << 30;
    int64_t began = aw_clock_mono_ms();
    start(line, &endless, 0);
    await(&line->steps, 10); /* in the middle of a run */
    aw_timer_stop(&line->timer);
    int steps = line->steps;
    start(line, &later, 3600000);
    aw_timer_stop(&line->timer);
    assert_int_equal(line->steps, steps);
    assert_true(aw_clock_mono_ms() - began < WAIT_MS);
}

static void a_failure_is_tried_again(void **state)
{
    static const struct aw_job job = {"test_failure", 1, fail_first, NULL};
    struct line *line = *state;
    start(line, &job, 0);
    await(&line->runs, 2);
    assert_true(line->failures >= 3);
}

static bool any_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)err;
    struct aw_meta *row = AW_NEW(aw_tx_arena(tx), struct aw_meta);
    row->id = arg;
    row->value = "1";
    aw_tx_insert(tx, &aw_meta_schema, row);
    return true;
}

static void nothing_runs_while_the_store_is_down(void **state)
{
    static const struct aw_job job = {"test_down", 1, count_step, "arg"};
    struct line *line = *state;
    struct aw_err err;
    line->most = 1;
    start_writer(line);
    kit_held = true;
    assert_false(aw_writer_run(line->writer, "test", any_unit, "a", AW_ONCE, &err));
    assert_true(aw_writer_down_since(line->writer) != 0);
    start(line, &job, 0);
    aw_clock_sleep_ms(50); /* fifty times its period */
    assert_int_equal(line->steps, 0);
    kit_held = false; /* the writer itself finds out */
    await(&line->runs, 1);
}

/* --- the steps --- */

static struct aw_job_run run_of(struct line *line, const void *arg, int64_t now_ms)
{
    return (struct aw_job_run){.arg = arg,
                               .context = &line->jobs,
                               .arena = line->kit->arena,
                               .now_ms = now_ms,
                               .first = true};
}

/* As the timer does it; returns the rows. */
static int64_t run_all(struct aw_job_run *run, bool (*step)(struct aw_job_run *, struct aw_err *))
{
    struct aw_err err;
    int64_t rows = 0;
    run->first = true;
    run->changed = false;
    do {
        run->rows = 0;
        run->more = false;
        if (!step(run, &err)) {
            fail_msg("step: %s %s", err.code, err.msg);
        }
        assert_true(run->rows <= AW_RETENTION_ROWS && run->rows <= AW_SCORE_ROWS);
        run->changed = run->changed || run->rows > 0;
        run->first = false;
        rows += run->rows;
    } while (run->more);
    return rows;
}

static void deliveries_wait_for_the_queues(void **state)
{
    enum { N = 1200 };
    struct line *line = *state;
    struct kit *kit = line->kit;
    struct aw_record_head *records[N];
    for (int i = 0; i < N; i++) {
        records[i] =
            kit_record(kit,
                       &(struct kit_delivery){.identity = aw_arena_printf(kit->arena, "d%d", i)});
    }
    (void)kit_ingest(kit, records, N);
    start_writer(line);
    struct aw_job_run run = run_of(line, &aw_retention_deliveries, KIT_NOW + 3 * day);
    line->knows_oldest = false; /* a file is not there */
    assert_int_equal(run_all(&run, aw_step_retention), 0);
    line->knows_oldest = true;
    line->oldest_ms = KIT_NOW; /* they have just come */
    assert_int_equal(run_all(&run, aw_step_retention), 0);
    line->oldest_ms = 0;
    assert_int_equal(run_all(&run, aw_step_retention), N);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 0);
    assert_int_equal(kit_count(kit, &aw_alert_schema), N);
}

static void scores_are_refreshed_in_small_units(void **state)
{
    enum { N = 1100 };
    struct line *line = *state;
    struct kit *kit = line->kit;
    struct aw_record_head *records[N];
    for (int i = 0; i < N; i++) {
        records[i] =
            kit_record(kit,
                       &(struct kit_delivery){.asset = aw_arena_printf(kit->arena, "a%d", i),
                                              .severity = "critical",
                                              .identity = aw_arena_printf(kit->arena, "d%d", i)});
    }
    (void)kit_ingest(kit, records, N);
    start_writer(line);
    assert_int_equal(kit_count(kit, &aw_incident_schema), N);
    struct aw_job_run run = run_of(line, NULL, KIT_NOW + 1000);
    assert_int_equal(run_all(&run, aw_step_scores), 0);
    run.now_ms = KIT_NOW + hour - 1;
    assert_int_equal(run_all(&run, aw_step_scores), 0);
    /* nothing was written for nothing: the first run has looked at all */
    assert_int_equal(kit_count(kit, &aw_meta_schema), 3);
    assert_int_equal(((struct aw_meta *)kit_get(kit, &aw_meta_schema, "score_refresh"))->version,
                     1);
    run.now_ms = KIT_NOW + hour;
    assert_int_equal(run_all(&run, aw_step_scores), N);
    assert_int_equal(run_all(&run, aw_step_scores), 0);
    /* Another process goes on where this one ended. */
    run = run_of(line, NULL, KIT_NOW + 5 * hour);
    assert_int_equal(run_all(&run, aw_step_scores), N);
    struct aw_rows rows = kit_all(kit, &aw_incident_schema);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_incident *incident = rows.v[i];
        assert_int_equal(incident->priority_score, 90 - 5);
        assert_int_equal(incident->version, 3);
    }
}

static bool resolve_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_incident *incident;
    const struct aw_incident_change change = {.scope = &aw_scope_all,
                                              .id = arg,
                                              .now_ms = KIT_NOW + 1000,
                                              .set_status = true,
                                              .status = AW_INCIDENT_RESOLVED};
    return aw_incident_change(tx, &change, &incident, err);
}

static void members_of_two_incidents_follow(void **state)
{
    enum { N = 2400 };
    struct line *line = *state;
    struct kit *kit = line->kit;
    struct aw_record_head *records[N];
    struct aw_err err;
    for (int i = 0; i < N; i++) {
        records[i] =
            kit_record(kit,
                       &(struct kit_delivery){.asset = i % 2 == 0 ? "a" : "b",
                                              .identity = aw_arena_printf(kit->arena, "d%d", i)});
    }
    (void)kit_ingest(kit, records, N);
    start_writer(line);
    struct aw_job_run run = run_of(line, NULL, KIT_NOW);
    assert_int_equal(run_all(&run, aw_step_members), 0);
    struct aw_rows rows = kit_all(kit, &aw_incident_schema);
    assert_int_equal(rows.n, 2);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_incident *incident = rows.v[i];
        assert_true(aw_writer_run(line->writer, "test", resolve_unit,
                                  (void *)(uintptr_t)incident->id, AW_ONCE, &err));
    }
    assert_int_equal(run_all(&run, aw_step_members), N - 2 * AW_MEMBERS_ROWS);
    assert_int_equal(kit_count(kit, &aw_member_change_schema), 0);
    rows = kit_all(kit, &aw_alert_schema);
    for (size_t i = 0; i < rows.n; i++) {
        assert_int_equal(((const struct aw_alert *)rows.v[i])->status, AW_ALERT_RESOLVED);
    }
    assert_int_equal(run_all(&run, aw_step_members), 0);
}

/* Starts, stops at once, and shows its figures from the beginning. */
static void the_table_of_the_product(void **state)
{
    struct line *line = *state;
    struct aw_jobs *jobs;
    struct aw_err err;
    start_writer(line);
    assert_true(aw_jobs_start(&line->jobs.conf, &line->jobs.deps, &jobs, &err));
    aw_jobs_stop(&jobs);
    assert_null(jobs);
    assert_true(figure("aw_job_runs_total{job=\"deliveries\"} ") == 0);
    assert_true(figure("aw_job_rows_total{job=\"scores\"} ") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_come_again_and_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_runs_while_the_store_is_down, setup, teardown),
        cmocka_unit_test_setup_teardown(deliveries_wait_for_the_queues, setup, teardown),
        cmocka_unit_test_setup_teardown(scores_are_refreshed_in_small_units, setup, teardown),
        cmocka_unit_test_setup_teardown(members_of_two_incidents_follow, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_of_the_product, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
