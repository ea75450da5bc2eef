/* Every correlation vector by units on MongoDB, all scenarios side by side, while whoever writes is killed in every commit.
 *
 * AW_TEST_MONGO_URI names the database, which must be empty; AW_TEST_KILL the crash point at which a commit ends, and
 * AW_TEST_KILL_OPEN, if it is there, the one at which the next process ends that opens the store: t/e2e/31-scenario-kills.t
 * walks through all of them. Every commit is made by a process of its own: it opens the store as a worker does. Scenarios
 * take turns: all alerts up to the next act by hand of each, in batches as the drain makes them; then these acts, in one
 * unit. */
#include "scenario_kit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "src/aw_crash.h"
#include "worker/base/log.h"
#include "worker/domain/correlation.h"

#ifdef AW_CRASH_POINTS

enum { SURVIVED = 7, FAILED };

struct turn {
    struct scenario *scenario;
    const char *company, **ids; /* of alerts, by number */
    size_t next;
};
static struct kit kit;
static struct turn *turns;
static size_t count, commits, killed, killed_opening;

static void open_store(void)
{
    struct aw_err err;
    if (!aw_store_open_driver(&kit.driver, &kit.conf, false, aw_model_schemas, &kit.store, &err)) {
        fprintf(stderr, "open: %s %s\n", err.code, err.msg);
        _exit(FAILED);
    }
    kit.ingest = aw_ingest_create();
}

/* Runs the job on the open store in a process that ends behind it without another word to the store, or is killed. */
static bool dies(const char *at_open, const char *in_commit, bool (*job)(void *arg), void *arg)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        aw_log_level = AW_LOG_ERROR;
        aw_crash_arm(at_open);
        open_store();
        aw_crash_arm(in_commit);
        _exit(job(arg) ? SURVIVED : FAILED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), SURVIVED);
    return false;
}

static bool nothing(void *arg)
{
    (void)arg;
    return true;
}

/* Commits the job once, in spite of the kill. */
static void commit(bool (*job)(void *arg), void *arg)
{
    const char *point = getenv("AW_TEST_KILL"), *opening = getenv("AW_TEST_KILL_OPEN");
    commits++;
    if (!dies(NULL, point, job, arg)) {
        return;
    }
    killed++;
    if (opening != NULL) {
        killed_opening += dies(opening, NULL, nothing, NULL);
    }
    if (strcmp(point, "mongo.commit.before_journal") == 0) {
        assert_false(dies(NULL, NULL, job, arg));
    }
}

/* --- jobs --- */

static bool try_unit(aw_unit_fn *unit, void *arg)
{
    struct aw_err err;
    bool ok = kit_try(&kit, unit, arg, &err);
    if (!ok) {
        fprintf(stderr, "unit: %s %s\n", err.code, err.msg);
    }
    return ok;
}

struct records {
    struct aw_record_head **v;
    size_t n;
};

static bool ingest(void *arg)
{
    const struct records *records = arg;
    struct aw_ingest_item *items = AW_NEW_N(kit.arena, struct aw_ingest_item, records->n);
    for (size_t i = 0; i < records->n; i++) {
        aw_ingest_decode(records->v[i], "queue1", kit.arena, &items[i]);
    }
    struct aw_ingest_batch batch = {.ingest = kit.ingest, .items = items, .n = records->n};
    return try_unit(aw_ingest_unit, &batch) && batch.counts.alerts == (int64_t)records->n;
}

static const struct scenario_step *act_of(const struct turn *turn)
{
    const struct scenario *scenario = turn->scenario;
    const struct scenario_step *step =
        turn->next < scenario->step_count ? &scenario->steps[turn->next] : NULL;
    return step != NULL && step->op != SCENARIO_ALERT ? step : NULL;
}

static bool act_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const char *const *open = arg;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        const struct scenario_step *step = act_of(&turns[i]);
        struct aw_correlate_counts counts;
        struct aw_incident *incident;
        int64_t now = step != NULL ? KIT_NOW + step->t * 1000 : 0;
        if (step != NULL && step->op == SCENARIO_CORRELATE) {
            ok = aw_correlate_by_hand(tx, turns[i].company, "user", now, &counts, err) &&
                 counts.incidents_created == step->created &&
                 counts.incidents_updated == step->updated &&
                 counts.alerts_correlated == step->correlated;
        } else if (step != NULL && open[i] != NULL) {
            struct aw_incident_change change = {.scope = &aw_scope_all,
                                                .id = open[i],
                                                .now_ms = now,
                                                .set_status = true,
                                                .status = AW_INCIDENT_RESOLVED};
            ok = aw_incident_change(tx, &change, &incident, err);
        }
    }
    return ok;
}

static bool act(void *arg)
{
    const char **open = AW_NEW_N(kit.arena, const char *, count);
    (void)arg;
    for (size_t i = 0; i < count; i++) {
        const struct scenario_step *step = act_of(&turns[i]);
        open[i] = step != NULL && step->op == SCENARIO_RESOLVE
                      ? scenario_open(&kit, turns[i].company, step)
                      : NULL;
    }
    return try_unit(act_unit, open);
}

static bool prepare_unit(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < count; i++) {
        scenario_prepare(&kit, turns[i].company, turns[i].scenario);
    }
    return true;
}

/* --- play --- */

static void send_alerts(size_t total)
{
    enum { BATCH = 1000 };
    struct records records = {.v = AW_NEW_N(kit.arena, struct aw_record_head *, total)};
    for (size_t i = 0; i < count; i++) {
        struct turn *turn = &turns[i];
        while (turn->next < turn->scenario->step_count && act_of(turn) == NULL) {
            const struct scenario_step *step = &turn->scenario->steps[turn->next++];
            struct aw_record_head *record = scenario_record(&kit, turn->company, step);
            turn->ids[step->n] = kit_id(&kit, record);
            records.v[records.n++] = record;
        }
    }
    for (size_t from = 0; from < records.n; from += BATCH) {
        size_t n = records.n - from < BATCH ? records.n - from : BATCH;
        struct records batch = {.v = records.v + from, .n = n};
        commit(ingest, &batch);
    }
}

static bool compare(void *arg)
{
    size_t *compared = arg;
    for (size_t i = 0; i < count; i++) {
        scenario_compare(&kit, turns[i].company, turns[i].scenario, turns[i].ids);
        (*compared)++;
    }
    return true;
}

static void killed_in_every_commit(void **state)
{
    (void)state;
    size_t steps = 0;
    struct scenario *all = vector_scenarios(kit.arena, &count);
    assert_int_equal(count, 120);
    turns = AW_NEW_N(kit.arena, struct turn, count);
    for (size_t i = 0; i < count; i++) {
        turns[i] = (struct turn){.scenario = &all[i],
                                 .company = aw_arena_printf(kit.arena, "scen-%zu", i),
                                 .ids = AW_NEW_N(kit.arena, const char *, all[i].step_count)};
        steps += all[i].step_count;
    }
    assert_false(dies(NULL, NULL, prepare_unit, NULL));
    for (bool going = true; going;) {
        send_alerts(steps);
        going = false;
        for (size_t i = 0; i < count; i++) {
            going = going || act_of(&turns[i]) != NULL;
        }
        if (going) {
            commit(act, NULL);
        }
        for (size_t i = 0; i < count; i++) {
            turns[i].next += act_of(&turns[i]) != NULL;
        }
    }
    /* The last one to open the store; from here on nobody forks. */
    size_t compared = 0;
    open_store();
    compare(&compared);
    aw_ingest_destroy(&kit.ingest);
    aw_store_close(&kit.store);
    print_message(
        "# %zu commits, killed in %zu, and %zu times opening; %zu scenarios as expected\n", commits,
        killed, killed_opening, compared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_in_every_commit)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (getenv("AW_TEST_MONGO_URI") == NULL || getenv("AW_TEST_KILL") == NULL) {
        puts("1..0 # SKIP no AW_TEST_MONGO_URI; t/e2e/31-scenario-kills.t runs this");
        return 0;
    }
    kit.arena = aw_arena_create(0);
    kit.driver = aw_driver_mongo;
    kit.conf = (struct aw_store_conf){.driver = "mongo", .uri = getenv("AW_TEST_MONGO_URI")};
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    aw_arena_destroy(&kit.arena);
    return rc;
}

#else

int main(void)
{
    puts("1..0 # SKIP without crash points");
    return 0;
}

#endif
