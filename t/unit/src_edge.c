#include "aw_edge_layout.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include "aw_state.h"
#include "t/unit/edge_kit.h"

static void assert_fails(bool ok, const char *code)
{
    assert_false(ok);
    assert_string_equal(err.code, code);
    assert_true(err.msg[0] != '\0');
}

static enum aw_edge_rc find_from(const char *key, const char *client, uint64_t now_s,
                                 struct aw_edge_company *out)
{
    uint8_t sha256[AW_SHA256_LEN], address[16];
    size_t len = 0;
    if (client != NULL) {
        len = strchr(client, ':') == NULL ? 4 : 16;
        assert_int_equal(inet_pton(len == 4 ? AF_INET : AF_INET6, client, address), 1);
    }
    key_of(key, sha256);
    memset(out, 0xee, sizeof(*out));
    return aw_edge_find(&reader, sha256, client == NULL ? NULL : address, len, now_s, out);
}

static enum aw_edge_rc find(const char *key, struct aw_edge_company *out)
{
    return find_from(key, NULL, 1000, out);
}

static enum aw_edge_rc has(const struct aw_edge_company *company, const char *name)
{
    return aw_edge_asset(&reader, company, name, strlen(name));
}

static void publish(const struct aw_edge_company_in *companies, size_t n)
{
    if (!aw_edge_publish(&writer, companies, n, &err)) {
        fail_msg("%s: %s", err.code, err.msg);
    }
}

static void assert_dummy(const struct aw_edge_company *company)
{
    static const struct aw_mac_key zero;
    assert_true(company->hmac);
    assert_int_equal(company->mac_key_count, 1);
    assert_memory_equal(&company->mac_keys[0], &zero, sizeof(zero));
    assert_int_equal(company->id_len, 0);
}

static void nothing_published(void **state)
{
    (void)state;
    struct aw_edge_company company;
    assert_int_equal(aw_edge_generation(&reader), 0);
    assert_int_equal(find("key", &company), AW_EDGE_NOT_READY);
    assert_dummy(&company);
}

static void what_is_published_is_found(void **state)
{
    (void)state;
    struct aw_edge_key_in keys[] = {key_in("one"), key_in("two"), key_in("three")};
    const char *assets[] = {"srv-1", "srv-2", "\xc3\xa9", "a name with blanks"};
    struct aw_edge_company_in in[] = {
        {.id = "acme",
         .hmac = true,
         .mac_key_count = 2,
         .limited = true,
         .per_minute = 60,
         .burst = 100,
         .rate_slot = 17,
         .keys = keys,
         .key_count = 2,
         .assets = assets,
         .asset_count = AW_COUNT(assets)},
        {.id = "0123456789012345678901234567890123456789",
         .unknown_assets = AW_ASSETS_REGISTER,
         .rate_slot = AW_RATE_SLOTS + 3,
         .keys = &keys[2],
         .key_count = 1},
    };
    aw_mac_key_init(&in[0].mac_keys[0], "secret", 6);
    aw_mac_key_init(&in[0].mac_keys[1], "former", 6);
    publish(in, 2);
    assert_int_equal(aw_edge_generation(&reader), 1);

    struct aw_edge_company company;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(find(i == 0 ? "one" : "two", &company), AW_EDGE_OK);
        assert_int_equal(company.generation, 1);
        assert_int_equal(company.index, 0);
        assert_int_equal(company.id_len, 4);
        assert_memory_equal(company.id, "acme", 4);
        assert_true(company.hmac);
        assert_int_equal(company.mac_key_count, 2);
        assert_memory_equal(company.mac_keys, in[0].mac_keys, sizeof(company.mac_keys));
        assert_true(company.limited);
        assert_int_equal(company.per_minute, 60);
        assert_int_equal(company.burst, 100);
        assert_int_equal(company.rate_slot, 17);
        assert_int_equal(company.unknown_assets, AW_ASSETS_REJECT);
    }
    for (size_t i = 0; i < AW_COUNT(assets); i++) {
        assert_int_equal(has(&company, assets[i]), AW_EDGE_OK);
    }
    static const char *const others[] = {"", "srv-", "srv-11", "SRV-1", "srv-3", "\xc3", "a name"};
    for (size_t i = 0; i < AW_COUNT(others); i++) {
        assert_int_equal(has(&company, others[i]), AW_EDGE_NO_ASSET);
    }
    uint64_t hash = company.hash;
    assert_int_equal(find("three", &company), AW_EDGE_OK);
    assert_int_equal(company.id_len, 40);
    assert_memory_equal(company.id, in[1].id, 40);
    assert_false(company.hmac);
    assert_false(company.limited);
    assert_int_equal(company.rate_slot, 3);
    assert_int_equal(has(&company, "whatever"), AW_EDGE_OK);
    assert_true(company.hash != hash);
    assert_int_equal(find("four", &company), AW_EDGE_NO_KEY);
    assert_dummy(&company);

    publish(in, 1);
    assert_int_equal(find("three", &company), AW_EDGE_NO_KEY);
    assert_int_equal(find("one", &company), AW_EDGE_OK);
    assert_true(company.hash == hash); /* the rate word of a company outlives generations */
    publish(NULL, 0);
    assert_int_equal(find("one", &company), AW_EDGE_NO_KEY);
}

static void expiry_and_networks(void **state)
{
    (void)state;
    struct aw_edge_key_in keys[] = {key_in("expires"), key_in("local"), key_in("v4")};
    keys[0].expires_s = 1000;
    keys[1].network_count = 3;
    assert_true(aw_edge_parse_network("10.0.0.0/8", &keys[1].networks[0]));
    assert_true(aw_edge_parse_network("2001:db8::/33", &keys[1].networks[1]));
    assert_true(aw_edge_parse_network("192.0.2.7", &keys[1].networks[2]));
    keys[2].network_count = 1;
    assert_true(aw_edge_parse_network("0.0.0.0/0", &keys[2].networks[0]));
    struct aw_edge_company_in in = {.id = "acme", .keys = keys, .key_count = 3};
    publish(&in, 1);

    static const struct {
        const char *key, *client;
        uint64_t now_s;
        enum aw_edge_rc rc;
    } rows[] = {
        {"expires", NULL, 999, AW_EDGE_OK},
        {"expires", NULL, 1000, AW_EDGE_NO_KEY},
        {"local", "10.1.2.3", 0, AW_EDGE_OK},
        {"local", "::ffff:10.1.2.3", 0, AW_EDGE_OK},
        {"local", "11.1.2.3", 0, AW_EDGE_NO_KEY},
        {"local", "192.0.2.7", 0, AW_EDGE_OK},
        {"local", "192.0.2.6", 0, AW_EDGE_NO_KEY},
        {"local", "2001:db8:7fff::1", 0, AW_EDGE_OK},
        {"local", "2001:db8:8000::1", 0, AW_EDGE_NO_KEY},
        {"local", NULL, 0, AW_EDGE_NO_KEY},
        {"v4", "203.0.113.9", 0, AW_EDGE_OK},
        {"v4", "2001:db8::1", 0, AW_EDGE_NO_KEY},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        struct aw_edge_company company;
        assert_int_equal(find_from(rows[i].key, rows[i].client, rows[i].now_s, &company),
                         rows[i].rc);
        if (rows[i].rc == AW_EDGE_NO_KEY) {
            assert_dummy(&company);
        }
    }
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int prefix; /* -1 = refused */
        const char *address;
    } rows[] = {
        {"10.0.0.0/8", 104, "::ffff:10.0.0.0"},
        {"10.1.2.3/8", 104, "::ffff:10.0.0.0"},
        {"192.0.2.7", 128, "::ffff:192.0.2.7"},
        {"192.0.2.7/32", 128, "::ffff:192.0.2.7"},
        {"0.0.0.0/0", 96, "::ffff:0.0.0.0"},
        {"::1", 128, "::1"},
        {"::/0", 0, "::"},
        {"2001:db8::ffff/33", 33, "2001:db8::"},
        {"::ffff:10.0.0.0/104", 104, "::ffff:10.0.0.0"},
        {"", -1, NULL},
        {"/8", -1, NULL},
        {"10.0.0.0/", -1, NULL},
        {"10.0.0.0/33", -1, NULL},
        {"10.0.0.0/08", -1, NULL},
        {"10.0.0.0/-1", -1, NULL},
        {"10.0.0.0/8 ", -1, NULL},
        {" 10.0.0.0/8", -1, NULL},
        {"10.0.0.0/8/8", -1, NULL},
        {"10.0.0/8", -1, NULL},
        {"010.0.0.1", -1, NULL},
        {"::/129", -1, NULL},
        {"::/1000", -1, NULL},
        {"example.com", -1, NULL},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8", -1, NULL},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        struct aw_edge_network network;
        bool good = aw_edge_parse_network(rows[i].text, &network);
        if (good != (rows[i].prefix >= 0)) {
            fail_msg("'%s'", rows[i].text);
        }
        if (good) {
            uint8_t address[16];
            assert_int_equal(network.prefix, rows[i].prefix);
            assert_int_equal(inet_pton(AF_INET6, rows[i].address, address), 1);
            assert_memory_equal(network.address, address, 16);
        }
    }
    /* Every prefix length: the last bit inside counts, the first one outside does not. */
    for (int prefix = 0; prefix <= 128; prefix++) {
        uint8_t network[16] = {0}, client[16] = {0};
        if (prefix < 128) {
            client[prefix / 8] = (uint8_t)(0x80 >> prefix % 8);
            assert_true(aw_edge_network_holds(network, (uint32_t)prefix, client));
        }
        if (prefix > 0) {
            client[(prefix - 1) / 8] |= (uint8_t)(0x80 >> (prefix - 1) % 8);
            assert_false(aw_edge_network_holds(network, (uint32_t)prefix, client));
        }
    }
}

/* --- many --- */

static void thousands_of_assets(void **state)
{
    (void)state;
    enum { N = 3000 };
    static char names[N][32];
    static const char *assets[N];
    struct aw_edge_key_in key = key_in("key");
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "srv-%d.example.com", i);
        assets[i] = names[i];
    }
    struct aw_edge_company_in in = {
        .id = "acme", .keys = &key, .key_count = 1, .assets = assets, .asset_count = N / 2};
    publish(&in, 1);
    struct aw_edge_company company;
    assert_int_equal(find("key", &company), AW_EDGE_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(has(&company, names[i]), i < N / 2 ? AW_EDGE_OK : AW_EDGE_NO_ASSET);
    }
}

/* Companies with 64 assets of long names need no more than 16 KiB each; what does not fit changes
 * nothing. */
static void capacity(void **state)
{
    (void)state;
    enum { ASSETS = 64, COMPANIES = SIZE / 2 / (16 << 10) - 1 };
    static char names[ASSETS][120], ids[64][24], texts[64][24];
    static const char *assets[ASSETS];
    static struct aw_edge_key_in keys[64];
    static struct aw_edge_company_in in[64];
    for (int i = 0; i < ASSETS; i++) {
        snprintf(names[i], sizeof(names[i]), "%0100d", i);
        assets[i] = names[i];
    }
    for (int i = 0; i < 64; i++) {
        snprintf(ids[i], sizeof(ids[i]), "company-%d", i);
        snprintf(texts[i], sizeof(texts[i]), "key-%d", i);
        keys[i] = key_in(texts[i]);
        in[i] = (struct aw_edge_company_in){.id = ids[i],
                                            .keys = &keys[i],
                                            .key_count = 1,
                                            .assets = assets,
                                            .asset_count = ASSETS};
    }
    publish(in, COMPANIES);
    assert_fails(aw_edge_publish(&writer, in, 64, &err), "edge.full");
    assert_int_equal(aw_edge_generation(&reader), 1);
    struct aw_edge_company company;
    for (int i = 0; i < COMPANIES; i++) {
        assert_int_equal(find(texts[i], &company), AW_EDGE_OK);
        assert_string_equal(company.id, ids[i]);
        for (int j = 0; j < ASSETS; j++) {
            assert_int_equal(has(&company, names[j]), AW_EDGE_OK);
        }
    }
}

static void refused_publications_change_nothing(void **state)
{
    (void)state;
    struct aw_edge_key_in keys[] = {key_in("one"), key_in("one")};
    const char *assets[] = {""};
    struct aw_edge_company_in good = {.id = "acme", .keys = keys, .key_count = 1};
    publish(&good, 1);

    struct aw_edge_company_in bad[8];
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        bad[i] = good;
    }
    bad[0].id = "";
    bad[1].id = "01234567890123456789012345678901234567890";
    bad[2].mac_key_count = AW_EDGE_MAC_KEYS + 1;
    bad[3].limited = true;
    bad[3].per_minute = 1;
    bad[4].limited = true;
    bad[4].burst = 1;
    bad[5].assets = assets;
    bad[5].asset_count = 1;
    keys[1].network_count = AW_EDGE_NETWORKS + 1;
    bad[6].keys = &keys[1];
    struct aw_edge_key_in far = key_in("far");
    far.network_count = 1;
    far.networks[0].prefix = 129;
    bad[7].keys = &far;
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_fails(aw_edge_publish(&writer, &bad[i], 1, &err), "edge.company");
    }
    keys[1].network_count = 0;
    struct aw_edge_company_in twice[] = {good, good};
    twice[1].id = "other";
    twice[1].keys = &keys[1];
    assert_fails(aw_edge_publish(&writer, twice, 2, &err), "edge.key");
    assert_fails(aw_edge_publish(&reader, &good, 1, &err), "edge.busy");

    struct aw_edge_company company;
    assert_int_equal(aw_edge_generation(&reader), 1);
    assert_int_equal(find("one", &company), AW_EDGE_OK);
    assert_memory_equal(company.id, "acme", 4);
}

static void an_old_copy_goes_stale(void **state)
{
    (void)state;
    struct aw_edge_key_in key = key_in("one");
    const char *assets[] = {"srv-1"};
    struct aw_edge_company_in in = {
        .id = "acme", .keys = &key, .key_count = 1, .assets = assets, .asset_count = 1};
    struct aw_edge_company company;
    publish(&in, 1);
    assert_int_equal(find("one", &company), AW_EDGE_OK);
    publish(&in, 1);
    assert_int_equal(has(&company, "srv-1"), AW_EDGE_OK); /* its buffer is still whole */
    publish(&in, 1);
    assert_int_equal(has(&company, "srv-1"), AW_EDGE_STALE);
    assert_int_equal(find("one", &company), AW_EDGE_OK);
    assert_int_equal(has(&company, "srv-1"), AW_EDGE_OK);
}

/* --- opening --- */

static void opening(void **state)
{
    (void)state;
    struct aw_edge other;
    assert_fails(aw_edge_open(&other, "/tmp/aw-no-such-folder/edge", 0, AW_FILE_INSPECT, NULL,
                              &err),
                 "edge.absent");
    assert_fails(aw_edge_open(&other, path, 0, AW_FILE_CONSUMER, NULL, &err), "edge.busy");
    assert_fails(aw_edge_open(&other, path, SIZE * 2, AW_FILE_CREATE, NULL, &err), "edge.size");
    assert_true(aw_edge_open(&other, path, SIZE, AW_FILE_CREATE, NULL, &err));
    assert_fails(aw_edge_publish(&other, NULL, 0, &err), "edge.busy");
    aw_edge_close(&other);
    const struct aw_file_owner ignored = {.uid = 12345, .gid = 12345, .mode = 0};
    assert_true(aw_edge_open(&other, path, 0, AW_FILE_INSPECT, &ignored, &err));
    assert_int_equal(other.map_size, SIZE);
    aw_edge_close(&other);
    aw_edge_close(&other); /* once more does nothing */

    char second[112];
    snprintf(second, sizeof(second), "%s-2", path);
    assert_fails(aw_edge_open(&other, second, SIZE / 2, AW_FILE_CREATE, NULL, &err), "edge.size");
    assert_fails(aw_edge_open(&other, second, 0, AW_FILE_CREATE, NULL, &err), "edge.size");
    /* That left an empty file: nobody takes it for a table. */
    assert_fails(aw_edge_open(&other, second, 0, AW_FILE_CONSUMER, NULL, &err), "edge.absent");
    assert_int_equal(truncate(second, SIZE), 0);
    assert_fails(aw_edge_open(&other, second, 0, AW_FILE_INSPECT, NULL, &err), "edge.absent");
    assert_true(aw_edge_open(&other, second, SIZE, AW_FILE_CREATE, NULL, &err));
    aw_edge_close(&other);
    assert_int_equal(truncate(second, SIZE - 4096), 0);
    assert_fails(aw_edge_open(&other, second, 0, AW_FILE_CREATE, NULL, &err), "edge.format");
    assert_int_equal(chmod(second, 0666), 0);
    assert_fails(aw_edge_open(&other, second, 0, AW_FILE_CONSUMER, NULL, &err), "edge.owner");
    unlink(second);
}

/* --- damage --- */

static void expect_right_or_not_ready(const char *key, const char *id, const char *asset,
                                      const char *foreign)
{
    struct aw_edge_company company;
    enum aw_edge_rc rc = find(key, &company);
    if (rc != AW_EDGE_OK) {
        assert_int_equal(rc, AW_EDGE_NOT_READY);
        return;
    }
    assert_int_equal(company.id_len, strlen(id));
    assert_memory_equal(company.id, id, strlen(id));
    assert_int_equal(company.per_minute, strlen(id));
    rc = has(&company, asset);
    assert_true(rc == AW_EDGE_OK || rc == AW_EDGE_NOT_READY || rc == AW_EDGE_STALE);
    rc = has(&company, foreign);
    assert_true(rc == AW_EDGE_NO_ASSET || rc == AW_EDGE_NOT_READY || rc == AW_EDGE_STALE);
}

static void every_damaged_byte(void **state)
{
    (void)state;
    struct aw_edge_key_in keys[] = {key_in("one"), key_in("two")};
    const char *assets[][2] = {{"srv-1", "srv-2"}, {"web-1", "web-2"}};
    struct aw_edge_company_in in[] = {
        {.id = "acme", .keys = &keys[0], .assets = assets[0]},
        {.id = "other", .keys = &keys[1], .assets = assets[1]},
    };
    for (int i = 0; i < 2; i++) {
        in[i].key_count = 1;
        in[i].asset_count = 2;
        in[i].limited = true;
        in[i].per_minute = (uint32_t)strlen(in[i].id);
        in[i].burst = 1;
        keys[i].network_count = 0;
    }
    publish(in, 2);
    publish(in, 2);
    struct aw_edge_buffer_head head;
    uint8_t *buffer = aw_edge_buffer(&writer, 2);
    memcpy(&head, buffer, sizeof(head));
    uint8_t *from[] = {writer.map, buffer};
    size_t len[] = {AW_EDGE_PAGE, head.used};
    assert_in_range(head.used, 1000, 4000);
    for (int area = 0; area < 2; area++) {
        for (size_t at = 0; at < len[area]; at++) {
            static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x10};
            for (size_t j = 0; j < AW_COUNT(flips); j++) {
                struct aw_edge_company company;
                from[area][at] ^= flips[j];
                expect_right_or_not_ready("one", "acme", "srv-1", "web-1");
                expect_right_or_not_ready("two", "other", "web-2", "srv-2");
                enum aw_edge_rc rc = find("three", &company);
                assert_true(rc == AW_EDGE_NO_KEY || rc == AW_EDGE_NOT_READY);
                from[area][at] ^= flips[j];
            }
        }
    }
    struct aw_edge_company company;
    assert_int_equal(find("one", &company), AW_EDGE_OK);
    assert_int_equal(has(&company, "srv-1"), AW_EDGE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(nothing_published),
        WITH_FILES(what_is_published_is_found),
        WITH_FILES(expiry_and_networks),
        cmocka_unit_test(networks),
        WITH_FILES(thousands_of_assets),
        WITH_FILES(capacity),
        WITH_FILES(refused_publications_change_nothing),
        WITH_FILES(an_old_copy_goes_stale),
        WITH_FILES(opening),
        WITH_FILES(every_damaged_byte),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
