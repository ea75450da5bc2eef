/* Signatures: what openssl makes of them, with nothing but the public key. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/base/sign.h"

static struct aw_arena *arena;

/* A sealer whose master key is 32 times this byte. */
static struct aw_sealer *sealer_of(uint8_t byte)
{
    char path[] = "/tmp/aw-sign-XXXXXX";
    uint8_t key[32];
    struct aw_sealer *sealer;
    struct aw_err err;
    memset(key, byte, sizeof(key));
    int fd = mkstemp(path);
    assert_int_equal(write(fd, key, sizeof(key)), sizeof(key));
    close(fd);
    bool ok = aw_sealer_open(path, false, &sealer, &err);
    unlink(path);
    assert_true(ok);
    return sealer;
}

static bool holds(const char *pem, const char *text, const uint8_t *signature)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_get_id(key), EVP_PKEY_ED25519);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key), 1);
    bool good = EVP_DigestVerify(ctx, signature, AW_SIGNATURE_LEN, (const uint8_t *)text,
                                 strlen(text)) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(in);
    return good;
}

static void a_signature_holds_for_its_text_and_key_only(void **state)
{
    (void)state;
    struct aw_sealer *sealer = sealer_of(1), *other = sealer_of(2);
    uint8_t signature[AW_SIGNATURE_LEN], again[AW_SIGNATURE_LEN];
    const char *key = aw_sign_public_key(sealer, "test", arena);
    aw_sign(sealer, "test", "text", 4, signature);
    assert_true(holds(key, "text", signature));
    assert_false(holds(key, "texu", signature));
    assert_false(holds(key, "tex", signature));
    assert_false(holds(aw_sign_public_key(other, "test", arena), "text", signature));
    assert_false(holds(aw_sign_public_key(sealer, "other", arena), "text", signature));
    /* nothing is stored: the key comes out of the master key each time */
    aw_sign(sealer, "test", "text", 4, again);
    assert_memory_equal(again, signature, sizeof(signature));
    assert_string_equal(aw_sign_public_key(sealer, "test", arena), key);
    for (int bit = 0; bit < AW_SIGNATURE_LEN * 8; bit += 7) {
        memcpy(again, signature, sizeof(again));
        again[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(holds(key, "text", again));
    }
    aw_sealer_close(&sealer);
    aw_sealer_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_holds_for_its_text_and_key_only),
    };
    arena = aw_arena_create(0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    aw_arena_destroy(&arena);
    return failed;
}
