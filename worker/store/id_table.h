/* id_table.h - hash table from ids to what a unit of work knows of their rows. Ids are kept, not copied: they live as
 * long as the table is not cleared. Threads: one at a time. Owner: the caller's storage, zeroed; free. Aborts without
 * memory. */
#ifndef AW_STORE_ID_TABLE_H
#define AW_STORE_ID_TABLE_H

#include "src/aw_defs.h"

struct aw_id_slot {
    uint64_t hash;
    const char *id; /* NULL = free */
    void *value;
};
struct aw_id_table {
    struct aw_id_slot *slots;
    size_t size, n; /* size: a power of two, at least twice n, or 0 */
};

void *aw_id_table_get(const struct aw_id_table *table, const char *id); /* NULL = absent */
/* Where its value stands, NULL at first; good until the next call. */
void **aw_id_table_place(struct aw_id_table *table, const char *id);
/* Keeps the memory. */
void aw_id_table_clear(struct aw_id_table *table);
void aw_id_table_free(struct aw_id_table *table);

#endif
