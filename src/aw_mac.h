/* aw_mac.h - signature scheme of a webhook, and the hashes that name a delivery.
 *
 * signature = HMAC-SHA256(secret, timestamp + "." + body) (RFC 2104, FIPS 180-4), sent as
 * `X-Signature: sha256=<64 hex>` with `X-Timestamp: <unix seconds>`. A key is kept as the two
 * SHA-256 states behind its inner and outer pad: plain data that may lie in shared memory; treat it
 * as the key itself.
 * Threads: pure functions on the caller's storage. */
#ifndef AW_MAC_H
#define AW_MAC_H

#include <openssl/sha.h>

#include "aw_defs.h"

struct aw_mac_key {
    uint32_t inner[8];
    uint32_t outer[8];
};
/* Any length; longer than one block (64 bytes) is hashed first, as RFC 2104 says. */
void aw_mac_key_init(struct aw_mac_key *key, const void *secret, size_t len);

/* Streaming: start with the timestamp text (the "." is added), then each piece of the body. */
struct aw_mac {
    SHA256_CTX sha;
};
void aw_mac_start(struct aw_mac *mac, const struct aw_mac_key *key, const char *timestamp,
                  size_t len);
void aw_mac_update(struct aw_mac *mac, const void *data, size_t len);
/* The MAC itself, for senders. */
void aw_mac_value(struct aw_mac *mac, const struct aw_mac_key *key, uint8_t out[AW_SHA256_LEN]);
/* Constant-time comparison with the 32 bytes that the sender claims. */
AW_MUST_CHECK bool aw_mac_finish(struct aw_mac *mac, const struct aw_mac_key *key,
                                 const uint8_t claimed[AW_SHA256_LEN]);
/* Compares two hashes in a time that does not depend on where they differ. */
AW_MUST_CHECK bool aw_mac_same(const uint8_t a[AW_SHA256_LEN], const uint8_t b[AW_SHA256_LEN]);

/* `sha256=` in lower case and 64 hex digits of either case, nothing else. */
AW_MUST_CHECK bool aw_mac_parse_signature(const char *text, size_t len, uint8_t out[AW_SHA256_LEN]);
/* 1 to 12 decimal digits, nothing else. */
AW_MUST_CHECK bool aw_mac_parse_timestamp(const char *text, size_t len, uint64_t *out_s);
/* |now - timestamp| < skew */
bool aw_mac_in_window(uint64_t timestamp_s, uint64_t now_s, uint32_t skew_s);

enum aw_mac_verdict { AW_MAC_OK, AW_MAC_EXPIRED, AW_MAC_INVALID };
/* What the two headers of a delivery say; a header that is not there is empty. */
struct aw_mac_claim {
    const char *timestamp;
    size_t timestamp_len;
    const char *signature;
    size_t signature_len;
};
/* The whole check of one delivery against up to `n` keys, as one call (tests, command line). */
enum aw_mac_verdict aw_mac_verify(const struct aw_mac_key *keys, size_t n,
                                  const struct aw_mac_claim *claim, const void *body,
                                  size_t body_len, uint64_t now_s, uint32_t skew_s);

/* Hashes of length-prefixed parts, so that no part can be mistaken for another: identity by delivery id, identity by
 * content (timestamp_len 0 when unsigned), signature. company_len: at most AW_COMPANY_ID_MAX, delivery_id_len:
 * AW_DELIVERY_ID_MAX, timestamp_len: 12. */
void aw_mac_identity_delivery(const char *company, size_t company_len, const char *delivery_id,
                              size_t delivery_id_len, uint8_t out[AW_SHA256_LEN]);
/* Content: start, update with each piece of the body, finish. */
void aw_mac_content_start(SHA256_CTX *sha, const char *company, size_t company_len,
                          const char *timestamp, size_t timestamp_len);
void aw_mac_content_update(SHA256_CTX *sha, const void *data, size_t len);
void aw_mac_content_finish(SHA256_CTX *sha, uint8_t out[AW_SHA256_LEN]);
void aw_mac_identity_signature(const char *company, size_t company_len,
                               const uint8_t signature[AW_SHA256_LEN], uint8_t out[AW_SHA256_LEN]);
/* Of an API key, or of anything else. */
void aw_mac_sha256(const void *data, size_t len, uint8_t out[AW_SHA256_LEN]);

#endif
