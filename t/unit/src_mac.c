#include "aw_mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <yajl/yajl_tree.h>

#define SKEW 300

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 4 << 20);
    assert_true(fread(text, 1, (4 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static const char *text_of(yajl_val row, const char *name)
{
    const char *path[] = {name, NULL};
    yajl_val value = yajl_tree_get(row, path, yajl_t_string);
    return value == NULL ? NULL : YAJL_GET_STRING(value);
}

static size_t decode_base64(const char *text, uint8_t *out)
{
    size_t len = strlen(text);
    int got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
    assert_true(got >= 0);
    while (len > 0 && text[len - 1] == '=') {
        len--;
        got--;
    }
    return (size_t)got;
}

static void check_row(yajl_val row, size_t *seen)
{
    static const char *const words[] = {"ok", "expired", "invalid"};
    const char *now_path[] = {"now", NULL};
    yajl_val now = yajl_tree_get(row, now_path, yajl_t_number);
    const char *secret = text_of(row, "secret");
    const char *timestamp = text_of(row, "timestamp");
    const char *signature = text_of(row, "signature");
    const char *body64 = text_of(row, "body_base64");
    const char *verdict = text_of(row, "verdict");
    assert_non_null(now);
    assert_non_null(secret);
    assert_non_null(verdict);

    uint8_t *body = malloc(strlen(body64) + 4);
    size_t body_len = decode_base64(body64, body);
    struct aw_mac_key keys[2];
    aw_mac_key_init(&keys[0], "a former secret", 15);
    aw_mac_key_init(&keys[1], secret, strlen(secret));
    /* A header that is not there reaches the check as an empty one. */
    timestamp = timestamp == NULL ? "" : timestamp;
    signature = signature == NULL ? "" : signature;
    struct aw_mac_claim claim = {timestamp, strlen(timestamp), signature, strlen(signature)};
    for (size_t first = 0; first < 2; first++) {
        enum aw_mac_verdict got = aw_mac_verify(keys + first, 2 - first, &claim, body, body_len,
                                                (uint64_t)YAJL_GET_INTEGER(now), SKEW);
        if (strcmp(words[got], verdict) != 0) {
            fail_msg("%s: %s, not %s", text_of(row, "name"), words[got], verdict);
        }
        seen[got]++;
    }
    free(body);
}

static void vectors(void **state)
{
    (void)state;
    char *text = read_file("t/vectors/signatures.json");
    char problem[256];
    yajl_val rows = yajl_tree_parse(text, problem, sizeof(problem));
    assert_true(YAJL_IS_ARRAY(rows));
    assert_true(YAJL_GET_ARRAY(rows)->len >= 40);
    size_t seen[3] = {0};
    for (size_t i = 0; i < YAJL_GET_ARRAY(rows)->len; i++) {
        check_row(YAJL_GET_ARRAY(rows)->values[i], seen);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(seen[i] > 0);
    }
    yajl_tree_free(rows);
    free(text);
}

/* Secrets around the block size, bodies in pieces of every kind: the same as OpenSSL's HMAC(). */
static void equals_hmac(void **state)
{
    (void)state;
    static uint8_t message[3000], secret[200];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)(i * 31 + (i >> 7));
    }
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t)(i * 77 + 5);
    }
    memcpy(message, "1790000000.", 11);
    for (size_t secret_len = 0; secret_len <= sizeof(secret); secret_len++) {
        size_t len = 11 + secret_len * 14;
        uint8_t expected[32];
        assert_non_null(HMAC(EVP_sha256(), secret, (int)secret_len, message, len, expected, NULL));
        struct aw_mac_key key;
        struct aw_mac mac;
        aw_mac_key_init(&key, secret, secret_len);
        aw_mac_start(&mac, &key, "1790000000", 10);
        for (size_t at = 11, piece = 1; at < len; at += piece, piece = piece * 3 % 97 + 1) {
            aw_mac_update(&mac, message + at, at + piece > len ? len - at : piece);
        }
        assert_true(aw_mac_finish(&mac, &key, expected));
        expected[secret_len % 32] ^= (uint8_t)(1 << secret_len % 8);
        aw_mac_start(&mac, &key, "1790000000", 10);
        aw_mac_update(&mac, message + 11, len - 11);
        assert_false(aw_mac_finish(&mac, &key, expected));
    }
}

static void hashes_differ_in_any_bit(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    for (size_t i = 0; i < sizeof(a); i++) {
        a[i] = b[i] = (uint8_t)(i * 77 + 5);
    }
    assert_true(aw_mac_same(a, b));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(aw_mac_same(a, b));
        b[bit / 8] = a[bit / 8];
    }
}

static void no_keys(void **state)
{
    (void)state;
    char signature[72] = "sha256=";
    memset(signature + 7, '0', 64);
    struct aw_mac_claim claim = {"100", 3, signature, 71};
    assert_int_equal(aw_mac_verify(NULL, 0, &claim, "", 0, 100, SKEW), AW_MAC_INVALID);
}

static void timestamps(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"999999999999", true, 999999999999},
        {"000000000001", true, 1},
        {"", false, 0},
        {"1000000000000", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.5", false, 0},
        {"0x10", false, 0},
        {"12a", false, 0},
    };
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        uint64_t value = 0;
        assert_int_equal(aw_mac_parse_timestamp(rows[i].text, strlen(rows[i].text), &value),
                         rows[i].good);
        assert_int_equal(value, rows[i].value);
    }
    assert_true(aw_mac_in_window(1000, 1299, SKEW));
    assert_false(aw_mac_in_window(1000, 1300, SKEW));
    assert_true(aw_mac_in_window(1299, 1000, SKEW));
    assert_false(aw_mac_in_window(1300, 1000, SKEW));
    assert_false(aw_mac_in_window(0, UINT64_MAX, SKEW));
}

static void signatures(void **state)
{
    (void)state;
    char good[] = "sha256=00112233445566778899AABBCCDDEEFFaabbccddeeff00112233445566778899";
    uint8_t out[32];
    assert_true(aw_mac_parse_signature(good, 71, out));
    assert_int_equal(out[10], 0xaa);
    assert_int_equal(out[15], 0xff);
    assert_int_equal(out[31], 0x99);
    assert_false(aw_mac_parse_signature(good, 70, out));
    assert_false(aw_mac_parse_signature(good, 0, out));
    for (size_t i = 0; i < 71; i++) {
        static const char bad[] = "g/:@`G \0";
        for (size_t j = 0; j < sizeof(bad) - 1; j++) {
            char copy[72];
            memcpy(copy, good, sizeof(copy));
            copy[i] = bad[j];
            assert_false(aw_mac_parse_signature(copy, 71, out));
        }
    }
    good[0] = 'S';
    assert_false(aw_mac_parse_signature(good, 71, out));
}

/* Moving a byte from one part to the next, or calling a part by another kind, gives another name.
 */
static void names_are_apart(void **state)
{
    (void)state;
    uint8_t name[9][32], sig[32] = "abcdefghijklmnopqrstuvwxyz01234";
    SHA256_CTX sha;
    size_t n = 0;
    aw_mac_identity_delivery("ab", 2, "c", 1, name[n++]);
    aw_mac_identity_delivery("a", 1, "bc", 2, name[n++]);
    aw_mac_identity_delivery("abc", 3, "", 0, name[n++]);
    aw_mac_content_start(&sha, "ab", 2, "", 0);
    aw_mac_content_update(&sha, "c", 1);
    aw_mac_content_finish(&sha, name[n++]);
    aw_mac_content_start(&sha, "ab", 2, "c", 1);
    aw_mac_content_finish(&sha, name[n++]);
    aw_mac_content_start(&sha, "ab", 2, "1", 1);
    aw_mac_content_update(&sha, "2c", 2);
    aw_mac_content_finish(&sha, name[n++]);
    aw_mac_content_start(&sha, "ab", 2, "12", 2);
    aw_mac_content_update(&sha, "c", 1);
    aw_mac_content_finish(&sha, name[n++]);
    aw_mac_identity_signature("ab", 2, sig, name[n++]);
    aw_mac_identity_delivery("ab", 2, (const char *)sig, 32, name[n++]);
    assert_int_equal(n, AW_COUNT(name));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(name[i], name[j], 32);
        }
    }
    /* Pieces do not matter. */
    uint8_t again[32];
    aw_mac_content_start(&sha, "ab", 2, "1", 1);
    aw_mac_content_update(&sha, "2", 1);
    aw_mac_content_update(&sha, "c", 1);
    aw_mac_content_finish(&sha, again);
    assert_memory_equal(again, name[5], 32);
}

/* A name is the SHA-256 of its parts, each behind one byte with its length; the lengths cross all borders of the
 * padding. */
static void names_are_hashes_of_their_parts(void **state)
{
    (void)state;
    char company[AW_COMPANY_ID_MAX], id[AW_DELIVERY_ID_MAX];
    memset(company, 'c', sizeof(company));
    memset(id, 'i', sizeof(id));
    for (size_t c = 1; c <= sizeof(company); c++) {
        for (size_t n = 1; n <= sizeof(id); n++) {
            uint8_t parts[256] = {(uint8_t)c}, *at = parts + 1, expected[32], got[32];
            at = (uint8_t *)memcpy(at, company, c) + c;
            at = (uint8_t *)memcpy(at, "\2id", 3) + 3;
            *at++ = (uint8_t)n;
            at = (uint8_t *)memcpy(at, id, n) + n;
            SHA256(parts, (size_t)(at - parts), expected);
            aw_mac_identity_delivery(company, c, id, n, got);
            assert_memory_equal(got, expected, 32);
        }
    }
    uint8_t sig[32] = "abcdefghijklmnopqrstuvwxyz01234",
            parts[] = "\2ab\3sig\40abcdefghijklmnopqrstuvwxyz01234";
    uint8_t expected[32], got[32];
    SHA256(parts, sizeof(parts), expected);
    aw_mac_identity_signature("ab", 2, sig, got);
    assert_memory_equal(got, expected, 32);
}

static void plain_sha256(void **state)
{
    (void)state;
    /* FIPS 180-4, the example "abc". */
    static const uint8_t expected[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                         0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                         0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                         0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t out[32];
    aw_mac_sha256("abc", 3, out);
    assert_memory_equal(out, expected, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(equals_hmac),
        cmocka_unit_test(hashes_differ_in_any_bit),
        cmocka_unit_test(no_keys),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(signatures),
        cmocka_unit_test(names_are_apart),
        cmocka_unit_test(names_are_hashes_of_their_parts),
        cmocka_unit_test(plain_sha256),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
