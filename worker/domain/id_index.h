/* id_index.h - from binary ids to numbers, for the length of one unit.
 * Ids are UUIDs of our own (RFC 9562): their last bytes are random, so they are their own hash.
 * Threads: one. Owner: memory of the given arena. */
#ifndef AW_DOMAIN_ID_INDEX_H
#define AW_DOMAIN_ID_INDEX_H

#include "src/aw_defs.h"
#include "worker/base/arena.h"

struct aw_id_index {
    struct aw_id_slot *slots;
    size_t mask;
};

#define AW_ID_INDEX_NONE UINT32_MAX
/* Room for n ids. */
void aw_id_index_init(struct aw_id_index *index, size_t n, struct aw_arena *arena);
void aw_id_index_put(struct aw_id_index *index, const uint8_t id[AW_ID_LEN], uint32_t number);
uint32_t aw_id_index_get(const struct aw_id_index *index, const uint8_t id[AW_ID_LEN]);

#endif
