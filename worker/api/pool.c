#include "pool.h"

#include <stdlib.h>

#include "worker/base/bounded.h"
#include "worker/base/thread.h"

struct aw_pool {
    struct aw_bounded *queue;
    void (*work)(void *job);
    size_t count;
    pthread_t threads[];
};

static void *run(void *arg)
{
    struct aw_pool *pool = arg;
    void *job;
    while ((job = aw_bounded_pop(pool->queue, -1))) {
        pool->work(job);
    }
    return NULL;
}

bool aw_pool_start(const char *name, size_t threads, size_t queue, void (*work)(void *job),
                   struct aw_pool **pool, struct aw_err *err)
{
    struct aw_pool *made = calloc(1, sizeof(*made) + threads * sizeof(made->threads[0]));
    if (!made) {
        return aw_fail_errno(err, "api.memory", "no memory for threads");
    }
    made->queue = aw_bounded_create(queue);
    made->work = work;
    for (; made->count < threads; made->count++) {
        if (!aw_thread_start(&made->threads[made->count], name, run, made, err)) {
            aw_pool_stop(&made);
            return false;
        }
    }
    *pool = made;
    return true;
}

void aw_pool_stop(struct aw_pool **pool)
{
    struct aw_pool *gone = *pool;
    if (!gone) {
        return;
    }
    aw_bounded_close(gone->queue);
    for (size_t i = 0; i < gone->count; i++) {
        pthread_join(gone->threads[i], NULL);
    }
    aw_bounded_destroy(&gone->queue);
    free(gone);
    *pool = NULL;
}

bool aw_pool_push(struct aw_pool *pool, void *job)
{
    return aw_bounded_try_push(pool->queue, job);
}
