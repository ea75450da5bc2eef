#include "id_index.h"

#include <string.h>

struct aw_id_slot {
    uint8_t id[AW_ID_LEN];
    uint32_t number;
    bool used;
};

void aw_id_index_init(struct aw_id_index *index, size_t n, struct aw_arena *arena)
{
    size_t size = 16;
    while (size < 2 * n) {
        size *= 2;
    }
    index->slots = AW_NEW_N(arena, struct aw_id_slot, size);
    index->mask = size - 1;
}

static struct aw_id_slot *slot_of(const struct aw_id_index *index, const uint8_t id[AW_ID_LEN])
{
    uint64_t hash;
    memcpy(&hash, id + AW_ID_LEN - sizeof(hash), sizeof(hash));
    size_t i = (size_t)(hash >> 16) & index->mask;
    while (index->slots[i].used && memcmp(index->slots[i].id, id, AW_ID_LEN) != 0) {
        i = (i + 1) & index->mask;
    }
    return &index->slots[i];
}

void aw_id_index_put(struct aw_id_index *index, const uint8_t id[AW_ID_LEN], uint32_t number)
{
    struct aw_id_slot *slot = slot_of(index, id);
    memcpy(slot->id, id, AW_ID_LEN);
    slot->number = number;
    slot->used = true;
}

uint32_t aw_id_index_get(const struct aw_id_index *index, const uint8_t id[AW_ID_LEN])
{
    const struct aw_id_slot *slot = slot_of(index, id);
    return slot->used ? slot->number : AW_ID_INDEX_NONE;
}
