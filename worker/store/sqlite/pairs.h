/* pairs.h - hash table from 64-bit hashes to row numbers; a hash may be there several times.
 * Threads: one at a time. Owner: the caller's storage, zeroed; free. Aborts without memory. */
#ifndef AW_STORE_SQLITE_PAIRS_H
#define AW_STORE_SQLITE_PAIRS_H

#include "src/aw_defs.h"

struct aw_pair {
    uint64_t hash;
    int64_t row; /* 0 = free */
};
struct aw_pairs {
    struct aw_pair *v;
    size_t size, n; /* size: a power of two, at least twice n, or 0 */
};

/* row is not 0. */
void aw_pairs_add(struct aw_pairs *pairs, uint64_t hash, int64_t row);
/* The next row of a hash, 0 = no more; *at starts as the hash itself. */
int64_t aw_pairs_next(const struct aw_pairs *pairs, uint64_t hash, size_t *at);
/* Keeps the memory. */
void aw_pairs_clear(struct aw_pairs *pairs);
void aw_pairs_free(struct aw_pairs *pairs);

#endif
