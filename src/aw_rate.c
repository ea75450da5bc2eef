#include "aw_rate.h"

#include <time.h>

#define MINUTE_US 60000000u
#define SECOND_US 1000000u

/* The word follows its company: a slot that has changed hands starts with a full bucket. */
static void claim(struct aw_rate_word *word, uint64_t company_hash)
{
    uint64_t owner = atomic_load_explicit(&word->company, memory_order_acquire);
    if (owner != company_hash &&
        atomic_compare_exchange_strong_explicit(&word->company, &owner, company_hash,
                                                memory_order_acq_rel, memory_order_acquire)) {
        atomic_store_explicit(&word->tat_us, 0, memory_order_release);
    }
}

unsigned aw_rate_take(struct aw_rate_word *word, uint64_t company_hash, uint32_t per_minute,
                      uint32_t burst, uint64_t now_us)
{
    uint64_t cost = MINUTE_US / per_minute;
    if (cost == 0) {
        cost = 1;
    }
    uint64_t limit = now_us + cost * burst;

    claim(word, company_hash);
    uint64_t tat = atomic_load_explicit(&word->tat_us, memory_order_relaxed);
    for (;;) {
        uint64_t from = tat > now_us ? tat : now_us;
        if (from > limit) {
            from = limit;
        }
        bool pass = from + cost <= limit;
        /* Stored also when refused, so that a word from a larger burst comes back into range. */
        uint64_t next = pass ? from + cost : from;
        if (next == tat ||
            atomic_compare_exchange_weak_explicit(&word->tat_us, &tat, next, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            return pass ? 0 : (unsigned)((next + cost - limit + SECOND_US - 1) / SECOND_US);
        }
    }
}

uint64_t aw_rate_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
}
