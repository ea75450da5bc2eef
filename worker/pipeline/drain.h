/* drain.h - the thread that carries records from the queue files into the store.
 *
 * It reads and decodes 1,000 records from the queues of its list in turn, up to 2,000 while they are backed up and
 * commits are fast, or what it can in 20 ms, hands the batch to the writer as a patient unit, and releases the records
 * after the commit. Nothing is released before that. A record that breaks the worker itself is tried alone and put
 * into dead_letters after five times (W12). Threads: start and stop from the main thread; the
 * figures from any. Owner: the queues are the caller's, open as consumer, and must live until
 * aw_drain_stop() has returned. */
#ifndef AW_PIPELINE_DRAIN_H
#define AW_PIPELINE_DRAIN_H

#include "src/aw_queue.h"
#include "worker/store/writer.h"

struct aw_drain;

struct aw_drain_queue {
    const char *name; /* label of the metrics: the path */
    struct aw_queue *queue;
};
struct aw_drain_conf {
    struct aw_writer *writer;
    struct aw_drain_queue *queues; /* kept, not copied */
    size_t queue_count;            /* 1-16 */
    size_t batch_records;          /* at most, 0 = 2,000 */
    int64_t batch_us;              /* for reading and decoding, 0 = 20,000 */
    int64_t linger_us;             /* longest wait for more records under load, 0 = 200 */
};
AW_MUST_CHECK bool aw_drain_start(const struct aw_drain_conf *conf, struct aw_drain **drain,
                                  struct aw_err *err);
/* Asks the thread to end once the queues are empty or grace_ms are over, and waits for it so long. True: everything was
 * drained. False with *drain NULL: records are left in the queues, for the next start. False with *drain kept: the batch
 * in hand waits for a store that is down; stop the writer, then call again. */
bool aw_drain_stop(struct aw_drain **drain, int64_t grace_ms);
/* Records released since the start. */
uint64_t aw_drain_released(const struct aw_drain *drain);

#endif
