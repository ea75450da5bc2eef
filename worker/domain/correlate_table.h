/* correlate_table.h - the memory of the correlation engine: keys in an open-addressed table, their
 * alerts in a pool.
 *
 * Groups and members are addressed by numbers that stay valid while they live; 0 is none.
 * Threads: one at a time. Owner: init/fini by the engine. */
#ifndef AW_DOMAIN_CORRELATE_TABLE_H
#define AW_DOMAIN_CORRELATE_TABLE_H

#include "correlate.h"

struct aw_correlate_group {
    struct aw_correlate_key key;
    struct aw_correlate_id incident; /* when open */
    int64_t
        known_from; /* its active alerts from here on are members, if earlier than the table's */
    uint32_t first, last; /* members in order of arrival; first = next free group when not used */
    uint32_t count;       /* of members */
    uint16_t criticals;   /* of members, stops counting at its end */
    bool used;
    bool known; /* whether an incident is open was told */
    bool open;
    bool runbook;
};

struct aw_correlate_member {
    struct aw_correlate_id id;
    int64_t at_ms;
    uint32_t group;
    uint32_t next;         /* of its group, or next free member */
    uint32_t older, newer; /* all members in order of arrival */
    bool critical;
};

struct aw_correlate_slot {
    uint32_t group; /* 0 = free */
    uint32_t tag;   /* upper half of key.a */
};

struct aw_correlate_table {
    struct aw_correlate_slot *slots;
    size_t size; /* power of two */
    struct aw_correlate_group *groups;
    size_t group_count, group_top, group_cap;
    uint32_t group_free;
    struct aw_correlate_member *members;
    size_t member_count, member_top, member_cap;
    uint32_t member_free;
    uint32_t oldest, newest;
};

void aw_correlate_table_init(struct aw_correlate_table *table);
void aw_correlate_table_fini(struct aw_correlate_table *table);
uint32_t aw_correlate_table_find(const struct aw_correlate_table *table,
                                 struct aw_correlate_key key); /* 0 = absent */
/* Into the cache: the first slot of the key; the group that the slot names, if it is likely the key's. */
void aw_correlate_table_prefetch(const struct aw_correlate_table *table,
                                 struct aw_correlate_key key);
void aw_correlate_table_prefetch_group(const struct aw_correlate_table *table,
                                       struct aw_correlate_key key);
/* Finds or makes. Pointers to groups do not survive this call. */
uint32_t aw_correlate_table_take(struct aw_correlate_table *table, struct aw_correlate_key key);
/* The group has no members. */
void aw_correlate_table_drop(struct aw_correlate_table *table, uint32_t group);
/* Appends to the group. Pointers to members do not survive this call. */
void aw_correlate_table_add(struct aw_correlate_table *table, uint32_t group,
                            const struct aw_correlate_alert *alert);
/* Removes all members of the group. */
void aw_correlate_table_clear(struct aw_correlate_table *table, uint32_t group);
/* Removes one member; quick for the first of its group. */
void aw_correlate_table_remove(struct aw_correlate_table *table, uint32_t member);

#endif
