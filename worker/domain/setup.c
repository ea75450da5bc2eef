#include "setup.h"

#include <string.h>

#include "audit.h"
#include "users.h"
#include "worker/base/clock.h"

const char *aw_setup_password(struct aw_arena *arena)
{
    /* 56 characters: without 0 O 1 l I o */
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
    char text[25];
    for (size_t i = 0; i < sizeof(text) - 1;) {
        uint8_t byte;
        aw_random(&byte, 1);
        /* above the largest multiple of 56 the first letters would be more likely */
        if (byte < 256 / (sizeof(alphabet) - 1) * (sizeof(alphabet) - 1)) {
            text[i++] = alphabet[byte % (sizeof(alphabet) - 1)];
        }
    }
    text[sizeof(text) - 1] = '\0';
    const char *password = aw_arena_str(arena, text);
    aw_wipe(text, sizeof(text));
    return password;
}

static bool make_admin(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct aw_user *want = arg;
    const struct aw_query any = {.schema = &aw_user_schema, .limit = 1};
    struct aw_rows rows;
    if (!aw_tx_find(tx, &aw_scope_all, &any, &rows, err)) {
        return false;
    }
    if (rows.n > 0) {
        return aw_fail(err, AW_ERR_CONFLICT, "setup.done",
                       "there are users already: setup runs once");
    }
    const struct aw_act act = {.now_ms = aw_clock_wall_ms()};
    struct aw_user *user;
    enum aw_saved saved;
    if (!aw_user_save(tx, want, &act, &user, &saved, err)) {
        return false;
    }
    return aw_audit_add(tx,
                        &(struct aw_audit_act){.action = "user.created",
                                               .object = aw_user_schema.name,
                                               .object_id = user->id,
                                               .now_ms = act.now_ms},
                        err);
}

bool aw_setup_admin(struct aw_writer *writer, const char *email, const char *name,
                    struct aw_arena *arena, const char **password, struct aw_err *err)
{
    struct aw_user want = {.email = email, .name = name, .role = AW_ROLE_ADMIN};
    *password = aw_setup_password(arena);
    return aw_password_hash(*password, AW_PASSWORD_COST, arena, &want.password_hash, err) &&
           aw_writer_run(writer, "setup.admin", make_admin, &want, AW_ONCE, err);
}
