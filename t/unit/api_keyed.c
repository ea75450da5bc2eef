/* Idempotency-Key: one request with one key acts once, whoever asks again and however often. */
#include "api_data_kit.h"

#include <pthread.h>

#include "worker/api/keyed.h"

#define ENABLE "/api/companies/acme/webhook-security/enable"
#define LIMIT  "/api/companies/acme/rate-limit"

static struct kit kit;
static const char *boss, *admin;

static int open_all(void **state)
{
    (void)state;
    kit_open_served(&kit);
    boss = kit_token(&kit, "boss@acme.test");
    admin = kit_token(&kit, "admin@msp.test");
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static struct answer ask(struct kit *with, const char *token, const char *method, const char *path,
                         const char *body, const char *key)
{
    return kit_ask(with, (struct ask){.method = method,
                                      .path = path,
                                      .token = token,
                                      .body = body,
                                      .headers = aw_arena_printf(with->arena,
                                                                 "Idempotency-Key: %s\r\n", key)});
}

static struct answer enable(const char *token, const char *key)
{
    return ask(&kit, token, "POST", ENABLE, NULL, key);
}

static const char *code_of(struct answer answer)
{
    return kit_text(kit_json(&kit, &answer), "code");
}

/* Rows of a query as the product itself sees them. */
static struct aw_rows find(struct aw_query query)
{
    struct aw_reader *reader;
    struct aw_rows rows;
    struct aw_err err = {0};
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_find(reader, &aw_scope_all, &query, kit.arena, &rows, &err), err);
    aw_store_read_end(&reader);
    return rows;
}

static size_t acts(const char *action)
{
    return find((struct aw_query){.schema = &aw_audit_schema,
                                  .conds = {{.field = "action", .op = AW_OP_EQ, .text = action}},
                                  .n = 1})
        .n;
}

static void the_same_request_is_answered_from_memory(void **state)
{
    (void)state;
    const char *body = "{\"enabled\":true,\"requests_per_minute\":30,\"burst_size\":5}";
    size_t before = acts("rate_limit.updated");
    struct answer first = ask(&kit, boss, "PUT", LIMIT, body, "put-1");
    assert_int_equal(first.status, 200);
    /* somebody else changes it in between: the answer is still the first one */
    assert_int_equal(ask(&kit, admin, "PUT", LIMIT, "{\"burst_size\":9}", "put-1").status, 200);
    struct answer again = ask(&kit, boss, "PUT", LIMIT, body, "put-1");
    assert_int_equal(again.status, 200);
    assert_string_equal(again.body, first.body);
    assert_string_equal(kit_header(&kit, &again, "ETag"), kit_header(&kit, &first, "ETag"));
    assert_string_equal(kit_header(&kit, &again, "Content-Type"), "application/json");
    assert_int_equal(acts("rate_limit.updated"), before + 2);
    struct answer now = kit_get(&kit, LIMIT, boss);
    assert_string_equal(kit_text(kit_json(&kit, &now), "burst_size"), "9");
}

static void another_request_is_refused(void **state)
{
    (void)state;
    assert_int_equal(ask(&kit, boss, "PUT", LIMIT, "{\"burst_size\":7}", "other").status, 200);
    size_t before = acts("rate_limit.updated");
    static const struct {
        const char *method, *path, *body;
    } others[] = {{"PUT", LIMIT, "{\"burst_size\":8}"},
                  {"PUT", LIMIT "?x=1", "{\"burst_size\":7}"},
                  {"PUT", "/api/companies/acme/correlation-config", "{\"burst_size\":7}"},
                  {"POST", ENABLE, NULL}};
    for (size_t i = 0; i < AW_COUNT(others); i++) {
        struct answer answer =
            ask(&kit, boss, others[i].method, others[i].path, others[i].body, "other");
        assert_int_equal(answer.status, 422);
        assert_string_equal(code_of(answer), "idempotency.reused");
    }
    assert_int_equal(acts("rate_limit.updated"), before);
}

static void a_secret_is_given_again_and_kept_sealed(void **state)
{
    (void)state;
    struct answer first = enable(boss, "secret-1"), again = enable(boss, "secret-1");
    const char *secret = kit_text(kit_json(&kit, &first), "hmac_secret");
    assert_int_equal(strlen(secret), 50);
    assert_string_equal(again.body, first.body);
    /* keys are per user; another key is another act */
    struct answer other = enable(admin, "secret-1"), next = enable(boss, "secret-2");
    assert_string_not_equal(other.body, first.body);
    assert_string_not_equal(next.body, first.body);
    struct aw_rows rows = find((struct aw_query){.schema = &aw_kept_reply_schema});
    assert_true(rows.n >= 3);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_kept_reply *row = rows.v[i];
        assert_true(row->sealed.len > 0);
        assert_null(memmem(row->sealed.ptr, row->sealed.len, "secret", 6));
    }
    char *command = aw_arena_printf(kit.arena, "grep -q -a '%s' %s*", secret, kit.db);
    assert_int_not_equal(system(command), 0);
}

struct racer {
    struct kit kit;
    pthread_t thread;
    struct answer answer;
};
static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->answer = ask(&racer->kit, boss, "POST", ENABLE, NULL, "race");
    return NULL;
}

static void of_several_at_once_one_acts(void **state)
{
    (void)state;
    struct racer racers[12];
    size_t before = acts("webhook_security.enabled");
    for (size_t i = 0; i < AW_COUNT(racers); i++) {
        racers[i].kit = kit;
        racers[i].kit.arena = aw_arena_create(0);
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < AW_COUNT(racers); i++) {
        pthread_join(racers[i].thread, NULL);
        assert_int_equal(racers[i].answer.status, 200);
        assert_string_equal(racers[i].answer.body, racers[0].answer.body);
    }
    for (size_t i = 0; i < AW_COUNT(racers); i++) {
        aw_arena_destroy(&racers[i].kit.arena);
    }
    assert_int_equal(acts("webhook_security.enabled"), before + 1);
}

static bool count_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_reply *r = arg;
    static int runs;
    (void)tx;
    (void)err;
    aw_str_printf(&r->body, "{\"run\":%d}", ++runs);
    return true;
}

/* Both have looked, and found nothing, before the first one acts. */
static void the_unit_decides_between_two(void **state)
{
    (void)state;
    static const struct aw_route route = {.method = "POST",
                                          .permission = AW_MAY_MANAGE_COMPANY,
                                          .body = &aw_no_body,
                                          .audit = "test.counted"};
    struct aw_req q[2];
    struct aw_reply r[2];
    struct aw_err err = {0};
    for (int i = 0; i < 2; i++) {
        bool known;
        q[i] = (struct aw_req){.deps = &kit.deps,
                               .arena = kit.arena,
                               .method = "POST",
                               .target = "/test",
                               .body = "",
                               .idempotency_key = "two",
                               .route = &route,
                               .now_ms = aw_clock_wall_ms(),
                               .act = {.user_id = "somebody"},
                               .actor = {.scope = aw_scope_all}};
        r[i] = (struct aw_reply){.status = 200, .version = -1};
        aw_str_init(&r[i].body, kit.arena);
        KIT_OK(aw_req_reader(&q[i], &err), err);
        KIT_OK(aw_keyed_answered(&q[i], &r[i], &known, &err), err);
        assert_false(known);
    }
    for (int i = 0; i < 2; i++) {
        KIT_OK(aw_req_commit(&q[i], &r[i], count_unit, &r[i], &err), err);
        assert_string_equal(r[i].body.ptr, "{\"run\":1}");
    }
    assert_int_equal(acts("test.counted"), 1);
}

static bool age_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_rows rows;
    const struct aw_query query = {.schema = &aw_kept_reply_schema};
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        struct aw_kept_reply *row = aw_arena_copy(aw_tx_arena(tx), rows.v[i], sizeof(*row));
        row->created_at -= *(const int64_t *)arg;
        aw_tx_replace(tx, &aw_kept_reply_schema, row);
    }
    return true;
}

static void age_all(int64_t ms)
{
    struct aw_err err = {0};
    KIT_OK(aw_writer_run(kit.writer, "test.age", age_unit, &ms, AW_ONCE, &err), err);
}

static void after_a_day_the_key_is_free(void **state)
{
    (void)state;
    struct answer first = enable(boss, "old");
    age_all(AW_KEPT_REPLY_MS - 60000);
    struct answer late = enable(boss, "old");
    assert_string_equal(late.body, first.body);
    age_all(60000);
    struct answer fresh = enable(boss, "old");
    assert_int_equal(fresh.status, 200);
    assert_string_not_equal(fresh.body, first.body);
    struct answer again = enable(boss, "old");
    assert_string_equal(again.body, fresh.body);
    age_all(AW_KEPT_REPLY_MS);
    assert_int_equal(ask(&kit, boss, "PUT", LIMIT, "{\"burst_size\":3}", "old").status, 200);
}

static void what_was_refused_may_be_tried_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        kit_alert(&kit, (struct kit_alert){"acme", "srv-1", "again", AW_CRITICAL, 0, ""});
    }
    const char *correlate = "/api/incidents/correlate?company_id=acme";
    struct answer made = ask(&kit, boss, "POST", correlate, NULL, "correlate");
    assert_string_equal(kit_text(kit_json(&kit, &made), "incidents_created"), "1");
    struct answer again = ask(&kit, boss, "POST", correlate, NULL, "correlate");
    assert_string_equal(kit_text(kit_json(&kit, &again), "incidents_created"), "1");
    struct answer list = kit_get(&kit, "/api/incidents?signature=again", boss);
    const char *path = aw_arena_printf(kit.arena, "/api/incidents/%s/status",
                                       kit_text(kit_json(&kit, &list), "0/id"));
    const char *resolve = "{\"status\":\"resolved\"}", *escalate = "{\"status\":\"escalated\"}";
    const char *reopen = "{\"status\":\"in_progress\"}";
    assert_int_equal(ask(&kit, boss, "PUT", path, resolve, "resolve").status, 200);
    assert_int_equal(ask(&kit, boss, "PUT", path, escalate, "escalate").status, 409);
    assert_int_equal(ask(&kit, boss, "PUT", path, reopen, "reopen").status, 200);
    assert_int_equal(ask(&kit, boss, "PUT", path, escalate, "escalate").status, 200);
    /* what was done before is told, not done */
    again = ask(&kit, boss, "PUT", path, resolve, "resolve");
    assert_string_equal(kit_text(kit_json(&kit, &again), "status"), "resolved");
    list = kit_get(&kit, "/api/incidents?signature=again", boss);
    assert_string_equal(kit_text(kit_json(&kit, &list), "0/status"), "escalated");
}

static void a_key_is_one_word(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'k', sizeof(longest));
    longest[255] = '\0';
    assert_int_equal(enable(boss, longest).status, 200);
    longest[255] = 'k';
    longest[256] = '\0';
    const char *bad[] = {longest, "two words", "caf\xc3\xa9", ""};
    size_t before = acts("webhook_security.enabled");
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        struct answer answer = enable(boss, bad[i]);
        assert_int_equal(answer.status, 422);
        assert_string_equal(code_of(answer), "idempotency.key");
    }
    assert_int_equal(acts("webhook_security.enabled"), before);
    /* where nothing is done in a user's name the header means nothing */
    struct answer answer = ask(&kit, boss, "GET", "/api/alerts", NULL, "two words");
    assert_int_equal(answer.status, 200);
}

static void who_has_lost_the_company_hears_nothing(void **state)
{
    (void)state;
    struct answer first = enable(boss, "leaving");
    assert_int_equal(first.status, 200);
    kit_apply(&kit, "{\"users\":[{\"email\":\"boss@acme.test\",\"name\":\"B\",\"role\":"
                    "\"company_admin\",\"company_ids\":[\"globex\"]}]}");
    struct answer again = enable(boss, "leaving");
    assert_int_equal(again.status, 404);
    assert_null(strstr(again.body, "secret"));
    kit_apply(&kit, "{\"users\":[{\"email\":\"boss@acme.test\",\"name\":\"B\",\"role\":"
                    "\"viewer\",\"company_ids\":[\"acme\"]}]}");
    again = enable(boss, "leaving");
    assert_int_equal(again.status, 403);
    kit_apply(&kit, "{\"users\":[{\"email\":\"boss@acme.test\",\"name\":\"B\",\"role\":"
                    "\"company_admin\",\"company_ids\":[\"acme\"]}]}");
    again = enable(boss, "leaving");
    assert_string_equal(again.body, first.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_request_is_answered_from_memory),
        cmocka_unit_test(another_request_is_refused),
        cmocka_unit_test(a_secret_is_given_again_and_kept_sealed),
        cmocka_unit_test(of_several_at_once_one_acts),
        cmocka_unit_test(the_unit_decides_between_two),
        cmocka_unit_test(after_a_day_the_key_is_free),
        cmocka_unit_test(what_was_refused_may_be_tried_again),
        cmocka_unit_test(a_key_is_one_word),
        cmocka_unit_test(who_has_lost_the_company_hears_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
