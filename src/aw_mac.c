/* SHA256_CTX is deprecated in OpenSSL 3 but is the only form of a hash state that is plain data: it
 * can lie in shared memory, and a copy of it costs a tenth of a keyed context. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "aw_mac.h"

#include "aw_hex.h"

#include <string.h>

#include <openssl/crypto.h>

#define BLOCK         64 /* bytes of one SHA-256 block */
#define PREFIX        "sha256="
#define PREFIX_LEN    (sizeof(PREFIX) - 1)
#define HEX_LEN       (2 * AW_SHA256_LEN)
#define TIMESTAMP_MAX 12

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

void aw_mac_value(struct aw_mac *mac, const struct aw_mac_key *key, uint8_t out[AW_SHA256_LEN])
{
    SHA256_Final(out, &mac->sha);
    resume(&mac->sha, key->outer);
    SHA256_Update(&mac->sha, out, AW_SHA256_LEN);
    SHA256_Final(out, &mac->sha);
}

bool aw_mac_finish(struct aw_mac *mac, const struct aw_mac_key *key,
                   const uint8_t claimed[AW_SHA256_LEN])
{
    uint8_t digest[AW_SHA256_LEN];
    aw_mac_value(mac, key, digest);
    return CRYPTO_memcmp(digest, claimed, sizeof(digest)) == 0;
}

bool aw_mac_parse_signature(const char *text, size_t len, uint8_t out[AW_SHA256_LEN])
{
    if (len != PREFIX_LEN + HEX_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0) {
        return false;
    }
    text += PREFIX_LEN;
    for (size_t i = 0; i < AW_SHA256_LEN; i++) {
        int high = aw_hex_value(text[2 * i]);
        int low = aw_hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
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

static void add_part(SHA256_CTX *sha, const void *data, size_t len)
{
    uint8_t prefix[8];
    for (size_t i = 0; i < sizeof(prefix); i++) {
        prefix[i] = (uint8_t)((uint64_t)len >> (8 * i));
    }
    SHA256_Update(sha, prefix, sizeof(prefix));
    SHA256_Update(sha, data, len);
}

/* Every name begins with the company and the kind of the name. */
static void start_name(SHA256_CTX *sha, const char *company, size_t company_len, const char *kind)
{
    SHA256_Init(sha);
    add_part(sha, company, company_len);
    add_part(sha, kind, strlen(kind));
}

void aw_mac_identity_delivery(const char *company, size_t company_len, const char *delivery_id,
                              size_t delivery_id_len, uint8_t out[AW_SHA256_LEN])
{
    SHA256_CTX sha;
    start_name(&sha, company, company_len, "id");
    add_part(&sha, delivery_id, delivery_id_len);
    SHA256_Final(out, &sha);
}

void aw_mac_content_start(SHA256_CTX *sha, const char *company, size_t company_len,
                          const char *timestamp, size_t timestamp_len)
{
    start_name(sha, company, company_len, "content");
    add_part(sha, timestamp, timestamp_len);
}

/* The body is the last part, so it needs no length before it and may come in pieces. */
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
    SHA256_CTX sha;
    start_name(&sha, company, company_len, "sig");
    add_part(&sha, signature, AW_SHA256_LEN);
    SHA256_Final(out, &sha);
}

void aw_mac_sha256(const void *data, size_t len, uint8_t out[AW_SHA256_LEN])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, data, len);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(&sha, sizeof(sha));
}
