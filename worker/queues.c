#include "queues.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/log.h"
#include "worker/pipeline/drain.h"

struct one_queue {
    const char *path;
    struct aw_queue queue;
    bool attached;
    bool told; /* that it is awaited */
};
struct aw_queues {
    struct aw_writer *writer;
    pthread_mutex_t lock; /* of `attached` and `queue` against the report */
    size_t n;
    struct one_queue v[AW_API_QUEUES];
    struct aw_drain_queue drained[AW_API_QUEUES];
    size_t drained_count; /* queues of the drain */
    struct aw_drain *drain;
};

struct aw_queues *aw_queues_create(struct aw_strs paths, struct aw_writer *writer)
{
    struct aw_queues *queues = calloc(1, sizeof(*queues));

    if (queues == NULL) {
        abort();
    }
    queues->writer = writer;
    queues->n = paths.n;
    pthread_mutex_init(&queues->lock, NULL);
    for (size_t i = 0; i < paths.n; i++) {
        queues->v[i].path = paths.v[i];
    }
    return queues;
}

static bool attach(struct aw_queues *queues, struct one_queue *one, struct aw_err *err)
{
    struct aw_queue queue;

    if (!aw_queue_open(&queue, one->path, 0, AW_FILE_CONSUMER | AW_FILE_ANY_FS, NULL, err)) {
        if (err->kind != AW_ERR_NOT_FOUND) {
            return false;
        }
        if (!one->told) {
            aw_log(AW_LOG_WARN, "queue.awaited", AW_S("path", one->path),
                   AW_S("mend", "start nginx with alertwhisper_queue of this path"));
            one->told = true;
        }
        return true;
    }
    pthread_mutex_lock(&queues->lock);
    one->queue = queue;
    one->attached = true;
    pthread_mutex_unlock(&queues->lock);
    aw_log(AW_LOG_INFO, "queue.attached", AW_S("path", one->path),
           AW_I("recovered", queue.recovered), AW_I("damaged", queue.damaged));
    return true;
}

/* A drain works on the queues that it began with: for one more it is begun anew. */
static bool drain_attached(struct aw_queues *queues, struct aw_err *err)
{
    size_t attached = 0;

    for (size_t i = 0; i < queues->n; i++) {
        attached += queues->v[i].attached;
    }
    if (attached == queues->drained_count) {
        return true;
    }
    if (queues->drain != NULL) {
        (void)aw_drain_stop(&queues->drain, 0);
        if (queues->drain != NULL) {
            return true; /* its batch waits for the store: at the next tick */
        }
    }
    queues->drained_count = 0;
    for (size_t i = 0; i < queues->n; i++) {
        if (queues->v[i].attached) {
            queues->drained[queues->drained_count++] =
                (struct aw_drain_queue){.name = queues->v[i].path, .queue = &queues->v[i].queue};
        }
    }
    struct aw_drain_conf conf = {.writer = queues->writer,
                                 .queues = queues->drained,
                                 .queue_count = queues->drained_count};
    return aw_drain_start(&conf, &queues->drain, err);
}

bool aw_queues_tick(struct aw_queues *queues, struct aw_err *err)
{
    for (size_t i = 0; i < queues->n; i++) {
        if (!queues->v[i].attached && !attach(queues, &queues->v[i], err)) {
            return false;
        }
    }
    return drain_attached(queues, err);
}

size_t aw_queues_report(struct aw_queues *queues, struct aw_api_queue out[AW_API_QUEUES])
{
    pthread_mutex_lock(&queues->lock);
    for (size_t i = 0; i < queues->n; i++) {
        struct one_queue *one = &queues->v[i];
        const char *slash = strrchr(one->path, '/');
        uint64_t oldest = 0;
        size_t len = strlen(slash ? slash + 1 : one->path);

        memset(&out[i], 0, sizeof(out[i]));
        memcpy(out[i].name, slash ? slash + 1 : one->path,
               len < sizeof(out[i].name) ? len : sizeof(out[i].name) - 1);
        out[i].attached = one->attached;
        out[i].retired = i > 0;
        if (one->attached) {
            aw_queue_depth(&one->queue, &out[i].bytes, &oldest);
            out[i].oldest_ms = (int64_t)oldest;
        }
    }
    pthread_mutex_unlock(&queues->lock);
    return queues->n;
}

bool aw_queues_oldest(struct aw_queues *queues, int64_t now_ms, int64_t *oldest_ms)
{
    *oldest_ms = now_ms;
    for (size_t i = 0; i < queues->n; i++) {
        struct one_queue *one = &queues->v[i];
        struct aw_err err;
        uint64_t received_ms;

        pthread_mutex_lock(&queues->lock);
        bool attached = one->attached;
        pthread_mutex_unlock(&queues->lock);
        if (!attached) {
            return false;
        }
        if (!aw_queue_oldest(&one->queue, &received_ms, &err)) {
            aw_log(AW_LOG_WARN, "queue.oldest_unknown", AW_S("path", one->path), AW_E(&err));
            return false;
        }
        if (received_ms != 0 && (int64_t)received_ms < *oldest_ms) {
            *oldest_ms = (int64_t)received_ms;
        }
    }
    return true;
}

bool aw_queues_stop(struct aw_queues *queues, int64_t grace_ms)
{
    return queues->drain == NULL || aw_drain_stop(&queues->drain, grace_ms);
}

void aw_queues_destroy(struct aw_queues **queues)
{
    if (*queues == NULL) {
        return;
    }
    if ((*queues)->drain != NULL) {
        (void)aw_drain_stop(&(*queues)->drain, 0);
    }
    for (size_t i = 0; i < (*queues)->n; i++) {
        if ((*queues)->v[i].attached) {
            aw_queue_close(&(*queues)->v[i].queue);
        }
    }
    pthread_mutex_destroy(&(*queues)->lock);
    free(*queues);
    *queues = NULL;
}
