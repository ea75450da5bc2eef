/* watchdog.h - a record that makes the worker hang (W12).
 *
 * Decoding and the unit of a batch are watched, but not the time that the unit waits for the store: a store that hangs
 * condemns no record. After the limit each record in hand gets a try, the log says so, and the process ends with exit
 * code 1, for its supervisor to start it again.
 * Threads: one of its own; start and stop from the main thread. */
#ifndef AW_PIPELINE_WATCHDOG_H
#define AW_PIPELINE_WATCHDOG_H

#include "worker/store/writer.h"

struct aw_watchdog;

/* The writer outlives it. limit_ms: at least 100. */
AW_MUST_CHECK bool aw_watchdog_start(const struct aw_writer *writer, int64_t limit_ms,
                                     struct aw_watchdog **watchdog, struct aw_err *err);
void aw_watchdog_stop(struct aw_watchdog **watchdog);

#endif
