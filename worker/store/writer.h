/* writer.h - the one writer thread: runs units of work first in, first out; a unit is all or nothing (W1-W7).
 *
 * A unit is a function that reads through its transaction, decides, and buffers whole rows; no other I/O, no waiting.
 * It must be re-runnable: on UNAVAILABLE the transaction is thrown away and, for patient units, run again with
 * backoff (50 ms doubling to 2 s) until it commits, the writer stops or the unit refuses. Answers go out after the commit.
 * Threads: aw_writer_run() from any thread but the writer's own. */
#ifndef AW_STORE_WRITER_H
#define AW_STORE_WRITER_H

#include "store.h"

struct aw_writer;
typedef bool aw_unit_fn(struct aw_tx *tx, void *arg, struct aw_err *err);

AW_MUST_CHECK bool aw_writer_start(struct aw_store *store, size_t queue_capacity,
                                   struct aw_writer **writer, struct aw_err *err);
/* Runs what is queued (for at most grace_ms), then ends the thread. */
void aw_writer_stop(struct aw_writer **writer, int64_t grace_ms);

enum aw_patience {
    AW_ONCE,   /* an API change: a store that is down is the caller's 503 */
    AW_PATIENT /* a drained batch: waits as long as it takes, ends early only when the writer stops (BUSY writer.stopping) */
};
/* Blocks until the unit has committed (true) or was refused (false, err). BUSY writer.full when the queue is full. */
AW_MUST_CHECK bool aw_writer_run(struct aw_writer *writer, const char *name, aw_unit_fn *unit,
                                 void *arg, enum aw_patience patience, struct aw_err *err);
/* Told on the writer thread after each commit (events to the hub, edge table): the names of the collections written
 * as a bit set over aw_model_schemas. One listener each of up to 4. */
void aw_writer_listen(struct aw_writer *writer, void (*told)(void *arg, uint64_t schemas),
                      void *arg);
/* Tells a unit that is stuck from a store that is: rises when a unit begins and ends to read or commit; odd = it waits
 * for the store. */
uint64_t aw_writer_turns(const struct aw_writer *writer);
/* Is the store down just now, and since when (mono ms, 0 = up)? A unit that hangs for 5 s counts. */
int64_t aw_writer_down_since(const struct aw_writer *writer);
bool aw_writer_is_fenced(const struct aw_writer *writer);

#endif
