/* aw_state_layout.h - the bytes of a state file: header page, counters, rate words, sets of ids.
 * Threads: as in aw_state.h. Private to aw_state.c, aw_ids.c and their tests. */
#ifndef AW_STATE_LAYOUT_H
#define AW_STATE_LAYOUT_H

#include <stdalign.h>
#include <string.h>

#include "aw_state.h"

#define AW_STATE_MAGIC   0x3165746174735741ull /* "AWstate1" */
#define AW_STATE_VERSION 3
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

/* The first cache line of a set tells of each way which key may be there, of which kind, and until when: judging a set
 * touches nothing else but the way that is found or taken. A tag is 15 bits of the key above one bit for its kind;
 * `until` is the expiry in units of 32 s, modulo 2^16: no expiry lies 12 days ahead. */
#define AW_IDS_TAG_SIGNATURE 1u
#define AW_IDS_UNTIL_S       32u

struct aw_ids_set {
    alignas(AW_CACHE_LINE) uint16_t tags[AW_IDS_WAYS]; /* 0 = free; stored last */
    uint16_t until[AW_IDS_WAYS];
    struct aw_ids_way {
        uint64_t hash[2]; /* first 128 bits of the SHA-256 key */
        uint8_t alert_id[AW_ID_LEN];
        uint64_t seq;
        uint32_t expires_s;
        uint32_t reserved;
    } ways[AW_IDS_WAYS];
};
_Static_assert(sizeof(struct aw_ids_set) == 13 * AW_CACHE_LINE, "no padding, whole cache lines");

/* The two sets in which a key may be: different ones, drawn from different halves of the key. */
static inline void aw_ids_sets_of(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN],
                                  struct aw_ids_set *sets[2])
{
    const struct aw_state_header *header = (const struct aw_state_header *)state->map;
    uint64_t hash[4];
    memcpy(hash, key, sizeof(hash));
    uint64_t mask = state->set_count - 1;
    uint64_t first = ((hash[0] ^ hash[1]) * header->mix) >> 32 & mask;
    uint64_t second = ((hash[2] ^ hash[3]) * header->mix) >> 32 & mask;
    sets[0] = &state->sets[first];
    sets[1] = &state->sets[second ^ (second == first)];
}

#endif
