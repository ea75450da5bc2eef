/* The batch unit: what is new, what is a repeat, what was done before; assets, notifications, caches. */
#include "domain_kit.h"

#include "worker/domain/alerts.h"
#include "worker/domain/correlation.h"
#include "worker/domain/dead_letters.h"
#include "worker/domain/ingest_dedupe.h"
#include "worker/domain/notifications.h"

static int setup(void **state)
{
    (void)kit_setup(state);
    kit_company(*state, "acme", 1);
    kit_company(*state, "beta", 1);
    return 0;
}

/* The id of the alert that GET answers for an id. */
static const char *resolved(struct kit *kit, const char *id)
{
    struct aw_reader *reader;
    struct aw_alert *alert;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    bool ok = aw_alert_get(reader, &aw_scope_all, id, kit->arena, &alert, &err);
    aw_store_read_end(&reader);
    if (!ok) {
        assert_string_equal(err.code, "alert.absent");
    }
    return ok ? alert->id : NULL;
}

/* The same records once more must write nothing. */
static void again(struct kit *kit, struct aw_record_head *const *records, size_t n)
{
    kit_last_writes = 0;
    struct aw_ingest_counts counts = kit_ingest(kit, records, n);
    assert_int_equal(kit_last_writes, 0);
    assert_int_equal(counts.alerts + counts.duplicates, 0);
}

static void twins_of_one_batch_are_one_alert(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.identity = "d1", .message = "first"};
    struct aw_record_head *records[3];
    records[0] = kit_record(kit, &delivery);
    delivery.message = "second";
    records[1] = kit_record(kit, &delivery);
    records[2] = kit_record(kit, &delivery);
    struct aw_ingest_counts counts = kit_ingest(kit, records, 3);
    assert_int_equal(counts.alerts, 1);
    assert_int_equal(counts.duplicates, 2);
    const char *first = kit_id(kit, records[0]);
    assert_int_equal(kit_count(kit, &aw_alert_schema), 1);
    assert_string_equal(kit_alert(kit, first)->message, "first");
    assert_int_equal(kit_alert(kit, first)->delivery_attempts, 3);
    assert_string_equal(resolved(kit, kit_id(kit, records[1])), first);
    assert_string_equal(resolved(kit, kit_id(kit, records[2])), first);
    assert_null(resolved(kit, "018bcfe5-687b-7000-8000-000000000000"));
    again(kit, records, 3);
    assert_int_equal(kit_alert(kit, first)->delivery_attempts, 3);
}

static void twins_of_other_batches_and_after_a_restart(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.identity = "d1"};
    struct aw_record_head *one = kit_record(kit, &delivery);
    delivery.at = AW_DELIVERY_MEMORY_MS;
    struct aw_record_head *two = kit_record(kit, &delivery);
    (void)kit_ingest(kit, &one, 1);
    kit_restart(kit);
    struct aw_ingest_counts counts = kit_ingest(kit, &two, 1);
    assert_int_equal(counts.alerts, 0);
    assert_int_equal(counts.duplicates, 1);
    assert_int_equal(kit_alert(kit, kit_id(kit, one))->delivery_attempts, 2);
    kit_restart(kit);
    again(kit, &two, 1);
    again(kit, &one, 1);
}

static void past_its_memory_a_delivery_is_new(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.identity = "d1"};
    struct aw_record_head *records[3];
    records[0] = kit_record(kit, &delivery);
    delivery.at = 1000;
    records[1] = kit_record(kit, &delivery);
    delivery.at = AW_DELIVERY_MEMORY_MS + 1;
    records[2] = kit_record(kit, &delivery);
    struct aw_ingest_counts counts = kit_ingest(kit, records, 3);
    assert_int_equal(counts.alerts, 2);
    assert_int_equal(counts.duplicates, 1);
    assert_int_equal(kit_alert(kit, kit_id(kit, records[0]))->delivery_attempts, 2);
    assert_int_equal(kit_alert(kit, kit_id(kit, records[2]))->delivery_attempts, 1);
    /* The row stands for the third now, which must not make the first two new again. */
    again(kit, records, 3);
    for (size_t i = 0; i < 3; i++) {
        again(kit, &records[i], 1);
    }
}

static struct aw_record_head *by_content(struct kit *kit, int64_t at)
{
    struct kit_delivery delivery = {.at = at};
    struct aw_record_head *record;
    kit->seq = 7; /* the kit makes the identity of it */
    record = kit_record(kit, &delivery);
    kit->seq += (uint64_t)at + 1;
    record->seq = kit->seq;
    return record;
}

static void a_content_is_remembered_for_five_minutes(void **state)
{
    struct kit *kit = *state;
    struct aw_record_head *first = by_content(kit, 0),
                          *twin = by_content(kit, AW_CONTENT_MEMORY_MS),
                          *later = by_content(kit, AW_CONTENT_MEMORY_MS + 1);
    assert_int_equal(kit_ingest(kit, &first, 1).alerts, 1);
    assert_int_equal(kit_ingest(kit, &twin, 1).duplicates, 1);
    assert_int_equal(kit_ingest(kit, &later, 1).alerts, 1);
}

static void an_older_record_never_replaces_a_newer_row(void **state)
{
    struct kit *kit = *state;
    const int64_t day = AW_DELIVERY_MEMORY_MS;
    struct kit_delivery delivery = {.identity = "d1", .at = 2 * day};
    struct aw_record_head *newer = kit_record(kit, &delivery);
    delivery.at = day;
    struct aw_record_head *twin = kit_record(kit, &delivery);
    delivery.at = day - 1;
    struct aw_record_head *older = kit_record(kit, &delivery);
    delivery.at = 3 * day;
    struct aw_record_head *last = kit_record(kit, &delivery);
    assert_int_equal(kit_ingest(kit, &newer, 1).alerts, 1);
    assert_int_equal(kit_ingest(kit, &twin, 1).duplicates, 1);
    assert_int_equal(kit_ingest(kit, &older, 1).alerts, 1);
    again(kit, &older, 1);
    assert_int_equal(kit_ingest(kit, &last, 1).duplicates, 1);
    assert_string_equal(resolved(kit, kit_id(kit, last)), kit_id(kit, newer));
}

static void a_signature_seen_again_is_a_repeat(void **state)
{
    struct kit *kit = *state;
    const int64_t now_s = KIT_NOW / 1000;
    struct kit_delivery delivery = {.identity = "d1", .signed_as = "s1", .signed_at = now_s + 299};
    struct aw_record_head *first = kit_record(kit, &delivery);
    delivery.identity = "d2";
    delivery.at = (299 + AW_SIGNATURE_SKEW_S) * 1000;
    struct aw_record_head *replay = kit_record(kit, &delivery);
    delivery.identity = "d3";
    delivery.at++;
    struct aw_record_head *expired = kit_record(kit, &delivery);
    delivery.signed_as = "s2";
    delivery.identity = "d2";
    struct aw_record_head *fresh = kit_record(kit, &delivery);
    assert_int_equal(kit_ingest(kit, &first, 1).alerts, 1);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 2);
    assert_int_equal(kit_ingest(kit, &replay, 1).duplicates, 1);
    again(kit, &replay, 1);
    assert_int_equal(kit_alert(kit, kit_id(kit, first))->delivery_attempts, 2);
    assert_string_equal(resolved(kit, kit_id(kit, replay)), kit_id(kit, first));
    assert_int_equal(kit_ingest(kit, &expired, 1).alerts, 1);
    /* A replayed signature does not take the delivery id that came with it. */
    assert_int_equal(kit_ingest(kit, &fresh, 1).alerts, 1);
}

static void a_retry_signed_again_teaches_its_signature(void **state)
{
    struct kit *kit = *state;
    const int64_t now_s = KIT_NOW / 1000;
    struct kit_delivery delivery = {.identity = "d1", .signed_as = "s1", .signed_at = now_s};
    struct aw_record_head *first = kit_record(kit, &delivery);
    delivery.signed_as = "s2"; /* through another edge: a whole record */
    struct aw_record_head *twin = kit_record(kit, &delivery);
    delivery.signed_as = "s3"; /* through the same edge: an attempt */
    delivery.attempt = delivery.new_signature = true;
    struct aw_record_head *attempt = kit_record(kit, &delivery);
    memcpy(attempt->alert_id, first->alert_id, AW_ID_LEN);
    assert_int_equal(kit_ingest(kit, &first, 1).alerts, 1);
    assert_int_equal(kit_ingest(kit, &twin, 1).duplicates, 1);
    assert_int_equal(kit_ingest(kit, &attempt, 1).duplicates, 1);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 4);
    assert_int_equal(kit_count(kit, &aw_alias_schema), 1);
    again(kit, &attempt, 1);
    struct kit_delivery other = {.identity = "d9", .signed_as = "s3", .signed_at = now_s};
    struct aw_record_head *replay = kit_record(kit, &other);
    other.signed_as = "s2";
    other.identity = "d8";
    struct aw_record_head *second = kit_record(kit, &other);
    assert_int_equal(kit_ingest(kit, &replay, 1).duplicates, 1);
    assert_int_equal(kit_ingest(kit, &second, 1).duplicates, 1);
    assert_int_equal(kit_alert(kit, kit_id(kit, first))->delivery_attempts, 5);
}

static void attempts_count_once_per_queue_and_seq(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    struct aw_ingest_counts counts;
    struct kit_delivery delivery = {.identity = "d1"};
    struct aw_record_head *first = kit_record(kit, &delivery);
    delivery.attempt = true;
    struct aw_record_head *attempts[3];
    for (size_t i = 0; i < 3; i++) {
        attempts[i] = kit_record(kit, &delivery);
        memcpy(attempts[i]->alert_id, first->alert_id, AW_ID_LEN);
    }
    (void)kit_ingest(kit, &first, 1);
    assert_int_equal(kit_ingest(kit, attempts, 2).duplicates, 2);
    assert_int_equal(kit_ingest(kit, attempts, 3).duplicates, 1);
    again(kit, attempts, 3);
    assert_int_equal(kit_alert(kit, kit_id(kit, first))->delivery_attempts, 4);
    /* Another queue counts for itself; one id is no prefix of the other. */
    assert_true(kit_try_ingest(kit, attempts, 3, "queue11", &counts, &err));
    assert_int_equal(counts.duplicates, 3);
    assert_true(kit_try_ingest(kit, attempts, 3, "queue11", &counts, &err));
    assert_int_equal(counts.duplicates, 0);
    again(kit, attempts, 3);
    assert_int_equal(kit_alert(kit, kit_id(kit, first))->delivery_attempts, 7);
    /* Of a delivery that nobody knows any more, nothing can be counted. */
    delivery.identity = "never seen";
    struct aw_record_head *lost = kit_record(kit, &delivery);
    again(kit, &lost, 1);
}

static void companies_never_mix(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.identity = "d1"};
    struct aw_record_head *records[4];
    for (size_t i = 0; i < 4; i++) {
        delivery.company = i % 2 == 0 ? "acme" : "beta";
        delivery.identity = i < 2 ? "d1" : "d2";
        records[i] = kit_record(kit, &delivery);
    }
    assert_int_equal(kit_ingest(kit, records, 2).incidents_opened, 0);
    struct aw_ingest_counts counts = kit_ingest(kit, records + 2, 2);
    assert_int_equal(counts.alerts, 2);
    assert_int_equal(counts.incidents_opened, 2);
    struct aw_rows incidents = kit_all(kit, &aw_incident_schema);
    for (size_t i = 0; i < 4; i++) {
        const struct aw_alert *alert = kit_alert(kit, kit_id(kit, records[i]));
        const struct aw_incident *incident = kit_get(kit, &aw_incident_schema, alert->incident_id);
        assert_string_equal(alert->company_id, i % 2 == 0 ? "acme" : "beta");
        assert_string_equal(incident->company_id, alert->company_id);
        assert_int_equal(incident->alert_count, 2);
    }
    assert_int_equal(incidents.n, 2);
}

static void unknown_assets_are_taken_or_registered(void **state)
{
    struct kit *kit = *state;
    kit_company(kit, "gamma", 2);
    kit_asset(kit, "acme", "srv-1", true);
    struct kit_delivery delivery = {.asset = "srv-1"};
    assert_string_equal(kit_alert(kit, kit_send(kit, &delivery))->asset_id, "asset-acme-srv-1");
    delivery.asset = "stranger";
    assert_null(kit_alert(kit, kit_send(kit, &delivery))->asset_id);

    delivery.company = "gamma";
    struct aw_record_head *records[2] = {kit_record(kit, &delivery), kit_record(kit, &delivery)};
    struct aw_err err;
    struct aw_ingest_counts counts;
    kit_fault_at = 3;
    kit_fault_kind = AW_ERR_UNAVAILABLE;
    assert_false(kit_try_ingest(kit, records, 2, "queue1", &counts, &err));
    (void)kit_ingest(kit, records, 2);
    (void)kit_send(kit, &delivery);
    struct aw_query query = {.schema = &aw_asset_schema, .n = 1};
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = "gamma"};
    struct aw_rows assets = kit_find(kit, &query);
    assert_int_equal(assets.n, 1);
    struct aw_rows alerts = kit_all(kit, &aw_alert_schema);
    for (size_t i = 0; i < alerts.n; i++) {
        const struct aw_alert *alert = alerts.v[i];
        if (strcmp(alert->company_id, "gamma") == 0) {
            assert_string_equal(alert->asset_id, ((struct aw_asset *)assets.v[0])->id);
        }
    }
}

static void bodies_are_kept_as_they_came(void **state)
{
    struct kit *kit = *state;
    const char *body = "{\"asset_name\":\"a\\u00e9\",\"signature\":\"s\",\"severity\":\"high\","
                       "\"message\":\"m\",\"tool_source\":\"t\",\"more\":[1, {\"x\":null}]}";
    struct kit_delivery delivery = {.body = body, .identity = "d-1"};
    const struct aw_alert *alert = kit_alert(kit, kit_send(kit, &delivery));
    assert_string_equal(alert->raw, body);
    assert_string_equal(alert->asset_name, "a\u00e9");
    assert_string_equal(alert->delivery_id, "d-1");
    assert_int_equal(alert->severity, AW_HIGH);
    assert_int_equal(alert->created_at, KIT_NOW);
    assert_int_equal(alert->delivery_attempts, 1);
}

/* --- dead letters --- */

struct letter_act {
    const char *id;
    const struct aw_scope *scope;
    bool retry;
};
static bool letter_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct letter_act *act = arg;
    return act->retry ? aw_dead_letter_retry(tx, act->scope, act->id, "user", KIT_NOW, err)
                      : aw_dead_letter_discard(tx, act->scope, act->id, "user", KIT_NOW, err);
}

static void what_cannot_become_an_alert_is_put_away(void **state)
{
    struct kit *kit = *state;
    struct kit_delivery delivery = {.body = "{\"asset_name\":1}"};
    struct aw_record_head *records[3] = {kit_record(kit, &delivery)};
    delivery.body = NULL;
    records[1] = kit_record(kit, &delivery);
    delivery.company = "gone";
    delivery.identity = "d1";
    records[2] = kit_record(kit, &delivery);
    struct aw_ingest_counts counts = kit_ingest(kit, records, 3);
    assert_int_equal(counts.alerts, 1);
    assert_int_equal(counts.dead_letters, 2);
    kit_last_writes = 0;
    (void)kit_ingest(kit, records, 3);
    assert_int_equal(kit_last_writes, 0);
    const char *bad = kit_id(kit, records[0]), *gone = kit_id(kit, records[2]);
    const struct aw_dead_letter *letter = kit_get(kit, &aw_dead_letter_schema, bad);
    assert_non_null(strstr(letter->reason, "asset_name"));
    assert_int_equal(letter->record.len, records[0]->length);
    assert_memory_equal(letter->record.ptr, records[0], records[0]->length);

    struct aw_err err;
    struct letter_act act = {.id = bad, .scope = &aw_scope_all, .retry = true};
    assert_false(kit_try(kit, letter_unit, &act, &err));
    assert_string_equal(err.code, "dead_letter.record");
    act.id = gone;
    assert_false(kit_try(kit, letter_unit, &act, &err));
    assert_string_equal(err.code, "dead_letter.company");
    static const char *const acme[] = {"acme"};
    const struct aw_scope narrow = {.companies = acme, .n = 1};
    act.scope = &narrow;
    assert_false(kit_try(kit, letter_unit, &act, &err));
    assert_string_equal(err.code, "dead_letter.absent");
    kit_company(kit, "gone", 1);
    aw_correlation_forget("gone");
    act.scope = &aw_scope_all;
    kit_run(kit, letter_unit, &act);
    assert_int_equal(kit_alert(kit, gone)->created_at, KIT_NOW);
    assert_null(kit_get(kit, &aw_dead_letter_schema, gone));
    again(kit, &records[2], 1);
    act = (struct letter_act){.id = bad, .scope = &aw_scope_all};
    kit_run(kit, letter_unit, &act);
    assert_int_equal(kit_count(kit, &aw_dead_letter_schema), 0);
    assert_false(kit_try(kit, letter_unit, &act, &err));
    assert_int_equal(err.kind, AW_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(twins_of_one_batch_are_one_alert, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(twins_of_other_batches_and_after_a_restart, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(past_its_memory_a_delivery_is_new, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_content_is_remembered_for_five_minutes, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(an_older_record_never_replaces_a_newer_row, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(a_signature_seen_again_is_a_repeat, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_retry_signed_again_teaches_its_signature, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(attempts_count_once_per_queue_and_seq, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(companies_never_mix, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(unknown_assets_are_taken_or_registered, setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(bodies_are_kept_as_they_came, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_become_an_alert_is_put_away, setup,
                                        kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
