#include "api_data_kit.h"

#include "worker/api/dispatch.h"

static struct kit kit;
static const char *acme_alert, *acme_incident, *acme_key, *acme_letter, *acme_bell;

static struct answer post(const char *path, const char *token)
{
    return kit_ask(&kit, (struct ask){.method = "POST", .path = path, .token = token});
}

static int open_all(void **state)
{
    (void)state;
    kit_open_served(&kit);
    for (int i = 0; i < 3; i++) {
        acme_alert = kit_alert(&kit, (struct kit_alert){"acme", "srv-1", "down:nginx", AW_HIGH,
                                                        1000 * i, ""});
        kit_alert(&kit, (struct kit_alert){"globex", "srv-9", "disk", AW_CRITICAL, 1000 * i, ""});
    }
    struct answer answer =
        post("/api/incidents/correlate?company_id=acme", kit_token(&kit, "boss@acme.test"));
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "incidents_created"), "1");
    assert_string_equal(kit_text(kit_json(&kit, &answer), "alerts_correlated"), "3");
    assert_int_equal(post("/api/incidents/correlate?company_id=globex",
                          kit_token(&kit, "boss@globex.test"))
                         .status,
                     200);
    answer = kit_get(&kit, "/api/incidents?company_id=acme", kit_token(&kit, "admin@msp.test"));
    acme_incident = kit_text(kit_json(&kit, &answer), "0/id");
    assert_int_equal(strlen(acme_incident), AW_ID_TEXT);
    answer = kit_get(&kit, "/api/companies/acme/api-keys", kit_token(&kit, "boss@acme.test"));
    acme_key = kit_text(kit_json(&kit, &answer), "0/id");
    assert_int_equal(strlen(acme_key), AW_ID_TEXT);
    acme_letter = kit_letter(&kit, (struct kit_letter){.company = "acme", .signature = "lost"});
    kit_letter(&kit, (struct kit_letter){.company = "globex", .signature = "lost"});
    acme_bell = kit_ring(&kit, (struct kit_alert){"acme", "srv-1", "ring", AW_HIGH, 0, ""});
    kit_ring(&kit, (struct kit_alert){"globex", "srv-9", "ring", AW_HIGH, 0, ""});
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

/* Path of a route with this id in it (of two, the inner one); for a route of a company by query, as parameter. */
static const char *path_of(const struct aw_route *route, const char *id)
{
    struct aw_str path;
    const char *at = route->path;
    size_t holes = aw_route_holes(route, NULL, NULL);
    aw_str_init(&path, kit.arena);
    for (size_t i = 1; i <= holes; i++, at = strchr(at, '}') + 1) {
        aw_str_addn(&path, at, strcspn(at, "{"));
        aw_str_add(&path, i < holes ? "acme" : id);
    }
    aw_str_add(&path, at);
    if (route->scope == AW_SCOPE_QUERY) {
        aw_str_printf(&path, "?company_id=%s", id);
    }
    return path.ptr;
}

/* An id of acme that fits the route. */
static const char *acme_id(const struct aw_route *route)
{
    const struct {
        const struct aw_schema *schema;
        const char *id;
    } rows[] = {{&aw_incident_schema, acme_incident},
                {&aw_alert_schema, acme_alert},
                {&aw_api_key_schema, acme_key},
                {&aw_dead_letter_schema, acme_letter},
                {&aw_notification_schema, acme_bell}};
    if (route->scope < AW_SCOPE_ROW) {
        return "acme";
    }
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        if (rows[i].schema == route->object) {
            return rows[i].id;
        }
    }
    fail_msg("no %s for %s", route->object->name, route->path);
    return "";
}

static struct answer ask_route(const struct aw_route *route, const char *id, const char *token)
{
    return kit_ask(&kit, (struct ask){.method = route->method,
                                      .path = path_of(route, id),
                                      .token = token,
                                      .headers = "X-Request-ID: same\r\n"});
}

static const char *without_date(const char *head)
{
    const char *date = strstr(head, "\r\nDate:");
    return !date ? head
                 : aw_arena_printf(kit.arena, "%.*s%s", (int)(date - head), head,
                                   strstr(date + 2, "\r\n"));
}

static void foreign_is_missing_byte_for_byte(void **state)
{
    (void)state;
    const char *token = kit_token(&kit, "boss@globex.test");
    const char *missing_row = "00000000-0000-7000-8000-000000000000";
    const struct aw_route *route;
    size_t walked = 0;
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        if (route->permission == AW_PUBLIC || strcmp(path_of(route, "x"), route->path) == 0) {
            continue;
        }
        struct answer foreign = ask_route(route, acme_id(route), token);
        struct answer missing =
            ask_route(route, route->scope >= AW_SCOPE_ROW ? missing_row : "nowhere", token);
        if (foreign.status != 404 || strcmp(foreign.body, missing.body) != 0 ||
            strcmp(without_date(foreign.head), without_date(missing.head)) != 0) {
            fail_msg("%s %s: %s\n%s\n-- missing:\n%s\n%s", route->method, route->path, foreign.head,
                     foreign.body, missing.head, missing.body);
        }
        walked++;
    }
    assert_true(walked >= 14);
}

static void lists_hold_nothing_of_the_other(void **state)
{
    (void)state;
    static const struct {
        const char *email, *own, *other;
    } sides[] = {{"boss@globex.test", "globex", "acme"}, {"boss@acme.test", "acme", "globex"}};
    const struct aw_route *route;
    for (size_t side = 0; side < AW_COUNT(sides); side++) {
        const char *token = kit_token(&kit, sides[side].email);
        size_t walked = 0;
        for (size_t i = 0; (route = aw_routes_at(i)); i++) {
            if (route->scope != AW_SCOPE_LIST) {
                continue;
            }
            struct answer answer = kit_get(&kit, route->path, token);
            assert_int_equal(answer.status, 200);
            if (strstr(answer.body, sides[side].other) || !strstr(answer.body, sides[side].own)) {
                fail_msg("%s for %s: %s", route->path, sides[side].email, answer.body);
            }
            walked++;
            if (!route->params || strcmp(route->params[0].name, "company_id") != 0) {
                continue;
            }
            struct answer foreign = kit_get(&kit,
                                            aw_arena_printf(kit.arena, "%s?company_id=%s",
                                                            route->path, sides[side].other),
                                            token);
            struct answer missing =
                kit_get(&kit, aw_arena_printf(kit.arena, "%s?company_id=nowhere", route->path),
                        token);
            assert_int_equal(foreign.status, 200);
            assert_string_equal(foreign.body, missing.body);
            assert_string_equal(foreign.body, "[]");
        }
        assert_true(walked >= 4);
    }
}

static void without_a_token_only_public_routes_answer(void **state)
{
    (void)state;
    const struct aw_route *route;
    size_t open = 0;
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        struct answer answer = ask_route(route, "acme", NULL);
        if (route->permission == AW_PUBLIC) {
            open++;
            assert_int_not_equal(answer.status, 404);
            continue;
        }
        if (answer.status != 401) {
            fail_msg("%s %s without a token: %d", route->method, route->path, answer.status);
        }
        assert_string_equal(kit_text(kit_json(&kit, &answer), "detail"), "Not authenticated");
    }
    assert_int_equal(open, 5); /* health, readiness, metrics, description, login */
}

/* Kept by hand: who may use which route. V viewer, T technician, C company_admin, A admin. */
static const struct {
    const char *method, *path, *who;
} matrix[] = {
    {"GET", "/api/auth/me", "VTCA"},
    {"GET", "/api/companies", "VTCA"},
    {"GET", "/api/companies/{id}", "VTCA"},
    {"GET", "/api/companies/{id}/assets", "VTCA"},
    {"GET", "/api/companies/{id}/api-keys", "CA"},
    {"POST", "/api/companies/{id}/api-keys/{key_id}/reveal", "CA"},
    {"GET", "/api/companies/{id}/correlation-config", "VTCA"},
    {"PUT", "/api/companies/{id}/correlation-config", "CA"},
    {"GET", "/api/companies/{id}/rate-limit", "VTCA"},
    {"PUT", "/api/companies/{id}/rate-limit", "CA"},
    {"GET", "/api/companies/{id}/webhook-security", "VTCA"},
    {"POST", "/api/companies/{id}/webhook-security/enable", "CA"},
    {"POST", "/api/companies/{id}/webhook-security/disable", "CA"},
    {"GET", "/api/alerts", "VTCA"},
    {"GET", "/api/alerts/{id}", "VTCA"},
    {"GET", "/api/incidents", "VTCA"},
    {"GET", "/api/incidents/{id}", "VTCA"},
    {"GET", "/api/incidents/{id}/alerts", "VTCA"},
    {"POST", "/api/incidents/correlate", "TCA"},
    {"PUT", "/api/incidents/{id}/status", "TCA"},
    {"GET", "/api/dead-letters", "CA"},
    {"POST", "/api/dead-letters/{id}/retry", "CA"},
    {"POST", "/api/dead-letters/{id}/discard", "CA"},
    {"GET", "/api/notifications", "VTCA"},
    {"PUT", "/api/notifications/{id}/read", "TCA"},
    {"PUT", "/api/notifications/read-all", "TCA"},
    {"GET", "/api/events", "VTCA"},
    {"GET", "/api/audit-logs", "CA"},
    {"GET", "/api/audit-logs/export", "CA"},
    {"GET", "/api/audit-logs/verify", "CA"},
    {"GET", "/api/audit-logs/key", "CA"},
};

static const char *who_may(const struct aw_route *route)
{
    for (size_t i = 0; i < AW_COUNT(matrix); i++) {
        if (strcmp(matrix[i].method, route->method) == 0 &&
            strcmp(matrix[i].path, route->path) == 0) {
            return matrix[i].who;
        }
    }
    fail_msg("%s %s is not in the matrix", route->method, route->path);
    return "";
}

static void roles_may_what_the_matrix_says(void **state)
{
    (void)state;
    static const struct {
        char letter;
        const char *email;
    } roles[] = {{'V', "view@acme.test"},
                 {'T', "tech@acme.test"},
                 {'C', "boss@acme.test"},
                 {'A', "admin@msp.test"}};
    const struct aw_route *route;
    size_t walked = 0;
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        if (route->permission == AW_PUBLIC) {
            continue;
        }
        const char *who = who_may(route);
        walked++;
        for (size_t k = 0; k < AW_COUNT(roles); k++) {
            struct answer answer =
                ask_route(route, acme_id(route), kit_token(&kit, roles[k].email));
            bool may = strchr(who, roles[k].letter) != NULL;
            bool fits = may ? answer.status != 403 && answer.status != 401 && answer.status < 500
                            : answer.status == 403;
            if (!fits) {
                fail_msg("%s %s as %s: %d %s", route->method, route->path, roles[k].email,
                         answer.status, answer.body);
            }
        }
    }
    assert_int_equal(walked, AW_COUNT(matrix));
}

static void refusals_are_audited(void **state)
{
    (void)state;
    struct aw_reader *reader;
    struct aw_err err = {0};
    int64_t before, after;
    const struct aw_query query = {
        .schema = &aw_audit_schema,
        .conds = {{.field = "company_id", .op = AW_OP_EQ, .text = "acme"},
                  {.field = "refused", .op = AW_OP_EQ, .number = 1}},
        .n = 2,
    };
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_count(reader, &aw_scope_all, &query, &before, &err), err);
    aw_store_read_end(&reader);
    assert_int_equal(post("/api/companies/acme/webhook-security/disable",
                          kit_token(&kit, "view@acme.test"))
                         .status,
                     403);
    /* somebody of another company leaves nothing in this company's trail */
    assert_int_equal(post("/api/companies/acme/webhook-security/disable",
                          kit_token(&kit, "boss@globex.test"))
                         .status,
                     404);
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_count(reader, &aw_scope_all, &query, &after, &err), err);
    aw_store_read_end(&reader);
    assert_int_equal(after, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_is_missing_byte_for_byte),
        cmocka_unit_test(lists_hold_nothing_of_the_other),
        cmocka_unit_test(without_a_token_only_public_routes_answer),
        cmocka_unit_test(roles_may_what_the_matrix_says),
        cmocka_unit_test(refusals_are_audited),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
