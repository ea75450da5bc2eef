#include "route.h"

struct login_in {
    const char *email, *password;
};
static const struct aw_field login_in_fields[] = {
    AW_FIELD(login_in, email, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 254,
             .doc = "e-mail address"),
    AW_FIELD(login_in, password, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 200,
             .doc = "password"),
};
static const struct aw_schema login_in_schema =
    AW_SCHEMA(login_in, "login_request", login_in_fields, .doc = "who signs in");

struct login_out {
    const char *access_token, *token_type;
    int64_t expires_in;
    const void *user;
};
static const struct aw_field login_out_fields[] = {
    AW_FIELD(login_out, access_token, STR, .doc = "JWT for the header Authorization: Bearer"),
    AW_FIELD(login_out, token_type, STR, .doc = "always bearer"),
    AW_FIELD(login_out, expires_in, I64, .doc = "seconds"),
    AW_FIELD(login_out, user, OBJ, .arg = &aw_user_schema, .doc = "who has signed in"),
};
static const struct aw_schema login_out_schema =
    AW_SCHEMA(login_out, "login", login_out_fields, .doc = "a session");

struct me_more {
    struct aw_strs effective_permissions;
};
static const struct aw_field me_more_fields[] = {
    AW_FIELD(me_more, effective_permissions, STRS, .arg = aw_permission_words,
             .doc = "permissions of role and user together"),
};
static const struct aw_schema me_more_schema =
    AW_SCHEMA(me_more, "me", me_more_fields, .doc = "what the caller may do");

static bool login(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct login_in *in = q->in;
    struct login_out out = {.token_type = "bearer", .expires_in = AW_TOKEN_LIFE_S};
    struct aw_user *user;
    if (!aw_sessions_login(aw_api_sessions(q->api), in->email, in->password, q->arena, &user,
                           &out.access_token, &r->retry_s, err)) {
        return false;
    }
    out.user = user;
    aw_reply_row(r, &login_out_schema, &out, -1);
    return true;
}

static bool me(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)err;
    const struct me_more more = {.effective_permissions = aw_policy_words(&q->actor, q->arena)};
    aw_reply_joined(r, &aw_user_schema, q->actor.user, &me_more_schema, &more);
    return true;
}

const struct aw_route aw_auth_routes[] = {
    {
        .method = "POST",
        .path = "/api/auth/login",
        .permission = AW_PUBLIC,
        .scope = AW_SCOPE_NONE,
        .pool = AW_POOL_AUTH,
        .summary = "Sign in",
        .body = &login_in_schema,
        .reply = &login_out_schema,
        .audit = "user.login",
        .run = login,
    },
    {
        .method = "GET",
        .path = "/api/auth/me",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_NONE,
        .summary = "The caller, and what he may do",
        .reply = &aw_user_schema,
        .more = &me_more_schema,
        .run = me,
    },
    {.method = NULL},
};
