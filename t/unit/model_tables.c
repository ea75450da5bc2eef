/* The field tables hold together: what the store, the decoder and the documentation take for granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/json.h"
#include "worker/model/model.h"

static size_t size_of(const struct aw_field *field)
{
    static const size_t sizes[] = {
        [AW_T_STR] = sizeof(AW_C_STR),   [AW_T_I64] = sizeof(AW_C_I64),
        [AW_T_BOOL] = sizeof(AW_C_BOOL), [AW_T_ENUM] = sizeof(AW_C_ENUM),
        [AW_T_TIME] = sizeof(AW_C_TIME), [AW_T_BYTES] = sizeof(AW_C_BYTES),
        [AW_T_STRS] = sizeof(AW_C_STRS), [AW_T_OBJ] = sizeof(const void *),
        [AW_T_RAW] = sizeof(AW_C_RAW)};
    return sizes[field->type];
}

static void names_are_those_of_the_contract(void **state)
{
    static const char *const names[] = {"users",        "companies",        "alerts",
                                        "incidents",    "runbooks",         "notifications",
                                        "rate_limits",  "webhook_security", "audit_logs",
                                        "assets",       "api_keys",         "correlation_configs",
                                        "deliveries",   "aliases",          "dead_letters",
                                        "open_keys",    "events",           "meta",
                                        "kept_replies", "member_changes"};
    size_t n = 0;
    (void)state;
    for (; aw_model_schemas[n] != NULL; n++) {
        assert_ptr_equal(aw_model_find(aw_model_schemas[n]->name), aw_model_schemas[n]);
    }
    assert_int_equal(n, AW_COUNT(names));
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        assert_non_null(aw_model_find(names[i]));
    }
    assert_null(aw_model_find("alert"));
    assert_null(aw_model_find(""));
}

static void fields_cover_the_struct_without_overlap(void **state)
{
    (void)state;
    for (size_t s = 0; aw_model_schemas[s] != NULL; s++) {
        const struct aw_schema *schema = aw_model_schemas[s];
        size_t end = 0;
        assert_in_range(schema->n, 2, 64);
        assert_string_equal(schema->fields[0].name, "id");
        assert_int_equal(schema->fields[0].type, AW_T_STR);
        assert_string_equal(schema->fields[1].name, "version");
        assert_int_equal(schema->fields[1].type, AW_T_I64);
        assert_non_null(schema->doc);
        for (size_t i = 0; i < schema->n; i++) {
            const struct aw_field *field = &schema->fields[i];
            assert_in_range(field->offset, end,
                            end + 7); /* padding at most: no member is left out */
            end = field->offset + size_of(field);
            assert_int_equal(aw_schema_index_of(schema, field->name), i);
            assert_non_null(field->doc);
            assert_true(field->min <= field->max || field->max == 0);
            assert_int_equal(field->arg != NULL && field->type != AW_T_STRS,
                             field->type == AW_T_ENUM || field->type == AW_T_OBJ);
        }
        assert_in_range(schema->size, end, end + 7);
    }
}

static void indexes_name_fields(void **state)
{
    (void)state;
    for (size_t s = 0; aw_model_schemas[s] != NULL; s++) {
        const struct aw_schema *schema = aw_model_schemas[s];
        for (size_t i = 0; i < schema->index_count; i++) {
            const char *const *fields = schema->indexes[i].fields;
            assert_non_null(schema->indexes[i].name);
            assert_non_null(fields[0]);
            for (; *fields != NULL; fields++) {
                assert_true(aw_schema_index_of(schema, *fields + (**fields == '-')) >= 0);
            }
        }
    }
}

/* Does the schema have an index that begins with these fields, in the form of aw_index? */
static bool has_index(const char *collection, const char *first, const char *second)
{
    const struct aw_schema *schema = aw_model_find(collection);
    for (size_t i = 0; i < schema->index_count; i++) {
        const char *const *fields = schema->indexes[i].fields;
        if (strcmp(fields[0], first) == 0 &&
            (second == NULL || (fields[1] != NULL && strcmp(fields[1], second) == 0))) {
            return true;
        }
    }
    return false;
}

static void indexes_of_the_contract_are_there(void **state)
{
    (void)state;
    assert_true(has_index("alerts", "company_id", "status"));
    assert_true(has_index("alerts", "-created_at", NULL));
    assert_true(has_index("incidents", "company_id", "status"));
    assert_true(has_index("audit_logs", "-timestamp", NULL));
    assert_true(has_index("alerts", "incident_id", NULL));
    assert_false(has_index("alerts", "message", NULL));
}

/* A client that sends nothing but what it must gets the defaults that the contract proposes. */
static void defaults_can_be_decoded(void **state)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_correlation_config config = {.id = NULL};
    struct aw_rate_limit limit = {.id = NULL};
    struct aw_company company = {.id = NULL};
    struct aw_err err;
    static const char named[] = "{\"name\":\"Acme\"}";
    (void)state;
    assert_true(aw_json_decode(&aw_correlation_config_schema, AW_JSON_CREATE, "{}", 2, arena,
                               &config, NULL, NULL, &err));
    assert_int_equal(config.time_window_minutes, 15);
    assert_int_equal(config.min_alerts, 2);
    assert_true(config.auto_correlate);
    assert_int_equal(config.single_alert.n, 2);
    assert_string_equal(config.single_alert.v[1], "critical");
    assert_true(aw_json_decode(&aw_rate_limit_schema, AW_JSON_CREATE, "{}", 2, arena, &limit, NULL,
                               NULL, &err));
    assert_false(limit.enabled);
    assert_int_equal(limit.requests_per_minute, 60);
    assert_int_equal(limit.burst_size, 100);
    assert_false(aw_json_decode(&aw_company_schema, AW_JSON_CREATE, "{}", 2, arena, &company, NULL,
                                NULL, &err));
    assert_string_equal(err.field, "/name");
    assert_true(aw_json_decode(&aw_company_schema, AW_JSON_CREATE, named, sizeof(named) - 1, arena,
                               &company, NULL, NULL, &err));
    assert_int_equal(company.unknown_assets, 0);
    assert_true(((const struct aw_policy *)company.policy)->auto_approve_low_risk);
    aw_arena_destroy(&arena);
}

static void secrets_are_never_encoded(void **state)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_str text;
    struct aw_json json;
    static const uint8_t sealed[] = "sealedsealed";
    const struct aw_user user = {.id = "u", .email = "a@b", .name = "n", .password_hash = "$2b$xx"};
    const struct aw_api_key key = {.id = "k",
                                   .name = "n",
                                   .key_sha256 = "abc123",
                                   .key_sealed = {sealed, sizeof(sealed)}};
    (void)state;
    aw_str_init(&text, arena);
    aw_json_init(&json, &text);
    aw_json_row(&json, &aw_user_schema, &user, false);
    aw_json_row(&json, &aw_api_key_schema, &key, false);
    assert_non_null(strstr(text.ptr, "\"email\":\"a@b\""));
    assert_null(strstr(text.ptr, "$2b$"));
    assert_null(strstr(text.ptr, "password"));
    assert_null(strstr(text.ptr, "abc123"));
    assert_null(strstr(text.ptr, "sealed"));
    aw_arena_destroy(&arena);
}

static void words_end_and_match_the_enums(void **state)
{
    (void)state;
    assert_int_equal(aw_words_find(aw_alert_status_words, "resolved", 8), AW_ALERT_RESOLVED);
    assert_int_equal(aw_words_find(aw_incident_status_words, "resolved", 8), AW_INCIDENT_RESOLVED);
    assert_int_equal(aw_words_find(aw_single_alert_words, "critical", 8), AW_SINGLE_CRITICAL);
    assert_int_equal(aw_words_find(aw_role_words, "admin", 5), AW_ROLE_ADMIN);
    assert_int_equal(aw_words_find(aw_permission_words, "manage_system", 13), 10);
    assert_int_equal(aw_words_find(aw_unknown_assets_words, "register", 8), 2);
    assert_int_equal(aw_words_find(aw_risk_level_words, "high", 4), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_contract),
        cmocka_unit_test(fields_cover_the_struct_without_overlap),
        cmocka_unit_test(indexes_name_fields),
        cmocka_unit_test(indexes_of_the_contract_are_there),
        cmocka_unit_test(defaults_can_be_decoded),
        cmocka_unit_test(secrets_are_never_encoded),
        cmocka_unit_test(words_end_and_match_the_enums),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("model_tables", tests, NULL, NULL);
}
