#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "aw_crash.h"
#include "aw_state.h"
#include "aw_state_layout.h"

#define FILL_SAMPLE 1024u /* sets */
#define ALL_WAYS    ((1u << AW_IDS_WAYS) - 1)

/* Where a key may be. */
struct whereabouts {
    struct aw_ids_set *sets[2];
    uint64_t hash[2];
    uint16_t tag;
};

struct place {
    struct aw_ids_set *set;
    int way; /* -1 = none */
};
static const struct place nowhere = {.way = -1};

static struct whereabouts whereabouts_of(const struct aw_state *state,
                                         const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind)
{
    struct whereabouts where;
    aw_ids_sets_of(state, key, where.sets);
    memcpy(where.hash, key, sizeof(where.hash));
    uint16_t tag = (where.hash[1] >> 48) & ~AW_IDS_TAG_SIGNATURE;
    tag = tag == 0 ? 2 : tag;
    where.tag = kind == AW_KEY_SIGNATURE ? tag | AW_IDS_TAG_SIGNATURE : tag;
    return where;
}

/* --- sets of ways: bit w stands for way w; the loops are a few vector instructions each --- */

/* The ways whose mark is negative. */
static unsigned negative_of(const int16_t marks[AW_IDS_WAYS])
{
#ifdef __SSE2__
    const __m128i *halves = (const __m128i *)marks;
    __m128i bytes = _mm_packs_epi16(_mm_loadu_si128(&halves[0]), _mm_loadu_si128(&halves[1]));
    return (unsigned)_mm_movemask_epi8(bytes);
#else
    unsigned ways = 0;
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        ways |= (unsigned)(marks[way] < 0) << way;
    }
    return ways;
#endif
}

static unsigned ways_of_tag(const struct aw_ids_set *set, uint16_t tag)
{
    int16_t marks[AW_IDS_WAYS];
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        marks[way] = set->tags[way] == tag ? -1 : 0;
    }
    return negative_of(marks);
}

static uint16_t until_of(uint32_t expires_s)
{
    return (uint16_t)(expires_s / AW_IDS_UNTIL_S);
}

/* Until a way expires, in units of AW_IDS_UNTIL_S. Negative = it looks expired: the clock may have been set, so the way
 * itself has to be asked. */
static int16_t left_of(const struct aw_ids_set *set, int way, uint32_t now_s)
{
    return (int16_t)(set->until[way] - until_of(now_s));
}

static unsigned ways_lapsed(const struct aw_ids_set *set, uint32_t now_s)
{
    int16_t left[AW_IDS_WAYS];
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        left[way] = left_of(set, way, now_s);
    }
    return negative_of(left);
}

/* The identities that will be forgotten soonest. */
static unsigned ways_soonest(const struct aw_ids_set *set, uint32_t now_s)
{
    uint16_t left[AW_IDS_WAYS], least = UINT16_MAX;
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        uint16_t kept = set->tags[way] & AW_IDS_TAG_SIGNATURE ? UINT16_MAX : 0;
        left[way] = (uint16_t)left_of(set, way, now_s) | kept;
        least = left[way] < least ? left[way] : least;
    }
    int16_t marks[AW_IDS_WAYS];
    for (int way = 0; way < AW_IDS_WAYS; way++) {
        marks[way] = left[way] == least ? -1 : 0;
    }
    return negative_of(marks);
}

/* Place of the key, expired or not. */
static struct place place_of(const struct whereabouts *where)
{
    for (int i = 0; i < 2; i++) {
        struct aw_ids_set *set = where->sets[i];
        for (unsigned left = ways_of_tag(set, where->tag); left != 0; left &= left - 1) {
            int way = __builtin_ctz(left);
            if (memcmp(set->ways[way].hash, where->hash, sizeof(where->hash)) == 0) {
                return (struct place){set, way};
            }
        }
    }
    return nowhere;
}

const struct aw_ids_entry *aw_ids_find(const struct aw_state *state,
                                       const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                                       uint32_t now_s, struct aw_ids_entry *entry)
{
    struct whereabouts where = whereabouts_of(state, key, kind);
    struct place at = place_of(&where);
    if (at.way < 0 || at.set->ways[at.way].expires_s < now_s) {
        return NULL;
    }
    memcpy(entry->alert_id, at.set->ways[at.way].alert_id, AW_ID_LEN);
    entry->seq = at.set->ways[at.way].seq;
    return entry;
}

/* Two for a way that is free or expired, one for an identity, which may go sooner or later, none for a signature.
 * Which identities may go now would spread the keys no better, and needs more cache lines. */
static uint16_t room_of(const struct aw_ids_set *set, uint32_t now_s)
{
    uint16_t room = 0;
    for (int way = 0; way < AW_IDS_WAYS; way++) { /* vector instructions, as above */
        uint16_t is_identity = ~set->tags[way] & AW_IDS_TAG_SIGNATURE;
        room += set->tags[way] == 0 || left_of(set, way, now_s) < 0 ? 2 : is_identity;
    }
    return room;
}

/* Of these ways one that has expired, or else the oldest released identity. */
static struct place cheapest_of(struct aw_ids_set *set, unsigned ways, uint32_t now_s,
                                uint64_t head_seq)
{
    struct place best = nowhere;
    uint64_t best_seq = head_seq;
    for (; ways != 0; ways &= ways - 1) {
        int way = __builtin_ctz(ways);
        if (set->ways[way].expires_s < now_s) {
            return (struct place){set, way};
        }
        if (!(set->tags[way] & AW_IDS_TAG_SIGNATURE) && set->ways[way].seq < best_seq) {
            best = (struct place){set, way};
            best_seq = set->ways[way].seq;
        }
    }
    return best;
}

/* Cheapest loss first: a way that is free, one that has expired, the released identity that would be forgotten soonest.
 * Not `taken`, which may be NULL. */
static struct place place_in(struct aw_ids_set *set, uint32_t now_s, uint64_t head_seq,
                             const struct aw_ids_place *taken)
{
    unsigned ways = taken != NULL && set == taken->set ? ALL_WAYS & ~(1u << taken->way) : ALL_WAYS;
    unsigned unused = ways_of_tag(set, 0) & ways;
    if (unused != 0) {
        return (struct place){set, __builtin_ctz(unused)};
    }
    struct place place = cheapest_of(set, ways_lapsed(set, now_s) & ways, now_s, head_seq);
    if (place.way < 0) {
        place = cheapest_of(set, ways_soonest(set, now_s) & ways, now_s, head_seq);
    }
    return place.way >= 0 ? place : cheapest_of(set, ways, now_s, head_seq);
}

/* The key's own place, or one in the set with more room, or one in the other set. */
static struct place choose_place(const struct whereabouts *where, uint32_t now_s, uint64_t head_seq,
                                 const struct aw_ids_place *taken)
{
    struct place place = place_of(where);
    if (place.way >= 0) {
        return place;
    }
    int roomier = room_of(where->sets[1], now_s) > room_of(where->sets[0], now_s);
    place = place_in(where->sets[roomier], now_s, head_seq, taken);
    return place.way >= 0 ? place : place_in(where->sets[!roomier], now_s, head_seq, taken);
}

static struct aw_ids_place reserve(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN],
                                   enum aw_key_kind kind, uint32_t now_s, uint64_t head_seq,
                                   const struct aw_ids_place *taken)
{
    struct whereabouts where = whereabouts_of(state, key, kind);
    struct place place = choose_place(&where, now_s, head_seq, taken);
    if (place.way < 0) {
        return (struct aw_ids_place){.set = NULL};
    }
    /* It will be written, and may reach into a second cache line. */
    const struct aw_ids_way *way = &place.set->ways[place.way];
    __builtin_prefetch(way, 1);
    __builtin_prefetch((const uint8_t *)(way + 1) - 1, 1);
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
    volatile uint16_t *tag = &set->tags[place->way];
    AW_CRASH("ids.put.before_clear");
    *tag = 0;
    atomic_signal_fence(memory_order_seq_cst);
    AW_CRASH("ids.put.after_clear");
    set->until[place->way] = until_of(expires_s);
    struct aw_ids_way *way = &set->ways[place->way];
    memcpy(way->hash, place->hash, sizeof(way->hash));
    memcpy(way->alert_id, alert_id, AW_ID_LEN);
    way->seq = seq;
    way->expires_s = expires_s;
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
    __builtin_prefetch(sets[0]);
    __builtin_prefetch(sets[1]);
}

void aw_ids_fill(const struct aw_state *state, uint64_t *used, uint64_t *total)
{
    uint32_t sample = state->set_count < FILL_SAMPLE ? state->set_count : FILL_SAMPLE;
    uint32_t step = state->set_count / sample;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < sample; i++) {
        const volatile uint16_t *tags = state->sets[(uint64_t)i * step].tags;
        for (int way = 0; way < AW_IDS_WAYS; way++) {
            taken += tags[way] != 0;
        }
    }
    *total = (uint64_t)state->set_count * AW_IDS_WAYS;
    *used = taken * *total / ((uint64_t)sample * AW_IDS_WAYS);
}
