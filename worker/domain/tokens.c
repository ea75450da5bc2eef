#include "tokens.h"

#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "src/aw_id.h"

#define ISSUER   "alertwhisper"
#define AUDIENCE "alertwhisper-api"
#define TYPE     "access"

void aw_token_key_init(struct aw_token_key *key, struct aw_sealer *sealer)
{
    aw_sealer_derive(sealer, "access-token", key->bytes);
}

static bool fill(jwt_t *jwt, const struct aw_token_key *key, const struct aw_user *user,
                 int64_t now_s)
{
    uint8_t id[AW_ID_LEN];
    char jti[AW_ID_TEXT + 1];
    aw_id_make(id, (uint64_t)now_s * 1000);
    aw_id_format(id, jti);
    const struct {
        const char *name, *value;
    } texts[] = {{"iss", ISSUER},      {"aud", AUDIENCE}, {"typ", TYPE},
                 {"sub", user->email}, {"id", user->id},  {"jti", jti}};
    for (size_t i = 0; i < AW_COUNT(texts); i++) {
        if (jwt_add_grant(jwt, texts[i].name, texts[i].value) != 0) {
            return false;
        }
    }
    return jwt_add_grant_int(jwt, "iat", (long)now_s) == 0 &&
           jwt_add_grant_int(jwt, "exp", (long)(now_s + AW_TOKEN_LIFE_S)) == 0 &&
           jwt_set_alg(jwt, JWT_ALG_HS256, key->bytes, sizeof(key->bytes)) == 0;
}

bool aw_token_issue(const struct aw_token_key *key, const struct aw_user *user, int64_t now_ms,
                    struct aw_arena *arena, const char **token, struct aw_err *err)
{
    jwt_t *jwt = NULL;
    char *text = NULL;
    if (jwt_new(&jwt) == 0 && fill(jwt, key, user, now_ms / 1000)) {
        text = jwt_encode_str(jwt);
    }
    jwt_free(jwt);
    if (!text) {
        return aw_fail(err, AW_ERR_INTERNAL, "auth.issue", "the access token could not be made");
    }
    *token = aw_arena_str(arena, text);
    free(text);
    return true;
}

static bool is_grant(jwt_t *jwt, const char *name, const char *value)
{
    const char *found = jwt_get_grant(jwt, name);
    return found && strcmp(found, value) == 0;
}

static bool check(jwt_t *jwt, int64_t now_s, struct aw_arena *arena, struct aw_claims *claims,
                  struct aw_err *err)
{
    const char *id = jwt_get_grant(jwt, "id"), *email = jwt_get_grant(jwt, "sub");
    int64_t issued = jwt_get_grant_int(jwt, "iat"), expires = jwt_get_grant_int(jwt, "exp");
    if (jwt_get_alg(jwt) != JWT_ALG_HS256 || !is_grant(jwt, "iss", ISSUER) ||
        !is_grant(jwt, "aud", AUDIENCE) || !is_grant(jwt, "typ", TYPE) || !id || !email ||
        issued <= 0 || issued > now_s + AW_TOKEN_LEEWAY_S || expires <= issued ||
        expires > issued + AW_TOKEN_LIFE_S) {
        return aw_fail(err, AW_ERR_UNAUTHENTICATED, "auth.token", "Not authenticated");
    }
    if (now_s >= expires) {
        return aw_fail(err, AW_ERR_UNAUTHENTICATED, "auth.expired", "The access token has expired");
    }
    *claims = (struct aw_claims){
        .user_id = aw_arena_str(arena, id),
        .email = aw_arena_str(arena, email),
        .expires_s = expires,
    };
    return true;
}

bool aw_token_verify(const struct aw_token_key *key, const char *token, size_t len, int64_t now_ms,
                     struct aw_arena *arena, struct aw_claims *claims, struct aw_err *err)
{
    jwt_t *jwt = NULL;
    if (len == 0 || len > AW_TOKEN_MAX ||
        jwt_decode(&jwt, aw_arena_strn(arena, token, len), key->bytes, sizeof(key->bytes)) != 0) {
        return aw_fail(err, AW_ERR_UNAUTHENTICATED, "auth.token", "Not authenticated");
    }
    bool ok = check(jwt, now_ms / 1000, arena, claims, err);
    jwt_free(jwt);
    return ok;
}
