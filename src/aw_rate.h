/* aw_rate.h - rate limit of a company: GCRA (generic cell rate algorithm) in one atomic word.
 *
 * TAT = theoretical arrival time in microseconds of a boot-time clock. A request costs 60 s /
 * per_minute; the bucket holds `burst` requests. Source of the algorithm: ITU-T I.371, as used by
 * "leaky bucket as a meter".
 * Threads: any, any process: one compare-and-swap. */
#ifndef AW_RATE_H
#define AW_RATE_H

#include <stdatomic.h>

#include "aw_defs.h"

struct aw_rate_word {
    _Atomic uint64_t company; /* hash of the company the word belongs to; a mismatch resets it */
    _Atomic uint64_t tat_us;
};

/* Takes one token. Returns 0 = allowed, else the whole seconds (>= 1) after which a retry can pass.
 * per_minute and burst >= 1. A TAT further ahead than the burst is clamped. */
unsigned aw_rate_take(struct aw_rate_word *word, uint64_t company_hash, uint32_t per_minute,
                      uint32_t burst, uint64_t now_us);
/* Now for aw_rate_take(): CLOCK_BOOTTIME in microseconds. */
uint64_t aw_rate_now(void);

#endif
