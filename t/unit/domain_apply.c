#include "api_kit.h"

#include "worker/domain/api_keys.h"
#include "worker/domain/audit.h"

static struct kit kit;

static int open_each(void **state)
{
    (void)state;
    kit_open(&kit);
    return 0;
}

static int close_each(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static int64_t count(const struct aw_schema *schema)
{
    struct aw_err err = {0};
    struct aw_reader *reader;
    int64_t n;
    const struct aw_query query = {.schema = schema};
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_count(reader, &aw_scope_all, &query, &n, &err), err);
    aw_store_read_end(&reader);
    return n;
}

static void *read_row(const struct aw_schema *schema, const char *id)
{
    struct aw_err err = {0};
    struct aw_reader *reader;
    void *row;
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_peek(reader, schema, id, kit.arena, &row, &err), err);
    aw_store_read_end(&reader);
    return row;
}

static const char whole[] =
    "{\"companies\":[{\"id\":\"acme\",\"name\":\"Acme\",\"policy\":{\"auto_approve_low_risk\":"
    "false},"
    "\"unknown_assets\":\"accept\",\"assets\":[{\"id\":\"asset-7\",\"name\":\"srv-1\",\"type\":"
    "\"server\",\"os\":\"Linux\","
    "\"critical\":true,\"instance_id\":\"i-1\"}],\"api_keys\":[{\"name\":\"made\"},{\"name\":"
    "\"given\",\"key\":"
    "\"given-key-0123456789\",\"networks\":[\"10.0.0.0/"
    "8\"]}],\"webhook_security\":{\"enabled\":true},"
    "\"rate_limit\":{\"enabled\":true,\"requests_per_minute\":30},\"correlation_config\":{\"min_"
    "alerts\":3},"
    "\"runbooks\":[{\"name\":\"Restart\",\"signature\":\"down\",\"risk_level\":\"high\"}]}],"
    "\"users\":[{\"email\":\"Boss@Acme.test\",\"name\":\"B\",\"role\":\"company_admin\",\"company_"
    "ids\":[\"acme\"],"
    "\"permissions\":[\"manage_system\"]}]}";

static void a_file_makes_everything_and_says_its_secrets_once(void **state)
{
    (void)state;
    const struct aw_node *result = kit_apply(&kit, whole);
    assert_string_equal(kit_text(result, "created"), "9");
    assert_string_equal(kit_text(result, "updated"), "0");
    assert_int_equal(kit_count(aw_node_get(aw_node_get(result, "generated"), "api_keys")), 1);
    const char *key = kit_text(result, "generated/api_keys/0/key");
    assert_int_equal(strncmp(key, "ak_live_", 8), 0);
    assert_int_equal(strlen(key), 51);
    assert_string_equal(kit_text(result, "generated/api_keys/0/name"), "made");
    assert_string_equal(kit_text(result, "generated/hmac_secrets/0/company_id"), "acme");
    assert_string_equal(kit_text(result, "generated/passwords/0/email"), "boss@acme.test");
    const struct aw_company *company = read_row(&aw_company_schema, "acme");
    assert_string_equal(company->name, "Acme");
    assert_int_equal(company->unknown_assets, 1);
    assert_false(((const struct aw_policy *)company->policy)->auto_approve_low_risk);
    assert_true(company->api_key_created_at > 0);
    const struct aw_asset *asset = read_row(&aw_asset_schema, "asset-7");
    assert_true(asset->critical);
    const struct aw_rate_limit *limit = read_row(&aw_rate_limit_schema, "acme");
    assert_int_equal(limit->requests_per_minute, 30);
    assert_int_equal(limit->burst_size, 100);
    const struct aw_correlation_config *config = read_row(&aw_correlation_config_schema, "acme");
    assert_int_equal(config->min_alerts, 3);
    assert_int_equal(config->time_window_minutes, 15);
    /* nothing of the secrets stands in the file of the database */
    char command[256];
    snprintf(command, sizeof(command), "cat '%s'* | grep -aqe '%s' -e given-key -e '%s' -e '%s'",
             kit.db, key, kit_text(result, "generated/hmac_secrets/0/secret"),
             kit_text(result, "generated/passwords/0/password"));
    assert_int_not_equal(system(command), 0);
}

static void the_same_file_again_writes_nothing(void **state)
{
    (void)state;
    kit_apply(&kit, whole);
    int64_t events = count(&aw_event_run_schema), audits = count(&aw_audit_schema);
    const struct aw_node *result = kit_apply(&kit, whole);
    assert_string_equal(kit_text(result, "created"), "0");
    assert_string_equal(kit_text(result, "updated"), "0");
    assert_string_equal(kit_text(result, "unchanged"), "9");
    assert_int_equal(kit_count(aw_node_get(aw_node_get(result, "generated"), "api_keys")), 0);
    assert_int_equal(kit_count(aw_node_get(aw_node_get(result, "generated"), "hmac_secrets")), 0);
    assert_int_equal(kit_count(aw_node_get(aw_node_get(result, "generated"), "passwords")), 0);
    assert_int_equal(count(&aw_event_run_schema), events);
    assert_int_equal(count(&aw_audit_schema), audits);
}

static void what_is_not_named_stays(void **state)
{
    (void)state;
    kit_apply(&kit, whole);
    const struct aw_node *result =
        kit_apply(&kit, "{\"companies\":[{\"id\":\"acme\",\"name\":\"Acme "
                        "2\",\"assets\":[{\"name\":\"srv-1\",\"os\":\"BSD\"},"
                        "{\"name\":\"srv-2\"}],\"rate_limit\":{\"burst_size\":7}}]}");
    assert_string_equal(kit_text(result, "created"), "1");
    assert_string_equal(kit_text(result, "updated"), "3");
    const struct aw_company *company = read_row(&aw_company_schema, "acme");
    assert_string_equal(company->name, "Acme 2");
    assert_int_equal(company->unknown_assets, 1);
    const struct aw_asset *asset = read_row(&aw_asset_schema, "asset-7");
    assert_string_equal(asset->os, "BSD");
    assert_true(asset->critical);
    const struct aw_rate_limit *limit = read_row(&aw_rate_limit_schema, "acme");
    assert_int_equal(limit->requests_per_minute, 30);
    assert_int_equal(limit->burst_size, 7);
    assert_true(limit->enabled);
}

static void companies_get_slots_of_their_own(void **state)
{
    (void)state;
    kit_apply(&kit,
              "{\"companies\":[{\"id\":\"a\",\"name\":\"A\"},{\"id\":\"b\",\"name\":\"B\"}]}");
    kit_apply(&kit,
              "{\"companies\":[{\"id\":\"c\",\"name\":\"C\"},{\"id\":\"a\",\"name\":\"A2\"}]}");
    assert_int_equal(((struct aw_company *)read_row(&aw_company_schema, "a"))->rate_slot, 0);
    assert_int_equal(((struct aw_company *)read_row(&aw_company_schema, "b"))->rate_slot, 1);
    assert_int_equal(((struct aw_company *)read_row(&aw_company_schema, "c"))->rate_slot, 2);
}

static void errors_name_the_member_and_nothing_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field;
    } rows[] = {
        {"{\"company\":[]}", "/company"},
        {"{\"companies\":{}}", "/companies"},
        {"{\"companies\":[1]}", "/companies/0"},
        {"{\"companies\":[{\"name\":\"X\"}]}", "/companies/0/id"},
        {"{\"companies\":[{\"id\":\"a b\",\"name\":\"X\"}]}", "/companies/0/id"},
        {"{\"companies\":[{\"id\":\"a\"}]}", "/companies/0/name"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"colour\":1}]}", "/companies/0/colour"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"rate_slot\":5}]}",
         "/companies/0/rate_slot"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"assets\":[{\"name\":\"x\"},{\"critical\":"
         "true}]}]}",
         "/companies/0/assets/1/name"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\"},{\"id\":\"b\",\"name\":\"B\",\"rate_"
         "limit\":{\"burst_size\":0}}]}",
         "/companies/1/rate_limit/burst_size"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"api_keys\":[{\"name\":\"k\",\"key\":"
         "\"short\"}]}]}",
         "/companies/0/api_keys/0"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"api_keys\":[{\"name\":\"k\",\"networks\":["
         "\"10.0.0.0/99\"]}]}]}",
         "/companies/0/api_keys/0/networks/0"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"api_keys\":[{\"name\":\"k\",\"key\":"
         "\"same-key-0123456789\"}]},"
         "{\"id\":\"b\",\"name\":\"B\",\"api_keys\":[{\"name\":\"k\",\"key\":\"same-key-"
         "0123456789\"}]}]}",
         "/companies/1/api_keys/0"},
        {"{\"companies\":[{\"id\":\"a\",\"name\":\"A\",\"webhook_security\":{\"enabled\":true,"
         "\"secret\":\"x\"}}]}",
         "/companies/0/webhook_security/secret"},
        {"{\"users\":[{\"email\":\"x\",\"name\":\"X\",\"role\":\"viewer\"}]}", "/users/0/email"},
        {"{\"users\":[{\"email\":\"x@y\",\"name\":\"X\",\"role\":\"king\"}]}", "/users/0/role"},
        {"{\"users\":[{\"email\":\"x@y\",\"name\":\"X\",\"role\":\"viewer\",\"password\":\"short\"}"
         "]}",
         "/users/0/password"},
        {"{\"users\":[{\"email\":\"x@y\",\"name\":\"X\",\"role\":\"viewer\",\"company_ids\":["
         "\"none\"]}]}",
         "/users/0"},
        {"{\"users\":[{\"email\":\"x@y\",\"name\":\"X\",\"role\":\"viewer\",\"permissions\":["
         "\"fly\"]}]}",
         "/users/0/permissions/0"},
    };
    const struct aw_apply_deps deps = {kit.store, kit.writer, kit.sealer};
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        struct aw_str result;
        struct aw_err err;
        aw_str_init(&result, kit.arena);
        assert_false(aw_apply(&deps, rows[i].text, strlen(rows[i].text), kit.arena, &result, &err));
        if (strcmp(err.field, rows[i].field) != 0) {
            fail_msg("row %zu: %s %s: %s", i, err.code, err.field, err.msg);
        }
    }
    assert_int_equal(count(&aw_company_schema), 0);
    assert_int_equal(count(&aw_user_schema), 0);
    assert_int_equal(count(&aw_event_run_schema), 0);
}

static void secrets_can_be_changed(void **state)
{
    (void)state;
    kit_apply(&kit, whole);
    const struct aw_node *result =
        kit_apply(&kit,
                  "{\"companies\":[{\"id\":\"acme\",\"api_keys\":[{\"name\":\"given\",\"key\":"
                  "\"other-key-0123456789\"}],"
                  "\"webhook_security\":{\"enabled\":true,\"secret\":\"a secret of our own\"}}],"
                  "\"users\":[{\"email\":\"boss@acme.test\",\"password\":\"another-password\"}]}");
    /* key, secret, user */
    assert_string_equal(kit_text(result, "updated"), "3");
    struct aw_err err = {0};
    struct aw_reader *reader;
    struct aw_user *user;
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_user_find(reader, "boss@acme.test", kit.arena, &user, &err), err);
    aw_store_read_end(&reader);
    assert_true(aw_password_verify("another-password", user->password_hash));
    assert_int_equal(user->role, AW_ROLE_COMPANY_ADMIN);
    result =
        kit_apply(&kit,
                  "{\"companies\":[{\"id\":\"acme\",\"webhook_security\":{\"enabled\":false}}]}");
    const struct aw_webhook_security *security = read_row(&aw_webhook_security_schema, "acme");
    assert_false(security->enabled);
    assert_null(security->secret_sealed.ptr);
    assert_null(security->previous_sealed.ptr);
}

static void the_trail_holds(void **state)
{
    (void)state;
    struct aw_err err = {0};
    struct aw_reader *reader;
    struct aw_audit_verdict verdict;
    kit_apply(&kit, whole);
    kit_apply(&kit, "{\"companies\":[{\"id\":\"acme\",\"name\":\"Acme 3\"}]}");
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_audit_verify(reader, "acme", &verdict, &err), err);
    assert_int_equal(verdict.rows, 2);
    assert_int_equal(verdict.bad, 0);
    KIT_OK(aw_audit_verify(reader, AW_AUDIT_NO_COMPANY, &verdict, &err), err);
    assert_int_equal(verdict.rows, 1);
    aw_store_read_end(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_makes_everything_and_says_its_secrets_once,
                                        open_each, close_each),
        cmocka_unit_test_setup_teardown(the_same_file_again_writes_nothing, open_each, close_each),
        cmocka_unit_test_setup_teardown(what_is_not_named_stays, open_each, close_each),
        cmocka_unit_test_setup_teardown(companies_get_slots_of_their_own, open_each, close_each),
        cmocka_unit_test_setup_teardown(errors_name_the_member_and_nothing_is_written, open_each,
                                        close_each),
        cmocka_unit_test_setup_teardown(secrets_can_be_changed, open_each, close_each),
        cmocka_unit_test_setup_teardown(the_trail_holds, open_each, close_each),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
