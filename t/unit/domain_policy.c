#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "worker/domain/policy.h"

/* Ruling 17, by hand: permission, and the roles that have it (V viewer, T technician, C company_admin, A admin). */
static const struct {
    enum aw_permission permission;
    const char *word, *roles;
} table[] = {
    {AW_MAY_VIEW, "view", "VTCA"},
    {AW_MAY_HANDLE_ALERTS, "handle_alerts", "TCA"},
    {AW_MAY_HANDLE_INCIDENTS, "handle_incidents", "TCA"},
    {AW_MAY_EXECUTE_RUNBOOKS, "execute_runbooks", "TCA"},
    {AW_MAY_APPROVE_RUNBOOKS, "approve_runbooks", "CA"},
    {AW_MAY_MANAGE_RUNBOOKS, "manage_runbooks", "CA"},
    {AW_MAY_MANAGE_COMPANY, "manage_company", "CA"},
    {AW_MAY_MANAGE_COMPANIES, "manage_companies", "A"},
    {AW_MAY_MANAGE_USERS, "manage_users", "CA"},
    {AW_MAY_VIEW_AUDIT, "view_audit", "CA"},
    {AW_MAY_MANAGE_SYSTEM, "manage_system", "A"},
};
static const char letters[] = "VTCA"; /* in the order of enum aw_role */

static void roles_bring_what_the_contract_says(void **state)
{
    (void)state;
    assert_int_equal(AW_COUNT(table), AW_PERMISSIONS - 1);
    for (int role = AW_ROLE_VIEWER; role <= AW_ROLE_ADMIN; role++) {
        const struct aw_user user = {.role = role};
        struct aw_actor actor;
        aw_policy_actor(&user, &actor);
        for (size_t i = 0; i < AW_COUNT(table); i++) {
            bool expected = strchr(table[i].roles, letters[role]) != NULL;
            if (aw_policy_may(&actor, table[i].permission) != expected) {
                fail_msg("%c %s", letters[role], table[i].word);
            }
        }
    }
    assert_int_equal(aw_policy_role(-1), 0);
    assert_int_equal(aw_policy_role(4), 0);
}

static void words_and_permissions_belong_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < AW_COUNT(table); i++) {
        assert_string_equal(aw_permission_word(table[i].permission), table[i].word);
        assert_int_equal(aw_permission_find(table[i].word), table[i].permission);
    }
    assert_int_equal(aw_permission_find("manage"), 0);
    assert_int_equal(aw_permission_find(""), 0);
}

static void permissions_of_a_user_add_to_the_role(void **state)
{
    (void)state;
    const char *const words[] = {"view_audit", "of_a_newer_version"};
    const struct aw_user user = {.role = AW_ROLE_VIEWER, .permissions = {words, 2}};
    struct aw_actor actor;
    struct aw_arena *arena = aw_arena_create(0);
    aw_policy_actor(&user, &actor);
    struct aw_strs all = aw_policy_words(&actor, arena);
    assert_int_equal(all.n, 2);
    assert_string_equal(all.v[0], "view");
    assert_string_equal(all.v[1], "view_audit");
    aw_arena_destroy(&arena);
}

static bool sees(const struct aw_user *user, const char *company_id)
{
    struct aw_actor actor;
    aw_policy_actor(user, &actor);
    return aw_scope_sees(&actor.scope, company_id);
}

static void scope_is_the_companies_of_the_user(void **state)
{
    (void)state;
    const char *const companies[] = {"acme", "initech"};
    const struct aw_user boss = {.role = AW_ROLE_COMPANY_ADMIN, .company_ids = {companies, 2}};
    const struct aw_user admin = {.role = AW_ROLE_ADMIN};
    const struct aw_user nobody = {.role = AW_ROLE_COMPANY_ADMIN};
    assert_true(sees(&boss, "acme"));
    assert_true(sees(&boss, "initech"));
    assert_false(sees(&boss, "globex"));
    assert_false(sees(&boss, "acm"));
    assert_true(sees(&admin, "globex"));
    assert_false(sees(&nobody, "acme"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_bring_what_the_contract_says),
        cmocka_unit_test(words_and_permissions_belong_together),
        cmocka_unit_test(permissions_of_a_user_add_to_the_role),
        cmocka_unit_test(scope_is_the_companies_of_the_user),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
