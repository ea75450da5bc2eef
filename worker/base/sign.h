/* sign.h - signatures that anybody can check: Ed25519 (RFC 8032), the key derived from the master key for a purpose.
 * Nothing is stored: the same master key gives the same key pair. Threads: any. */
#ifndef AW_BASE_SIGN_H
#define AW_BASE_SIGN_H

#include "worker/base/crypto.h"

#define AW_SIGNATURE_LEN 64
void aw_sign(struct aw_sealer *sealer, const char *purpose, const void *data, size_t len,
             uint8_t signature[AW_SIGNATURE_LEN]);
/* The public key as PEM (SubjectPublicKeyInfo, RFC 8410), as openssl reads it. */
const char *aw_sign_public_key(struct aw_sealer *sealer, const char *purpose,
                               struct aw_arena *arena);

#endif
