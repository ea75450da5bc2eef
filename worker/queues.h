/* queues.h - the queue files of the configuration: each is attached as soon as it is there, then
 * drained.
 *
 * nginx makes the file; a worker that comes first waits and says so. Every file has a drain of its
 * own; all of them meet in the one writer. Threads: tick and stop from the main thread, the report
 * from any. */
#ifndef AW_QUEUES_H
#define AW_QUEUES_H

#include "worker/api/api.h"
#include "worker/store/writer.h"

struct aw_queues;

struct aw_queues *aw_queues_create(struct aw_strs paths, struct aw_writer *writer);
/* Attaches what is there and not attached yet. False: a file is unusable or has another consumer.
 */
AW_MUST_CHECK bool aw_queues_tick(struct aw_queues *queues, struct aw_err *err);
size_t aw_queues_report(struct aw_queues *queues, struct aw_api_queue out[AW_API_QUEUES]);
/* Received time of the oldest record that can still come out of any of them, also after a power cut; now_ms when there
 * is none. False: a file is not attached or not readable just now. Syncs the files: blocks. Any thread between create
 * and stop. */
AW_MUST_CHECK bool aw_queues_oldest(struct aw_queues *queues, int64_t now_ms, int64_t *oldest_ms);
/* Drains for at most grace_ms. Returns whether everything was drained; a batch that waits for a store that is down goes
 * on waiting until the writer has stopped. */
bool aw_queues_stop(struct aw_queues *queues, int64_t grace_ms);
/* After aw_queues_stop() and the stop of the writer: detaches. NULL is allowed. */
void aw_queues_destroy(struct aw_queues **queues);

#endif
