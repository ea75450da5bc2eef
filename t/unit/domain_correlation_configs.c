/* The correlation configuration of a company: defaults, versions, and that a change is told. */
#include "domain_kit.h"

#include "worker/domain/correlation.h"

struct put {
    struct aw_correlation_config config;
    int64_t version;
};

static bool put_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct put *put = arg;
    struct aw_correlation_config *config =
        aw_arena_copy(aw_tx_arena(tx), &put->config, sizeof(put->config));
    return aw_correlation_config_put(tx, config, put->version, "user", KIT_NOW + 5, err);
}

static struct aw_correlation_config *get(struct kit *kit, const char *company_id)
{
    struct aw_reader *reader;
    struct aw_correlation_config *config;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_correlation_config_get(reader, company_id, kit->arena, &config, &err));
    aw_store_read_end(&reader);
    return config;
}

static void defaults_hold_until_something_is_put(void **state)
{
    struct kit *kit = *state;
    const struct aw_correlation_config *config = get(kit, "acme");
    assert_string_equal(config->company_id, "acme");
    assert_int_equal(config->version, 0);
    assert_int_equal(config->time_window_minutes, 15);
    assert_int_equal(config->min_alerts, 2);
    assert_true(config->auto_correlate);
    assert_string_equal(config->aggregation_key, "asset|signature");
    assert_int_equal(config->single_alert.n, 2);
}

static void a_put_wants_the_version_that_is_stored(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    struct put put = {.version = 1};
    aw_correlation_config_default("acme", &put.config);
    put.config.min_alerts = 7;
    assert_false(kit_try(kit, put_unit, &put, &err));
    assert_string_equal(err.code, "correlation_config.version");
    assert_int_equal(err.kind, AW_ERR_PRECONDITION);
    put.version = 0;
    uint64_t generation = aw_correlation_generation("acme");
    kit_run(kit, put_unit, &put);
    assert_true(aw_correlation_generation("acme") > generation);
    assert_int_equal(get(kit, "acme")->min_alerts, 7);
    assert_int_equal(get(kit, "acme")->version, 1);
    assert_int_equal(get(kit, "acme")->updated_at, KIT_NOW + 5);
    assert_int_equal(get(kit, "beta")->min_alerts, 2);
    assert_false(kit_try(kit, put_unit, &put, &err));
    put.version = 1;
    put.config.min_alerts = 3;
    kit_run(kit, put_unit, &put);
    put.version = -1;
    kit_run(kit, put_unit, &put);
    assert_int_equal(get(kit, "acme")->version, 3);
    struct aw_event *events;
    assert_int_equal(kit_events(kit, &events), 3);
    const struct aw_event *last = &events[2];
    assert_string_equal(last->type, "correlation_config_updated");
    assert_int_equal(last->object_version, 3);
    assert_string_equal(last->actor, "user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_hold_until_something_is_put, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(a_put_wants_the_version_that_is_stored, kit_setup,
                                        kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
