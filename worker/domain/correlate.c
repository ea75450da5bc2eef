#include "correlate.h"

#include <pthread.h>
#include <string.h>

#include "correlate_table.h"
#include "worker/base/alloc.h"
#include "worker/base/crypto.h"
#include "worker/base/siphash.h"
#include "worker/base/vec.h"

struct aw_correlate {
    struct aw_correlate_table table;
    int64_t known_from; /* every active alert received at or after it is a member */
    uint32_t hand;      /* of the clock that evicts groups */
};

static uint64_t process_keys[2][2];

static void make_process_keys(void)
{
    aw_random(process_keys, sizeof(process_keys));
}

struct aw_correlate_key aw_correlate_key(const char *asset_name, const char *signature)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_process_keys);
    char text[sizeof(uint32_t) + 4 * (AW_ASSET_NAME_MAX + AW_SIGNATURE_MAX)];
    size_t asset_len = strnlen(asset_name, 4 * (size_t)AW_ASSET_NAME_MAX);
    size_t signature_len = strnlen(signature, 4 * (size_t)AW_SIGNATURE_MAX);
    uint32_t prefix = (uint32_t)asset_len;
    memcpy(text, &prefix, sizeof(prefix));
    memcpy(text + sizeof(prefix), asset_name, asset_len);
    memcpy(text + sizeof(prefix) + asset_len, signature, signature_len);
    size_t len = sizeof(prefix) + asset_len + signature_len;
    return (struct aw_correlate_key){.a = aw_siphash(process_keys[0], text, len),
                                     .b = aw_siphash(process_keys[1], text, len)};
}

enum aw_correlate_what aw_correlate_rule(const struct aw_correlate_rules *rules, bool open,
                                         size_t count, bool critical, bool runbook)
{
    if (count == 0) {
        return AW_CORRELATE_ALONE;
    }
    if (open) {
        return AW_CORRELATE_JOIN;
    }
    bool enough = count >= rules->min_alerts || (rules->single_critical && critical) ||
                  (rules->single_runbook && runbook);
    return enough ? AW_CORRELATE_OPEN : AW_CORRELATE_ALONE;
}

struct aw_correlate *aw_correlate_create(int64_t known_from)
{
    struct aw_correlate *state = aw_alloc_zero(1, sizeof(*state));
    aw_correlate_table_init(&state->table);
    state->known_from = known_from;
    return state;
}

void aw_correlate_destroy(struct aw_correlate **state)
{
    if (*state != NULL) {
        aw_correlate_table_fini(&(*state)->table);
        free(*state);
        *state = NULL;
    }
}

size_t aw_correlate_members(const struct aw_correlate *state)
{
    return state->table.member_count;
}

size_t aw_correlate_groups(const struct aw_correlate *state)
{
    return state->table.group_count;
}

unsigned aw_correlate_needs(const struct aw_correlate *state,
                            const struct aw_correlate_rules *rules, struct aw_correlate_key key,
                            int64_t at_ms, int64_t *from, int64_t *until)
{
    uint32_t at = aw_correlate_table_find(&state->table, key);
    const struct aw_correlate_group *group = at == 0 ? NULL : &state->table.groups[at];
    if (group != NULL && group->open) {
        return 0;
    }
    unsigned needs = group == NULL || !group->known ? AW_CORRELATE_NEED_INCIDENT : 0;
    *from = at_ms - rules->window_ms;
    *until = group != NULL && group->known_from < state->known_from ? group->known_from
                                                                    : state->known_from;
    return needs | (*from < *until ? AW_CORRELATE_NEED_OLDER : 0);
}

void aw_correlate_prefetch(const struct aw_correlate *state, struct aw_correlate_key key)
{
    aw_correlate_table_prefetch(&state->table, key);
}

void aw_correlate_prefetch_group(const struct aw_correlate *state, struct aw_correlate_key key)
{
    aw_correlate_table_prefetch_group(&state->table, key);
}

void aw_correlate_know(struct aw_correlate *state, struct aw_correlate_key key,
                       const struct aw_correlate_id *incident)
{
    uint32_t at = aw_correlate_table_take(&state->table, key);
    struct aw_correlate_group *group = &state->table.groups[at];
    group->known = true;
    group->open = incident != NULL;
    if (incident != NULL) {
        group->incident = *incident;
    }
}

void aw_correlate_opened(struct aw_correlate *state, struct aw_correlate_key key,
                         const struct aw_correlate_id *incident)
{
    aw_correlate_know(state, key, incident);
    aw_correlate_table_clear(&state->table, aw_correlate_table_find(&state->table, key));
}

void aw_correlate_older(struct aw_correlate *state, struct aw_correlate_key key, int64_t from,
                        int64_t until)
{
    uint32_t at = aw_correlate_table_take(&state->table, key);
    struct aw_correlate_group *group = &state->table.groups[at];
    group->known_from = from;
    for (uint32_t i = group->first; i != 0;) {
        uint32_t next = state->table.members[i].next;
        if (state->table.members[i].at_ms < until) {
            aw_correlate_table_remove(&state->table, i);
        }
        i = next;
    }
}

void aw_correlate_add(struct aw_correlate *state, const struct aw_correlate_alert *alert)
{
    uint32_t at = aw_correlate_table_take(&state->table, alert->key);
    state->table.groups[at].runbook = alert->runbook;
    aw_correlate_table_add(&state->table, at, alert);
}

/* Members received at or after `since`: their number, whether one is critical, and their ids. */
static size_t inside(const struct aw_correlate_table *table, const struct aw_correlate_group *group,
                     int64_t since, bool *critical, struct aw_correlate_ids *ids)
{
    size_t count = 0;
    *critical = false;
    for (uint32_t i = group->first; i != 0; i = table->members[i].next) {
        const struct aw_correlate_member *member = &table->members[i];
        if (member->at_ms >= since) {
            count++;
            *critical = *critical || member->critical;
            if (ids != NULL) {
                *aw_vec_push(ids) = member->id;
            }
        }
    }
    return count;
}

enum aw_correlate_what aw_correlate_alert(struct aw_correlate *state,
                                          const struct aw_correlate_rules *rules,
                                          const struct aw_correlate_alert *alert,
                                          struct aw_correlate_id *incident,
                                          struct aw_correlate_ids *members)
{
    if (!rules->automatic) {
        return AW_CORRELATE_ALONE;
    }
    struct aw_correlate_table *table = &state->table;
    uint32_t at = aw_correlate_table_take(table, alert->key);
    if (table->groups[at].open) {
        *incident = table->groups[at].incident;
        return AW_CORRELATE_JOIN;
    }
    table->groups[at].runbook = alert->runbook;
    aw_correlate_table_add(table, at, alert);
    struct aw_correlate_group *group = &table->groups[at];
    /* Members outside the window may be among them: only when all of them would do, they are
     * counted one by one. */
    if (aw_correlate_rule(rules, false, group->count, group->criticals > 0, alert->runbook) ==
        AW_CORRELATE_ALONE) {
        return AW_CORRELATE_ALONE;
    }
    bool critical;
    members->n = 0;
    size_t count = inside(table, group, alert->at_ms - rules->window_ms, &critical, members);
    return aw_correlate_rule(rules, false, count, critical, alert->runbook);
}

bool aw_correlate_hand(struct aw_correlate *state, const struct aw_correlate_rules *rules,
                       int64_t now_ms,
                       bool (*decided)(void *arg, const struct aw_correlate_hand *hand), void *arg)
{
    struct aw_correlate_ids members = {0};
    bool going = true;
    for (uint32_t at = 1; going && at < state->table.group_top; at++) {
        const struct aw_correlate_group *group = &state->table.groups[at];
        bool critical;
        members.n = 0;
        size_t count = inside(&state->table, group, now_ms - rules->window_ms, &critical, &members);
        struct aw_correlate_hand hand = {.key = group->key,
                                         .incident = group->incident,
                                         .members = &members};
        hand.what = aw_correlate_rule(rules, group->open, count, critical, group->runbook);
        if (hand.what != AW_CORRELATE_ALONE) {
            going = decided(arg, &hand);
        }
    }
    aw_vec_free(&members);
    return going;
}

/* Neither the group nor the state holds every alert from before this one's time any more. */
static void forget_member(struct aw_correlate *state, uint32_t member)
{
    struct aw_correlate_table *table = &state->table;
    int64_t until = table->members[member].at_ms + 1;
    uint32_t at = table->members[member].group;
    aw_correlate_table_remove(table, member);
    struct aw_correlate_group *group = &table->groups[at];
    if (group->known_from < until) {
        group->known_from = until;
    }
    if (state->known_from < until) {
        state->known_from = until;
    }
    if (group->count == 0 && !group->open) {
        aw_correlate_table_drop(table, at);
    }
}

void aw_correlate_sweep(struct aw_correlate *state, int64_t horizon_ms, size_t max_members,
                        size_t max_groups)
{
    struct aw_correlate_table *table = &state->table;
    while (table->oldest != 0) {
        int64_t at_ms = table->members[table->oldest].at_ms;
        if (at_ms >= horizon_ms && table->member_count <= max_members) {
            break;
        }
        forget_member(state, table->oldest);
    }
    if (state->known_from < horizon_ms) {
        state->known_from = horizon_ms;
    }
    for (size_t steps = table->group_top; table->group_count > max_groups && steps > 0; steps--) {
        state->hand = state->hand + 1 < table->group_top ? state->hand + 1 : 1;
        if (table->groups[state->hand].used && table->groups[state->hand].count == 0) {
            aw_correlate_table_drop(table, state->hand);
        }
    }
}
