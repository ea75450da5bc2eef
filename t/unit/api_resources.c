#include "api_data_kit.h"

#include "worker/domain/webhook_security.h"

static struct kit kit;
static const char *boss; /* token of the company admin of acme */

static int open_all(void **state)
{
    (void)state;
    kit_open_served(&kit);
    boss = kit_token(&kit, "boss@acme.test");
    for (int i = 0; i < 7; i++) {
        kit_alert(&kit, (struct kit_alert){"acme", i % 2 ? "srv-1" : "srv-2",
                                           aw_arena_printf(kit.arena, "sig-%d", i), AW_LOW,
                                           10000 * (7 - i), ""});
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static const struct aw_node *get(const char *path, int status)
{
    struct answer answer = kit_get(&kit, path, boss);
    if (answer.status != status) {
        fail_msg("GET %s: %d %s", path, answer.status, answer.body);
    }
    return kit_json(&kit, &answer);
}

static struct answer send_body(const char *method, const char *path, const char *body,
                               const char *headers)
{
    return kit_ask(&kit, (struct ask){.method = method,
                                      .path = path,
                                      .token = boss,
                                      .body = body,
                                      .headers = headers});
}

static void a_bare_list_is_an_array_newest_first(void **state)
{
    (void)state;
    const struct aw_node *list = get("/api/alerts", 200);
    assert_int_equal(list->type, AW_NODE_LIST);
    assert_int_equal(kit_count(list), 7);
    assert_string_equal(kit_text(list, "0/signature"), "sig-6");
    assert_string_equal(kit_text(list, "6/signature"), "sig-0");
    assert_string_equal(kit_text(list, "0/status"), "active");
    assert_string_equal(kit_text(list, "0/severity"), "low");
    struct answer answer = kit_get(&kit, "/api/alerts", boss);
    assert_null(kit_header(&kit, &answer, "Link"));
}

static void pages_follow_each_other_without_gaps(void **state)
{
    (void)state;
    const char *path = "/api/alerts?limit=3";
    char seen[64] = "";
    for (int pages = 0; pages < 3; pages++) {
        const struct aw_node *page = get(path, 200);
        const struct aw_node *items = aw_node_get(page, "items");
        for (size_t i = 0; i < kit_count(items); i++) {
            strcat(seen, kit_text(items, aw_arena_printf(kit.arena, "%zu/signature", i)) + 4);
        }
        assert_int_equal(strlen(kit_text(page, "last_event_id")), 23);
        const char *next = kit_text(page, "next_cursor");
        if (pages == 2) {
            assert_string_equal(next, "");
            break;
        }
        struct answer answer = kit_get(&kit, path, boss);
        const char *link = kit_header(&kit, &answer, "Link");
        path = aw_arena_printf(kit.arena, "/api/alerts?limit=3&cursor=%s", next);
        assert_string_equal(link, aw_arena_printf(kit.arena, "<%s>; rel=\"next\"", path));
    }
    assert_string_equal(seen, "6543210");
    /* a cursor of one list is none of another */
    const char *cursor = kit_text(get("/api/alerts?limit=1", 200), "next_cursor");
    get(aw_arena_printf(kit.arena, "/api/incidents?cursor=%s", cursor), 422);
    char *bent = aw_arena_str(kit.arena, cursor);
    bent[strlen(bent) - 2] ^= 1;
    get(aw_arena_printf(kit.arena, "/api/alerts?cursor=%s", bent), 422);
}

static void filters_narrow(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        size_t n;
    } rows[] = {
        {"asset_name=srv-1", 3},     {"asset_name=srv-2", 4},
        {"signature=sig-3", 1},      {"signature=sig-3&asset_name=srv-2", 0},
        {"severity=low", 7},         {"severity=high", 0},
        {"status=resolved", 0},      {"tool_source=Zabbix", 7},
        {"tool_source=zabb%69x", 0}, {"tool_source=Zabb%69x", 7},
        {"company_id=acme", 7},      {"company_id=globex", 0},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        const char *path = aw_arena_printf(kit.arena, "/api/alerts?%s", rows[i].query);
        size_t n = kit_count(get(path, 200));
        if (n != rows[i].n) {
            fail_msg("%s: %zu", path, n);
        }
    }
    const char *at = kit_text(get("/api/alerts", 200), "3/created_at");
    assert_int_equal(kit_count(get(aw_arena_printf(kit.arena, "/api/alerts?since=%s", at), 200)),
                     4);
    assert_int_equal(kit_count(get(aw_arena_printf(kit.arena, "/api/alerts?until=%s", at), 200)),
                     3);
}

static void one_alert_has_an_etag(void **state)
{
    (void)state;
    const char *id = kit_text(get("/api/alerts", 200), "0/id");
    struct answer answer = kit_get(&kit, aw_arena_printf(kit.arena, "/api/alerts/%s", id), boss);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_header(&kit, &answer, "ETag"), "\"1\"");
    assert_string_equal(kit_text(kit_json(&kit, &answer), "id"), id);
    assert_null(strstr(answer.body, "\"raw\""));
}

static void correlation_config_is_read_and_put(void **state)
{
    (void)state;
    const char *path = "/api/companies/acme/correlation-config";
    const struct aw_node *config = get(path, 200);
    assert_string_equal(kit_text(config, "company_id"), "acme");
    assert_string_equal(kit_text(config, "time_window_minutes"), "15");
    assert_string_equal(kit_text(config, "aggregation_key"), "asset|signature");
    assert_string_equal(kit_text(config, "auto_correlate"), "true");
    assert_string_equal(kit_text(config, "min_alerts"), "2");
    assert_string_equal(kit_text(config, "single_alert/0"), "runbook");
    struct answer answer =
        send_body("PUT", path, "{\"time_window_minutes\":10,\"auto_correlate\":true}", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "time_window_minutes"), "10");
    const char *etag = kit_header(&kit, &answer, "ETag");
    /* what was read may be put back whole */
    struct answer read = kit_get(&kit, path, boss);
    assert_string_equal(kit_header(&kit, &read, "ETag"), etag);
    const char *match = aw_arena_printf(kit.arena, "If-Match: %s\r\n", etag);
    assert_int_equal(send_body("PUT", path, read.body, match).status, 200);
    read = kit_get(&kit, path, boss);
    const char *now = kit_header(&kit, &read, "ETag");
    assert_int_equal(send_body("PUT", path, "{\"min_alerts\":4}", "If-Match: \"0\"\r\n").status,
                     412);
    match = aw_arena_printf(kit.arena, "If-Match: %s\r\n", now);
    answer = send_body("PUT", path, "{\"min_alerts\":4}", match);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "min_alerts"), "4");
    assert_string_equal(kit_text(kit_json(&kit, &answer), "time_window_minutes"), "15");
    static const char *const bad[] = {"{\"time_window_minutes\":0}",
                                      "{\"time_window_minutes\":10081}",
                                      "{\"aggregation_key\":\"asset\"}",
                                      "{\"single_alert\":[\"low\"]}",
                                      "{\"company_id\":\"globex\"}",
                                      "{\"auto_correlate\":\"yes\"}"};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_int_equal(send_body("PUT", path, bad[i], NULL).status, 422);
    }
}

static void rate_limit_is_read_and_put(void **state)
{
    (void)state;
    const char *path = "/api/companies/acme/rate-limit";
    const struct aw_node *limit = get(path, 200);
    assert_string_equal(kit_text(limit, "enabled"), "false");
    assert_string_equal(kit_text(limit, "requests_per_minute"), "60");
    assert_string_equal(kit_text(limit, "burst_size"), "100");
    struct answer answer =
        send_body("PUT", path, "{\"enabled\":true,\"requests_per_minute\":30,\"burst_size\":5}",
                  NULL);
    assert_int_equal(answer.status, 200);
    limit = get(path, 200);
    assert_string_equal(kit_text(limit, "enabled"), "true");
    assert_string_equal(kit_text(limit, "requests_per_minute"), "30");
    assert_string_equal(kit_text(limit, "company_id"), "acme");
    assert_string_equal(kit_text(get("/api/companies/acme/rate-limit", 200), "burst_size"), "5");
}

static void a_secret_is_shown_once(void **state)
{
    (void)state;
    const char *path = "/api/companies/acme/webhook-security";
    assert_string_equal(kit_text(get(path, 200), "enabled"), "false");
    struct answer answer =
        send_body("POST", "/api/companies/acme/webhook-security/enable", NULL, NULL);
    assert_int_equal(answer.status, 200);
    const struct aw_node *root = kit_json(&kit, &answer);
    const char *first = kit_text(root, "hmac_secret");
    assert_true(strncmp(first, "secret_", 7) == 0 && strlen(first) == 50);
    assert_string_equal(kit_text(root, "signature_header"), "X-Signature");
    assert_string_equal(kit_text(root, "timestamp_header"), "X-Timestamp");
    answer = kit_get(&kit, path, boss);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "enabled"), "true");
    assert_null(strstr(answer.body, first));
    assert_null(strstr(answer.body, "seal"));
    /* again: a new one, and the former stays good beside it */
    answer = send_body("POST", "/api/companies/acme/webhook-security/enable", "{}", NULL);
    const char *second = kit_text(kit_json(&kit, &answer), "hmac_secret");
    assert_string_not_equal(first, second);
    struct aw_reader *reader;
    struct aw_err err = {0};
    struct aw_webhook_security *row;
    struct aw_bytes secrets[2];
    size_t n;
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_webhook_security_get(reader, "acme", kit.arena, &row, &err), err);
    aw_store_read_end(&reader);
    KIT_OK(aw_webhook_security_secrets(row, kit.sealer, kit.arena, secrets, &n, &err), err);
    assert_int_equal(n, 2);
    assert_memory_equal(secrets[0].ptr, second, strlen(second));
    assert_memory_equal(secrets[1].ptr, first, strlen(first));
    answer = send_body("POST", "/api/companies/acme/webhook-security/disable", NULL, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "enabled"), "false");
}

static void a_key_can_be_copied_again(void **state)
{
    (void)state;
    struct answer answer = kit_get(&kit, "/api/companies/acme/api-keys", boss);
    const struct aw_node *keys = kit_json(&kit, &answer);
    assert_int_equal(kit_count(keys), 1);
    assert_string_equal(kit_text(keys, "0/name"), "tools");
    assert_null(strstr(answer.body, "acme-key"));
    assert_null(strstr(answer.body, "sha256"));
    assert_null(strstr(answer.body, "seal"));
    const char *id = kit_text(keys, "0/id");
    const char *path = aw_arena_printf(kit.arena, "/api/companies/acme/api-keys/%s/reveal", id);
    answer = send_body("POST", path, NULL, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"api_key\":\"acme-key-0123456789\"}");
    assert_string_equal(kit_header(&kit, &answer, "Cache-Control"), "no-store");
    /* the act stands in the trail, the key does not */
    struct aw_reader *reader;
    struct aw_rows rows;
    struct aw_err err = {0};
    const struct aw_query query = {
        .schema = &aw_audit_schema,
        .conds = {{.field = "action", .op = AW_OP_EQ, .text = "api_key.revealed"}},
        .n = 1};
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_find(reader, &aw_scope_all, &query, kit.arena, &rows, &err), err);
    aw_store_read_end(&reader);
    assert_int_equal(rows.n, 1);
    const struct aw_audit *act = rows.v[0];
    assert_string_equal(act->company_id, "acme");
    assert_string_equal(act->object, "api_keys");
    assert_string_equal(act->object_id, id);
    assert_string_equal(act->details, "{}");
    /* neither through another company, even one that the caller sees too, nor another way */
    const char *admin = kit_token(&kit, "admin@msp.test");
    static const char *const wrong[] = {"globex/api-keys/%s/reveal", "nowhere/api-keys/%s/reveal",
                                        "acme/api-keys/%s", "acme/api-keys//reveal",
                                        "acme/api-keys/%s/reveal/"};
    for (size_t i = 0; i < AW_COUNT(wrong); i++) {
        const char *inner = strstr(wrong[i], "%s") ? id : "";
        const char *head = aw_arena_strn(kit.arena, wrong[i], strcspn(wrong[i], "%"));
        const char *tail = *inner ? strstr(wrong[i], "%s") + 2 : "";
        path = aw_arena_printf(kit.arena, "/api/companies/%s%s%s", head, inner, tail);
        answer = kit_ask(&kit, (struct ask){.method = "POST", .path = path, .token = admin});
        assert_int_equal(answer.status, 404);
        assert_null(strstr(answer.body, "acme-key"));
    }
}

static void an_incident_lives(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        kit_alert(&kit, (struct kit_alert){"acme", "srv-1", "life", AW_CRITICAL, 0, ""});
    }
    struct answer answer =
        send_body("POST", "/api/incidents/correlate?company_id=acme", NULL, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "incidents_updated"), "0");
    const struct aw_node *list = get("/api/incidents?signature=life", 200);
    assert_int_equal(kit_count(list), 1);
    /* 90 critical + 20 critical asset + 2 x 2 duplicates */
    assert_string_equal(kit_text(list, "0/priority_score"), "114");
    const char *id = kit_text(list, "0/id");
    const char *path = aw_arena_printf(kit.arena, "/api/incidents/%s", id);
    const struct aw_node *incident = get(path, 200);
    assert_int_equal(kit_count(aw_node_get(incident, "alert_ids")), 3);
    assert_string_equal(kit_text(incident, "aggregation_key"), "srv-1|life");
    list = get(aw_arena_printf(kit.arena, "%s/alerts", path), 200);
    assert_int_equal(kit_count(list), 3);
    assert_string_equal(kit_text(list, "0/incident_id"), id);
    assert_string_equal(kit_text(list, "0/status"), "correlated");
    const char *status = aw_arena_printf(kit.arena, "%s/status", path);
    static const struct {
        const char *to;
        int status;
    } steps[] = {{"in_progress", 200}, {"escalated", 200}, {"new", 409},        {"resolved", 200},
                 {"escalated", 409},   {"closed", 422},    {"in_progress", 200}};
    for (size_t i = 0; i < AW_COUNT(steps); i++) {
        const char *body = aw_arena_printf(kit.arena, "{\"status\":\"%s\"}", steps[i].to);
        answer = send_body("PUT", status, body, NULL);
        if (answer.status != steps[i].status) {
            fail_msg("step %zu: %d %s", i, answer.status, answer.body);
        }
        if (steps[i].status == 409) {
            assert_non_null(strstr(kit_text(kit_json(&kit, &answer), "detail"), steps[i].to));
        }
    }
    assert_int_equal(
        send_body("PUT", status, "{\"status\":\"resolved\"}", "If-Match: \"1\"\r\n").status, 412);
}

static void events_are_a_stream(void **state)
{
    (void)state;
    const struct aw_node *page = get("/api/events?limit=2", 200);
    assert_int_equal(kit_count(aw_node_get(page, "items")), 2);
    assert_string_equal(kit_text(page, "more"), "true");
    assert_string_equal(kit_text(page, "resync"), "false");
    const char *last = "";
    size_t n = 0;
    while (strcmp(kit_text(page, "more"), "true") == 0) {
        const struct aw_node *items = aw_node_get(page, "items");
        for (size_t i = 0; i < kit_count(items); i++, n++) {
            const char *id = kit_text(items, aw_arena_printf(kit.arena, "%zu/id", i));
            assert_true(strcmp(id, last) > 0);
            last = id;
            assert_string_equal(kit_text(items, aw_arena_printf(kit.arena, "%zu/company_id", i)),
                                "acme");
        }
        page = get(aw_arena_printf(kit.arena, "/api/events?limit=2&after=%s",
                                   kit_text(page, "last_event_id")),
                   200);
    }
    assert_true(n > 4);
    page = get("/api/events?limit=500", 200);
    const struct aw_node *items = aw_node_get(page, "items");
    assert_string_equal(kit_text(items, "0/type"), "company_created");
    assert_string_equal(kit_text(items, "0/data/name"), "Acme");
    get("/api/events?after=junk", 422);
}

static void companies_and_assets(void **state)
{
    (void)state;
    struct answer answer = kit_get(&kit, "/api/companies/acme", boss);
    const struct aw_node *company = kit_json(&kit, &answer);
    assert_string_equal(kit_text(company, "name"), "Acme");
    assert_string_equal(kit_text(company, "unknown_assets"), "reject");
    assert_string_equal(kit_text(company, "policy/auto_approve_low_risk"), "true");
    assert_true(strlen(kit_text(company, "api_key_created_at")) == AW_TIME_TEXT);
    assert_null(strstr(answer.body, "rate_slot"));
    const struct aw_node *assets = get("/api/companies/acme/assets", 200);
    assert_int_equal(kit_count(assets), 2);
    assert_string_equal(kit_text(assets, "0/name"), "srv-1");
    assert_string_equal(kit_text(assets, "0/critical"), "true");
    const struct aw_node *page = get("/api/companies/acme/assets?limit=1", 200);
    page = get(aw_arena_printf(kit.arena, "/api/companies/acme/assets?cursor=%s",
                               kit_text(page, "next_cursor")),
               200);
    assert_string_equal(kit_text(page, "items/0/name"), "srv-2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_list_is_an_array_newest_first),
        cmocka_unit_test(pages_follow_each_other_without_gaps),
        cmocka_unit_test(filters_narrow),
        cmocka_unit_test(one_alert_has_an_etag),
        cmocka_unit_test(correlation_config_is_read_and_put),
        cmocka_unit_test(rate_limit_is_read_and_put),
        cmocka_unit_test(a_secret_is_shown_once),
        cmocka_unit_test(a_key_can_be_copied_again),
        cmocka_unit_test(an_incident_lives),
        cmocka_unit_test(events_are_a_stream),
        cmocka_unit_test(companies_and_assets),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
