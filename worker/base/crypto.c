#include "worker/base/crypto.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"
#include "worker/base/key_file.h"

/* Sealed bytes: format, nonce, ciphertext, tag. The format byte is authenticated with `where`. */
enum { FORMAT = 1, NONCE = 12, TAG = 16, OVERHEAD = 1 + NONCE + TAG, KEY = 32 };

struct aw_sealer {
    uint8_t master[KEY];
};

/* Looked up once: a fetch costs as much as hashing a page. They live as long as the process. */
static EVP_MD *sha256;
static EVP_CIPHER *gcm;
static EVP_KDF *hkdf;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    if (sha256 == NULL || gcm == NULL || hkdf == NULL) {
        abort();
    }
}

static void ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch);
}

/* For calls that fail only without memory or by a fault of the program. */
static void must(bool good)
{
    if (!good) {
        abort();
    }
}

void aw_random(void *out, size_t len)
{
    must(len <= INT_MAX && RAND_bytes(out, (int)len) == 1);
}

void aw_sha256(const void *data, size_t len, uint8_t out[32])
{
    ready();
    must(EVP_Digest(data, len, out, NULL, sha256, NULL) == 1);
}

bool aw_equal_secret(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void aw_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}

bool aw_sealer_open(const char *path, bool create, struct aw_sealer **sealer, struct aw_err *err)
{
    uint8_t master[KEY], fresh[KEY];
    *sealer = NULL;
    aw_random(fresh, sizeof(fresh));
    bool good = (!create || aw_key_file_create(path, fresh, sizeof(fresh), err)) &&
                aw_key_file_read(path, master, sizeof(master), err);
    if (good) {
        *sealer = aw_alloc_zero(1, sizeof(**sealer));
        memcpy((*sealer)->master, master, sizeof(master));
    }
    aw_wipe(fresh, sizeof(fresh));
    aw_wipe(master, sizeof(master));
    return good;
}

void aw_sealer_close(struct aw_sealer **sealer)
{
    if (*sealer != NULL) {
        aw_wipe(*sealer, sizeof(**sealer));
        free(*sealer);
        *sealer = NULL;
    }
}

/* RFC 5869 without salt: the master key is random already. `use` keeps sealing and derived keys
 * apart. */
static void derive(const struct aw_sealer *sealer, const char *use, const char *purpose,
                   uint8_t out[KEY])
{
    char info[256];
    int len = snprintf(info, sizeof(info), "alertwhisper %s %s", use, purpose);
    must(len > 0 && (size_t)len < sizeof(info));
    ready();
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)sealer->master,
                                          KEY),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)len),
        OSSL_PARAM_construct_end()};
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(hkdf);
    must(ctx != NULL && EVP_KDF_derive(ctx, out, KEY, params) == 1);
    EVP_KDF_CTX_free(ctx);
}

void aw_sealer_derive(struct aw_sealer *sealer, const char *purpose, uint8_t out[32])
{
    derive(sealer, "derive", purpose, out);
}

/* A cipher that has its key, its nonce and the authenticated data. */
static EVP_CIPHER_CTX *cipher_begin(const struct aw_sealer *sealer, const char *purpose,
                                    const char *where, const uint8_t *format_and_nonce, int encrypt)
{
    uint8_t key[KEY];
    int n;
    derive(sealer, "seal", purpose, key);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    must(ctx != NULL &&
         EVP_CipherInit_ex2(ctx, gcm, key, format_and_nonce + 1, encrypt, NULL) == 1 &&
         EVP_CipherUpdate(ctx, NULL, &n, format_and_nonce, 1) == 1 &&
         EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)where, (int)strlen(where)) == 1);
    aw_wipe(key, sizeof(key));
    return ctx;
}

struct aw_bytes aw_seal(struct aw_sealer *sealer, const char *purpose, const char *where,
                        const void *plain, size_t len, struct aw_arena *arena)
{
    must(len <= INT_MAX - OVERHEAD);
    uint8_t *out = aw_arena_alloc(arena, len + OVERHEAD), *text = out + 1 + NONCE;
    int n = 0;
    out[0] = FORMAT;
    aw_random(out + 1, NONCE);
    EVP_CIPHER_CTX *ctx = cipher_begin(sealer, purpose, where, out, 1);
    must((len == 0 || EVP_CipherUpdate(ctx, text, &n, plain, (int)len) == 1) &&
         EVP_CipherFinal_ex(ctx, text + n, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, text + len) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return (struct aw_bytes){.ptr = out, .len = len + OVERHEAD};
}

bool aw_unseal(struct aw_sealer *sealer, const char *purpose, const char *where,
               struct aw_bytes sealed, struct aw_arena *arena, struct aw_bytes *plain,
               struct aw_err *err)
{
    *plain = (struct aw_bytes){.ptr = NULL};
    if (sealed.ptr == NULL || sealed.len < OVERHEAD || sealed.len > INT_MAX ||
        sealed.ptr[0] != FORMAT) {
        return aw_fail(err, AW_ERR_INTERNAL, "crypto.format", "a sealed %s is damaged", purpose);
    }
    size_t len = sealed.len - OVERHEAD;
    const uint8_t *text = sealed.ptr + 1 + NONCE;
    uint8_t *out = aw_arena_alloc(arena, len + 1), tag[TAG];
    int n = 0;
    memcpy(tag, text + len, TAG);
    EVP_CIPHER_CTX *ctx = cipher_begin(sealer, purpose, where, sealed.ptr, 0);
    bool good = (len == 0 || EVP_CipherUpdate(ctx, out, &n, text, (int)len) == 1) &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
                EVP_CipherFinal_ex(ctx, out + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) {
        aw_wipe(out, len);
        return aw_fail(err, AW_ERR_INTERNAL, "crypto.seal",
                       "a sealed %s cannot be opened: it was changed, moved, or sealed with "
                       "another master key",
                       purpose);
    }
    out[len] = '\0';
    *plain = (struct aw_bytes){.ptr = out, .len = len};
    return true;
}
