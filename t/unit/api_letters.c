/* Dead letters and the bell by the API: who sees them, and that each act takes effect once. */
#include "api_data_kit.h"

#include <pthread.h>

static struct kit kit;
static const char *boss, *other, *admin;

static int open_all(void **state)
{
    (void)state;
    kit_open_served(&kit);
    boss = kit_token(&kit, "boss@acme.test");
    other = kit_token(&kit, "boss@globex.test");
    admin = kit_token(&kit, "admin@msp.test");
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static struct answer ask(const char *method, const char *path, const char *token)
{
    return kit_ask(&kit, (struct ask){.method = method, .path = path, .token = token});
}

static const char *path_of(const char *id, const char *verb)
{
    return aw_arena_printf(kit.arena, "/api/dead-letters/%s/%s", id, verb);
}

static size_t letters_seen(const char *token, const char *query)
{
    struct answer answer =
        kit_get(&kit, aw_arena_printf(kit.arena, "/api/dead-letters%s", query), token);
    assert_int_equal(answer.status, 200);
    return kit_count(kit_json(&kit, &answer));
}

static size_t count(const struct aw_schema *schema, const char *field, const char *value)
{
    struct aw_reader *reader;
    struct aw_err err = {0};
    int64_t n;
    const struct aw_query query = {.schema = schema,
                                   .conds = {{.field = field, .op = AW_OP_EQ, .text = value}},
                                   .n = 1};
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_count(reader, &aw_scope_all, &query, &n, &err), err);
    aw_store_read_end(&reader);
    return (size_t)n;
}

static void letters_are_seen_by_their_company(void **state)
{
    (void)state;
    const char *ours = kit_letter(&kit, (struct kit_letter){.company = "acme", .signature = "a"});
    const char *theirs =
        kit_letter(&kit, (struct kit_letter){.company = "globex", .signature = "b"});
    struct answer answer = kit_get(&kit, "/api/dead-letters", boss);
    const struct aw_node *list = kit_json(&kit, &answer);
    assert_int_equal(kit_count(list), 1);
    assert_string_equal(kit_text(list, "0/id"), ours);
    assert_string_equal(kit_text(list, "0/reason"), "test");
    assert_null(strstr(answer.body, "record\""));
    assert_int_equal(letters_seen(admin, ""), 2);
    assert_int_equal(letters_seen(admin, "?company_id=globex"), 1);
    assert_int_equal(letters_seen(boss, "?company_id=globex"), 0);
    assert_int_equal(letters_seen(boss, "?since=2001-01-01T00:00:00Z"), 1);
    assert_int_equal(letters_seen(boss, "?until=2001-01-01T00:00:00Z"), 0);
    assert_int_equal(ask("POST", path_of(theirs, "retry"), boss).status, 404);
    assert_int_equal(ask("POST", path_of(theirs, "discard"), boss).status, 404);
    assert_int_equal(letters_seen(other, ""), 1);
    assert_int_equal(ask("POST", path_of(ours, "discard"), boss).status, 200);
    assert_int_equal(ask("POST", path_of(theirs, "discard"), other).status, 200);
    assert_int_equal(letters_seen(admin, ""), 0);
    assert_int_equal(count(&aw_audit_schema, "action", "dead_letter.discarded"), 2);
}

static void a_retry_takes_effect_once(void **state)
{
    (void)state;
    const char *id =
        kit_letter(&kit, (struct kit_letter){.company = "acme", .signature = "retried"});
    struct answer answer = ask("POST", path_of(id, "retry"), boss);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "alert_id"), id);
    answer = kit_get(&kit, aw_arena_printf(kit.arena, "/api/alerts/%s", id), boss);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "signature"), "retried");
    assert_int_equal(ask("POST", path_of(id, "retry"), boss).status, 404);
    assert_int_equal(ask("POST", path_of(id, "discard"), boss).status, 404);
    assert_int_equal(count(&aw_alert_schema, "signature", "retried"), 1);
    assert_int_equal(count(&aw_audit_schema, "object_id", id), 1);
}

struct racer {
    struct kit kit;
    pthread_t thread;
    const char *path;
    int status;
};
static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->status =
        kit_ask(&racer->kit, (struct ask){.method = "POST", .path = racer->path, .token = boss})
            .status;
    return NULL;
}

static void of_several_retries_at_once_one_succeeds(void **state)
{
    (void)state;
    struct racer racers[8];
    const char *id = kit_letter(&kit, (struct kit_letter){.company = "acme", .signature = "race"});
    int done = 0;
    for (size_t i = 0; i < AW_COUNT(racers); i++) {
        racers[i] = (struct racer){.kit = kit, .path = path_of(id, "retry")};
        racers[i].kit.arena = aw_arena_create(0);
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < AW_COUNT(racers); i++) {
        pthread_join(racers[i].thread, NULL);
        assert_true(racers[i].status == 200 || racers[i].status == 404);
        done += racers[i].status == 200;
        aw_arena_destroy(&racers[i].kit.arena);
    }
    assert_int_equal(done, 1);
    assert_int_equal(count(&aw_alert_schema, "signature", "race"), 1);
}

static void a_delivery_that_came_another_way_is_no_second_alert(void **state)
{
    (void)state;
    const char *first =
        kit_letter(&kit,
                   (struct kit_letter){.company = "acme", .signature = "twin", .identity = "same"});
    const char *second =
        kit_letter(&kit,
                   (struct kit_letter){.company = "acme", .signature = "twin", .identity = "same"});
    assert_string_not_equal(first, second);
    assert_int_equal(ask("POST", path_of(first, "retry"), boss).status, 200);
    assert_int_equal(ask("POST", path_of(second, "retry"), boss).status, 200);
    assert_int_equal(count(&aw_alert_schema, "signature", "twin"), 1);
    struct answer answer =
        kit_get(&kit, aw_arena_printf(kit.arena, "/api/alerts/%s", second), boss);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "id"), first);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "delivery_attempts"), "2");
}

static void what_still_cannot_be_read_stays(void **state)
{
    (void)state;
    const char *id =
        kit_letter(&kit, (struct kit_letter){.company = "acme", .body = "{\"asset_name\":1}"});
    struct answer answer = ask("POST", path_of(id, "retry"), boss);
    assert_int_equal(answer.status, 422);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "code"), "dead_letter.record");
    assert_int_equal(letters_seen(boss, ""), 1);
    assert_int_equal(ask("POST", path_of(id, "discard"), boss).status, 200);
}

/* --- the bell --- */

static size_t unread(const char *token)
{
    struct answer answer = kit_get(&kit, "/api/notifications?read=false", token);
    assert_int_equal(answer.status, 200);
    return kit_count(kit_json(&kit, &answer));
}

static void the_bell_is_read(void **state)
{
    (void)state;
    const char *kinds[] = {"one", "two", "three"};
    const char *id = NULL;
    for (int i = 0; i < 3; i++) {
        id = kit_ring(&kit, (struct kit_alert){"acme", "srv-1", kinds[i], i ? AW_HIGH : AW_CRITICAL,
                                               1000 * i, ""});
        kit_ring(&kit, (struct kit_alert){"globex", "srv-9", kinds[i], AW_HIGH, 0, ""});
    }
    kit_ring(&kit, (struct kit_alert){"acme", "srv-1", "three", AW_HIGH, 0, ""});
    struct answer answer = kit_get(&kit, "/api/notifications", boss);
    const struct aw_node *list = kit_json(&kit, &answer);
    assert_int_equal(kit_count(list), 3);
    assert_string_equal(kit_text(list, "0/signature"), "one");
    assert_string_equal(kit_text(list, "2/count"), "2");
    assert_string_equal(kit_text(list, "2/read"), "false");
    answer = kit_get(&kit, "/api/notifications?severity=critical", boss);
    assert_int_equal(kit_count(kit_json(&kit, &answer)), 1);
    answer = kit_get(&kit, "/api/notifications?read=no", boss);
    assert_int_equal(answer.status, 422);
    const char *path = aw_arena_printf(kit.arena, "/api/notifications/%s/read", id);
    assert_int_equal(ask("PUT", path, other).status, 404);
    assert_int_equal(unread(boss), 3);
    answer = ask("PUT", path, boss);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "read"), "true");
    const char *etag = kit_header(&kit, &answer, "ETag");
    answer = ask("PUT", path, boss);
    assert_string_equal(kit_header(&kit, &answer, "ETag"), etag);
    assert_int_equal(unread(boss), 2);
    const char *all = "/api/notifications/read-all?company_id=acme";
    assert_int_equal(ask("PUT", all, other).status, 404);
    assert_int_equal(ask("PUT", "/api/notifications/read-all", boss).status, 422);
    /* an admin sees both companies, and marks the one that he names */
    answer = ask("PUT", all, admin);
    assert_string_equal(answer.body, "{\"marked\":2,\"more\":false}");
    assert_int_equal(unread(boss), 0);
    assert_int_equal(unread(other), 3);
    assert_int_equal(unread(admin), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_seen_by_their_company),
        cmocka_unit_test(a_retry_takes_effect_once),
        cmocka_unit_test(of_several_retries_at_once_one_succeeds),
        cmocka_unit_test(a_delivery_that_came_another_way_is_no_second_alert),
        cmocka_unit_test(what_still_cannot_be_read_stays),
        cmocka_unit_test(the_bell_is_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
