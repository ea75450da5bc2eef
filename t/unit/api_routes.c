#include "api_kit.h"

#include "worker/api/dispatch.h"
#include "worker/api/openapi.h"

static bool run(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)q;
    (void)r;
    (void)err;
    return true;
}

static const struct aw_param company_id[] = {{.name = "company_id"}, {.name = NULL}};

/* A row without a fault: what is changed in a test is what it is about. */
static struct aw_route good_row(void)
{
    return (struct aw_route){
        .method = "PUT",
        .path = "/api/things/{id}",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_ROW,
        .summary = "s",
        .params = company_id,
        .body = &aw_no_body,
        .object = &aw_alert_schema,
        .reply = &aw_alert_schema,
        .audit = "thing.changed",
        .run = run,
    };
}

static bool check(const struct aw_route *rows, struct aw_err *err)
{
    const struct aw_route *tables[] = {rows};
    return aw_routes_check(tables, 1, err);
}

static void the_product_has_a_good_table(void **state)
{
    (void)state;
    struct aw_err err = {0};
    KIT_OK(aw_routes_check(aw_route_tables, aw_route_table_count, &err), err);
    assert_null(aw_routes_at(1000));
    assert_non_null(aw_routes_at(20));
}

static void a_row_with_a_fault_is_refused(void **state)
{
    (void)state;
    struct aw_route rows[13];
    static const char *const faults[] = {
        "no permission",    "unknown permission", "no scope",    "no body schema",
        "no audit name",    "no handler",         "no summary",  "disagree about {id}",
        "needs an object",  "no reply",           "public, but", "only public reads",
        "needs company_id",
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        rows[i] = good_row();
    }
    rows[0].permission = 0;
    rows[1].permission = AW_PERMISSIONS;
    rows[2].scope = AW_SCOPE_MISSING;
    rows[3].body = NULL;
    rows[4].audit = NULL;
    rows[5].run = NULL;
    rows[6].summary = NULL;
    rows[7].path = "/api/things";
    rows[8].object = NULL;
    rows[9].reply = NULL;
    rows[10].permission = AW_PUBLIC;
    rows[11].pool = AW_POOL_INLINE;
    rows[12].path = "/api/things";
    rows[12].scope = AW_SCOPE_QUERY;
    rows[12].params = NULL;
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        const struct aw_route one[] = {rows[i], {.method = NULL}};
        struct aw_err err = {0};
        assert_false(check(one, &err));
        if (!strstr(err.msg, faults[i])) {
            fail_msg("row %zu: %s", i, err.msg);
        }
        assert_string_equal(err.code, "api.routes");
    }
    const struct aw_route good[] = {good_row(), {.method = NULL}};
    const struct aw_route twice[] = {good_row(), good_row(), {.method = NULL}};
    struct aw_err err = {0};
    assert_true(check(good, &err));
    assert_false(check(twice, &err));
    assert_non_null(strstr(err.msg, "two of them"));
}

static void text_is_decoded_once(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(0);
    static const struct {
        const char *in;
        bool path;
        const char *out; /* NULL = refused */
    } rows[] = {
        {"plain", true, "plain"},     {"a%20b", true, "a b"},
        {"a+b", true, "a+b"},         {"a+b", false, "a b"},
        {"%2541", true, "%41"},       {"a%2Fb", false, "a/b"},
        {"a%2fb", true, NULL},        {"a%00", true, NULL},
        {"a%00", false, NULL},        {"%", true, NULL},
        {"%4", true, NULL},           {"%4g", true, NULL},
        {"%c3%A9", true, "\xc3\xa9"}, {"", true, ""},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        const char *out = aw_url_decode(arena, rows[i].in, strlen(rows[i].in), rows[i].path);
        if (rows[i].out ? !out || strcmp(out, rows[i].out) != 0 : out != NULL) {
            fail_msg("%s: %s", rows[i].in, out ? out : "refused");
        }
    }
    aw_arena_destroy(&arena);
}

/* Every "$ref" of the document names a component that is there. */
static size_t check_refs(const struct aw_node *node, const struct aw_node *schemas)
{
    size_t n = 0;
    for (const struct aw_node *child = node->child; child; child = child->next) {
        if (child->key && strcmp(child->key, "$ref") == 0) {
            static const char prefix[] = "#/components/schemas/";
            assert_int_equal(strncmp(child->text, prefix, sizeof(prefix) - 1), 0);
            if (!aw_node_get(schemas, child->text + sizeof(prefix) - 1)) {
                fail_msg("%s is not there", child->text);
            }
            n++;
        }
        n += check_refs(child, schemas);
    }
    return n;
}

static void the_description_holds_every_route(void **state)
{
    (void)state;
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_str text;
    struct aw_node *root;
    struct aw_err err = {0};
    aw_str_init(&text, arena);
    aw_openapi_print(&text);
    KIT_OK(aw_json_parse(text.ptr, text.len, arena, &root, &err), err);
    assert_string_equal(kit_text(root, "openapi"), "3.1.0");
    const struct aw_node *paths = aw_node_get(root, "paths");
    const struct aw_route *route;
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        const struct aw_node *path = aw_node_get(paths, route->path);
        const char *method = strcmp(route->method, "GET") == 0   ? "get"
                             : strcmp(route->method, "PUT") == 0 ? "put"
                                                                 : "post";
        assert_non_null(path);
        const struct aw_node *operation = aw_node_get(path, method);
        assert_non_null(operation);
        assert_string_equal(kit_text(operation, "summary"), route->summary);
        const struct aw_node *parameters = aw_node_get(operation, "parameters");
        bool keyed = strstr(aw_arena_strn(arena, parameters->raw, parameters->raw_len),
                            "\"Idempotency-Key\",\"in\":\"header\"") != NULL;
        assert_int_equal(keyed, aw_route_acts(route));
        if (route->permission == AW_PUBLIC) {
            assert_int_equal(aw_node_get(operation, "security")->type, AW_NODE_LIST);
        } else {
            assert_string_equal(kit_text(operation, "x-permission"),
                                aw_permission_word(route->permission));
        }
    }
    /* strings have their limits, and readiness is the same document ready or not */
    const struct aw_node *alerts = aw_node_get(aw_node_get(paths, "/api/alerts"), "get");
    assert_string_equal(kit_text(alerts, "parameters/0/schema/minLength"), "1");
    assert_string_equal(kit_text(alerts, "parameters/0/schema/maxLength"), "500");
    const struct aw_node *ready = aw_node_get(aw_node_get(paths, "/readyz"), "get");
    const struct aw_node *not_ready = aw_node_get(aw_node_get(ready, "responses"), "503");
    const struct aw_node *media =
        aw_node_get(aw_node_get(not_ready, "content"), "application/json");
    assert_string_equal(kit_text(media, "schema/$ref"), "#/components/schemas/readiness");
    const struct aw_node *schemas = aw_node_get(aw_node_get(root, "components"), "schemas");
    assert_true(check_refs(root, schemas) > 40);
    /* what is secret or internal is not described either */
    assert_null(strstr(text.ptr, "sealed"));
    assert_null(strstr(text.ptr, "password_hash"));
    assert_null(strstr(text.ptr, "rate_slot"));
    aw_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_product_has_a_good_table),
        cmocka_unit_test(a_row_with_a_fault_is_refused),
        cmocka_unit_test(text_is_decoded_once),
        cmocka_unit_test(the_description_holds_every_route),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
