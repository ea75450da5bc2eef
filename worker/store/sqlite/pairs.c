#include "worker/store/sqlite/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"

enum { FIRST_SLOTS = 1 << 12 };

static void pairs_place(struct aw_pairs *pairs, uint64_t hash, int64_t row)
{
    size_t i = hash & (pairs->size - 1);
    while (pairs->v[i].row != 0) {
        i = (i + 1) & (pairs->size - 1);
    }
    pairs->v[i] = (struct aw_pair){.hash = hash, .row = row};
    pairs->n++;
}

void aw_pairs_add(struct aw_pairs *pairs, uint64_t hash, int64_t row)
{
    if ((pairs->n + 1) * 2 > pairs->size) {
        struct aw_pairs larger = {.size = pairs->size != 0 ? pairs->size * 2 : FIRST_SLOTS};
        larger.v = aw_alloc_zero(larger.size, sizeof(*larger.v));
        for (size_t i = 0; i < pairs->size; i++) {
            if (pairs->v[i].row != 0) {
                pairs_place(&larger, pairs->v[i].hash, pairs->v[i].row);
            }
        }
        free(pairs->v);
        *pairs = larger;
    }
    pairs_place(pairs, hash, row);
}

/* The next entry of a hash; *at starts as the hash itself. 0 = no more. */
int64_t aw_pairs_next(const struct aw_pairs *pairs, uint64_t hash, size_t *at)
{
    while (pairs->size != 0) {
        const struct aw_pair *pair = &pairs->v[*at & (pairs->size - 1)];
        if (pair->row == 0) {
            break;
        }
        ++*at;
        if (pair->hash == hash) {
            return pair->row;
        }
    }
    return 0;
}

void aw_pairs_clear(struct aw_pairs *pairs)
{
    if (pairs->n > 0) {
        memset(pairs->v, 0, pairs->size * sizeof(*pairs->v));
        pairs->n = 0;
    }
}

void aw_pairs_free(struct aw_pairs *pairs)
{
    free(pairs->v);
    *pairs = (struct aw_pairs){.v = NULL};
}
