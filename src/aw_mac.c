/* SHA256_CTX is deprecated in OpenSSL 3 but is the only form of a hash state that is plain data: it
 * can lie in shared memory, and a copy of it costs a tenth of a keyed context. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "aw_mac.h"

#include "aw_hex.h"

#include <endian.h>
#include <string.h>

#include <openssl/crypto.h>

#define BLOCK         64 /* bytes of one SHA-256 block */
#define LENGTH_LEN    8  /* at the end of its padding */
#define PREFIX        "sha256="
#define PREFIX_LEN    (sizeof(PREFIX) - 1)
#define HEX_LEN       (2 * AW_SHA256_LEN)
#define TIMESTAMP_MAX 12
#define KIND_MAX      7 /* "content" */
#define PARTS_MAX     (1 + AW_COMPANY_ID_MAX + 1 + KIND_MAX + 1 + AW_DELIVERY_ID_MAX)

static void pad_state(uint32_t state[8], const uint8_t secret[BLOCK], uint8_t pad)
{
    uint8_t block[BLOCK];
    SHA256_CTX sha;
    for (size_t i = 0; i < BLOCK; i++) {
        block[i] = secret[i] ^ pad;
    }
    SHA256_Init(&sha);
    SHA256_Update(&sha, block, BLOCK);
    memcpy(state, sha.h, sizeof(sha.h));
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&sha, sizeof(sha));
}

void aw_mac_key_init(struct aw_mac_key *key, const void *secret, size_t len)
{
    uint8_t block[BLOCK] = {0};
    if (len > BLOCK) {
        aw_mac_sha256(secret, len, block);
    } else if (len > 0) {
        memcpy(block, secret, len);
    }
    pad_state(key->inner, block, 0x36);
    pad_state(key->outer, block, 0x5c);
    OPENSSL_cleanse(block, sizeof(block));
}

/* A context that has just taken the one block behind a state. */
static void resume(SHA256_CTX *sha, const uint32_t state[8])
{
    memcpy(sha->h, state, sizeof(sha->h));
    sha->Nl = BLOCK * 8;
    sha->Nh = 0;
    sha->num = 0;
    sha->md_len = AW_SHA256_LEN;
}

void aw_mac_start(struct aw_mac *mac, const struct aw_mac_key *key, const char *timestamp,
                  size_t len)
{
    resume(&mac->sha, key->inner);
    SHA256_Update(&mac->sha, timestamp, len);
    SHA256_Update(&mac->sha, ".", 1);
}

void aw_mac_update(struct aw_mac *mac, const void *data, size_t len)
{
    SHA256_Update(&mac->sha, data, len);
}

/* SHA-256 (FIPS 180-4, 5.1.1 and 6.2) from a state on, `before` bytes into the message, whose last `len` bytes lie at
 * `rest` with room for 72 more. All blocks in one call, and nothing is copied. */
static void hash_rest(SHA256_CTX *sha, size_t before, uint8_t *rest, size_t len,
                      uint8_t out[AW_SHA256_LEN])
{
    size_t padded = (len + LENGTH_LEN) / BLOCK * BLOCK + BLOCK;
    uint64_t bits = htobe64((uint64_t)(before + len) * 8);
    memset(rest + len, 0, padded - len);
    rest[len] = 0x80;
    memcpy(rest + padded - LENGTH_LEN, &bits, LENGTH_LEN);
    SHA256_Update(sha, rest, padded);
#pragma GCC unroll 8
    for (size_t i = 0; i < AW_COUNT(sha->h); i++) {
        uint32_t word = htobe32(sha->h[i]);
        memcpy(out + i * sizeof(word), &word, sizeof(word));
    }
}

void aw_mac_value(struct aw_mac *mac, const struct aw_mac_key *key, uint8_t out[AW_SHA256_LEN])
{
    uint8_t digest[BLOCK];
    SHA256_Final(digest, &mac->sha);
    resume(&mac->sha, key->outer);
    hash_rest(&mac->sha, BLOCK, digest, AW_SHA256_LEN, out);
}

bool aw_mac_finish(struct aw_mac *mac, const struct aw_mac_key *key,
                   const uint8_t claimed[AW_SHA256_LEN])
{
    uint8_t digest[AW_SHA256_LEN];
    aw_mac_value(mac, key, digest);
    return aw_mac_same(digest, claimed);
}

bool aw_mac_same(const uint8_t a[AW_SHA256_LEN], const uint8_t b[AW_SHA256_LEN])
{
    uint64_t differ = 0;
    for (size_t i = 0; i < AW_SHA256_LEN; i += sizeof(differ)) {
        uint64_t x, y;
        memcpy(&x, a + i, sizeof(x));
        memcpy(&y, b + i, sizeof(y));
        differ |= x ^ y;
        /* The compiler cannot know what comes out of this, so it cannot leave early. */
        __asm__ volatile("" : "+r"(differ));
    }
    return differ == 0;
}

bool aw_mac_parse_signature(const char *text, size_t len, uint8_t out[AW_SHA256_LEN])
{
    if (len != PREFIX_LEN + HEX_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0) {
        return false;
    }
    text += PREFIX_LEN;
    uint64_t bad = 0;
    for (size_t i = 0; i < AW_SHA256_LEN; i += 4) {
        bad |= aw_hex_read4(text + 2 * i, out + i);
    }
    return bad == 0;
}

bool aw_mac_parse_timestamp(const char *text, size_t len, uint64_t *out_s)
{
    if (len == 0 || len > TIMESTAMP_MAX) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out_s = value;
    return true;
}

bool aw_mac_in_window(uint64_t timestamp_s, uint64_t now_s, uint32_t skew_s)
{
    uint64_t distance = timestamp_s > now_s ? timestamp_s - now_s : now_s - timestamp_s;
    return distance < skew_s;
}

enum aw_mac_verdict aw_mac_verify(const struct aw_mac_key *keys, size_t n,
                                  const struct aw_mac_claim *claim, const void *body,
                                  size_t body_len, uint64_t now_s, uint32_t skew_s)
{
    uint64_t signed_at;
    if (!aw_mac_parse_timestamp(claim->timestamp, claim->timestamp_len, &signed_at) ||
        !aw_mac_in_window(signed_at, now_s, skew_s)) {
        return AW_MAC_EXPIRED;
    }
    uint8_t claimed[AW_SHA256_LEN];
    if (!aw_mac_parse_signature(claim->signature, claim->signature_len, claimed)) {
        return AW_MAC_INVALID;
    }
    /* Every key is tried: which of them fits must not show in the time. */
    bool good = false;
    for (size_t i = 0; i < n; i++) {
        struct aw_mac mac;
        aw_mac_start(&mac, &keys[i], claim->timestamp, claim->timestamp_len);
        aw_mac_update(&mac, body, body_len);
        good |= aw_mac_finish(&mac, &keys[i], claimed);
    }
    return good ? AW_MAC_OK : AW_MAC_INVALID;
}

/* Each part with its length before it. Every name begins with the company and the kind of the name. */
struct name {
    size_t len;
    uint8_t bytes[PARTS_MAX + 72]; /* and the padding */
};

static void add_part(struct name *name, const void *data, size_t len)
{
    name->bytes[name->len++] = (uint8_t)len;
    if (len > 0) { /* a part that is not there is NULL */
        memcpy(name->bytes + name->len, data, len);
        name->len += len;
    }
}

static void start_name(struct name *name, const char *company, size_t company_len, const char *kind)
{
    name->len = 0;
    add_part(name, company, company_len);
    add_part(name, kind, strlen(kind));
}

static void hash_name(struct name *name, uint8_t out[AW_SHA256_LEN])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    hash_rest(&sha, 0, name->bytes, name->len, out);
}

void aw_mac_identity_delivery(const char *company, size_t company_len, const char *delivery_id,
                              size_t delivery_id_len, uint8_t out[AW_SHA256_LEN])
{
    struct name name;
    start_name(&name, company, company_len, "id");
    add_part(&name, delivery_id, delivery_id_len);
    hash_name(&name, out);
}

/* The body is the last part, so it needs no length before it and may come in pieces. */
void aw_mac_content_start(SHA256_CTX *sha, const char *company, size_t company_len,
                          const char *timestamp, size_t timestamp_len)
{
    struct name name;
    start_name(&name, company, company_len, "content");
    add_part(&name, timestamp, timestamp_len);
    SHA256_Init(sha);
    SHA256_Update(sha, name.bytes, name.len);
}

void aw_mac_content_update(SHA256_CTX *sha, const void *data, size_t len)
{
    SHA256_Update(sha, data, len);
}

void aw_mac_content_finish(SHA256_CTX *sha, uint8_t out[AW_SHA256_LEN])
{
    SHA256_Final(out, sha);
}

void aw_mac_identity_signature(const char *company, size_t company_len,
                               const uint8_t signature[AW_SHA256_LEN], uint8_t out[AW_SHA256_LEN])
{
    struct name name;
    start_name(&name, company, company_len, "sig");
    add_part(&name, signature, AW_SHA256_LEN);
    hash_name(&name, out);
}

void aw_mac_sha256(const void *data, size_t len, uint8_t out[AW_SHA256_LEN])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, data, len);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(&sha, sizeof(sha));
}
