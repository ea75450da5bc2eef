#include <string.h>

#include "aw_crash.h"
#include "aw_state.h"
#include "aw_state_layout.h"

#define FILL_SAMPLE 1024u /* sets */

struct place {
    uint64_t hash[2];
    uint32_t tag;
    struct aw_ids_set *set;
};

static struct place place_of(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN])
{
    struct place place = {.set = aw_ids_set_of(state, key)};
    memcpy(place.hash, key, sizeof(place.hash));
    place.tag = (uint32_t)(place.hash[1] >> 32);
    place.tag += place.tag == 0;
    return place;
}

static bool is_expired(const struct aw_ids_entry *entry, uint32_t now_s)
{
    return entry->expires_s < now_s;
}

/* Way of the key in its set, expired or not; -1 = not there. */
static int way_of(const struct place *place, enum aw_key_kind kind)
{
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        const struct aw_ids_entry *entry = &place->set->entries[way];
        if (place->set->tags[way] == place->tag && entry->hash[0] == place->hash[0] &&
            entry->hash[1] == place->hash[1] && entry->kind == kind) {
            return way;
        }
    }
    return -1;
}

static bool is_place(const struct aw_ids_set *set, int way, uint32_t now_s, uint64_t head_seq)
{
    const struct aw_ids_entry *entry = &set->entries[way];
    return set->tags[way] == 0 || is_expired(entry, now_s) ||
           (entry->kind == AW_KEY_IDENTITY && entry->seq < head_seq);
}

const struct aw_ids_entry *aw_ids_find(const struct aw_state *state,
                                       const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                                       uint32_t now_s)
{
    struct place place = place_of(state, key);
    int way = way_of(&place, kind);
    if (way < 0 || is_expired(&place.set->entries[way], now_s)) {
        return NULL;
    }
    return &place.set->entries[way];
}

static unsigned count_places(const struct aw_ids_set *set, uint32_t now_s, uint64_t head_seq)
{
    unsigned count = 0;
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        count += is_place(set, way, now_s, head_seq);
    }
    return count;
}

bool aw_ids_has_room(const struct aw_state *state, const uint8_t *identity,
                     const uint8_t *signature, uint32_t now_s, uint64_t head_seq)
{
    const struct aw_ids_set *first = identity == NULL ? NULL : aw_ids_set_of(state, identity);
    const struct aw_ids_set *second = signature == NULL ? NULL : aw_ids_set_of(state, signature);
    if (first != NULL && count_places(first, now_s, head_seq) < 1u + (first == second)) {
        return false;
    }
    return second == NULL || count_places(second, now_s, head_seq) >= 1;
}

/* Cheapest loss first: the key's own way, a free or expired one, the oldest released identity. */
static int choose_way(const struct place *place, enum aw_key_kind kind, uint32_t now_s,
                      uint64_t head_seq)
{
    int best = way_of(place, kind);
    if (best >= 0) {
        return best;
    }
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        const struct aw_ids_entry *entry = &place->set->entries[way];
        if (place->set->tags[way] == 0 || is_expired(entry, now_s)) {
            return way;
        }
        if (is_place(place->set, way, now_s, head_seq) &&
            (best < 0 || entry->seq < place->set->entries[best].seq)) {
            best = way;
        }
    }
    return best;
}

bool aw_ids_put(struct aw_state *state, const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                const uint8_t alert_id[AW_ID_LEN], uint64_t seq, uint32_t expires_s, uint32_t now_s,
                uint64_t head_seq)
{
    struct place place = place_of(state, key);
    int way = choose_way(&place, kind, now_s, head_seq);
    if (way < 0) {
        return false;
    }
    struct aw_ids_entry entry = {.hash = {place.hash[0], place.hash[1]},
                                 .seq = seq,
                                 .expires_s = expires_s,
                                 .kind = kind};
    memcpy(entry.alert_id, alert_id, AW_ID_LEN);

    /* Killed anywhere in here, the way is free or whole: the stores must stay in this order. */
    volatile uint32_t *tag = &place.set->tags[way];
    AW_CRASH("ids.put.before_clear");
    *tag = 0;
    atomic_signal_fence(memory_order_seq_cst);
    AW_CRASH("ids.put.after_clear");
    place.set->entries[way] = entry;
    atomic_signal_fence(memory_order_seq_cst);
    AW_CRASH("ids.put.before_tag");
    *tag = place.tag;
    AW_CRASH("ids.put.after_tag");
    return true;
}

void aw_ids_prefetch(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN])
{
    __builtin_prefetch(aw_ids_set_of(state, key));
}

void aw_ids_fill(const struct aw_state *state, uint64_t *used, uint64_t *total)
{
    uint32_t sample = state->set_count < FILL_SAMPLE ? state->set_count : FILL_SAMPLE;
    uint32_t step = state->set_count / sample;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < sample; i++) {
        const volatile uint32_t *tags = state->sets[(uint64_t)i * step].tags;
        for (int way = 0; way < AW_IDS_WAYS; way++) {
            taken += tags[way] != 0;
        }
    }
    *total = (uint64_t)state->set_count * AW_IDS_WAYS;
    *used = taken * *total / ((uint64_t)sample * AW_IDS_WAYS);
}
