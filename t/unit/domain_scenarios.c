/* Every correlation vector once more, by units on a store: alert by alert, in batches, restarted after each batch, and
 * with an abort at every write of every commit. */
#include "vectors.h"

#include "domain_kit.h"
#include "worker/domain/correlation.h"
#include "worker/domain/incidents.h"

enum how { ONE_BY_ONE, BATCHES, RESTARTS, ABORTS };

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

static void run(struct played *play, aw_unit_fn *unit, void *arg)
{
    if (play->how == ABORTS) {
        run_with_aborts(play, unit, arg);
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
    assert_int_equal(batch.counts.alerts, n);
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
    struct kit_delivery delivery = {.asset = step->asset_name,
                                    .signature = step->signature,
                                    .severity = aw_severity_names[step->severity],
                                    .tool = step->tool_source,
                                    .at = step->t * 1000};
    struct aw_record_head *record = kit_record(play->kit, &delivery);
    play->ids[step->n] = kit_id(play->kit, record);
    play->waiting[play->waiting_count++] = record;
    if (play->how == ONE_BY_ONE || play->waiting_count == 7) {
        flush(play);
    }
}

static void resolve(struct played *play, const struct scenario_step *step)
{
    flush(play);
    struct aw_query query = {.schema = &aw_incident_schema, .n = 3};
    query.conds[0] =
        (struct aw_cond){.field = "asset_name", .op = AW_OP_EQ, .text = step->asset_name};
    query.conds[1] =
        (struct aw_cond){.field = "signature", .op = AW_OP_EQ, .text = step->signature};
    query.conds[2] =
        (struct aw_cond){.field = "status", .op = AW_OP_NE, .number = AW_INCIDENT_RESOLVED};
    struct aw_rows open = kit_find(play->kit, &query);
    assert_true(open.n <= 1);
    if (open.n == 1) {
        struct aw_incident_change change = {.scope = &aw_scope_all,
                                            .id = ((struct aw_incident *)open.v[0])->id,
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
    assert_int_equal(hand_counts.incidents_created, step->created);
    assert_int_equal(hand_counts.incidents_updated, step->updated);
    assert_int_equal(hand_counts.alerts_correlated, step->correlated);
}

/* Expected incidents are in order of creation; ids are UUIDs that rise with it. */
static void compare_incident(const struct played *play, const struct aw_incident *row,
                             const struct scenario_incident *expect)
{
    assert_string_equal(row->asset_name, expect->asset_name);
    assert_string_equal(row->signature, expect->signature);
    assert_int_equal(row->created_at, KIT_NOW + expect->created_at * 1000);
    assert_int_equal(row->status, expect->status);
    assert_int_equal(row->severity, expect->severity);
    assert_int_equal(row->alert_count, expect->alert_count);
    assert_int_equal(row->tool_sources.n, expect->tool_sources.n);
    for (size_t i = 0; i < row->tool_sources.n; i++) {
        assert_string_equal(row->tool_sources.v[i], expect->tool_sources.v[i]);
    }
    struct aw_reader *reader;
    struct aw_err err;
    struct aw_incident *read;
    struct aw_strs alert_ids;
    assert_true(aw_store_read_begin(play->kit->store, &reader, &err));
    assert_true(aw_incident_get(reader, &aw_scope_all, row->id,
                                KIT_NOW + play->scenario->now * 1000, play->kit->arena, &read,
                                &alert_ids, &err));
    aw_store_read_end(&reader);
    assert_int_equal(read->priority_score, expect->priority_score);
    assert_int_equal(alert_ids.n, expect->alert_count);
    for (size_t i = 0; i < expect->alert_count; i++) {
        assert_true(vector_has(alert_ids, play->ids[expect->alerts[i]]));
    }
}

static void compare(const struct played *play)
{
    const struct scenario *scenario = play->scenario;
    struct aw_rows rows = kit_all(play->kit, &aw_incident_schema);
    size_t open = 0;
    assert_int_equal(rows.n, scenario->incident_count);
    for (size_t i = 0; i < rows.n; i++) {
        compare_incident(play, rows.v[i], &scenario->incidents[i]);
        open += scenario->incidents[i].status != AW_INCIDENT_RESOLVED;
    }
    assert_int_equal(kit_count(play->kit, &aw_open_key_schema), open);
    assert_int_equal(kit_count(play->kit, &aw_alert_schema), scenario->alert_count);
    for (size_t n = 0; n < scenario->alert_count; n++) {
        assert_int_equal(kit_alert(play->kit, play->ids[n])->status, scenario->alert_status[n]);
        assert_int_equal(kit_alert(play->kit, play->ids[n])->delivery_attempts, 1);
    }
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
    kit_company(kit, "acme", 1);
    for (size_t i = 0; i < scenario->critical_assets.n; i++) {
        kit_asset(kit, "acme", scenario->critical_assets.v[i], true);
    }
    for (size_t i = 0; i < scenario->runbooks.n; i++) {
        kit_runbook(kit, "acme", scenario->runbooks.v[i]);
    }
    struct aw_correlation_config config;
    aw_correlation_config_default("acme", &config);
    config.time_window_minutes = scenario->window_minutes;
    config.min_alerts = scenario->min_alerts;
    config.auto_correlate = scenario->automatic;
    config.single_alert = scenario->single_alert;
    kit_config(kit, &config);
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

static void play_all(enum how how, size_t step)
{
    struct aw_arena *arena = aw_arena_create(0);
    size_t n;
    struct scenario *all = vector_scenarios(arena, &n);
    assert_int_equal(n, 120);
    for (size_t i = 0; i < n; i += step) {
        play_scenario(&all[i], how);
    }
    aw_arena_destroy(&arena);
}

static void alert_by_alert(void **unused)
{
    (void)unused;
    play_all(ONE_BY_ONE, 1);
}

static void in_batches(void **unused)
{
    (void)unused;
    play_all(BATCHES, 1);
}

static void restarted_after_every_batch(void **unused)
{
    (void)unused;
    play_all(RESTARTS, 1);
}

static void aborted_at_every_write(void **unused)
{
    (void)unused;
    play_all(ABORTS, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alert_by_alert),
        cmocka_unit_test(in_batches),
        cmocka_unit_test(restarted_after_every_batch),
        cmocka_unit_test(aborted_at_every_write),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
