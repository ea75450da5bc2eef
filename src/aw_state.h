/* aw_state.h - the state file beside the edge table: what may be forgotten.
 *
 * Sections: ids table (identities and signatures already accepted), rate words (one GCRA word per slot),
 * counters. Lives on tmpfs; a new boot id, queue id or geometry makes it anew (design: E1, E16-E20).
 * Threads: ids under the queue's producer mutex; rate words and counters by atomic operations from anywhere.
 * Owner: the caller's storage; aw_state_close() unmaps. */
#ifndef AW_STATE_H
#define AW_STATE_H

#include <stdatomic.h>

#include "aw_counters.h"
#include "aw_err.h"
#include "aw_queue.h"
#include "aw_rate.h"

#define AW_IDS_DEFAULT (1u << 20)
#define AW_IDS_MIN     1024u
#define AW_IDS_WAYS    16
#define AW_RATE_SLOTS  4096

struct aw_ids_set; /* its layout is in aw_state_layout.h */

struct aw_state {
    int fd;
    uint8_t *map;
    size_t map_size;
    struct aw_ids_set *sets;
    uint32_t set_count;         /* power of two */
    struct aw_rate_word *rates; /* AW_RATE_SLOTS */
    struct aw_counters *counters;
    bool
        fresh; /* this open made the file (anew): aw_intake_rebuild() is due (the queue's `keyed` says the same) */
};

/* Opens or, with AW_FILE_CREATE, creates PATH for this queue. `ids` entries are rounded up to sets, 0 = whatever the
 * file has. AW_FILE_INSPECT in `how` opens read-only and changes nothing: for a short look; who keeps the file
 * attaches, so that nobody cuts it meanwhile. With AW_FILE_CREATE a file of another boot,
 * queue or geometry is made anew in place, only when nobody else has it attached (OFD lock): else state.busy
 * (CONFLICT). A new file sets the queue's `keyed` back to its head, so keys cannot stay missing when its maker dies.
 * Codes: state.absent (NOT_FOUND; also: not usable, and not to be created), state.size, state.owner, state.space,
 * state.io, state.busy. */
AW_MUST_CHECK bool aw_state_open(struct aw_state *state, const char *path, uint32_t ids,
                                 const struct aw_queue *queue, unsigned how,
                                 const struct aw_file_owner *owner, struct aw_err *err);
void aw_state_close(struct aw_state *state);

/* --- aw_ids.c: the table; every call under the queue's producer mutex --- */
enum aw_key_kind { AW_KEY_IDENTITY = 1, AW_KEY_SIGNATURE = 2 };
/* What is remembered of a key: the alert of its first delivery, and the seq of that one's record (judged with
 * aw_queue_is_committed()). */
struct aw_ids_entry {
    uint8_t alert_id[AW_ID_LEN];
    uint64_t seq;
};
/* Fills *entry and returns it; NULL = unknown (absent or past its expiry). now_s: wall clock. */
const struct aw_ids_entry *aw_ids_find(const struct aw_state *state,
                                       const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                                       uint32_t now_s, struct aw_ids_entry *entry);
/* Where a key is going to be; good for aw_ids_store() until the lock is given up. */
struct aw_ids_place {
    struct aw_ids_set *set; /* NULL = nowhere */
    int way;
    uint16_t tag;
    uint64_t hash[2];
};
/* Finds places for the identity, [0], and the signature, [1] (each may be NULL); false = not for both. A key may lie in
 * two sets. A place is: its own, free, expired, or an identity whose seq is released (< head_seq). */
AW_MUST_CHECK bool aw_ids_reserve(const struct aw_state *state, const uint8_t *identity,
                                  const uint8_t *signature, uint32_t now_s, uint64_t head_seq,
                                  struct aw_ids_place places[2]);
/* Inserts or overwrites. expires_s: wall clock, s since 1970; after it the entry is forgotten. */
void aw_ids_store(const struct aw_ids_place *place, const uint8_t alert_id[AW_ID_LEN], uint64_t seq,
                  uint32_t expires_s);
/* Inserts or overwrites the same key, in the set of the two that has more room; evicts, when it must, the released
 * identity of that one that would be forgotten soonest. expires_s: wall clock, s since 1970; after it the entry is
 * forgotten. False = no place. */
bool aw_ids_put(struct aw_state *state, const uint8_t key[AW_SHA256_LEN], enum aw_key_kind kind,
                const uint8_t alert_id[AW_ID_LEN], uint64_t seq, uint32_t expires_s, uint32_t now_s,
                uint64_t head_seq);
/* Starts loading what finding and placing a key needs of its sets into the cache. */
void aw_ids_prefetch(const struct aw_state *state, const uint8_t key[AW_SHA256_LEN]);
/* Occupied and total entries, by a sample; for status. */
void aw_ids_fill(const struct aw_state *state, uint64_t *used, uint64_t *total);

#endif
