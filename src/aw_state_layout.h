/* aw_state_layout.h - the bytes of a state file: header page, counters, rate words, sets of ids.
 * Threads: as in aw_state.h. Private to aw_state.c, aw_ids.c and their tests. */
#ifndef AW_STATE_LAYOUT_H
#define AW_STATE_LAYOUT_H

#include <stdalign.h>
#include <string.h>

#include "aw_state.h"

#define AW_STATE_MAGIC   0x3165746174735741ull /* "AWstate1" */
#define AW_STATE_VERSION 1
#define AW_STATE_PAGE    4096u

struct aw_state_header {
    uint64_t magic; /* stored last: the rest is ready */
    uint32_t version;
    uint32_t counter_count;
    uint32_t set_size;
    uint32_t set_count;
    uint32_t rate_slots;
    uint32_t reserved;
    uint8_t boot_id[AW_BOOT_ID_LEN];
    uint8_t queue_id[AW_QUEUE_ID_LEN];
    uint64_t mix; /* random, odd: a sender cannot choose the set of its keys */
};

/* A tag is 32 bits of the key; the tags of a set fill one cache line, so a miss touches nothing
 * else. */
struct aw_ids_set {
    alignas(AW_CACHE_LINE) uint32_t tags[AW_IDS_WAYS]; /* 0 = free; stored after its entry */
    struct aw_ids_entry entries[AW_IDS_WAYS];
};
_Static_assert(sizeof(struct aw_ids_entry) == 48, "an entry has 48 bytes");
_Static_assert(sizeof(struct aw_ids_set) % AW_CACHE_LINE == 0, "sets begin on cache lines");

static inline struct aw_ids_set *aw_ids_set_of(const struct aw_state *state,
                                               const uint8_t key[AW_SHA256_LEN])
{
    const struct aw_state_header *header = (const struct aw_state_header *)state->map;
    uint64_t hash[2];
    memcpy(hash, key, sizeof(hash));
    uint64_t mixed = (hash[0] ^ hash[1]) * header->mix;
    return &state->sets[(mixed >> 32) & (state->set_count - 1)];
}

#endif
