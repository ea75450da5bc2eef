/* What retention throws away and what it leaves: deliveries while a repeat can still come, the head of the event
 * stream, notifications that nobody has read. */
#include "domain_kit.h"

#include "worker/domain/events.h"
#include "worker/domain/notifications.h"
#include "worker/domain/retention.h"

static const int64_t minute = 60000, day = 86400000;

static int setup(void **state)
{
    (void)kit_setup(state);
    kit_company(*state, "acme", 1);
    return 0;
}

static bool look(struct kit *kit, const struct aw_retention_rule *rule,
                 const struct aw_retention_limits *limits, struct aw_place *place,
                 struct aw_retention_page *page)
{
    struct aw_reader *reader;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    bool ok = aw_retention_look(reader, rule, limits, place, kit->arena, page, &err);
    aw_store_read_end(&reader);
    return ok;
}

/* A whole run, as the job does it; returns the rows that were deleted. */
static size_t run(struct kit *kit, const struct aw_retention_rule *rule,
                  const struct aw_retention_limits *limits, struct aw_place *place)
{
    struct aw_retention_page page = {.more = true};
    size_t deleted = 0;
    while (page.more) {
        assert_true(look(kit, rule, limits, place, &page));
        kit_run(kit, aw_retention_unit, &page);
        deleted += page.n;
    }
    return deleted;
}

static size_t run_at(struct kit *kit, const struct aw_retention_rule *rule, int64_t oldest)
{
    struct aw_retention_limits limits = {.now_ms = oldest,
                                         .oldest_ms = oldest,
                                         .event_ms = 30 * day,
                                         .notification_ms = 30 * day};
    struct aw_place place = {.number = 0};
    return run(kit, rule, &limits, &place);
}

static size_t attempts(struct kit *kit, const char *id)
{
    return (size_t)kit_alert(kit, id)->delivery_attempts;
}

/* To the millisecond: as long as a record can come that is a repeat, its row is there. */
static void a_delivery_is_kept_for_its_memory(void **state)
{
    struct kit *kit = *state;
    const struct kit_delivery named = {.identity = "d1"};
    const char *id = kit_send(kit, &named);
    int64_t last = KIT_NOW + day; /* of the last repeat */
    assert_int_equal(run_at(kit, &aw_retention_deliveries, last + AW_RETENTION_MARGIN_MS), 0);
    struct kit_delivery repeat = named;
    repeat.at = day;
    (void)kit_send(kit, &repeat);
    assert_int_equal(attempts(kit, id), 2);
    assert_int_equal(run_at(kit, &aw_retention_deliveries, last + AW_RETENTION_MARGIN_MS + 1), 1);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 0);
    repeat.at = day + 1;
    (void)kit_send(kit, &repeat);
    assert_int_equal(kit_count(kit, &aw_alert_schema), 2);
}

/* A record that waits in a queue, however long, is judged by the rows of its time. */
static void a_backlog_holds_rows_back(void **state)
{
    struct kit *kit = *state;
    struct aw_retention_limits limits = {.now_ms = KIT_NOW + 9 * day,
                                         .oldest_ms = KIT_NOW + minute};
    struct aw_place place = {.number = 0};
    const char *id = kit_send(kit, &(struct kit_delivery){.identity = "d1"});
    assert_int_equal(run(kit, &aw_retention_deliveries, &limits, &place), 0);
    (void)kit_send(kit, &(struct kit_delivery){.identity = "d1", .at = minute});
    assert_int_equal(attempts(kit, id), 2);
    assert_int_equal(kit_count(kit, &aw_alert_schema), 1);
}

/* Signatures and contents go after minutes, from between those that stay a day. */
static void short_memories_go_first(void **state)
{
    enum { N = 1300 };
    struct kit *kit = *state;
    struct aw_record_head *records[N];
    for (int i = 0; i < N; i++) {
        struct kit_delivery delivery = {.at = i * 100,
                                        .identity = aw_arena_printf(kit->arena, "d%d", i),
                                        .signed_as = aw_arena_printf(kit->arena, "s%d", i),
                                        .signed_at = (KIT_NOW + i * 100) / 1000};
        records[i] = kit_record(kit, &delivery);
    }
    (void)kit_ingest(kit, records, N);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 2 * N);
    /* Of half of them the signature is over. */
    struct aw_retention_limits limits = {.oldest_ms = KIT_NOW + 305000 + AW_RETENTION_MARGIN_MS +
                                                      N / 2 * 100};
    limits.now_ms = limits.oldest_ms + minute;
    struct aw_place place = {.number = 0};
    size_t early = run(kit, &aw_retention_short_deliveries, &limits, &place);
    assert_int_equal(early, 0); /* they have not reached the longest of the short memories */
    limits.oldest_ms += 305000;
    limits.now_ms += 305000;
    size_t half = run(kit, &aw_retention_short_deliveries, &limits, &place);
    assert_in_range(half, N / 2 - 20, N / 2 + 500);
    assert_int_equal(run(kit, &aw_retention_short_deliveries, &limits, &place), 0);
    limits.oldest_ms += 10 * minute;
    limits.now_ms += 10 * minute;
    assert_int_equal(run(kit, &aw_retention_short_deliveries, &limits, &place) + half, N);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), N);
    assert_int_equal(run_at(kit, &aw_retention_deliveries, KIT_NOW + 2 * day), N);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 0);
}

/* A content that is heard again and again keeps its place at the beginning, and so does one of a clock that was
 * wrong: what lies behind them goes in its time. */
static void a_young_row_in_front_holds_nothing_up(void **state)
{
    struct kit *kit = *state;
    (void)kit_send(kit, &(struct kit_delivery){.identity = "again"});
    (void)kit_send(kit, &(struct kit_delivery){.identity = "future", .at = 90 * day});
    (void)kit_send(kit, &(struct kit_delivery){.identity = "old", .at = 1});
    (void)kit_send(kit, &(struct kit_delivery){.identity = "again", .at = 2 * day});
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 3);
    assert_int_equal(run_at(kit, &aw_retention_deliveries, KIT_NOW + 2 * day + 1), 1);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 2);
}

/* Found by the walk, changed before the unit runs. */
static void what_has_changed_stays(void **state)
{
    struct kit *kit = *state;
    struct aw_retention_limits limits = {.now_ms = KIT_NOW + 2 * day,
                                         .oldest_ms = KIT_NOW + 2 * day};
    struct aw_place place = {.number = 0};
    struct aw_retention_page page;
    (void)kit_send(kit, &(struct kit_delivery){.identity = "a"});
    (void)kit_send(kit, &(struct kit_delivery){.identity = "b"});
    assert_true(look(kit, &aw_retention_deliveries, &limits, &place, &page));
    assert_int_equal(page.n, 2);
    (void)kit_send(kit, &(struct kit_delivery){.identity = "a", .at = 2 * day});
    struct aw_err err;
    assert_false(kit_try(kit, aw_retention_unit, &page, &err));
    assert_int_equal(err.kind, AW_ERR_CONFLICT);
    assert_int_equal(kit_count(kit, &aw_delivery_schema), 2);
    place = (struct aw_place){.number = 0};
    assert_int_equal(run(kit, &aw_retention_deliveries, &limits, &place), 1);
    struct aw_rows rows = kit_all(kit, &aw_delivery_schema);
    assert_int_equal(rows.n, 1);
    assert_int_equal(((const struct aw_delivery_row *)rows.v[0])->received_at, KIT_NOW + 2 * day);
}

static void events_after(struct kit *kit, const char *after, struct aw_event_page *page)
{
    static const char *const words[] = {"view"};
    const struct aw_event_viewer viewer = {.scope = &aw_scope_all, .permissions = {words, 1}};
    struct aw_reader *reader;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_events_after(reader, &viewer, after, 500, kit->arena, page, &err));
    aw_store_read_end(&reader);
}

static void events_go_and_the_stream_tells(void **state)
{
    struct kit *kit = *state;
    struct aw_event_page page, old, end;
    for (int i = 0; i < 5; i++) {
        (void)kit_send(kit, &(struct kit_delivery){.asset = "a", .at = i * 10 * day});
    }
    events_after(kit, NULL, &old);
    size_t before = old.n;
    assert_true(before >= 5);
    assert_true(run_at(kit, &aw_retention_events, KIT_NOW + 41 * day) > 0);
    events_after(kit, NULL, &page);
    assert_true(page.n > 0 && page.n < before);
    assert_true(page.v[0]->created_at >= KIT_NOW + 11 * day);
    events_after(kit, old.v[0]->id, &page);
    assert_true(page.lost);
    events_after(kit, old.v[before - 2]->id, &page);
    assert_false(page.lost);
    assert_int_equal(page.n, 1);
    /* All of them: the head stays where it is. */
    assert_true(run_at(kit, &aw_retention_events, KIT_NOW + 400 * day) > 0);
    assert_int_equal(kit_count(kit, &aw_event_run_schema), 0);
    events_after(kit, old.v[before - 1]->id, &end);
    assert_false(end.lost);
    events_after(kit, old.v[before - 2]->id, &page);
    assert_true(page.lost);
    assert_string_equal(page.next, old.v[before - 1]->id);
    (void)kit_send(kit, &(struct kit_delivery){.asset = "b", .at = 400 * day});
    events_after(kit, old.v[before - 1]->id, &page);
    assert_false(page.lost);
    assert_int_equal(page.n, 1);
}

static bool read_all_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    size_t n;
    return aw_notifications_read_all(tx, &aw_scope_all, "user", *(const int64_t *)arg, 100, &n,
                                     err);
}

static void read_notifications_go(void **state)
{
    struct kit *kit = *state;
    int64_t read_at = KIT_NOW + day;
    (void)kit_send(kit, &(struct kit_delivery){.asset = "a", .severity = "high"});
    kit_run(kit, read_all_unit, &read_at);
    (void)kit_send(kit, &(struct kit_delivery){.asset = "b", .severity = "high", .at = 1});
    assert_int_equal(run_at(kit, &aw_retention_notifications, read_at + 30 * day), 0);
    assert_int_equal(run_at(kit, &aw_retention_notifications, read_at + 30 * day + 1), 1);
    struct aw_rows rows = kit_all(kit, &aw_notification_schema);
    assert_int_equal(rows.n, 1);
    assert_string_equal(((const struct aw_notification *)rows.v[0])->asset_name, "b");
    struct aw_event_page page;
    events_after(kit, NULL, &page);
    const struct aw_event *last = page.v[page.n - 1];
    assert_string_equal(last->type, "notification_deleted");
    assert_int_equal(last->object_version, 3);
}

static void kept_replies_go_after_a_day(void **state)
{
    struct kit *kit = *state;
    for (int i = 0; i < 3; i++) {
        struct aw_kept_reply *row = AW_NEW(kit->arena, struct aw_kept_reply);
        row->id = aw_arena_printf(kit->arena, "r%d", 2 - i);
        row->company_id = "acme";
        row->request = "request";
        row->created_at = KIT_NOW + i * 1000;
        kit_insert(kit, &aw_kept_reply_schema, row);
    }
    assert_int_equal(run_at(kit, &aw_retention_replies, KIT_NOW + 1000 + day), 1);
    assert_null(kit_get(kit, &aw_kept_reply_schema, "r2"));
    assert_int_equal(run_at(kit, &aw_retention_replies, KIT_NOW + 1001 + day), 1);
    assert_non_null(kit_get(kit, &aw_kept_reply_schema, "r0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_delivery_is_kept_for_its_memory, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_backlog_holds_rows_back, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(short_memories_go_first, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_young_row_in_front_holds_nothing_up, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(what_has_changed_stays, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(events_go_and_the_stream_tells, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(read_notifications_go, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(kept_replies_go_after_a_day, setup, kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
