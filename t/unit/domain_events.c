/* The event stream: numbers without gaps, who may see what, going on where one has stopped. */
#include "domain_kit.h"

#include "worker/domain/events.h"

struct told {
    struct aw_event_news news[4];
    const struct aw_event_news *many; /* NULL = news */
    size_t n;
    bool refuse;
};

static bool tell_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct told *told = arg;
    if (!aw_events_add(tx, told->many != NULL ? told->many : told->news, told->n, err)) {
        return false;
    }
    return !told->refuse || aw_fail(err, AW_ERR_CONFLICT, "test", "refused by the test");
}

static struct aw_event_news news_of(const char *company, const char *type)
{
    return (struct aw_event_news){.company_id = company,
                                  .permission = "view",
                                  .object = "alerts",
                                  .object_id = "a",
                                  .object_version = 1,
                                  .type = type,
                                  .now_ms = KIT_NOW};
}

static void tell(struct kit *kit, const char *company, const char *type)
{
    struct told told = {.news = {news_of(company, type)}, .n = 1};
    kit_run(kit, tell_unit, &told);
}

static const char *const view_only[] = {"view"};
static const struct aw_event_viewer everybody = {.scope = &aw_scope_all,
                                                 .permissions = {.v = view_only, .n = 1}};

static struct aw_event_page page_after(struct kit *kit, const struct aw_event_viewer *viewer,
                                       const char *after, size_t limit)
{
    struct aw_reader *reader;
    struct aw_event_page page;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    if (!aw_events_after(reader, viewer, after, limit, kit->arena, &page, &err)) {
        fail_msg("events: %s %s", err.code, err.msg);
    }
    aw_store_read_end(&reader);
    return page;
}

static void head_is(struct kit *kit, const char *expect)
{
    struct aw_reader *reader;
    char text[AW_EVENT_ID_TEXT + 1];
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_events_head(reader, text, &err));
    aw_store_read_end(&reader);
    assert_string_equal(text, expect);
}

static void numbers_have_no_gaps(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    head_is(kit, "000001-0000000000000000");
    for (int i = 0; i < 5; i++) {
        struct told told = {.n = 3, .refuse = i % 2 == 1};
        for (size_t k = 0; k < 3; k++) {
            told.news[k] = news_of("acme", k == 0 ? "a" : k == 1 ? "b" : "c");
        }
        assert_int_equal(kit_try(kit, tell_unit, &told, &err), !told.refuse);
        kit_fault_at = i;
        kit_fault_kind = AW_ERR_UNAVAILABLE;
        told.refuse = false;
        assert_false(kit_try(kit, tell_unit, &told, &err));
    }
    struct told nothing = {.n = 0};
    kit_run(kit, tell_unit, &nothing);
    struct aw_event_page page = page_after(kit, &everybody, NULL, 100);
    assert_int_equal(page.n, 9);
    for (size_t i = 0; i < page.n; i++) {
        assert_int_equal(page.v[i]->seq, i + 1);
        assert_string_equal(page.v[i]->type, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c");
    }
    head_is(kit, "000001-0000000000000009");
    assert_string_equal(page.next, "000001-0000000000000009");
    assert_false(page.more);
    assert_false(page.lost);
}

static void ids_are_places_in_the_stream(void **unused)
{
    (void)unused;
    char text[AW_EVENT_ID_TEXT + 1], later[AW_EVENT_ID_TEXT + 1];
    int64_t epoch, seq;
    aw_event_id_format(3, 99, text);
    aw_event_id_format(3, 100, later);
    assert_true(strcmp(text, later) < 0);
    assert_true(aw_event_id_parse(text, &epoch, &seq));
    assert_int_equal(epoch, 3);
    assert_int_equal(seq, 99);
    static const char *const bad[] = {"",
                                      "1-2",
                                      "000001-00000000000000099",
                                      "000001-000000000000009x",
                                      "000001_0000000000000099",
                                      "000001- 000000000000099",
                                      "-00001-0000000000000099",
                                      "0000010000000000000099-"};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_false(aw_event_id_parse(bad[i], &epoch, &seq));
    }
}

static void who_may_see_what(void **state)
{
    struct kit *kit = *state;
    struct told told = {.n = 4};
    told.news[0] = news_of("acme", "open");
    told.news[1] = news_of("beta", "foreign");
    told.news[2] = news_of("acme", "personal");
    told.news[2].user_id = "u1";
    told.news[3] = news_of("acme", "secret");
    told.news[3].permission = "view_audit";
    kit_run(kit, tell_unit, &told);
    assert_int_equal(kit_count(kit, &aw_event_run_schema), 2);

    static const char *const acme[] = {"acme"};
    static const char *const both[] = {"view", "view_audit"};
    const struct aw_scope narrow = {.companies = acme, .n = 1};
    struct aw_event_viewer viewer = {.scope = &narrow, .permissions = {.v = view_only, .n = 1}};
    struct aw_event_page page = page_after(kit, &viewer, NULL, 100);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.v[0]->type, "open");
    assert_string_equal(page.next, "000001-0000000000000004");
    viewer.user_id = "u1";
    page = page_after(kit, &viewer, NULL, 100);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.v[1]->type, "personal");
    viewer.user_id = "u2";
    viewer.permissions = (struct aw_strs){.v = both, .n = 2};
    page = page_after(kit, &viewer, NULL, 100);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.v[1]->type, "secret");
    viewer.permissions.n = 0;
    assert_int_equal(page_after(kit, &viewer, NULL, 100).n, 0);
}

static void going_on_page_by_page(void **state)
{
    enum { N = 1300, LIMIT = 7 };
    struct kit *kit = *state;
    for (size_t i = 0; i < N / 4; i++) {
        struct told told = {.n = 4};
        for (size_t k = 0; k < 4; k++) {
            told.news[k] = news_of(k == 3 ? "acme" : "aaaa", "x");
        }
        kit_run(kit, tell_unit, &told);
    }
    static const char *const acme[] = {"acme"};
    const struct aw_scope narrow = {.companies = acme, .n = 1};
    const struct aw_event_viewer viewer = {.scope = &narrow,
                                           .permissions = {.v = view_only, .n = 1}};
    const char *after = NULL;
    int64_t seq = 0;
    size_t seen = 0;
    struct aw_event_page page;
    do {
        page = page_after(kit, &viewer, after, LIMIT);
        assert_true(page.n <= LIMIT);
        for (size_t i = 0; i < page.n; i++) {
            assert_int_equal(page.v[i]->seq, seq + 4);
            seq = page.v[i]->seq;
        }
        seen += page.n;
        after = aw_arena_str(kit->arena, page.next);
    } while (page.more);
    assert_int_equal(seen, N / 4);
    head_is(kit, page.next);
    assert_int_equal(page_after(kit, &viewer, after, LIMIT).n, 0);
    tell(kit, "acme", "news");
    page = page_after(kit, &viewer, after, LIMIT);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.v[0]->type, "news");
}

/* Of one company; they fill two rows and a part of a third. */
static void long_runs_are_read_from_any_place(void **state)
{
    enum { N = 600, LIMIT = 499 };
    struct kit *kit = *state;
    struct aw_event_news *news = AW_NEW_N(kit->arena, struct aw_event_news, N);
    struct told told = {.many = news, .n = N};
    for (size_t i = 0; i < N; i++) {
        news[i] = news_of("acme", aw_arena_printf(kit->arena, "event %zu", i + 1));
    }
    kit_run(kit, tell_unit, &told);
    assert_int_equal(kit_count(kit, &aw_event_run_schema), 3);
    for (int64_t after = 0; after <= N; after++) {
        char id[AW_EVENT_ID_TEXT + 1];
        aw_event_id_format(1, after, id);
        struct aw_event_page page = page_after(kit, &everybody, id, LIMIT);
        size_t expect = N - after < LIMIT ? (size_t)(N - after) : LIMIT;
        assert_false(page.lost);
        assert_int_equal(page.n, expect);
        assert_int_equal(page.more, after + LIMIT < N);
        for (size_t i = 0; i < page.n; i++) {
            assert_int_equal(page.v[i]->seq, after + 1 + (int64_t)i);
            assert_string_equal(page.v[i]->type,
                                aw_arena_printf(kit->arena, "event %zu", (size_t)after + 1 + i));
        }
    }
}

static bool delete_first_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)arg;
    (void)err;
    aw_tx_delete(tx, &aw_event_run_schema, "000001-0000000000000001", 1);
    aw_tx_delete(tx, &aw_event_run_schema, "000001-0000000000000002", 1);
    return true;
}

static void what_is_lost_is_said(void **state)
{
    struct kit *kit = *state;
    for (int i = 0; i < 4; i++) {
        tell(kit, "acme", "x");
    }
    assert_false(page_after(kit, &everybody, "000001-0000000000000000", 9).lost);
    kit_run(kit, delete_first_unit, NULL);
    struct aw_event_page page = page_after(kit, &everybody, "000001-0000000000000001", 9);
    assert_true(page.lost);
    assert_int_equal(page.n, 0);
    assert_string_equal(page.next, "000001-0000000000000004");
    assert_false(page_after(kit, &everybody, "000001-0000000000000002", 9).lost);
    assert_int_equal(page_after(kit, &everybody, "000001-0000000000000002", 9).n, 2);
    assert_int_equal(page_after(kit, &everybody, NULL, 9).n, 2);
    assert_false(page_after(kit, &everybody, "000001-0000000000000004", 9).lost);
    assert_true(page_after(kit, &everybody, "000001-0000000000000005", 9).lost);
    assert_true(page_after(kit, &everybody, "000002-0000000000000001", 9).lost);

    struct aw_reader *reader;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_false(aw_events_after(reader, &everybody, "nonsense", 9, kit->arena, &page, &err));
    aw_store_read_end(&reader);
    assert_string_equal(err.code, "event.id");
    assert_int_equal(err.kind, AW_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_have_no_gaps, kit_setup, kit_teardown),
        cmocka_unit_test(ids_are_places_in_the_stream),
        cmocka_unit_test_setup_teardown(who_may_see_what, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(going_on_page_by_page, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(long_runs_are_read_from_any_place, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(what_is_lost_is_said, kit_setup, kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
