#include "worker/model/model.h"

const char *const aw_role_words[] = {"viewer", "technician", "company_admin", "admin", NULL};
const char *const aw_permission_words[] = {"view",
                                           "handle_alerts",
                                           "handle_incidents",
                                           "execute_runbooks",
                                           "approve_runbooks",
                                           "manage_runbooks",
                                           "manage_company",
                                           "manage_companies",
                                           "manage_users",
                                           "view_audit",
                                           "manage_system",
                                           NULL};

static const struct aw_field user_fields[] = {
    AW_FIELD(aw_user, id, STR, .flags = AW_F_READONLY, .doc = "id"),
    AW_FIELD(aw_user, version, I64, .flags = AW_F_READONLY, .doc = "rises with each change"),
    AW_FIELD(aw_user, email, STR, .flags = AW_F_REQUIRED, .min = 3, .max = 254,
             .doc = "name to sign in with, lower case, unique"),
    AW_FIELD(aw_user, name, STR, .flags = AW_F_REQUIRED, .min = 1, .max = 100,
             .doc = "name, as shown"),
    AW_FIELD(aw_user, role, ENUM, .flags = AW_F_REQUIRED, .arg = aw_role_words,
             .doc = "brings its permissions"),
    AW_FIELD(aw_user, company_ids, STRS, .max = 1000, .dflt = "[]",
             .doc = "companies that the user sees; an admin sees all"),
    AW_FIELD(aw_user, permissions, STRS, .arg = aw_permission_words, .max = 16, .dflt = "[]",
             .doc = "permissions beyond the role"),
    AW_FIELD(aw_user, password_hash, STR, .flags = AW_F_READONLY | AW_F_SECRET,
             .doc = "bcrypt of the password"),
    AW_FIELD(aw_user, disabled, BOOL, .dflt = "false", .doc = "cannot sign in"),
    AW_FIELD(aw_user, created_at, TIME, .flags = AW_F_READONLY, .doc = "created"),
    AW_FIELD(aw_user, updated_at, TIME, .flags = AW_F_READONLY, .doc = "last change"),
};
static const struct aw_index user_indexes[] = {
    {"email", {"email"}, true},
};
const struct aw_schema aw_user_schema = AW_SCHEMA(aw_user, "users", user_fields, user_indexes,
                                                  AW_COUNT(user_indexes), "a person who signs in");

static const struct aw_field kept_reply_fields[] = {
    AW_FIELD(aw_kept_reply, id, STR, .flags = AW_F_INTERNAL,
             .doc = "base64url of the SHA-256 over user and Idempotency-Key"),
    AW_FIELD(aw_kept_reply, version, I64, .flags = AW_F_INTERNAL, .doc = "version of the row"),
    AW_FIELD(aw_kept_reply, company_id, STR, .flags = AW_F_INTERNAL,
             .doc = "company of the act, - = of no company"),
    AW_FIELD(aw_kept_reply, request, STR, .flags = AW_F_INTERNAL,
             .doc = "base64url of the SHA-256 over method, target and body"),
    AW_FIELD(aw_kept_reply, status, I64, .flags = AW_F_INTERNAL, .doc = "HTTP status"),
    AW_FIELD(aw_kept_reply, etag, I64, .flags = AW_F_INTERNAL, .doc = "of the ETag, -1 = none"),
    AW_FIELD(aw_kept_reply, sealed, BYTES, .flags = AW_F_INTERNAL | AW_F_SECRET,
             .doc = "the body, encrypted"),
    AW_FIELD(aw_kept_reply, created_at, TIME, .flags = AW_F_INTERNAL,
             .doc = "when it was answered"),
};
static const struct aw_index kept_reply_indexes[] = {
    {"created", {"created_at"}, false},
};
const struct aw_schema aw_kept_reply_schema =
    AW_SCHEMA(aw_kept_reply, "kept_replies", kept_reply_fields, kept_reply_indexes,
              AW_COUNT(kept_reply_indexes), "answers to requests with an Idempotency-Key");
