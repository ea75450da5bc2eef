#include "api_kit.h"

#include <sys/stat.h>

static struct kit kit;

static int open_all(void **state)
{
    (void)state;
    kit_open_served(&kit);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static struct answer login(const char *email, const char *password)
{
    const char *body =
        aw_arena_printf(kit.arena, "{\"email\":\"%s\",\"password\":\"%s\"}", email, password);
    return kit_ask(&kit, (struct ask){.method = "POST", .path = "/api/auth/login", .body = body});
}

static void login_gives_a_token_that_opens_the_lists(void **state)
{
    (void)state;
    struct answer answer = login("Admin@MSP.test", KIT_PASSWORD);
    assert_int_equal(answer.status, 200);
    const struct aw_node *root = kit_json(&kit, &answer);
    assert_string_equal(kit_text(root, "token_type"), "bearer");
    assert_string_equal(kit_text(root, "expires_in"), "900");
    assert_string_equal(kit_text(root, "user/email"), "admin@msp.test");
    assert_null(strstr(answer.body, "password"));
    assert_null(strstr(answer.body, "$2b$"));
    const char *token = kit_text(root, "access_token");
    answer = kit_get(&kit, "/api/companies", token);
    assert_int_equal(answer.status, 200);
    assert_int_equal(kit_count(kit_json(&kit, &answer)), 2);
    answer = kit_get(&kit, "/api/auth/me", token);
    assert_int_equal(kit_count(aw_node_get(kit_json(&kit, &answer), "effective_permissions")), 11);
}

static void login_refuses_alike(void **state)
{
    (void)state;
    const char *headers = "X-Request-ID: same\r\n";
    static const struct {
        const char *email, *password;
    } bad[] = {
        {"admin@msp.test", "wrong-password"},
        {"nobody@msp.test", KIT_PASSWORD},
        {"not an address", KIT_PASSWORD},
        {"gone@acme.test", KIT_PASSWORD},
    };
    const char *first = NULL;
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        const char *body = aw_arena_printf(kit.arena, "{\"email\":\"%s\",\"password\":\"%s\"}",
                                           bad[i].email, bad[i].password);
        struct answer answer = kit_ask(&kit, (struct ask){.method = "POST",
                                                          .path = "/api/auth/login",
                                                          .body = body,
                                                          .headers = headers});
        assert_int_equal(answer.status, 401);
        assert_string_equal(kit_header(&kit, &answer, "WWW-Authenticate"), "Bearer");
        first = first ? first : answer.body;
        assert_string_equal(answer.body, first);
    }
}

static void repeated_failures_wait(void **state)
{
    (void)state;
    struct answer answer = {0};
    for (int i = 0; i < 5; i++) {
        answer = login("boss@acme.test", "wrong-password");
        assert_int_equal(answer.status, 401);
    }
    answer = login("boss@acme.test", "wrong-password");
    assert_int_equal(answer.status, 429);
    assert_string_equal(kit_header(&kit, &answer, "Retry-After"), "1");
    assert_int_equal(login("admin@msp.test", KIT_PASSWORD).status, 200);
}

static void tokens_that_are_not_ours_are_refused(void **state)
{
    (void)state;
    const char *good = kit_token(&kit, "admin@msp.test");
    char *tampered = aw_arena_str(kit.arena, good);
    tampered[strlen(tampered) - 10] = tampered[strlen(tampered) - 10] == 'A' ? 'B' : 'A';
    /* {"alg":"none","typ":"JWT"}.{"id":"x"}. */
    static const char none[] = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpZCI6IngifQ.";
    const char *bad[] = {tampered, none, "junk", "a.b.c", "", kit_token(&kit, "gone@acme.test")};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        struct answer answer = kit_get(&kit, "/api/companies", bad[i]);
        assert_int_equal(answer.status, 401);
        assert_string_equal(kit_text(kit_json(&kit, &answer), "detail"), "Not authenticated");
    }
    assert_int_equal(kit_get(&kit, "/api/companies", good).status, 200);
}

static void request_ids_pass_through(void **state)
{
    (void)state;
    struct answer answer = kit_ask(&kit, (struct ask){.method = "GET",
                                                      .path = "/healthz",
                                                      .headers = "X-Request-ID: abc-1\r\n"});
    assert_string_equal(kit_header(&kit, &answer, "X-Request-ID"), "abc-1");
    answer = kit_ask(&kit, (struct ask){.method = "GET",
                                        .path = "/nowhere",
                                        .headers = "X-Request-ID: bad id <script>\r\n"});
    assert_int_equal(answer.status, 404);
    const char *id = kit_header(&kit, &answer, "X-Request-ID");
    assert_int_equal(strlen(id), 36);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "request_id"), id);
    assert_string_equal(kit_header(&kit, &answer, "Content-Type"), "application/problem+json");
}

static void methods_are_told(void **state)
{
    (void)state;
    struct answer answer =
        kit_ask(&kit, (struct ask){.method = "POST", .path = "/api/companies", .body = "{}"});
    assert_int_equal(answer.status, 405);
    assert_string_equal(kit_header(&kit, &answer, "Allow"), "GET, HEAD, OPTIONS");
    answer = kit_ask(&kit, (struct ask){.method = "OPTIONS", .path = "/api/auth/login"});
    assert_int_equal(answer.status, 204);
    assert_string_equal(kit_header(&kit, &answer, "Allow"), "POST, OPTIONS");
    /* a path of its own is not taken for an id as well */
    answer = kit_ask(&kit, (struct ask){.method = "GET", .path = "/api/incidents/correlate"});
    assert_int_equal(answer.status, 405);
    assert_string_equal(kit_header(&kit, &answer, "Allow"), "POST, OPTIONS");
    answer = kit_ask(&kit, (struct ask){.method = "HEAD", .path = "/healthz"});
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.len, 0);
    assert_true(strtoul(kit_header(&kit, &answer, "Content-Length"), NULL, 10) > 10);
}

static void bad_requests_are_told_apart(void **state)
{
    (void)state;
    const char *token = kit_token(&kit, "boss@acme.test");
    static const struct {
        const char *method, *path, *body, *headers;
        int status;
        const char *code, *pointer;
    } rows[] = {
        {"GET", "/api/alerts?statsu=active", NULL, NULL, 422, "api.query", "?statsu"},
        {"GET", "/api/alerts?status=open", NULL, NULL, 422, "api.query", "?status"},
        {"GET", "/api/alerts?limit=0", NULL, NULL, 422, "api.query", "?limit"},
        {"GET", "/api/alerts?limit=501", NULL, NULL, 422, "api.query", "?limit"},
        {"GET", "/api/alerts?limit=1&limit=2&since=yesterday", NULL, NULL, 422, "api.query",
         "?since"},
        {"GET", "/api/alerts?status=active&status=active", NULL, NULL, 422, "api.query", "?status"},
        {"GET", "/api/alerts?cursor=AAAA", NULL, NULL, 422, "list.cursor", NULL},
        {"GET", "/api/alerts?asset_name=%zz", NULL, NULL, 400, "api.target", NULL},
        {"GET", "/api/alerts/a%00b", NULL, NULL, 400, "api.target", NULL},
        {"GET", "/api/alerts/a%2fb", NULL, NULL, 400, "api.target", NULL},
        {"PUT", "/api/companies/acme/rate-limit", "{", NULL, 400, "json.syntax", NULL},
        {"PUT", "/api/companies/acme/rate-limit", "", NULL, 400, "json.syntax", NULL},
        {"PUT", "/api/companies/acme/rate-limit", "[]", NULL, 400, "json.syntax", NULL},
        {"PUT", "/api/companies/acme/rate-limit", "{\"burst\":1}", NULL, 422, "json.fields",
         "/burst"},
        {"PUT", "/api/companies/acme/rate-limit", "{\"burst_size\":0}", NULL, 422, "json.fields",
         "/burst_size"},
        {"PUT", "/api/companies/acme/rate-limit", "{\"company_id\":\"globex\"}", NULL, 422,
         "json.fields", "/company_id"},
        {"PUT", "/api/companies/acme/rate-limit", "{}", "If-Match: \"7\"\r\n", 412,
         "rate_limit.version", NULL},
        {"PUT", "/api/companies/acme/rate-limit", "{}", "If-Match: seven\r\n", 412, "api.if_match",
         NULL},
        {"POST", "/api/companies/acme/webhook-security/enable", "{\"secret\":1}", NULL, 422,
         "json.fields", "/secret"},
        {"POST", "/api/incidents/correlate", NULL, NULL, 422, "api.query", "?company_id"},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        struct answer answer = kit_ask(&kit, (struct ask){.method = rows[i].method,
                                                          .path = rows[i].path,
                                                          .token = token,
                                                          .body = rows[i].body,
                                                          .headers = rows[i].headers});
        const struct aw_node *root = kit_json(&kit, &answer);
        if (answer.status != rows[i].status || strcmp(kit_text(root, "code"), rows[i].code) != 0 ||
            (rows[i].pointer && strcmp(kit_text(root, "errors/0/pointer"), rows[i].pointer) != 0)) {
            fail_msg("row %zu: %d %s", i, answer.status, answer.body);
        }
    }
    struct answer answer = kit_get(&kit, "/api/alerts?statsu=active", token);
    assert_non_null(strstr(answer.body, "did you mean \\\"status\\\"?"));
}

static void bodies_have_limits(void **state)
{
    (void)state;
    const char *token = kit_token(&kit, "boss@acme.test");
    char *big = aw_arena_zero(kit.arena, 5001);
    memset(big, ' ', 5000);
    struct ask ask = {.method = "PUT",
                      .path = "/api/companies/acme/rate-limit",
                      .token = token,
                      .body = big};
    assert_int_equal(kit_ask(&kit, ask).status, 413);
    /* the same without a length that tells it beforehand */
    struct aw_str text;
    aw_str_init(&text, kit.arena);
    aw_str_printf(
        &text,
        "PUT /api/companies/acme/rate-limit HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        "Authorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n%s\r\n0\r\n\r\n",
        token, big);
    assert_int_equal(kit_raw(&kit, text.ptr, text.len).status, 413);
    aw_str_clear(&text);
    aw_str_add(&text,
               "PUT /api/companies/acme/rate-limit HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
               "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    assert_int_equal(kit_raw(&kit, text.ptr, text.len).status, 400);
    const char *plain = "Content-Type: text/plain\r\nContent-Length: 2\r\n";
    ask.body = NULL;
    ask.headers = aw_arena_printf(kit.arena, "%s\r\n{}", plain);
    struct answer answer = kit_ask(&kit, ask);
    assert_int_equal(answer.status, 415);
}

static void the_socket_is_for_the_group_and_taken_once(void **state)
{
    (void)state;
    struct stat st;
    struct aw_api *second;
    struct aw_err err;
    assert_int_equal(stat(kit.socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_false(aw_api_start(&kit.conf, &kit.deps, &second, &err));
    assert_string_equal(err.code, "api.busy");
    assert_int_equal(kit_get(&kit, "/healthz", NULL).status, 200);
    /* a socket that nobody listens on is replaced */
    aw_api_stop(&kit.api);
    assert_int_equal(access(kit.socket, F_OK), -1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", kit.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    kit_serve(&kit);
    assert_int_equal(kit_get(&kit, "/healthz", NULL).status, 200);
    /* a file that is no socket is left alone */
    aw_api_stop(&kit.api);
    FILE *file = fopen(kit.socket, "w");
    assert_non_null(file);
    fclose(file);
    assert_false(aw_api_start(&kit.conf, &kit.deps, &second, &err));
    assert_string_equal(err.code, "api.socket");
    assert_int_equal(access(kit.socket, F_OK), 0);
    assert_int_equal(unlink(kit.socket), 0);
    kit_serve(&kit);
}

static void it_tells_how_it_is(void **state)
{
    (void)state;
    struct answer answer = kit_get(&kit, "/readyz", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "status"), "ready");
    answer = kit_get(&kit, "/metrics", NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "aw_api_requests_total{code=\"2xx\"} "));
    assert_non_null(strstr(answer.body, "aw_build_info{version=\"" AW_VERSION "\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_gives_a_token_that_opens_the_lists),
        cmocka_unit_test(login_refuses_alike),
        cmocka_unit_test(repeated_failures_wait),
        cmocka_unit_test(tokens_that_are_not_ours_are_refused),
        cmocka_unit_test(request_ids_pass_through),
        cmocka_unit_test(methods_are_told),
        cmocka_unit_test(bad_requests_are_told_apart),
        cmocka_unit_test(bodies_have_limits),
        cmocka_unit_test(the_socket_is_for_the_group_and_taken_once),
        cmocka_unit_test(it_tells_how_it_is),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
