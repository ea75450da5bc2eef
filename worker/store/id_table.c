#include "worker/store/id_table.h"

#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"
#include "worker/base/map.h"

enum { FIRST_SLOTS = 64 };

/* The slot of the id, or the free one where it belongs. size is not 0. */
static struct aw_id_slot *find(const struct aw_id_table *table, const char *id, uint64_t hash)
{
    size_t i = hash & (table->size - 1);
    while (table->slots[i].id != NULL &&
           (table->slots[i].hash != hash || strcmp(table->slots[i].id, id) != 0)) {
        i = (i + 1) & (table->size - 1);
    }
    return &table->slots[i];
}

static void grow(struct aw_id_table *table)
{
    struct aw_id_table larger = {.size = table->size != 0 ? table->size * 2 : FIRST_SLOTS,
                                 .n = table->n};
    larger.slots = aw_alloc_zero(larger.size, sizeof(*larger.slots));
    for (size_t i = 0; i < table->size; i++) {
        const struct aw_id_slot *slot = &table->slots[i];
        if (slot->id != NULL) {
            *find(&larger, slot->id, slot->hash) = *slot;
        }
    }
    free(table->slots);
    *table = larger;
}

void *aw_id_table_get(const struct aw_id_table *table, const char *id)
{
    return table->n > 0 ? find(table, id, aw_map_hash(id, strlen(id)))->value : NULL;
}

void **aw_id_table_place(struct aw_id_table *table, const char *id)
{
    uint64_t hash = aw_map_hash(id, strlen(id));
    if ((table->n + 1) * 2 > table->size) {
        grow(table);
    }
    struct aw_id_slot *slot = find(table, id, hash);
    if (slot->id == NULL) {
        *slot = (struct aw_id_slot){.hash = hash, .id = id};
        table->n++;
    }
    return &slot->value;
}

void aw_id_table_clear(struct aw_id_table *table)
{
    if (table->n > 0) {
        memset(table->slots, 0, table->size * sizeof(*table->slots));
        table->n = 0;
    }
}

void aw_id_table_free(struct aw_id_table *table)
{
    free(table->slots);
    *table = (struct aw_id_table){.slots = NULL};
}
