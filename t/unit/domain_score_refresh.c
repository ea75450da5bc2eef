/* The stored score follows the age: as often as a clock ticks, after an hour without the worker, and no more rows than
 * those whose whole hours have changed. */
#include "domain_kit.h"

#include "worker/domain/events.h"
#include "worker/domain/score.h"
#include "worker/domain/score_refresh.h"

enum { N = 40 };
static const int64_t hour = 3600000;

static int setup(void **state)
{
    (void)kit_setup(state);
    for (int i = 0; i < N; i++) {
        struct kit *kit = *state;
        struct aw_incident *incident = AW_NEW(kit->arena, struct aw_incident);
        incident->id = aw_arena_printf(kit->arena, "i%02d", i);
        incident->company_id = "acme";
        incident->asset_name = incident->signature = incident->aggregation_key = "a";
        incident->severity = AW_HIGH;
        incident->alert_count = 2;
        incident->created_at = incident->updated_at = KIT_NOW + i * 7 * 60000;
        incident->priority_score = aw_incident_score(incident, incident->created_at);
        kit_insert(kit, &aw_incident_schema, incident);
    }
    return 0;
}

/* A run of the job; returns how many rows it has written. */
static size_t refresh(struct kit *kit, int64_t since, int64_t now)
{
    struct aw_score_range ranges[AW_SCORE_RANGES];
    size_t n = aw_score_ranges(since, now, ranges), written = 0;
    for (size_t i = 0; i < n; i++) {
        struct aw_place place = {.number = 0};
        struct aw_score_page page = {.more = true};
        while (page.more) {
            struct aw_reader *reader;
            struct aw_err err;
            assert_true(aw_store_read_begin(kit->store, &reader, &err));
            assert_true(aw_score_look(reader, &ranges[i], now, &place, kit->arena, &page, &err));
            aw_store_read_end(&reader);
            kit_run(kit, aw_score_unit, &page);
            written += page.n;
        }
    }
    return written;
}

static void expect_exact(struct kit *kit, int64_t now)
{
    struct aw_rows rows = kit_all(kit, &aw_incident_schema);
    assert_int_equal(rows.n, N);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_incident *incident = rows.v[i];
        assert_int_equal(incident->priority_score, aw_incident_score(incident, now));
    }
}

static void every_step_is_exact_and_small(void **state)
{
    struct kit *kit = *state;
    size_t written = 0;
    int64_t since = KIT_NOW, now = KIT_NOW;
    /* spans of 1 ms to 29 minutes, until all are old */
    for (int64_t i = 0; now < KIT_NOW + 16 * hour; i++) {
        now = since + (i % 5 == 0 ? 1 : i % 30 * 60000 + 777);
        written += refresh(kit, since, now);
        expect_exact(kit, now);
        since = now;
    }
    assert_int_equal(written, N * 10); /* each incident once an hour, ten times */
    assert_int_equal(refresh(kit, since, since + 30 * hour), 0);
    assert_int_equal(kit_count(kit, &aw_event_run_schema), 0);
}

static void a_long_sleep_is_made_up_for(void **state)
{
    struct kit *kit = *state;
    const int64_t sleeps[] = {hour, 3 * hour, hour / 2, 25 * hour};
    int64_t since = KIT_NOW + 5 * hour; /* the worker went to sleep */
    refresh(kit, 0, since);
    expect_exact(kit, since);
    for (size_t i = 0; i < AW_COUNT(sleeps); i++) {
        refresh(kit, since, since + sleeps[i]);
        since += sleeps[i];
        expect_exact(kit, since);
    }
}

static void a_clock_that_goes_back(void **state)
{
    (void)state;
    struct aw_score_range ranges[AW_SCORE_RANGES];
    assert_int_equal(aw_score_ranges(KIT_NOW, KIT_NOW, ranges), 0);
    assert_int_equal(aw_score_ranges(KIT_NOW, KIT_NOW - 1, ranges), 0);
}

static void the_time_is_kept(void **state)
{
    struct kit *kit = *state;
    for (int64_t i = 0; i < 3; i++) {
        struct aw_reader *reader;
        struct aw_err err;
        int64_t since = -1, next = KIT_NOW + i;
        assert_true(aw_store_read_begin(kit->store, &reader, &err));
        assert_true(aw_score_since(reader, &since, &err));
        aw_store_read_end(&reader);
        assert_int_equal(since, i == 0 ? 0 : KIT_NOW + i - 1);
        kit_run(kit, aw_score_since_unit, &next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_step_is_exact_and_small, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_long_sleep_is_made_up_for, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_goes_back, setup, kit_teardown),
        cmocka_unit_test_setup_teardown(the_time_is_kept, setup, kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
