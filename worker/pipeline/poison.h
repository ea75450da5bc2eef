/* poison.h - which record breaks the worker? (W12)
 *
 * A thread names the records that it works on; when that thread dies of its own fault, the handler of the signal adds a
 * try to each of them, in the mapped file. Afterwards they run one at a time, so the culprit is found alone and the
 * others pass. kill -9, a signal sent by somebody and an abort for want of memory add nothing.
 * Threads: each for itself. */
#ifndef AW_PIPELINE_POISON_H
#define AW_PIPELINE_POISON_H

#include "src/aw_record.h"

/* Catches SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL; once, at start-up. */
void aw_poison_guard(void);
/* The calling thread works on these records from now on; they stay mapped until aw_poison_release(). */
void aw_poison_hold(const struct aw_record_head *const *records, size_t n);
void aw_poison_release(void);

#endif
