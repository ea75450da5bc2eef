/* aw_counters.h - what the edge counts, in the state file; one table names them for status and docs.
 * Threads: relaxed atomics, any process. */
#ifndef AW_COUNTERS_H
#define AW_COUNTERS_H

#include <stdatomic.h>

#include "aw_defs.h"

/* name, help (one line, Prometheus HELP) */
#define AW_COUNTERS(X)                                                                             \
    X(accepted, "Deliveries answered 200 as new")                                                  \
    X(duplicates, "Deliveries answered 200 as repeats")                                            \
    X(attempts_dropped, "Attempt records dropped at the high-water mark")                          \
    X(refused_method, "405: not POST")                                                             \
    X(refused_size, "413: body over the limit")                                                    \
    X(refused_media_type, "415: Content-Type is not JSON")                                         \
    X(refused_header, "400: a header twice or malformed")                                          \
    X(refused_key, "401: unknown, expired or foreign API key")                                     \
    X(refused_timestamp, "401: timestamp missing or outside the window")                           \
    X(refused_signature, "401: signature missing or wrong")                                        \
    X(refused_rate, "429: rate limit of the company")                                              \
    X(refused_json, "400: body is not JSON")                                                       \
    X(refused_field, "422: a field is missing or wrong")                                           \
    X(refused_asset, "404: unknown asset")                                                         \
    X(unavailable_table, "503: no valid edge table yet")                                           \
    X(unavailable_full, "503: queue past its high-water mark")                                     \
    X(unavailable_ids, "503: ids table has no place")                                              \
    X(unavailable_busy, "503: lock or sync not to be had in time")                                 \
    X(unavailable_broken, "503: queue file unusable or sync failed")                               \
    X(batches, "Batches appended")                                                                 \
    X(wakes, "Wake-ups sent to the worker")                                                        \
    X(repairs, "Locks taken over from a dead process")

enum aw_counter {
#define AW_X(name, help) AW_COUNT_##name,
    AW_COUNTERS(AW_X)
#undef AW_X
        AW_COUNTER_COUNT
};

struct aw_counters {
    _Atomic uint64_t value[AW_COUNTER_COUNT];
};

struct aw_counter_doc {
    const char *name, *help;
};
extern const struct aw_counter_doc aw_counter_docs[AW_COUNTER_COUNT];

static inline void aw_counters_add(struct aw_counters *counters, enum aw_counter which, uint64_t n)
{
    atomic_fetch_add_explicit(&counters->value[which], n, memory_order_relaxed);
}

#endif
