/* poison.h - which record breaks the worker? (W12)
 *
 * A thread names the records that it works on. When it dies of its own fault, the handler of the signal adds a try to
 * each of them, in the mapped file; when it hangs, the watchdog does. Afterwards they run one at a time, so the culprit
 * is found alone and the others pass. kill -9, a signal sent by somebody and an abort for want of memory add nothing.
 * Threads: one for each kind of work; turn and condemn from any. */
#ifndef AW_PIPELINE_POISON_H
#define AW_PIPELINE_POISON_H

#include "src/aw_record.h"

enum aw_work { AW_WORK_DECODE, AW_WORK_UNIT, AW_WORKS };

/* Catches SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL; once, at start-up. */
void aw_poison_guard(void);
/* The calling thread does this work on these records from now on; they stay mapped until aw_poison_release(). */
void aw_poison_hold(enum aw_work work, const struct aw_record_head *const *records, size_t n);
/* Never returns when the work has been condemned. */
void aw_poison_release(enum aw_work work);

/* Rises with each hold and each release; odd = records are held. */
uint64_t aw_poison_turn(enum aw_work work);
/* Adds a try to each record that was held at that turn. 0: they are not held any more. Otherwise their number, and
 * *first is one of them; the thread that holds them does not go on, so they are not released before the caller ends
 * the process. */
size_t aw_poison_condemn(enum aw_work work, uint64_t turn, const struct aw_record_head **first);

#endif
