/* Every correlation vector once more, by units on a store: alert by alert, in batches, restarted after each batch, with an
 * abort at every write of every commit, and with the process killed there. */
#include "scenario_kit.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "src/aw_crash.h"
#include "worker/domain/correlation.h"

/* Of the scenarios in which each write is walked, every n-th: a process is slow to start with a sanitizer. */
#ifdef __SANITIZE_ADDRESS__
enum { WALKED = 10 };
#else
enum { WALKED = 1 };
#endif

enum how { ONE_BY_ONE, BATCHES, RESTARTS, ABORTS, KILLS };

struct played {
    struct kit *kit;
    const struct scenario *scenario;
    enum how how;
    const char **ids; /* of alerts, by number */
    struct aw_record_head **waiting;
    size_t waiting_count;
};

static struct aw_correlate_counts hand_counts;
static int64_t hand_now;

static bool hand_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)arg;
    return aw_correlate_by_hand(tx, "acme", "user", hand_now, &hand_counts, err);
}

static bool resolve_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_incident *incident;
    return aw_incident_change(tx, arg, &incident, err);
}

/* Aborts the unit before its first write, then before its second ..., then behind its last; the last run goes through. */
static void run_with_aborts(struct played *play, aw_unit_fn *unit, void *arg)
{
    struct aw_err err;
    bool aborted = true;
    for (int at = 0; aborted; at++) {
        kit_fault_at = at;
        kit_fault_kind = AW_ERR_UNAVAILABLE;
        kit_last_writes = 0;
        aborted = !kit_try(play->kit, unit, arg, &err);
        assert_true(!aborted || strcmp(err.code, "store.test") == 0);
        assert_true(aborted || kit_last_writes == 0);
        kit_fault_at = KIT_NO_FAULT;
        if (aborted && (size_t)at >= kit_last_writes) {
            kit_run(play->kit, unit, arg);
            break;
        }
    }
}

#ifdef AW_CRASH_POINTS
static struct killed {
    _Atomic size_t commits, times;
} * killed; /* shared by all processes of the test */

/* Opens the store and runs the unit in a process that is killed at the point, or ends behind the commit without another
 * word to the store. True: it was killed. */
static bool dies(struct played *play, const char *spec, aw_unit_fn *unit, void *arg)
{
    enum { SURVIVED = 7, FAILED };
    pid_t child = fork();
    if (child == 0) {
        struct aw_err err;
        kit_open(play->kit);
        if (unit == aw_ingest_unit) {
            ((struct aw_ingest_batch *)arg)->ingest = play->kit->ingest;
        }
        aw_crash_arm(spec);
        _exit(kit_try(play->kit, unit, arg, &err) ? SURVIVED : FAILED);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        killed->times++;
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), SURVIVED);
    return false;
}

/* Killed when all is written but not committed, before the first write, before the second ..., then behind the commit. */
static void run_with_kills(struct played *play, aw_unit_fn *unit, void *arg)
{
    kit_close(play->kit);
    if (dies(play, "store.commit.before", unit, arg)) {
        char spec[64];
        int at = 0;
        do {
            snprintf(spec, sizeof(spec), "store.commit.write:%d", ++at);
        } while (dies(play, spec, unit, arg));
        assert_true(at > 1);
        killed->commits++;
    }
    kit_open(play->kit);
}
#endif

static void run(struct played *play, aw_unit_fn *unit, void *arg)
{
    if (play->how == ABORTS) {
        run_with_aborts(play, unit, arg);
#ifdef AW_CRASH_POINTS
    } else if (play->how == KILLS) {
        run_with_kills(play, unit, arg);
#endif
    } else {
        kit_run(play->kit, unit, arg);
    }
}

static void flush(struct played *play)
{
    size_t n = play->waiting_count;
    if (n == 0) {
        return;
    }
    struct aw_ingest_item *items = AW_NEW_N(play->kit->arena, struct aw_ingest_item, n);
    for (size_t i = 0; i < n; i++) {
        aw_ingest_decode(play->waiting[i], "queue1", play->kit->arena, &items[i]);
    }
    struct aw_ingest_batch batch = {.ingest = play->kit->ingest, .items = items, .n = n};
    run(play, aw_ingest_unit, &batch);
    /* What another process has counted is not known here. */
    assert_true(play->how == KILLS || batch.counts.alerts == (int64_t)n);
    batch.ingest = play->kit->ingest;
    /* Crash after the commit, before the release: the same records come again and change nothing. */
    kit_last_writes = 0;
    kit_run(play->kit, aw_ingest_unit, &batch);
    assert_int_equal(batch.counts.alerts, 0);
    assert_int_equal(kit_last_writes, 0);
    play->waiting_count = 0;
    if (play->how == RESTARTS) {
        aw_ingest_destroy(&play->kit->ingest);
        play->kit->ingest = aw_ingest_create();
    }
}

static void send_alert(struct played *play, const struct scenario_step *step)
{
    struct aw_record_head *record = scenario_record(play->kit, "acme", step);
    play->ids[step->n] = kit_id(play->kit, record);
    play->waiting[play->waiting_count++] = record;
    if (play->how == ONE_BY_ONE || play->waiting_count == 7) {
        flush(play);
    }
}

static void resolve(struct played *play, const struct scenario_step *step)
{
    flush(play);
    const char *open = scenario_open(play->kit, "acme", step);
    if (open != NULL) {
        struct aw_incident_change change = {.scope = &aw_scope_all,
                                            .id = open,
                                            .now_ms = KIT_NOW + step->t * 1000,
                                            .set_status = true,
                                            .status = AW_INCIDENT_RESOLVED};
        run(play, resolve_unit, &change);
    }
}

static void by_hand(struct played *play, const struct scenario_step *step)
{
    flush(play);
    hand_now = KIT_NOW + step->t * 1000;
    run(play, hand_unit, NULL);
    if (play->how == KILLS) {
        return; /* what another process has counted is not known here */
    }
    assert_int_equal(hand_counts.incidents_created, step->created);
    assert_int_equal(hand_counts.incidents_updated, step->updated);
    assert_int_equal(hand_counts.alerts_correlated, step->correlated);
}

static void compare(const struct played *play)
{
    scenario_compare(play->kit, "acme", play->scenario, play->ids);
    struct aw_event *events;
    size_t n = kit_events(play->kit, &events);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(events[i].seq, i + 1);
    }
}

static void play_scenario(struct scenario *scenario, enum how how)
{
    struct kit *kit;
    assert_int_equal(kit_setup((void **)&kit), 0);
    struct played play = {.kit = kit,
                          .scenario = scenario,
                          .how = how,
                          .ids = AW_NEW_N(kit->arena, const char *, scenario->step_count),
                          .waiting =
                              AW_NEW_N(kit->arena, struct aw_record_head *, scenario->step_count)};
    scenario_prepare(kit, "acme", scenario);
    for (size_t i = 0; i < scenario->step_count; i++) {
        const struct scenario_step *step = &scenario->steps[i];
        if (step->op == SCENARIO_ALERT) {
            send_alert(&play, step);
        } else if (step->op == SCENARIO_RESOLVE) {
            resolve(&play, step);
        } else {
            by_hand(&play, step);
        }
    }
    flush(&play);
    compare(&play);
    kit_teardown((void **)&kit);
}

/* Every `step`th scenario. */
static void play_some(enum how how, size_t first, size_t step)
{
    struct aw_arena *arena = aw_arena_create(0);
    size_t n;
    struct scenario *all = vector_scenarios(arena, &n);
    assert_int_equal(n, 120);
    for (size_t i = first; i < n; i += step) {
        play_scenario(&all[i], how);
    }
    aw_arena_destroy(&arena);
}

static void play_all(enum how how)
{
    play_some(how, 0, 1);
}

static void alert_by_alert(void **unused)
{
    (void)unused;
    play_all(ONE_BY_ONE);
}

static void in_batches(void **unused)
{
    (void)unused;
    play_all(BATCHES);
}

static void restarted_after_every_batch(void **unused)
{
    (void)unused;
    play_all(RESTARTS);
}

static void aborted_at_every_write(void **unused)
{
    (void)unused;
    play_some(ABORTS, 0, WALKED);
}

#ifdef AW_CRASH_POINTS
/* The last test: each process that it makes plays its share, returns from here and ends with main(), whose exit status
 * tells whether it was good. */
static void killed_at_every_write(void **unused)
{
    enum { SHARES = 2 };
    pid_t processes[SHARES];
    (void)unused;
    killed = mmap(NULL, sizeof(*killed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(killed, MAP_FAILED);
    fflush(stdout);
    for (size_t i = 0; i < SHARES; i++) {
        processes[i] = fork();
        assert_true(processes[i] >= 0);
        if (processes[i] == 0) {
            dup2(STDERR_FILENO, STDOUT_FILENO);
            play_some(KILLS, i * WALKED, SHARES * WALKED);
            return;
        }
    }
    for (size_t i = 0; i < SHARES; i++) {
        int status;
        assert_int_equal(waitpid(processes[i], &status, 0), processes[i]);
        assert_int_equal(status, 0);
    }
    print_message("# %zu commits, killed %zu times\n", killed->commits, killed->times);
    assert_in_range(killed->times, WALKED == 1 ? 10000 : 500, 100000);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alert_by_alert),
        cmocka_unit_test(in_batches),
        cmocka_unit_test(restarted_after_every_batch),
        cmocka_unit_test(aborted_at_every_write),
#ifdef AW_CRASH_POINTS
        cmocka_unit_test(killed_at_every_write),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
