#include "policy.h"

#include <string.h>

#define BIT(permission) (1u << AW_MAY_##permission)
#define ALL             ((1u << AW_PERMISSIONS) - 2)

static const uint32_t roles[] = {
    [AW_ROLE_VIEWER] = BIT(VIEW),
    [AW_ROLE_TECHNICIAN] =
        BIT(VIEW) | BIT(HANDLE_ALERTS) | BIT(HANDLE_INCIDENTS) | BIT(EXECUTE_RUNBOOKS),
    [AW_ROLE_COMPANY_ADMIN] = ALL & ~(BIT(MANAGE_COMPANIES) | BIT(MANAGE_SYSTEM)),
    [AW_ROLE_ADMIN] = ALL,
};

const char *aw_permission_word(enum aw_permission permission)
{
    return aw_permission_words[permission - 1];
}

enum aw_permission aw_permission_find(const char *word)
{
    return (enum aw_permission)(aw_words_find(aw_permission_words, word, strlen(word)) + 1);
}

uint32_t aw_policy_role(int role)
{
    return role >= 0 && role < (int)AW_COUNT(roles) ? roles[role] : 0;
}

void aw_policy_actor(const struct aw_user *user, struct aw_actor *actor)
{
    *actor = (struct aw_actor){
        .user = user,
        .permissions = aw_policy_role(user->role),
        .scope = {.all = user->role == AW_ROLE_ADMIN,
                  .companies = user->company_ids.v,
                  .n = user->company_ids.n},
    };
    for (size_t i = 0; i < user->permissions.n; i++) {
        /* bit 0, which no check asks for, takes a word of a newer version */
        actor->permissions |= 1u << aw_permission_find(user->permissions.v[i]);
    }
}

bool aw_policy_may(const struct aw_actor *actor, enum aw_permission permission)
{
    return (actor->permissions & 1u << permission) != 0;
}

struct aw_strs aw_policy_words(const struct aw_actor *actor, struct aw_arena *arena)
{
    const char **words = AW_NEW_N(arena, const char *, AW_PERMISSIONS);
    struct aw_strs out = {.v = words};
    for (int i = AW_MAY_VIEW; i < AW_PERMISSIONS; i++) {
        if (aw_policy_may(actor, i)) {
            words[out.n++] = aw_permission_word(i);
        }
    }
    return out;
}
