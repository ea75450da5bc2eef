#include <string.h>

#include "aw_crash.h"
#include "aw_state.h"
#include "aw_state_layout.h"

#define FILL_SAMPLE 1024u /* sets */

/* Where a key may be. */
struct whereabouts {
    struct aw_ids_set *sets[2];
    uint64_t hash[2];
    uint32_t tag;
};

struct place {
    struct aw_ids_set *set; /* NULL = none */
    int way;
};

static struct whereabouts whereabouts_of(const struct aw_state *state,
                                         const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind)
{
    struct whereabouts where;
    aw_ids_sets_of(state, key, where.sets);
    memcpy(where.hash, key, sizeof(where.hash));
    where.tag = (uint32_t)(where.hash[1] >> 32) & ~AW_IDS_TAG_SIGNATURE;
    where.tag += where.tag == 0 ? 2 : 0;
    where.tag |= kind == AW_KEY_SIGNATURE ? AW_IDS_TAG_SIGNATURE : 0;
    return where;
}

/* Without branches, so that it is a few vector instructions: nearly every set holds no such tag. */
static bool has_tag(const struct aw_ids_set *set, uint32_t tag)
{
    uint32_t found = 0;
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        found |= set->tags[way] == tag;
    }
    return found != 0;
}

/* Place of the key, expired or not. */
static struct place place_of(const struct whereabouts *where)
{
    for (int i = 0; i < 2; i++) {
        struct aw_ids_set *set = where->sets[i];
        if (!has_tag(set, where->tag)) {
            continue;
        }
        for (int way = 0; way < AW_IDS_WAYS; way++) {
            if (set->tags[way] == where->tag && set->entries[way].hash[0] == where->hash[0] &&
                set->entries[way].hash[1] == where->hash[1]) {
                return (struct place){set, way};
            }
        }
    }
    return (struct place){0};
}

const struct aw_ids_entry *aw_ids_find(const struct aw_state *state,
                                       const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                                       uint32_t now_s, struct aw_ids_entry *entry)
{
    struct whereabouts where = whereabouts_of(state, key, kind);
    struct place at = place_of(&where);
    if (at.set == NULL || at.set->expires_s[at.way] < now_s) {
        return NULL;
    }
    memcpy(entry->alert_id, at.set->entries[at.way].alert_id, AW_ID_LEN);
    entry->seq = at.set->seqs[at.way];
    return entry;
}

/* Two for a way that is free or expired, one for an identity, which may go sooner or later, none for a signature.
 * Which identities may go now would spread the keys no better, and needs two more cache lines. */
static uint32_t room_of(const struct aw_ids_set *set, uint32_t now_s)
{
    uint32_t room = 0;
    for (int way = 0; way < AW_IDS_WAYS; way++) { /* vector instructions, as above */
        uint32_t is_identity = ~set->tags[way] & AW_IDS_TAG_SIGNATURE;
        uint32_t room_of_entry = set->expires_s[way] < now_s ? 2 : is_identity;
        room += set->tags[way] == 0 ? 2 : room_of_entry;
    }
    return room;
}

/* Cheapest loss first: a way that is free or expired, the oldest released identity. Not `taken`, which may be NULL. */
static struct place place_in(struct aw_ids_set *set, uint32_t now_s, uint64_t head_seq,
                             const struct aw_ids_place *taken)
{
    struct place best = {0};
    uint64_t best_seq = head_seq;
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        if (taken != NULL && set == taken->set && way == taken->way) {
            continue;
        }
        if (set->tags[way] == 0 || set->expires_s[way] < now_s) {
            return (struct place){set, way};
        }
        if (!(set->tags[way] & AW_IDS_TAG_SIGNATURE) && set->seqs[way] < best_seq) {
            best = (struct place){set, way};
            best_seq = set->seqs[way];
        }
    }
    return best;
}

/* The key's own place, or one in the set with more room, or one in the other set. */
static struct place choose_place(const struct whereabouts *where, uint32_t now_s, uint64_t head_seq,
                                 const struct aw_ids_place *taken)
{
    struct place place = place_of(where);
    if (place.set != NULL) {
        return place;
    }
    int roomier = room_of(where->sets[1], now_s) > room_of(where->sets[0], now_s);
    place = place_in(where->sets[roomier], now_s, head_seq, taken);
    return place.set != NULL ? place : place_in(where->sets[!roomier], now_s, head_seq, taken);
}

static struct aw_ids_place reserve(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN],
                                   enum aw_key_kind kind, uint32_t now_s, uint64_t head_seq,
                                   const struct aw_ids_place *taken)
{
    struct whereabouts where = whereabouts_of(state, key, kind);
    struct place place = choose_place(&where, now_s, head_seq, taken);
    return (struct aw_ids_place){.set = place.set,
                                 .way = place.way,
                                 .tag = where.tag,
                                 .hash = {where.hash[0], where.hash[1]}};
}

bool aw_ids_reserve(const struct aw_state *state, const uint8_t *identity, const uint8_t *signature,
                    uint32_t now_s, uint64_t head_seq, struct aw_ids_place places[2])
{
    const struct aw_ids_place *taken = NULL;
    if (identity != NULL) {
        places[0] = reserve(state, identity, AW_KEY_IDENTITY, now_s, head_seq, NULL);
        if (places[0].set == NULL) {
            return false;
        }
        taken = &places[0];
    }
    if (signature != NULL) {
        places[1] = reserve(state, signature, AW_KEY_SIGNATURE, now_s, head_seq, taken);
        return places[1].set != NULL;
    }
    return true;
}

void aw_ids_store(const struct aw_ids_place *place, const uint8_t alert_id[AW_ID_LEN], uint64_t seq,
                  uint32_t expires_s)
{
    struct aw_ids_set *set = place->set;
    /* Killed anywhere in here, the way is free or whole: the stores must stay in this order. */
    volatile uint32_t *tag = &set->tags[place->way];
    AW_CRASH("ids.put.before_clear");
    *tag = 0;
    atomic_signal_fence(memory_order_seq_cst);
    AW_CRASH("ids.put.after_clear");
    set->expires_s[place->way] = expires_s;
    set->seqs[place->way] = seq;
    memcpy(set->entries[place->way].hash, place->hash, sizeof(place->hash));
    memcpy(set->entries[place->way].alert_id, alert_id, AW_ID_LEN);
    atomic_signal_fence(memory_order_seq_cst);
    AW_CRASH("ids.put.before_tag");
    *tag = place->tag;
    AW_CRASH("ids.put.after_tag");
}

bool aw_ids_put(struct aw_state *state, const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                const uint8_t alert_id[AW_ID_LEN], uint64_t seq, uint32_t expires_s, uint32_t now_s,
                uint64_t head_seq)
{
    struct aw_ids_place place = reserve(state, key, kind, now_s, head_seq, NULL);
    if (place.set == NULL) {
        return false;
    }
    aw_ids_store(&place, alert_id, seq, expires_s);
    return true;
}

void aw_ids_prefetch(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN])
{
    struct aw_ids_set *sets[2];
    aw_ids_sets_of(state, key, sets);
    for (int i = 0; i < 2; i++) {
        const uint8_t *end = (const uint8_t *)sets[i]->entries;
        for (const uint8_t *line = (const uint8_t *)sets[i]; line < end; line += AW_CACHE_LINE) {
            __builtin_prefetch(line);
        }
    }
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
