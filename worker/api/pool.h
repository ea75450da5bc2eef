/* pool.h - a fixed number of threads that take jobs from a bounded queue.
 * Threads: push from any; start and stop from one. */
#ifndef AW_API_POOL_H
#define AW_API_POOL_H

#include "src/aw_err.h"

struct aw_pool;

AW_MUST_CHECK bool aw_pool_start(const char *name, size_t threads, size_t queue,
                                 void (*work)(void *job), struct aw_pool **pool,
                                 struct aw_err *err);
/* Runs what is queued, then ends the threads. */
void aw_pool_stop(struct aw_pool **pool);
AW_MUST_CHECK bool aw_pool_push(struct aw_pool *pool, void *job); /* false: full or stopping */

#endif
