#include "worker/base/bounded.h"

#include <pthread.h>

#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/thread.h"

struct aw_bounded {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    void **items;
    size_t capacity, first, count;
    bool closed;
};

struct aw_bounded *aw_bounded_create(size_t capacity)
{
    struct aw_bounded *queue = aw_alloc_zero(1, sizeof(*queue));
    queue->capacity = capacity;
    queue->items = aw_alloc_zero(capacity, sizeof(*queue->items));
    pthread_mutex_init(&queue->lock, NULL);
    aw_cond_init(&queue->filled);
    aw_cond_init(&queue->emptied);
    return queue;
}

void aw_bounded_destroy(struct aw_bounded **queue)
{
    if (*queue != NULL) {
        pthread_cond_destroy(&(*queue)->filled);
        pthread_cond_destroy(&(*queue)->emptied);
        pthread_mutex_destroy(&(*queue)->lock);
        free((*queue)->items);
        free(*queue);
        *queue = NULL;
    }
}

static int64_t deadline_of(int64_t timeout_ms)
{
    return aw_clock_mono_us() + timeout_ms * 1000;
}

/* True: woken, the condition is to be looked at again. A timeout of -1 waits for ever. */
static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms,
                       int64_t deadline)
{
    return timeout_ms < 0 ? pthread_cond_wait(cond, lock) == 0
                          : aw_cond_wait_until(cond, lock, deadline);
}

bool aw_bounded_push(struct aw_bounded *queue, void *item, int64_t timeout_ms)
{
    int64_t deadline = deadline_of(timeout_ms);
    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->count == queue->capacity &&
           wait_until(&queue->emptied, &queue->lock, timeout_ms, deadline)) {
    }
    bool fits = !queue->closed && queue->count < queue->capacity;
    if (fits) {
        queue->items[(queue->first + queue->count++) % queue->capacity] = item;
        pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
    return fits;
}

bool aw_bounded_try_push(struct aw_bounded *queue, void *item)
{
    return aw_bounded_push(queue, item, 0);
}

void *aw_bounded_pop(struct aw_bounded *queue, int64_t timeout_ms)
{
    int64_t deadline = deadline_of(timeout_ms);
    void *item = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed &&
           wait_until(&queue->filled, &queue->lock, timeout_ms, deadline)) {
    }
    if (queue->count > 0) {
        item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        pthread_cond_signal(&queue->emptied);
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void aw_bounded_close(struct aw_bounded *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_cond_broadcast(&queue->emptied);
    pthread_mutex_unlock(&queue->lock);
}

bool aw_bounded_is_closed(struct aw_bounded *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}

size_t aw_bounded_count(struct aw_bounded *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
