/* policy.h - who may do what (ruling 17): permissions, defaults of the roles, scope of a user.
 * Threads: pure functions and constant tables. */
#ifndef AW_DOMAIN_POLICY_H
#define AW_DOMAIN_POLICY_H

#include "worker/model/model.h"
#include "worker/store/store.h"

/* In the order of aw_permission_words, beginning with 1. */
enum aw_permission {
    AW_MAY_VIEW = 1,
    AW_MAY_HANDLE_ALERTS,
    AW_MAY_HANDLE_INCIDENTS,
    AW_MAY_EXECUTE_RUNBOOKS,
    AW_MAY_APPROVE_RUNBOOKS,
    AW_MAY_MANAGE_RUNBOOKS,
    AW_MAY_MANAGE_COMPANY,
    AW_MAY_MANAGE_COMPANIES,
    AW_MAY_MANAGE_USERS,
    AW_MAY_VIEW_AUDIT,
    AW_MAY_MANAGE_SYSTEM,
    AW_PERMISSIONS /* one past the last */
};
const char *aw_permission_word(enum aw_permission permission);
/* 0 = no such word */
enum aw_permission aw_permission_find(const char *word);

/* Bit (1 << permission) for each permission that the role brings by itself. */
uint32_t aw_policy_role(int role);

/* A signed-in user, as every check sees it. Points into the user row. */
struct aw_actor {
    const struct aw_user *user;
    uint32_t permissions;  /* of role and permissions[] together */
    struct aw_scope scope; /* admin: all companies; else company_ids */
};
void aw_policy_actor(const struct aw_user *user, struct aw_actor *actor);
bool aw_policy_may(const struct aw_actor *actor, enum aw_permission permission);
/* Words of all permissions of the actor, in arena memory. */
struct aw_strs aw_policy_words(const struct aw_actor *actor, struct aw_arena *arena);

#endif
