#include "correlate_table.h"

#include <string.h>

#include "worker/base/alloc.h"

enum { FIRST_SLOTS = 64, FIRST_GROUPS = 32, FIRST_MEMBERS = 32 };

static uint32_t tag_of(struct aw_correlate_key key)
{
    return (uint32_t)(key.a >> 32);
}

void aw_correlate_table_init(struct aw_correlate_table *table)
{
    memset(table, 0, sizeof(*table));
    table->size = FIRST_SLOTS;
    table->slots = aw_alloc_zero(table->size, sizeof(*table->slots));
    table->group_top = table->member_top = 1;
}

void aw_correlate_table_fini(struct aw_correlate_table *table)
{
    free(table->slots);
    free(table->groups);
    free(table->members);
}

uint32_t aw_correlate_table_find(const struct aw_correlate_table *table,
                                 struct aw_correlate_key key)
{
    size_t mask = table->size - 1;
    for (size_t i = (size_t)key.a & mask;; i = (i + 1) & mask) {
        const struct aw_correlate_slot *slot = &table->slots[i];
        if (slot->group == 0) {
            return 0;
        }
        if (slot->tag == tag_of(key)) {
            const struct aw_correlate_group *group = &table->groups[slot->group];
            if (group->key.a == key.a && group->key.b == key.b) {
                return slot->group;
            }
        }
    }
}

void aw_correlate_table_prefetch(const struct aw_correlate_table *table,
                                 struct aw_correlate_key key)
{
    __builtin_prefetch(&table->slots[(size_t)key.a & (table->size - 1)]);
}

void aw_correlate_table_prefetch_group(const struct aw_correlate_table *table,
                                       struct aw_correlate_key key)
{
    size_t mask = table->size - 1;
    for (size_t i = (size_t)key.a & mask; table->slots[i].group != 0; i = (i + 1) & mask) {
        if (table->slots[i].tag == tag_of(key)) {
            const char *group = (const char *)&table->groups[table->slots[i].group];
            __builtin_prefetch(group, 1);
            __builtin_prefetch(group + sizeof(struct aw_correlate_group) - 1, 1);
            return;
        }
    }
}

static void place(struct aw_correlate_table *table, uint32_t group)
{
    struct aw_correlate_key key = table->groups[group].key;
    size_t mask = table->size - 1;
    size_t i = (size_t)key.a & mask;
    while (table->slots[i].group != 0) {
        i = (i + 1) & mask;
    }
    table->slots[i] = (struct aw_correlate_slot){.group = group, .tag = tag_of(key)};
}

static void grow_slots(struct aw_correlate_table *table)
{
    free(table->slots);
    table->size *= 2;
    table->slots = aw_alloc_zero(table->size, sizeof(*table->slots));
    for (uint32_t i = 1; i < table->group_top; i++) {
        if (table->groups[i].used) {
            place(table, i);
        }
    }
}

uint32_t aw_correlate_table_take(struct aw_correlate_table *table, struct aw_correlate_key key)
{
    uint32_t group = aw_correlate_table_find(table, key);
    if (group != 0) {
        return group;
    }
    if ((table->group_count + 1) * 4 > table->size * 3) {
        grow_slots(table);
    }
    if (table->group_free != 0) {
        group = table->group_free;
        table->group_free = table->groups[group].first;
    } else {
        if (table->group_top >= table->group_cap) {
            table->group_cap = table->group_cap == 0 ? FIRST_GROUPS : table->group_cap * 2;
            table->groups = aw_alloc_grow(table->groups, table->group_cap, sizeof(*table->groups));
        }
        group = (uint32_t)table->group_top++;
    }
    table->groups[group] =
        (struct aw_correlate_group){.key = key, .known_from = INT64_MAX, .used = true};
    table->group_count++;
    place(table, group);
    return group;
}

/* Closes the hole that a removed slot leaves, so that probing needs no marks. */
static void unplace(struct aw_correlate_table *table, uint32_t group)
{
    size_t mask = table->size - 1;
    size_t hole = (size_t)table->groups[group].key.a & mask;
    while (table->slots[hole].group != group) {
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; table->slots[i].group != 0; i = (i + 1) & mask) {
        size_t home = (size_t)table->groups[table->slots[i].group].key.a & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole].group = 0;
}

void aw_correlate_table_drop(struct aw_correlate_table *table, uint32_t group)
{
    unplace(table, group);
    table->groups[group] = (struct aw_correlate_group){.first = table->group_free};
    table->group_free = group;
    table->group_count--;
}

void aw_correlate_table_add(struct aw_correlate_table *table, uint32_t group,
                            const struct aw_correlate_alert *alert)
{
    uint32_t member = table->member_free;
    if (member != 0) {
        table->member_free = table->members[member].next;
    } else {
        if (table->member_top >= table->member_cap) {
            table->member_cap = table->member_cap == 0 ? FIRST_MEMBERS : table->member_cap * 2;
            table->members =
                aw_alloc_grow(table->members, table->member_cap, sizeof(*table->members));
        }
        member = (uint32_t)table->member_top++;
    }
    table->members[member] = (struct aw_correlate_member){.id = alert->id,
                                                          .at_ms = alert->at_ms,
                                                          .group = group,
                                                          .older = table->newest,
                                                          .critical = alert->critical};
    if (table->newest != 0) {
        table->members[table->newest].newer = member;
    } else {
        table->oldest = member;
    }
    table->newest = member;
    table->member_count++;

    struct aw_correlate_group *at = &table->groups[group];
    if (at->last != 0) {
        table->members[at->last].next = member;
    } else {
        at->first = member;
    }
    at->last = member;
    at->count++;
    at->criticals = (uint16_t)(at->criticals + (alert->critical && at->criticals < UINT16_MAX));
}

static void free_member(struct aw_correlate_table *table, uint32_t member)
{
    struct aw_correlate_member *gone = &table->members[member];
    if (gone->older != 0) {
        table->members[gone->older].newer = gone->newer;
    } else {
        table->oldest = gone->newer;
    }
    if (gone->newer != 0) {
        table->members[gone->newer].older = gone->older;
    } else {
        table->newest = gone->older;
    }
    gone->next = table->member_free;
    table->member_free = member;
    table->member_count--;
}

void aw_correlate_table_remove(struct aw_correlate_table *table, uint32_t member)
{
    struct aw_correlate_group *group = &table->groups[table->members[member].group];
    uint32_t before = 0;
    for (uint32_t i = group->first; i != member; i = table->members[i].next) {
        before = i;
    }
    uint32_t after = table->members[member].next;
    if (before != 0) {
        table->members[before].next = after;
    } else {
        group->first = after;
    }
    if (after == 0) {
        group->last = before;
    }
    group->count--;
    /* A count at its end is not exact any more: it stays until the group is cleared. */
    if (table->members[member].critical && group->criticals < UINT16_MAX) {
        group->criticals--;
    }
    free_member(table, member);
}

void aw_correlate_table_clear(struct aw_correlate_table *table, uint32_t group)
{
    struct aw_correlate_group *at = &table->groups[group];
    for (uint32_t i = at->first; i != 0;) {
        uint32_t next = table->members[i].next;
        free_member(table, i);
        i = next;
    }
    at->first = at->last = at->count = 0;
    at->criticals = 0;
}
