/* Alerts on their way into incidents and notifications: rows per alert, storms, what is remembered between batches. */
#include "domain_kit.h"

#include "worker/domain/correlation.h"
#include "worker/domain/incidents.h"
#include "worker/domain/notifications.h"

static int setup(void **state)
{
    (void)kit_setup(state);
    kit_company(*state, "acme", 1);
    kit_company(*state, "beta", 1);
    return 0;
}

static size_t count_events(struct kit *kit, const char *type)
{
    struct aw_event *events;
    size_t n = kit_events(kit, &events), count = 0;
    for (size_t i = 0; i < n; i++) {
        count += strcmp(events[i].type, type) == 0;
    }
    return count;
}

static struct aw_incident *incident_of(struct kit *kit, const char *alert_id)
{
    const char *id = kit_alert(kit, alert_id)->incident_id;
    return id == NULL ? NULL : kit_get(kit, &aw_incident_schema, id);
}

/* --- notifications --- */

struct read_act {
    const char *id;
    const struct aw_scope *scope;
    struct aw_notification *row;
    size_t n;
};
static bool read_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct read_act *act = arg;
    return aw_notification_read(tx, act->scope, act->id, "user", KIT_NOW, &act->row, err);
}
static bool read_all_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct read_act *act = arg;
    return aw_notifications_read_all(tx, act->scope, "user", KIT_NOW, 100, &act->n, err);
}

static void a_storm_rings_once(void **state)
{
    struct kit *kit = *state;
    struct aw_record_head *records[30];
    const char *last = NULL;
    for (int batch = 0; batch < 3; batch++) {
        for (size_t i = 0; i < AW_COUNT(records); i++) {
            struct kit_delivery delivery = {.severity = i % 3 == 0   ? "critical"
                                                        : i % 3 == 1 ? "high"
                                                                     : "low",
                                            .at = batch * 1000 + (int64_t)i,
                                            .message = i % 2 ? "odd" : "even"};
            records[i] = kit_record(kit, &delivery);
            last = i % 3 == 0 ? kit_id(kit, records[i]) : last;
        }
        (void)kit_ingest(kit, records, AW_COUNT(records));
    }
    assert_int_equal(kit_count(kit, &aw_notification_schema), 2);
    assert_int_equal(count_events(kit, "notification"), 2);
    assert_int_equal(count_events(kit, "notification_updated"), 4);
    const char *id = aw_notification_id("acme", "srv-1", "cpu_high", AW_CRITICAL, kit->arena);
    struct aw_notification *row = kit_get(kit, &aw_notification_schema, id);
    assert_int_equal(row->count, 30);
    assert_int_equal(row->created_at, KIT_NOW);
    assert_int_equal(row->updated_at, KIT_NOW + 2027);
    assert_string_equal(row->type, "critical_alert");
    assert_string_equal(row->title, "Critical alert on srv-1");
    assert_string_equal(row->message, "cpu_high: odd");
    assert_string_equal(row->alert_id, last);
    id = aw_notification_id("acme", "srv-1", "cpu_high", AW_HIGH, kit->arena);
    assert_string_equal(((struct aw_notification *)kit_get(kit, &aw_notification_schema, id))->type,
                        "high_alert");
}

static void what_was_read_rings_again(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.severity = "high"};
    (void)kit_send(kit, &delivery);
    delivery.company = "beta";
    (void)kit_send(kit, &delivery);
    static const char *const beta[] = {"beta"};
    const struct aw_scope narrow = {.companies = beta, .n = 1};
    struct aw_err err;
    struct read_act act = {.id =
                               aw_notification_id("acme", "srv-1", "cpu_high", AW_HIGH, kit->arena),
                           .scope = &narrow};
    assert_false(kit_try(kit, read_unit, &act, &err));
    assert_string_equal(err.code, "notification.absent");
    act.scope = &aw_scope_all;
    kit_run(kit, read_unit, &act);
    kit_last_writes = 0;
    kit_run(kit, read_unit, &act);
    assert_int_equal(kit_last_writes, 0);
    assert_true(((struct aw_notification *)kit_get(kit, &aw_notification_schema, act.id))->read);

    delivery.company = "acme";
    delivery.at = 5000;
    (void)kit_send(kit, &delivery);
    struct aw_notification *row = kit_get(kit, &aw_notification_schema, act.id);
    assert_false(row->read);
    assert_int_equal(row->count, 1);
    assert_int_equal(row->created_at, KIT_NOW + 5000);
    assert_int_equal(count_events(kit, "notification"), 3);

    act.scope = &narrow;
    kit_run(kit, read_all_unit, &act);
    assert_int_equal(act.n, 1);
    assert_false(((struct aw_notification *)kit_get(kit, &aw_notification_schema, act.id))->read);
    act.scope = &aw_scope_all;
    kit_run(kit, read_all_unit, &act);
    assert_int_equal(act.n, 1);
    kit_run(kit, read_all_unit, &act);
    assert_int_equal(act.n, 0);
    assert_int_equal(count_events(kit, "notification_read"), 3);
}

/* --- rows --- */

static void at_most_four_rows_for_an_alert(void **state)
{
    enum { N = 500 };
    struct kit *kit = *state;
    struct aw_record_head *records[N];
    struct kit_delivery delivery = {.severity = "critical", .signed_at = KIT_NOW / 1000};
    for (size_t i = 0; i < N; i++) {
        delivery.identity = aw_arena_printf(kit->arena, "d%zu", i);
        delivery.signed_as = aw_arena_printf(kit->arena, "s%zu", i);
        records[i] = kit_record(kit, &delivery);
    }
    struct aw_ingest_counts counts = kit_ingest(kit, records, N);
    assert_int_equal(counts.alerts, N);
    assert_int_equal(counts.correlated, N);
    /* incident, open key, notification, head of the stream; of the events 256 in a row */
    assert_int_equal(kit_last_writes, 3 * N + 4 + (N + 2 + 255) / 256);
    assert_int_equal(incident_of(kit, kit_id(kit, records[N - 1]))->alert_count, N);
    for (size_t i = 0; i < N; i += 99) {
        const struct aw_alert *alert = kit_alert(kit, kit_id(kit, records[i]));
        assert_int_equal(alert->version, 1);
        assert_int_equal(alert->status, AW_ALERT_CORRELATED);
    }
}

static void members_of_an_earlier_batch_join_when_it_opens(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.tool = "Zabbix"};
    const char *first = kit_send(kit, &delivery);
    assert_null(incident_of(kit, first));
    delivery = (struct kit_delivery){.tool = "Datadog", .severity = "high", .at = 60000};
    const char *second = kit_send(kit, &delivery);
    const struct aw_incident *incident = incident_of(kit, first);
    assert_string_equal(incident_of(kit, second)->id, incident->id);
    assert_int_equal(incident->alert_count, 2);
    assert_int_equal(incident->severity, AW_HIGH);
    assert_int_equal(incident->created_at, KIT_NOW + 60000);
    assert_string_equal(incident->aggregation_key, "srv-1|cpu_high");
    assert_int_equal(incident->priority_score, 60 + 2 + 10);
    assert_int_equal(incident->status, AW_INCIDENT_NEW);
    assert_int_equal(kit_alert(kit, first)->version, 2);
    assert_int_equal(kit_alert(kit, first)->status, AW_ALERT_CORRELATED);
    assert_int_equal(count_events(kit, "alert_updated"), 1);
    assert_int_equal(count_events(kit, "incident_created"), 1);
}

/* --- what is remembered --- */

static void changes_are_seen_by_the_next_batch(void **state)
{
    struct kit *kit = *state;
    struct aw_correlation_config config;
    struct kit_delivery delivery = {.at = 0};
    const char *first = kit_send(kit, &delivery);
    aw_correlation_config_default("acme", &config);
    config.min_alerts = 3;
    kit_config(kit, &config);
    const char *second = kit_send(kit, &delivery);
    assert_null(incident_of(kit, second));
    config.auto_correlate = false;
    kit_config(kit, &config);
    (void)kit_send(kit, &delivery);
    assert_int_equal(kit_count(kit, &aw_incident_schema), 0);
    config.auto_correlate = true;
    kit_config(kit, &config);
    const char *fourth = kit_send(kit, &delivery);
    assert_int_equal(incident_of(kit, fourth)->alert_count, 4);
    assert_non_null(incident_of(kit, first));

    delivery.asset = "srv-2";
    assert_null(incident_of(kit, kit_send(kit, &delivery)));
    kit_runbook(kit, "acme", "cpu_high");
    aw_correlation_forget("acme");
    kit_asset(kit, "acme", "srv-2", true);
    const char *with_runbook = kit_send(kit, &delivery);
    assert_int_equal(incident_of(kit, with_runbook)->alert_count, 2);
    assert_true(incident_of(kit, with_runbook)->critical_asset);
    assert_string_equal(kit_alert(kit, with_runbook)->asset_id, "asset-acme-srv-2");
}

static bool resolve_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_incident *incident;
    return aw_incident_change(tx, arg, &incident, err);
}

static void after_a_resolution_a_new_incident_opens(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.severity = "critical"};
    const char *first = kit_send(kit, &delivery);
    struct aw_incident_change change = {.scope = &aw_scope_all,
                                        .id = incident_of(kit, first)->id,
                                        .now_ms = KIT_NOW,
                                        .set_status = true,
                                        .status = AW_INCIDENT_RESOLVED};
    kit_run(kit, resolve_unit, &change);
    const char *second = kit_send(kit, &delivery);
    assert_string_not_equal(incident_of(kit, second)->id, change.id);
    assert_int_equal(incident_of(kit, second)->alert_count, 1);
    assert_int_equal(incident_of(kit, first)->alert_count, 1);
}

static bool delete_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct aw_incident *incident = arg;
    (void)err;
    aw_tx_delete(tx, &aw_incident_schema, incident->id, incident->version);
    return true;
}

/* Somebody has changed rows without a word: no decision may rest on what was remembered. */
static void what_does_not_fit_is_forgotten(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.severity = "critical"};
    const char *first = kit_send(kit, &delivery);
    struct aw_incident *incident = incident_of(kit, first);
    kit_run(kit, delete_unit, incident);
    struct aw_record_head *record = kit_record(kit, &delivery);
    struct aw_ingest_counts counts;
    struct aw_err err;
    assert_false(kit_try_ingest(kit, &record, 1, "queue1", &counts, &err));
    assert_string_equal(err.code, "ingest.stale");
    assert_int_equal(err.kind, AW_ERR_CONFLICT);
    assert_int_equal(kit_count(kit, &aw_alert_schema), 1);
}

static void records_out_of_order_count_in_their_own_window(void **state)
{
    struct kit *kit = *state;
    const int64_t minute = 60000;
    struct kit_delivery delivery = {.asset = "early", .at = 0};
    const char *early = kit_send(kit, &delivery);
    /* Far later: what is older than the window is thrown away. */
    delivery = (struct kit_delivery){.asset = "late", .at = 60 * minute};
    (void)kit_send(kit, &delivery);
    delivery = (struct kit_delivery){.asset = "early", .at = 15 * minute};
    const char *straggler = kit_send(kit, &delivery);
    assert_non_null(incident_of(kit, early));
    assert_string_equal(incident_of(kit, straggler)->id, incident_of(kit, early)->id);
    assert_int_equal(incident_of(kit, early)->created_at, KIT_NOW + 15 * minute);
}

/* The same N keys again after a restart: each finds its first alert, whether it was loaded or must be asked for. */
static void twice_with_a_restart(struct kit *kit, size_t n, const char *padding)
{
    enum { BATCH = 100 };
    struct aw_record_head *records[BATCH];
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            struct kit_delivery delivery = {.at = round == 0 ? (int64_t)i / 3 : 1000};
            delivery.body =
                aw_arena_printf(kit->arena,
                                "{\"asset_name\":\"a%zu\",\"signature\":\"s\",\"severity\":\"low\","
                                "\"message\":\"\",\"tool_source\":\"t\",\"padding\":\"%s\"}",
                                i, padding);
            records[i % BATCH] = kit_record(kit, &delivery);
            if (i % BATCH == BATCH - 1) {
                struct aw_ingest_counts counts = kit_ingest(kit, records, BATCH);
                assert_int_equal(counts.incidents_opened, round == 0 ? 0 : BATCH);
                assert_int_equal(counts.correlated, round == 0 ? 0 : 2 * BATCH);
            }
        }
        kit_restart(kit);
    }
}

static void live_alerts_are_loaded_page_by_page(void **state)
{
    twice_with_a_restart(*state, 1300, "");
}

static void more_live_alerts_than_may_be_loaded(void **state)
{
    static char padding[60000];
    memset(padding, 'x', sizeof(padding) - 1);
    twice_with_a_restart(*state, 700, padding);
}

static void a_fault_leaves_nothing_behind(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.severity = "critical", .identity = "d1"};
    struct aw_record_head *record = kit_record(kit, &delivery);
    struct aw_ingest_counts counts;
    struct aw_err err;
    for (int at = 0; at < 9; at++) {
        kit_fault_at = at;
        kit_fault_kind = at % 2 ? AW_ERR_INVALID : AW_ERR_UNAVAILABLE;
        assert_false(kit_try_ingest(kit, &record, 1, "queue1", &counts, &err));
        assert_int_equal(err.kind, at % 2 ? AW_ERR_INVALID : AW_ERR_UNAVAILABLE);
        assert_int_equal(kit_count(kit, &aw_delivery_schema) + kit_count(kit, &aw_alert_schema) +
                             kit_count(kit, &aw_event_run_schema),
                         0);
    }
    assert_int_equal(kit_ingest(kit, &record, 1).incidents_opened, 1);
    assert_int_equal(kit_count(kit, &aw_incident_schema), 1);
    assert_int_equal(kit_count(kit, &aw_open_key_schema), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_storm_rings_once, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(what_was_read_rings_again, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(at_most_four_rows_for_an_alert, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(members_of_an_earlier_batch_join_when_it_opens, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(changes_are_seen_by_the_next_batch, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(after_a_resolution_a_new_incident_opens, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_forgotten, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(records_out_of_order_count_in_their_own_window, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(live_alerts_are_loaded_page_by_page, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(more_live_alerts_than_may_be_loaded, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_fault_leaves_nothing_behind, setup, kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
