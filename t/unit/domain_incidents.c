/* The life of an incident (ruling 19) with all its consequences. */
#include "domain_kit.h"

#include "worker/domain/correlation.h"
#include "worker/domain/incidents.h"

static const char *const acme_only[] = {"acme"}, *const beta_only[] = {"beta"};
static const struct aw_scope acme = {.companies = acme_only, .n = 1},
                             beta = {.companies = beta_only, .n = 1};

static struct aw_incident *changed; /* what the unit answered; its strings are gone after it */
static int64_t changed_version;
static int changed_status;

static bool change_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    bool ok = aw_incident_change(tx, arg, &changed, err);
    if (ok) {
        changed_version = changed->version;
        changed_status = changed->status;
    }
    return ok;
}

static int setup(void **state)
{
    (void)kit_setup(state);
    kit_company(*state, "acme", 1);
    kit_company(*state, "beta", 1);
    return 0;
}

static const char *open_one(struct kit *kit)
{
    struct kit_delivery delivery = {.severity = "critical"};
    return kit_alert(kit, kit_send(kit, &delivery))->incident_id;
}

static struct aw_incident *read_one(struct kit *kit, const char *id)
{
    return kit_get(kit, &aw_incident_schema, id);
}

static struct aw_incident_change to_status(const char *id, int status, int64_t at)
{
    return (struct aw_incident_change){.scope = &acme,
                                       .id = id,
                                       .actor = "user",
                                       .now_ms = KIT_NOW + at,
                                       .set_status = true,
                                       .status = status};
}

static void fails(struct kit *kit, struct aw_incident_change *change, const char *code,
                  const char *msg)
{
    struct aw_err err;
    kit_last_writes = 0;
    assert_false(kit_try(kit, change_unit, change, &err));
    assert_string_equal(err.code, code);
    assert_string_equal(err.msg, msg);
    assert_int_equal(kit_last_writes, 0);
}

static void every_pair_of_states(void **state)
{
    struct kit *kit = *state;
    static const char allowed[][5] = {/* to: new, in_progress, escalated, resolved */
                                      [AW_INCIDENT_NEW] = "=+++",
                                      [AW_INCIDENT_IN_PROGRESS] = "-=++",
                                      [AW_INCIDENT_ESCALATED] = "-+=+",
                                      [AW_INCIDENT_RESOLVED] = "-+-="};
    for (int from = AW_INCIDENT_NEW; from <= AW_INCIDENT_RESOLVED; from++) {
        for (int to = AW_INCIDENT_NEW; to <= AW_INCIDENT_RESOLVED; to++) {
            const char *id = open_one(kit);
            struct aw_incident_change change = to_status(id, from, 1000);
            kit_run(kit, change_unit, &change);
            int64_t version = read_one(kit, id)->version;
            change = to_status(id, to, 2000);
            if (allowed[from][to] == '-') {
                fails(kit, &change, "incident.state",
                      aw_arena_printf(kit->arena, "An incident that is %s cannot become %s",
                                      aw_incident_status_words[from],
                                      aw_incident_status_words[to]));
                assert_int_equal(read_one(kit, id)->status, from);
            } else {
                kit_run(kit, change_unit, &change);
                assert_int_equal(read_one(kit, id)->status, to);
                assert_int_equal(read_one(kit, id)->version, version + (allowed[from][to] == '+'));
                assert_int_equal(changed_version, read_one(kit, id)->version);
            }
            assert_int_equal(aw_incident_may((enum aw_incident_status)from,
                                             (enum aw_incident_status)to),
                             allowed[from][to] == '+');
            change = to_status(id, AW_INCIDENT_RESOLVED, 3000); /* the next round wants a new one */
            kit_run(kit, change_unit, &change);
        }
    }
}

static void resolving_takes_its_alerts_along(void **state)
{
    struct kit *kit = *state;
    const char *id = open_one(kit);
    struct kit_delivery delivery = {.asset = "other"};
    const char *bystander = kit_send(kit, &delivery);
    assert_string_equal(open_one(kit), id);
    struct aw_incident_change change = to_status(id, AW_INCIDENT_RESOLVED, 90000);
    change.self_healed = true;
    kit_run(kit, change_unit, &change);
    struct aw_rows alerts = kit_all(kit, &aw_alert_schema);
    for (size_t i = 0; i < alerts.n; i++) {
        const struct aw_alert *alert = alerts.v[i];
        bool other = strcmp(alert->id, bystander) == 0;
        assert_int_equal(alert->status, other ? AW_ALERT_ACTIVE : AW_ALERT_RESOLVED);
        assert_int_equal(alert->updated_at, other ? KIT_NOW : KIT_NOW + 90000);
    }
    const struct aw_incident *incident = read_one(kit, id);
    assert_int_equal(incident->resolved_at, KIT_NOW + 90000);
    assert_int_equal(incident->updated_at, KIT_NOW + 90000);
    assert_true(incident->auto_remediated);
    assert_int_equal(kit_count(kit, &aw_open_key_schema), 0);
}

static void reopening(void **state)
{
    struct kit *kit = *state;
    const char *id = open_one(kit);
    struct aw_incident_change change = to_status(id, AW_INCIDENT_RESOLVED, 1000);
    change.self_healed = true;
    kit_run(kit, change_unit, &change);
    change = to_status(id, AW_INCIDENT_IN_PROGRESS, 2000);
    kit_run(kit, change_unit, &change);
    const struct aw_incident *incident = read_one(kit, id);
    assert_int_equal(incident->resolved_at, 0);
    assert_false(incident->auto_remediated);
    assert_int_equal(kit_count(kit, &aw_open_key_schema), 1);
    assert_int_equal(((struct aw_alert *)kit_all(kit, &aw_alert_schema).v[0])->status,
                     AW_ALERT_CORRELATED);
    /* What arrives joins the reopened one. */
    assert_string_equal(open_one(kit), id);
    assert_int_equal(read_one(kit, id)->alert_count, 2);

    change = to_status(id, AW_INCIDENT_RESOLVED, 3000);
    kit_run(kit, change_unit, &change);
    const char *other = open_one(kit);
    assert_string_not_equal(other, id);
    change = to_status(id, AW_INCIDENT_IN_PROGRESS, 4000);
    fails(kit, &change, "incident.open_key",
          aw_arena_printf(
              kit->arena,
              "An incident that is resolved cannot become in_progress: incident %s is open for the "
              "same asset and signature",
              other));
    assert_int_equal(read_one(kit, id)->status, AW_INCIDENT_RESOLVED);
}

static void assigning(void **state)
{
    struct kit *kit = *state;
    const char *id = open_one(kit);
    struct aw_incident_change change = {.scope = &acme,
                                        .id = id,
                                        .now_ms = KIT_NOW + 5000,
                                        .set_assigned = true,
                                        .assigned_to = "u1"};
    kit_run(kit, change_unit, &change);
    assert_string_equal(read_one(kit, id)->assigned_to, "u1");
    assert_int_equal(read_one(kit, id)->status, AW_INCIDENT_IN_PROGRESS);
    assert_int_equal(changed_status, AW_INCIDENT_IN_PROGRESS);
    kit_last_writes = 0;
    kit_run(kit, change_unit, &change);
    assert_int_equal(kit_last_writes, 0);
    change.assigned_to = NULL;
    kit_run(kit, change_unit, &change);
    assert_null(read_one(kit, id)->assigned_to);
    assert_int_equal(read_one(kit, id)->status, AW_INCIDENT_IN_PROGRESS);
    change = to_status(id, AW_INCIDENT_ESCALATED, 6000);
    change.set_assigned = true;
    change.assigned_to = "u2";
    kit_run(kit, change_unit, &change);
    assert_int_equal(read_one(kit, id)->status, AW_INCIDENT_ESCALATED);
    assert_string_equal(read_one(kit, id)->assigned_to, "u2");
    struct aw_event *events;
    size_t n = kit_events(kit, &events);
    const struct aw_event *last = &events[n - 1];
    assert_string_equal(last->type, "incident_updated");
    assert_string_equal(last->actor, "user");
    assert_int_equal(last->object_version, read_one(kit, id)->version);
}

static void scope_and_version(void **state)
{
    struct kit *kit = *state;
    const char *id = open_one(kit);
    struct aw_incident_change change = to_status(id, AW_INCIDENT_RESOLVED, 0);
    change.scope = &beta;
    fails(kit, &change, "incident.absent", "There is no such incident");
    change.scope = &acme;
    change.id = "018bcfe5-687b-7000-8000-000000000000";
    fails(kit, &change, "incident.absent", "There is no such incident");
    change.id = id;
    change.version = 2;
    fails(kit, &change, "incident.version", "The incident has been changed meanwhile");
    change.version = 1;
    kit_run(kit, change_unit, &change);

    struct aw_reader *reader;
    struct aw_err err;
    struct aw_incident *incident;
    struct aw_strs ids;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_false(aw_incident_get(reader, &beta, id, KIT_NOW, kit->arena, &incident, &ids, &err));
    assert_string_equal(err.code, "incident.absent");
    aw_store_read_end(&reader);
}

static void the_newest_thousand_alerts_and_the_exact_score(void **state)
{
    enum { N = 1005 };
    struct kit *kit = *state;
    const char *first = NULL, *last = NULL, *id = NULL;
    struct aw_record_head *records[N];
    for (size_t i = 0; i < N; i++) {
        struct kit_delivery delivery = {.severity = "critical", .at = (int64_t)i};
        records[i] = kit_record(kit, &delivery);
    }
    (void)kit_ingest(kit, records, N);
    first = kit_id(kit, records[0]);
    last = kit_id(kit, records[N - 1]);
    id = kit_alert(kit, first)->incident_id;
    struct aw_reader *reader;
    struct aw_err err;
    struct aw_incident *incident;
    struct aw_strs ids;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_incident_get(reader, &acme, id, KIT_NOW + INT64_C(3) * 3600 * 1000, kit->arena,
                                &incident, &ids, &err));
    aw_store_read_end(&reader);
    assert_int_equal(incident->alert_count, N);
    assert_int_equal(incident->priority_score, 90 + 20 - 3);
    assert_int_equal(ids.n, AW_INCIDENT_ALERT_IDS);
    assert_string_equal(ids.v[0], last);
    for (size_t i = 0; i < ids.n; i++) {
        assert_string_not_equal(ids.v[i], first);
    }
    struct aw_rows rows = kit_all(kit, &aw_incident_schema);
    aw_incidents_rescore(&rows, KIT_NOW + INT64_C(30) * 3600 * 1000);
    assert_int_equal(((struct aw_incident *)rows.v[0])->priority_score, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_pair_of_states, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(resolving_takes_its_alerts_along, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(reopening, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(assigning, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(scope_and_version, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(the_newest_thousand_alerts_and_the_exact_score, setup,
                                        kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
