#include "users.h"

#include <string.h>

#include "policy.h"

const char *aw_user_email(const char *text, struct aw_arena *arena)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || !at[1] || strchr(at + 1, '@') || strlen(text) > 254) {
        return NULL;
    }
    char *email = aw_arena_str(arena, text);
    for (char *c = email; *c; c++) {
        if (*c <= ' ' || *c == 0x7f) {
            return NULL;
        }
        if (*c >= 'A' && *c <= 'Z') {
            *c += 'a' - 'A';
        }
    }
    return email;
}

static struct aw_query by_email(const char *email)
{
    return (struct aw_query){
        .schema = &aw_user_schema,
        .conds = {{.field = "email", .op = AW_OP_EQ, .text = email}},
        .n = 1,
        .limit = 1,
    };
}

bool aw_user_find(struct aw_reader *reader, const char *email, struct aw_arena *arena,
                  struct aw_user **user, struct aw_err *err)
{
    const struct aw_query query = by_email(email);
    struct aw_rows rows;
    if (!aw_store_find(reader, &aw_scope_all, &query, arena, &rows, err)) {
        return false;
    }
    *user = rows.n > 0 ? rows.v[0] : NULL;
    return true;
}

bool aw_user_find_tx(struct aw_tx *tx, const char *email, struct aw_user **user, struct aw_err *err)
{
    const struct aw_query query = by_email(email);
    struct aw_rows rows;
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    *user = rows.n > 0 ? rows.v[0] : NULL;
    return true;
}

static bool check_words(struct aw_tx *tx, const struct aw_user *want, struct aw_err *err)
{
    for (size_t i = 0; i < want->permissions.n; i++) {
        if (!aw_permission_find(want->permissions.v[i])) {
            return aw_fail(err, AW_ERR_INVALID, "user.permission", "there is no permission \"%s\"",
                           want->permissions.v[i]);
        }
    }
    for (size_t i = 0; i < want->company_ids.n; i++) {
        void *company;
        if (!aw_tx_peek(tx, &aw_company_schema, want->company_ids.v[i], &company, err)) {
            return false;
        }
        if (!company) {
            return aw_fail(err, AW_ERR_INVALID, "user.company", "there is no company \"%s\"",
                           want->company_ids.v[i]);
        }
    }
    return true;
}

bool aw_user_save(struct aw_tx *tx, const struct aw_user *want, const struct aw_act *act,
                  struct aw_user **user, enum aw_saved *saved, struct aw_err *err)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    const char *email = want->email ? aw_user_email(want->email, arena) : NULL;
    if (!email) {
        return aw_fail(err, AW_ERR_INVALID, "user.email", "this is not an e-mail address");
    }
    struct aw_user *old;
    if (!check_words(tx, want, err) || !aw_user_find_tx(tx, email, &old, err)) {
        return false;
    }
    struct aw_user *row = aw_arena_copy(arena, want, sizeof(*want));
    row->email = email;
    row->id = old ? old->id : aw_new_id(arena, act->now_ms);
    if (old && !row->password_hash) {
        row->password_hash = old->password_hash;
    }
    const struct aw_saving saving = {.schema = &aw_user_schema,
                                     .noun = "user",
                                     .permission = "manage_users"};
    *user = row;
    return aw_save(tx, &saving, old, row, act, saved, err);
}
