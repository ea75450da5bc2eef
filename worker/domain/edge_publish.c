#include "edge_publish.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/thread.h"
#include "worker/model/model.h"

#define RETRY_MS 1000

struct aw_edge_publisher {
    char *path;
    struct aw_store *store;
    struct aw_sealer *sealer;
    pthread_t thread;
    uint64_t watched;    /* bits of the collections that the table is made of */
    struct aw_edge edge; /* of the thread alone */
    bool open;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool dirty, stop; /* under the lock, as is the status */
    struct aw_edge_status status;
};

static const struct aw_schema *const sources[] = {
    &aw_company_schema,    &aw_api_key_schema, &aw_webhook_security_schema,
    &aw_rate_limit_schema, &aw_asset_schema,
};

static uint64_t watched_bits(void)
{
    uint64_t bits = 0;
    for (size_t i = 0; aw_model_schemas[i]; i++) {
        for (size_t k = 0; k < AW_COUNT(sources); k++) {
            bits |= aw_model_schemas[i] == sources[k] ? 1ull << i : 0;
        }
    }
    return bits;
}

void aw_edge_publisher_kick(struct aw_edge_publisher *publisher)
{
    pthread_mutex_lock(&publisher->lock);
    publisher->dirty = true;
    publisher->status.current = false;
    pthread_cond_signal(&publisher->wake);
    pthread_mutex_unlock(&publisher->lock);
}

static void committed(void *arg, uint64_t schemas)
{
    struct aw_edge_publisher *publisher = arg;
    if (schemas & publisher->watched) {
        aw_edge_publisher_kick(publisher);
    }
}

/* Is the mapped file still the one at the path? nginx may have made another while it was down. */
static bool is_same_file(const struct aw_edge_publisher *publisher)
{
    struct stat mapped, there;
    return fstat(publisher->edge.fd, &mapped) == 0 && stat(publisher->path, &there) == 0 &&
           mapped.st_ino == there.st_ino && mapped.st_dev == there.st_dev;
}

static bool attach(struct aw_edge_publisher *publisher, struct aw_err *err)
{
    if (publisher->open) {
        return true;
    }
    publisher->open =
        aw_edge_open(&publisher->edge, publisher->path, 0, AW_FILE_CONSUMER, NULL, err);
    return publisher->open;
}

static bool publish(struct aw_edge_publisher *publisher, struct aw_err *err)
{
    struct aw_reader *reader;
    struct aw_edge_company_in *companies;
    size_t n;
    if (!attach(publisher, err) || !aw_store_read_begin(publisher->store, &reader, err)) {
        return false;
    }
    struct aw_arena *arena = aw_arena_create(0);
    bool ok = aw_edge_table_build(reader, publisher->sealer, arena, &companies, &n, err);
    aw_store_read_end(&reader);
    ok = ok && aw_edge_publish(&publisher->edge, companies, n, err);
    if (ok) {
        aw_log(AW_LOG_INFO, "edge.published", AW_I("companies", n),
               AW_I("generation", aw_edge_generation(&publisher->edge)));
    }
    aw_arena_destroy(&arena);
    return ok;
}

/* Under the lock. */
static void note(struct aw_edge_publisher *publisher, bool ok, const struct aw_err *err)
{
    struct aw_edge_status *status = &publisher->status;
    if (ok) {
        status->generation = aw_edge_generation(&publisher->edge);
        status->published_ms = aw_clock_wall_ms();
        status->code[0] = '\0';
    } else {
        /* the same reason every second is told once */
        if (strcmp(status->code, err->code) != 0) {
            aw_log(AW_LOG_WARN, "edge.publish_failed", AW_E(err));
        }
        memcpy(status->code, err->code, sizeof(status->code));
        publisher->dirty = true;
    }
    status->current = !publisher->dirty;
}

/* Under the lock: until there is something to do; true = stop. */
static bool wait_for_work(struct aw_edge_publisher *publisher, bool failed)
{
    int64_t until_us = aw_clock_mono_us() + INT64_C(1000) * RETRY_MS;
    while (!publisher->stop && (failed || !publisher->dirty) &&
           aw_cond_wait_until(&publisher->wake, &publisher->lock, until_us)) {
    }
    return publisher->stop;
}

static void *run(void *arg)
{
    struct aw_edge_publisher *publisher = arg;
    bool failed = false;
    pthread_mutex_lock(&publisher->lock);
    for (;;) {
        if (publisher->dirty) {
            publisher->dirty = false;
            pthread_mutex_unlock(&publisher->lock);
            struct aw_err err;
            bool ok = publish(publisher, &err);
            pthread_mutex_lock(&publisher->lock);
            note(publisher, ok, &err);
            failed = !ok;
        }
        if (wait_for_work(publisher, failed)) {
            break;
        }
        if (publisher->open && !is_same_file(publisher)) {
            aw_edge_close(&publisher->edge);
            publisher->open = false;
            publisher->dirty = true;
            publisher->status.current = false;
        }
    }
    pthread_mutex_unlock(&publisher->lock);
    return NULL;
}

bool aw_edge_publisher_start(const char *path, struct aw_store *store, struct aw_sealer *sealer,
                             struct aw_writer *writer, struct aw_edge_publisher **publisher,
                             struct aw_err *err)
{
    struct aw_edge_publisher *made = calloc(1, sizeof(*made));
    if (!made || !(made->path = strdup(path))) {
        free(made);
        return aw_fail_errno(err, "edge.memory", "no memory for the edge publisher");
    }
    made->store = store;
    made->sealer = sealer;
    made->watched = watched_bits();
    made->dirty = true;
    pthread_mutex_init(&made->lock, NULL);
    aw_cond_init(&made->wake);
    if (!aw_thread_start(&made->thread, "edge", run, made, err)) {
        pthread_cond_destroy(&made->wake);
        pthread_mutex_destroy(&made->lock);
        free(made->path);
        free(made);
        return false;
    }
    if (writer) {
        aw_writer_listen(writer, committed, made);
    }
    *publisher = made;
    return true;
}

void aw_edge_publisher_stop(struct aw_edge_publisher **publisher)
{
    struct aw_edge_publisher *gone = *publisher;
    if (!gone) {
        return;
    }
    pthread_mutex_lock(&gone->lock);
    gone->stop = true;
    pthread_cond_signal(&gone->wake);
    pthread_mutex_unlock(&gone->lock);
    pthread_join(gone->thread, NULL);
    if (gone->open) {
        aw_edge_close(&gone->edge);
    }
    pthread_cond_destroy(&gone->wake);
    pthread_mutex_destroy(&gone->lock);
    free(gone->path);
    free(gone);
    *publisher = NULL;
}

void aw_edge_publisher_status(struct aw_edge_publisher *publisher, struct aw_edge_status *status)
{
    pthread_mutex_lock(&publisher->lock);
    *status = publisher->status;
    pthread_mutex_unlock(&publisher->lock);
}
