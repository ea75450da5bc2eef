/* The alerts of a large incident follow its change of state page by page: after restarts, another change in between, and
 * without a part in correlation meanwhile. */
#include "domain_kit.h"

#include "worker/domain/incident_members.h"
#include "worker/domain/incidents.h"

enum { N = 1270 };

static int setup(void **state)
{
    (void)kit_setup(state);
    kit_company(*state, "acme", 1);
    return 0;
}

/* N alerts with bodies of this size; the id of their incident. */
static const char *fill(struct kit *kit, size_t size)
{
    struct aw_record_head *records[N];
    char *text = aw_arena_zero(kit->arena, size + 1);
    memset(text, 'x', size);
    const char *body = aw_arena_printf(kit->arena,
                                       "{\"asset_name\":\"srv-1\",\"signature\":\"cpu_high\","
                                       "\"severity\":\"low\",\"message\":\"m\","
                                       "\"tool_source\":\"t\",\"more\":\"%s\"}",
                                       text);
    for (int i = 0; i < N; i++) {
        records[i] =
            kit_record(kit,
                       &(struct kit_delivery){.at = i / 3,
                                              .body = body,
                                              .identity = aw_arena_printf(kit->arena, "d%d", i)});
    }
    (void)kit_ingest(kit, records, N);
    struct aw_rows rows = kit_all(kit, &aw_incident_schema);
    assert_int_equal(rows.n, 1);
    return ((const struct aw_incident *)rows.v[0])->id;
}

struct change {
    const char *id;
    int status;
};
static bool change_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct change *to = arg;
    struct aw_incident *incident;
    const struct aw_incident_change change = {.scope = &aw_scope_all,
                                              .id = to->id,
                                              .now_ms = KIT_NOW + 1000,
                                              .set_status = true,
                                              .status = to->status};
    return aw_incident_change(tx, &change, &incident, err);
}
static void change(struct kit *kit, const char *id, int status)
{
    struct change to = {.id = id, .status = status};
    kit_run(kit, change_unit, &to);
}

static size_t count_status(struct kit *kit, int status)
{
    struct aw_query query = {.schema = &aw_alert_schema, .n = 1};
    query.conds[0] = (struct aw_cond){.field = "status", .op = AW_OP_EQ, .number = status};
    return kit_find(kit, &query).n;
}

static struct aw_member_change *next(struct kit *kit)
{
    struct aw_member_change *found;
    struct aw_reader *reader;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_members_next(reader, kit->arena, &found, &err));
    aw_store_read_end(&reader);
    return found;
}

/* Pages until the rest is done, or so many; returns the alerts that were changed. */
static size_t follow(struct kit *kit, size_t pages)
{
    struct aw_members_page page = {.place = {.number = 0}};
    size_t rows = 0;
    for (size_t i = 0; i < pages && (page.change = next(kit)) != NULL; i++) {
        kit_last_writes = 0;
        kit_run(kit, aw_members_unit, &page);
        assert_true(kit_last_writes <= AW_MEMBERS_ROWS + 1);
        page.place = page.next;
        rows += page.rows;
    }
    return rows;
}

static void all_follow_in_the_end(void **state)
{
    struct kit *kit = *state;
    const char *id = fill(kit, 10);
    change(kit, id, AW_INCIDENT_RESOLVED);
    assert_true(kit_last_writes < AW_MEMBERS_ROWS + 10);
    assert_int_equal(count_status(kit, AW_ALERT_RESOLVED), AW_MEMBERS_ROWS);
    assert_int_equal(count_status(kit, AW_ALERT_ACTIVE), 0);
    assert_int_equal(follow(kit, 100), N - AW_MEMBERS_ROWS);
    assert_null(next(kit));
    assert_int_equal(count_status(kit, AW_ALERT_RESOLVED), N);
    assert_int_equal(follow(kit, 1), 0);
}

/* Not in bytes either. */
static void large_bodies_make_smaller_units(void **state)
{
    enum { BODY = 20000, MOST = AW_MEMBERS_BYTES / BODY + 1 };
    struct kit *kit = *state;
    const char *id = fill(kit, BODY);
    size_t followed = 0, units = 0;
    change(kit, id, AW_INCIDENT_RESOLVED);
    size_t first = count_status(kit, AW_ALERT_RESOLVED);
    assert_in_range(first, MOST - 5, MOST);
    struct aw_members_page page = {.place = {.number = 0}};
    while ((page.change = next(kit)) != NULL) {
        kit_run(kit, aw_members_unit, &page);
        assert_in_range(page.rows, 0, MOST);
        page.place = page.next;
        followed += page.rows;
        units++;
    }
    assert_int_equal(first + followed, N);
    assert_in_range(units, N / MOST, N / MOST + 4);
}

static void a_restart_goes_on(void **state)
{
    struct kit *kit = *state;
    const char *id = fill(kit, 10);
    change(kit, id, AW_INCIDENT_RESOLVED);
    kit_restart(kit);
    assert_int_equal(follow(kit, 2), AW_MEMBERS_ROWS);
    kit_restart(kit);
    assert_int_equal(follow(kit, 100), N - 2 * AW_MEMBERS_ROWS);
    assert_int_equal(count_status(kit, AW_ALERT_RESOLVED), N);
}

static void a_change_in_between_counts(void **state)
{
    struct kit *kit = *state;
    const char *id = fill(kit, 10);
    change(kit, id, AW_INCIDENT_RESOLVED);
    struct aw_members_page stale = {.change = next(kit), .place = {.number = 0}};
    (void)follow(kit, 2);
    change(kit, id, AW_INCIDENT_IN_PROGRESS);
    kit_run(kit, aw_members_unit, &stale); /* of the former change: does nothing */
    assert_int_equal(stale.rows, 0);
    assert_int_equal(next(kit)->status, AW_ALERT_CORRELATED);
    (void)follow(kit, 100);
    assert_null(next(kit));
    assert_int_equal(count_status(kit, AW_ALERT_CORRELATED), N);
}

/* Alerts that come while the rest is still to follow open an incident of their own and are not touched. */
static void the_rest_plays_no_part(void **state)
{
    struct kit *kit = *state;
    const char *id = fill(kit, 10);
    change(kit, id, AW_INCIDENT_RESOLVED);
    const char *first = kit_send(kit, &(struct kit_delivery){.at = 2000, .identity = "n1"});
    assert_int_equal(kit_alert(kit, first)->status, AW_ALERT_ACTIVE);
    const char *second = kit_send(kit, &(struct kit_delivery){.at = 2001, .identity = "n2"});
    const struct aw_alert *joined = kit_alert(kit, second);
    assert_int_equal(joined->status, AW_ALERT_CORRELATED);
    assert_string_not_equal(joined->incident_id, id);
    (void)follow(kit, 100);
    assert_int_equal(count_status(kit, AW_ALERT_RESOLVED), N);
    assert_int_equal(count_status(kit, AW_ALERT_CORRELATED), 2);
    assert_int_equal(
        ((struct aw_incident *)kit_get(kit, &aw_incident_schema, joined->incident_id))->alert_count,
        2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_follow_in_the_end, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(large_bodies_make_smaller_units, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_restart_goes_on, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_change_in_between_counts, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(the_rest_plays_no_part, setup, kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
