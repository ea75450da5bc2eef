#include "api_kit.h"

#include "worker/domain/edge_publish.h"
#include "worker/domain/webhook_security.h"

static struct kit kit;
static char path[96];
static struct aw_edge reader;
static struct aw_edge_publisher *publisher;

static void make_file(void)
{
    struct aw_err err = {0};
    KIT_OK(aw_edge_open(&reader, path, AW_EDGE_SIZE_MIN, AW_FILE_CREATE | AW_FILE_ANY_FS, NULL,
                        &err),
           err);
}

static int open_each(void **state)
{
    struct aw_err err = {0};
    (void)state;
    kit_open(&kit);
    snprintf(path, sizeof(path), "%s/edge", kit.dir);
    kit_apply(&kit, kit_companies);
    KIT_OK(aw_edge_publisher_start(path, kit.store, kit.sealer, kit.writer, &publisher, &err), err);
    return 0;
}

static int close_each(void **state)
{
    (void)state;
    /* the publisher outlives the writer, whose listener points to it */
    aw_writer_stop(&kit.writer, 1000);
    aw_edge_publisher_stop(&publisher);
    if (reader.map) {
        aw_edge_close(&reader);
    }
    memset(&reader, 0, sizeof(reader));
    kit_close(&kit);
    return 0;
}

static struct aw_edge_status status(void)
{
    struct aw_edge_status now;
    aw_edge_publisher_status(publisher, &now);
    return now;
}

/* Waits until everything is published; returns how long that took. */
static int64_t await_current(void)
{
    int64_t since = aw_clock_mono_ms();
    while (!status().current) {
        assert_true(aw_clock_mono_ms() - since < 10000);
        aw_clock_sleep_ms(2);
    }
    return aw_clock_mono_ms() - since;
}

static enum aw_edge_rc find(const char *key, struct aw_edge_company *company)
{
    static const uint8_t client[4] = {192, 0, 2, 1};
    uint8_t sha[AW_SHA256_LEN];
    aw_mac_sha256(key, strlen(key), sha);
    return aw_edge_find(&reader, sha, client, sizeof(client), (uint64_t)aw_clock_wall_ms() / 1000,
                        company);
}

static void it_waits_for_the_file_of_nginx(void **state)
{
    (void)state;
    struct aw_edge_company company;
    while (!status().code[0]) {
        aw_clock_sleep_ms(2);
    }
    assert_string_equal(status().code, "edge.absent");
    assert_false(status().current);
    assert_int_equal(status().generation, 0);
    make_file();
    await_current();
    assert_true(status().generation > 0);
    assert_string_equal(status().code, "");
    assert_int_equal(find("acme-key-0123456789", &company), AW_EDGE_OK);
    assert_int_equal(company.id_len, 4);
    assert_memory_equal(company.id, "acme", 4);
    assert_false(company.hmac);
    assert_false(company.limited);
    assert_int_equal(aw_edge_asset(&reader, &company, "srv-1", 5), AW_EDGE_OK);
    assert_int_equal(aw_edge_asset(&reader, &company, "srv-9", 5), AW_EDGE_NO_ASSET);
    assert_int_equal(find("globex-key-0123456789", &company), AW_EDGE_OK);
    assert_memory_equal(company.id, "globex", 6);
    assert_int_equal(company.rate_slot, 1);
    assert_int_equal(aw_edge_asset(&reader, &company, "srv-9", 5), AW_EDGE_OK);
    assert_int_equal(aw_edge_asset(&reader, &company, "srv-1", 5), AW_EDGE_NO_ASSET);
    assert_int_equal(find("nobody-key-0123456789", &company), AW_EDGE_NO_KEY);
}

static void a_change_is_there_within_a_second(void **state)
{
    (void)state;
    struct aw_edge_company company;
    make_file();
    await_current();
    kit_apply(
        &kit,
        "{\"companies\":[{\"id\":\"acme\",\"unknown_assets\":\"accept\",\"api_keys\":["
        "{\"name\":\"old\",\"key\":\"old-key-0123456789\",\"expires_at\":\"2020-01-01T00:00:00Z\"},"
        "{\"name\":\"far\",\"key\":\"far-key-0123456789\",\"networks\":[\"10.0.0.0/8\"]},"
        "{\"name\":\"near\",\"key\":\"near-key-0123456789\",\"networks\":[\"192.0.2.0/24\"]}],"
        "\"webhook_security\":{\"enabled\":true,\"secret\":\"first secret, 16+\"},"
        "\"rate_limit\":{\"enabled\":true,\"requests_per_minute\":30,\"burst_size\":7}}]}");
    assert_true(await_current() < 1000);
    assert_int_equal(find("old-key-0123456789", &company), AW_EDGE_NO_KEY);
    assert_int_equal(find("far-key-0123456789", &company), AW_EDGE_NO_KEY);
    assert_int_equal(find("near-key-0123456789", &company), AW_EDGE_OK);
    assert_true(company.limited);
    assert_int_equal(company.per_minute, 30);
    assert_int_equal(company.burst, 7);
    assert_int_equal(company.unknown_assets, AW_ASSETS_ACCEPT);
    assert_int_equal(aw_edge_asset(&reader, &company, "unheard", 7), AW_EDGE_OK);
    assert_true(company.hmac);
    assert_int_equal(company.mac_key_count, 1);
    struct aw_mac_key key;
    aw_mac_key_init(&key, "first secret, 16+", 17);
    assert_memory_equal(&company.mac_keys[0], &key, sizeof(key));
    /* the secret in use till now stays good beside the new one */
    kit_apply(&kit, "{\"companies\":[{\"id\":\"acme\",\"webhook_security\":{\"enabled\":true,"
                    "\"secret\":\"second secret, 16+\"}}]}");
    assert_true(await_current() < 1000);
    assert_int_equal(find("near-key-0123456789", &company), AW_EDGE_OK);
    assert_int_equal(company.mac_key_count, 2);
    assert_memory_equal(&company.mac_keys[1], &key, sizeof(key));
}

static void what_does_not_concern_it_is_not_published(void **state)
{
    (void)state;
    make_file();
    await_current();
    uint64_t before = status().generation;
    kit_apply(&kit,
              "{\"companies\":[{\"id\":\"acme\",\"correlation_config\":{\"min_alerts\":4}}]}");
    assert_true(status().current);
    assert_int_equal(status().generation, before);
}

static void a_new_file_is_filled_again(void **state)
{
    (void)state;
    struct aw_edge_company company;
    make_file();
    await_current();
    aw_edge_close(&reader);
    assert_int_equal(unlink(path), 0);
    make_file();
    assert_int_equal(find("acme-key-0123456789", &company), AW_EDGE_NOT_READY);
    int64_t since = aw_clock_mono_ms();
    while (find("acme-key-0123456789", &company) != AW_EDGE_OK) {
        assert_true(aw_clock_mono_ms() - since < 10000);
        aw_clock_sleep_ms(5);
    }
}

static bool spoil(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    void *stored;
    (void)arg;
    if (!aw_tx_get(tx, &aw_scope_all, &aw_webhook_security_schema, "acme", &stored, err)) {
        return false;
    }
    struct aw_webhook_security *row =
        aw_row_copy(&aw_webhook_security_schema, stored, aw_tx_arena(tx));
    row->secret_sealed.len -= 1;
    aw_tx_replace(tx, &aw_webhook_security_schema, row);
    return true;
}

static void a_secret_that_cannot_be_read_closes_only_its_company(void **state)
{
    (void)state;
    struct aw_edge_company company;
    struct aw_err err = {0};
    make_file();
    kit_apply(&kit, "{\"companies\":[{\"id\":\"acme\",\"webhook_security\":{\"enabled\":true}}]}");
    aw_log_level = AW_LOG_LEVELS; /* the error that follows is wanted */
    KIT_OK(aw_writer_run(kit.writer, "kit.spoil", spoil, NULL, AW_ONCE, &err), err);
    await_current();
    assert_int_equal(find("acme-key-0123456789", &company), AW_EDGE_OK);
    assert_true(company.hmac);
    assert_int_equal(company.mac_key_count, 0);
    assert_int_equal(find("globex-key-0123456789", &company), AW_EDGE_OK);
    assert_false(company.hmac);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_each, close_each)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_waits_for_the_file_of_nginx),
        TEST(a_change_is_there_within_a_second),
        TEST(what_does_not_concern_it_is_not_published),
        TEST(a_new_file_is_filled_again),
        TEST(a_secret_that_cannot_be_read_closes_only_its_company),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
