/* crypto.h - random bytes, sealing at rest, password hashes. All over OpenSSL 3 and libxcrypt.
 * Threads: any. Errors: crypto.* codes. */
#ifndef AW_BASE_CRYPTO_H
#define AW_BASE_CRYPTO_H

#include "field.h"

void aw_random(void *out, size_t len); /* aborts when the system has none */
void aw_sha256(const void *data, size_t len, uint8_t out[32]);
bool aw_equal_secret(const void *a, const void *b, size_t len); /* constant time */

/* Master key: a file of 32 bytes, mode 0400 or 0600, made by `alertwhisperd setup`. */
struct aw_sealer;
AW_MUST_CHECK bool aw_sealer_open(const char *path, bool create, struct aw_sealer **sealer,
                                  struct aw_err *err);
void aw_sealer_close(struct aw_sealer **sealer); /* wipes */
/* AES-256-GCM (NIST SP 800-38D), random 96-bit nonce, key by HKDF-SHA256 (RFC 5869) from the master key and
 * `purpose`; `where` ("webhook_security|comp-acme|secret") is authenticated, so a ciphertext cannot be moved. */
struct aw_bytes aw_seal(struct aw_sealer *sealer, const char *purpose, const char *where,
                        const void *plain, size_t len, struct aw_arena *arena);
AW_MUST_CHECK bool aw_unseal(struct aw_sealer *sealer, const char *purpose, const char *where,
                             struct aw_bytes sealed, struct aw_arena *arena, struct aw_bytes *plain,
                             struct aw_err *err);
/* 32 bytes derived for a purpose (JWT, cursors). */
void aw_sealer_derive(struct aw_sealer *sealer, const char *purpose, uint8_t out[32]);

/* bcrypt $2b$, cost 12 (slow on purpose: ~0.2 s). More than 72 bytes is refused: the rest would not count. */
AW_MUST_CHECK bool aw_password_hash(const char *password, unsigned cost, struct aw_arena *arena,
                                    const char **hash, struct aw_err *err);
/* hash NULL (unknown user): the same time is spent, the answer is false. */
bool aw_password_verify(const char *password, const char *hash);
void aw_wipe(void *data, size_t len);

#endif
