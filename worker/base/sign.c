#include "worker/base/sign.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

/* For calls that fail only without memory or by a fault of the program. */
static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static EVP_PKEY *key_of(struct aw_sealer *sealer, const char *purpose)
{
    uint8_t seed[32];
    aw_sealer_derive(sealer, purpose, seed);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    aw_wipe(seed, sizeof(seed));
    must(key != NULL);
    return key;
}

void aw_sign(struct aw_sealer *sealer, const char *purpose, const void *data, size_t len,
             uint8_t signature[AW_SIGNATURE_LEN])
{
    size_t signed_len = AW_SIGNATURE_LEN;
    EVP_PKEY *key = key_of(sealer, purpose);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
         EVP_DigestSign(ctx, signature, &signed_len, data, len) == 1 &&
         signed_len == AW_SIGNATURE_LEN);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
}

const char *aw_sign_public_key(struct aw_sealer *sealer, const char *purpose,
                               struct aw_arena *arena)
{
    char *text;
    EVP_PKEY *key = key_of(sealer, purpose);
    BIO *out = BIO_new(BIO_s_mem());
    must(out != NULL && PEM_write_bio_PUBKEY(out, key) == 1);
    long len = BIO_get_mem_data(out, &text);
    const char *pem = aw_arena_strn(arena, text, (size_t)len);
    BIO_free(out);
    EVP_PKEY_free(key);
    return pem;
}
