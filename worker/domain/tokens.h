/* tokens.h - access tokens: JWT (RFC 7519) with HS256 only, over libjwt.
 *
 * Claims: iss "alertwhisper", aud "alertwhisper-api", typ "access", sub = email, id = user id, iat,
 * exp, jti. The key is derived from the master key. Verification checks the algorithm and every
 * claim itself: libjwt 1.10 takes the algorithm from the token and looks at no claim. Threads: any.
 */
#ifndef AW_DOMAIN_TOKENS_H
#define AW_DOMAIN_TOKENS_H

#include "worker/base/crypto.h"
#include "worker/model/model.h"

#define AW_TOKEN_LIFE_S   900  /* ruling 8 */
#define AW_TOKEN_LEEWAY_S 60   /* of iat against clocks that differ; exp is exact */
#define AW_TOKEN_MAX      4096 /* bytes */

struct aw_token_key {
    uint8_t bytes[32];
};
void aw_token_key_init(struct aw_token_key *key, struct aw_sealer *sealer);

struct aw_claims {
    const char *user_id, *email;
    int64_t expires_s;
};
AW_MUST_CHECK bool aw_token_issue(const struct aw_token_key *key, const struct aw_user *user,
                                  int64_t now_ms, struct aw_arena *arena, const char **token,
                                  struct aw_err *err);
/* UNAUTHENTICATED auth.token for whatever is wrong, auth.expired for a good token that is past its
 * time. */
AW_MUST_CHECK bool aw_token_verify(const struct aw_token_key *key, const char *token, size_t len,
                                   int64_t now_ms, struct aw_arena *arena, struct aw_claims *claims,
                                   struct aw_err *err);

#endif
