#include "policy.h"

#include <string.h>

static const char *const words[AW_PERMISSIONS] = {
    [AW_MAY_VIEW] = "view",
    [AW_MAY_HANDLE_ALERTS] = "handle_alerts",
    [AW_MAY_HANDLE_INCIDENTS] = "handle_incidents",
    [AW_MAY_EXECUTE_RUNBOOKS] = "execute_runbooks",
    [AW_MAY_APPROVE_RUNBOOKS] = "approve_runbooks",
    [AW_MAY_MANAGE_RUNBOOKS] = "manage_runbooks",
    [AW_MAY_MANAGE_COMPANY] = "manage_company",
    [AW_MAY_MANAGE_COMPANIES] = "manage_companies",
    [AW_MAY_MANAGE_USERS] = "manage_users",
    [AW_MAY_VIEW_AUDIT] = "view_audit",
    [AW_MAY_MANAGE_SYSTEM] = "manage_system",
};

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
    return words[permission];
}

enum aw_permission aw_permission_find(const char *word)
{
    for (int i = AW_MAY_VIEW; i < AW_PERMISSIONS; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return 0;
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

bool aw_policy_sees(const struct aw_user *user, const char *company_id)
{
    struct aw_actor actor;
    aw_policy_actor(user, &actor);
    return aw_scope_sees(&actor.scope, company_id);
}
