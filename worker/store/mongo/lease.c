#include "mongo.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/thread.h"

#define LEASE    "lease"
#define LEASE_MS 15000
#define RENEW_MS 5000

/* Who holds the lease: enough to tell, on the same machine, that he is dead. */
struct process {
    char host[128];       /* boot id and PID namespace */
    int64_t pid, started; /* start time in clock ticks since boot: proc(5), field 22 */
};

static void read_host(char *host, size_t size)
{
    char boot[40] = "", space[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        if (fgets(boot, sizeof(boot), file) == NULL) {
            boot[0] = '\0';
        }
        fclose(file);
    }
    boot[strcspn(boot, "\n")] = '\0';
    ssize_t len = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);
    space[len > 0 ? len : 0] = '\0';
    snprintf(host, size, "%s %s", boot, space);
}

/* 0: there is no such process. */
static int64_t read_started(int64_t pid)
{
    char path[40], text[1024];
    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    /* The name of the program, field 2, may hold anything but ends at the last bracket. */
    const char *at = strrchr(text, ')');
    long long started = 0;
    if (at == NULL ||
        sscanf(at + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
               &started) != 1) {
        return 0;
    }
    return started;
}

static struct process this_process(void)
{
    struct process me = {.pid = getpid()};
    read_host(me.host, sizeof(me.host));
    me.started = read_started(me.pid);
    return me;
}

struct holder {
    const char *owner; /* of this store */
    struct process me;
    bool is_other, is_dead;
    int64_t renewed_ms;
};

static const char *text_of(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "";
}

static int64_t number_of(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) ? bson_iter_as_int64(&it) : 0;
}

static bool take_holder(void *arg, const bson_t *doc)
{
    struct holder *holder = arg;
    bson_iter_t it;
    holder->is_other = strcmp(text_of(doc, "owner"), holder->owner) != 0;
    holder->renewed_ms = bson_iter_init_find(&it, doc, "renewed") && BSON_ITER_HOLDS_DATE_TIME(&it)
                             ? bson_iter_date_time(&it)
                             : 0;
    holder->is_dead = strcmp(text_of(doc, "host"), holder->me.host) == 0 &&
                      read_started(number_of(doc, "pid")) != number_of(doc, "started");
    return false;
}

static bool read_holder(struct aw_mongo *self, struct aw_mongo_reader *reader,
                        struct holder *holder, struct aw_err *err)
{
    *holder = (struct holder){.owner = self->owner, .me = this_process()};
    bson_t *filter = BCON_NEW("_id", "writer");
    bson_t opts = BSON_INITIALIZER;
    bool is_good = aw_mongo_find(reader, LEASE, filter, &opts, take_holder, holder, err);
    bson_destroy(filter);
    bson_destroy(&opts);
    return is_good;
}

/* Writes the row; renewed_ms 0 gives it back. */
static bool write_lease(struct aw_mongo *self, struct aw_mongo_reader *reader,
                        const struct process *me, int64_t renewed_ms, struct aw_err *err)
{
    bson_t *filter = BCON_NEW("_id", "writer");
    bson_t *opts = BCON_NEW("upsert", BCON_BOOL(true));
    bson_t *doc = BCON_NEW("_id", "writer", "owner", self->owner, "host", me->host, "pid",
                           BCON_INT64(me->pid), "started", BCON_INT64(me->started), "renewed",
                           BCON_DATE_TIME(renewed_ms));
    mongoc_collection_t *lease = mongoc_database_get_collection(reader->db, LEASE);
    bson_error_t error;
    bool is_good = mongoc_collection_replace_one(lease, filter, doc, opts, NULL, &error);
    mongoc_collection_destroy(lease);
    bson_destroy(filter);
    bson_destroy(opts);
    bson_destroy(doc);
    return is_good || aw_mongo_fail(&error, err);
}

bool aw_mongo_lease_take(struct aw_mongo *self, struct aw_err *err)
{
    struct holder holder;
    if (!read_holder(self, &self->writer, &holder, err)) {
        return false;
    }
    int64_t age = aw_clock_wall_ms() - holder.renewed_ms;
    if (holder.is_other && !holder.is_dead && age < LEASE_MS) {
        return aw_fail(err, AW_ERR_BUSY, "store.standby",
                       "another writer holds this database (seen %lld ms ago)", (long long)age);
    }
    self->lease.is_taken = write_lease(self, &self->writer, &holder.me, aw_clock_wall_ms(), err);
    return self->lease.is_taken;
}

static bool renew(struct aw_mongo *self, struct aw_err *err)
{
    struct aw_mongo_reader reader = {0};
    struct holder holder;
    if (!aw_mongo_connect(self, &reader, err)) {
        return false;
    }
    bool is_good = read_holder(self, &reader, &holder, err);
    if (is_good && holder.is_other) {
        /* Who is the writer, the journal decides. */
        atomic_store(&self->lease.is_lost, true);
        aw_log(AW_LOG_WARN, "mongo.lease_lost", AW_S("owner", self->owner));
    } else if (is_good) {
        is_good = write_lease(self, &reader, &holder.me, aw_clock_wall_ms(), err);
    }
    aw_mongo_disconnect(&reader);
    return is_good;
}

static void *keep(void *arg)
{
    struct aw_mongo *self = arg;
    struct aw_mongo_lease *lease = &self->lease;
    pthread_mutex_lock(&lease->mutex);
    while (!lease->stop) {
        int64_t due_us = aw_clock_mono_us() + INT64_C(1000) * RENEW_MS;
        while (!lease->stop && aw_cond_wait_until(&lease->changed, &lease->mutex, due_us)) {
        }
        if (!lease->stop) {
            struct aw_err err;
            pthread_mutex_unlock(&lease->mutex);
            if (!renew(self, &err)) {
                aw_log(AW_LOG_INFO, "mongo.lease_not_renewed", AW_E(&err));
            }
            pthread_mutex_lock(&lease->mutex);
        }
    }
    pthread_mutex_unlock(&lease->mutex);
    return NULL;
}

bool aw_mongo_lease_start(struct aw_mongo *self, struct aw_err *err)
{
    aw_cond_init(&self->lease.changed);
    pthread_mutex_init(&self->lease.mutex, NULL);
    self->lease.is_running = aw_thread_start(&self->lease.thread, "aw-lease", keep, self, err);
    return self->lease.is_running;
}

static void stop_thread(struct aw_mongo_lease *lease)
{
    pthread_mutex_lock(&lease->mutex);
    lease->stop = true;
    pthread_cond_signal(&lease->changed);
    pthread_mutex_unlock(&lease->mutex);
    pthread_join(lease->thread, NULL);
    pthread_mutex_destroy(&lease->mutex);
    pthread_cond_destroy(&lease->changed);
}

void aw_mongo_lease_stop(struct aw_mongo *self)
{
    struct holder holder;
    struct aw_err err;
    if (self->lease.is_running) {
        stop_thread(&self->lease);
    }
    if (self->lease.is_taken && !atomic_load(&self->is_fenced) &&
        (!read_holder(self, &self->writer, &holder, &err) ||
         (!holder.is_other && !write_lease(self, &self->writer, &holder.me, 0, &err)))) {
        aw_log(AW_LOG_INFO, "mongo.lease_not_returned", AW_E(&err));
    }
}
