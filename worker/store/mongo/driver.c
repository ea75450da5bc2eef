#include "mongo.h"

#include <stdatomic.h>
#include <stdio.h>

#include "worker/base/alloc.h"
#include "worker/base/clock.h"
#include "worker/base/crypto.h"
#include "worker/base/log.h"

/* Journal rows that are done and may pile up: between commits, and at most. */
#define SWEEP_IDLE 64
#define SWEEP_BUSY 1024

/* What the connection string does not say. */
static const struct {
    const char *name;
    int32_t value;
} uri_defaults[] = {
    {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 2000},
    {MONGOC_URI_CONNECTTIMEOUTMS, 2000},
    {MONGOC_URI_SOCKETTIMEOUTMS, 5000},
    {MONGOC_URI_HEARTBEATFREQUENCYMS, 5000},
    {MONGOC_URI_WAITQUEUETIMEOUTMS, 1000},
    {MONGOC_URI_MAXPOOLSIZE, 16},
    {MONGOC_URI_WTIMEOUTMS, 3000},
};

static void log_driver(mongoc_log_level_t level, const char *domain, const char *message, void *arg)
{
    (void)arg;
    aw_log(AW_LOG_DEBUG, "mongo.driver", AW_S("level", mongoc_log_level_str(level)),
           AW_S("domain", domain), AW_S("message", message));
}

static void init_library(void)
{
    mongoc_init();
    mongoc_log_set_handler(log_driver, NULL);
}

static mongoc_uri_t *parse_uri(const char *text, struct aw_err *err)
{
    bson_error_t error;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text != NULL ? text : "", &error);
    if (uri == NULL) {
        aw_fail(err, AW_ERR_INVALID, "store.uri", "the MongoDB URI cannot be read: %s",
                error.message);
        return NULL;
    }
    if (mongoc_uri_get_database(uri) == NULL) {
        mongoc_uri_destroy(uri);
        aw_fail(err, AW_ERR_INVALID, "store.uri",
                "the MongoDB URI names no database (mongodb://host/NAME)");
        return NULL;
    }
    if (!mongoc_uri_has_option(uri, MONGOC_URI_W)) {
        mongoc_write_concern_t *majority = mongoc_write_concern_new();
        mongoc_write_concern_set_w(majority, MONGOC_WRITE_CONCERN_W_MAJORITY);
        mongoc_uri_set_write_concern(uri, majority);
        mongoc_write_concern_destroy(majority);
    }
    for (size_t i = 0; i < AW_COUNT(uri_defaults); i++) {
        if (!mongoc_uri_has_option(uri, uri_defaults[i].name)) {
            mongoc_uri_set_option_as_int32(uri, uri_defaults[i].name, uri_defaults[i].value);
        }
    }
    if (mongoc_uri_get_appname(uri) == NULL) {
        mongoc_uri_set_appname(uri, "alertwhisper");
    }
    return uri;
}

bool aw_mongo_connect(struct aw_mongo *self, struct aw_mongo_reader *reader, struct aw_err *err)
{
    reader->self = self;
    reader->client = mongoc_client_pool_pop(self->pool);
    if (reader->client == NULL) {
        return aw_fail(err, AW_ERR_BUSY, "store.connections",
                       "every connection to the database is in use");
    }
    reader->db = mongoc_client_get_database(reader->client, mongoc_uri_get_database(self->uri));
    return true;
}

void aw_mongo_disconnect(struct aw_mongo_reader *reader)
{
    if (reader->client != NULL) {
        mongoc_database_destroy(reader->db);
        mongoc_client_pool_push(reader->self->pool, reader->client);
        reader->client = NULL;
    }
}

static void mongo_close(void *self_)
{
    struct aw_mongo *self = self_;
    aw_mongo_lease_stop(self);
    aw_mongo_disconnect(&self->writer);
    if (self->pending != NULL) {
        bson_destroy(self->pending);
    }
    aw_mongo_known_free(&self->known);
    mongoc_client_pool_destroy(self->pool);
    mongoc_uri_destroy(self->uri);
    free(self);
}

static bool open_reader(struct aw_mongo *self, struct aw_err *err)
{
    struct aw_mongo_reader reader = {0};
    bool is_new, is_good = aw_mongo_connect(self, &reader, err) &&
                           aw_mongo_check_version(&reader, &is_new, err);
    aw_mongo_disconnect(&reader);
    return is_good;
}

static bool open_writer(struct aw_mongo *self, const struct aw_schema *const *schemas,
                        struct aw_err *err)
{
    if (!aw_mongo_connect(self, &self->writer, err)) {
        return false;
    }
    /* Whatever the connection string says of reads, the writer decides by the primary's rows. */
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_database_set_read_prefs(self->writer.db, primary);
    mongoc_read_prefs_destroy(primary);
    self->writer.is_writer = true;
    bool is_new;
    return aw_mongo_check_version(&self->writer, &is_new, err) && aw_mongo_lease_take(self, err) &&
           aw_mongo_journal_take_over(self, err) && aw_mongo_migrate(self, is_new, schemas, err) &&
           aw_mongo_lease_start(self, err);
}

static bool mongo_ping(void *self_, struct aw_err *err)
{
    struct aw_mongo *self = self_;
    struct aw_mongo_reader reader = {0};
    if (!aw_mongo_connect(self, &reader, err)) {
        return false;
    }
    bson_t command = BSON_INITIALIZER;
    bson_error_t error;
    BSON_APPEND_INT32(&command, "ping", 1);
    bool is_good = mongoc_database_command_simple(reader.db, &command, NULL, NULL, &error);
    bson_destroy(&command);
    aw_mongo_disconnect(&reader);
    return is_good || aw_mongo_fail(&error, err);
}

static bool mongo_open(void **self_, const struct aw_store_conf *conf, bool read_only,
                       const struct aw_schema *const *schemas, struct aw_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    mongoc_uri_t *uri = parse_uri(conf->uri, err);
    if (uri == NULL) {
        return false;
    }
    bson_error_t error;
    mongoc_client_pool_t *pool = mongoc_client_pool_new_with_error(uri, &error);
    if (pool == NULL) {
        mongoc_uri_destroy(uri);
        return aw_fail(err, AW_ERR_INVALID, "store.uri", "MongoDB: %s", error.message);
    }
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    struct aw_mongo *self = aw_alloc_zero(1, sizeof(*self));
    self->uri = uri;
    self->pool = pool;
    uint64_t random[2];
    aw_random(random, sizeof(random));
    snprintf(self->owner, sizeof(self->owner), "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    if (!(read_only ? open_reader(self, err) : open_writer(self, schemas, err))) {
        mongo_close(self);
        return false;
    }
    *self_ = self;
    return true;
}

static bool mongo_read_begin(void *self, void **reader_, struct aw_err *err)
{
    struct aw_mongo_reader *reader = aw_alloc_zero(1, sizeof(*reader));
    if (!aw_mongo_connect(self, reader, err)) {
        free(reader);
        return false;
    }
    *reader_ = reader;
    return true;
}

static void mongo_read_end(void *self, void *reader)
{
    (void)self;
    aw_mongo_disconnect(reader);
    free(reader);
}

static void *mongo_write_reader(void *self)
{
    return &((struct aw_mongo *)self)->writer;
}

bool aw_mongo_settle(struct aw_mongo *self, struct aw_err *err)
{
    if (atomic_load(&self->is_fenced)) {
        return aw_mongo_fenced(self, err);
    }
    if (self->pending == NULL) {
        return true;
    }
    if (!aw_mongo_apply(self, self->pending, err)) {
        return false;
    }
    AW_CRASH("mongo.commit.applied");
    if (!aw_mongo_journal_done(self, self->pending, err)) {
        return false;
    }
    AW_CRASH("mongo.commit.done");
    bson_destroy(self->pending);
    self->pending = NULL;
    return true;
}

static bool mongo_commit(void *self_, const struct aw_write *writes, size_t n, struct aw_err *err)
{
    struct aw_mongo *self = self_;
    if (n == 0) {
        return true;
    }
    bool is_good = aw_mongo_settle(self, err) && aw_mongo_check(self, writes, n, err);
    aw_mongo_known_forget(&self->known);
    if (!is_good) {
        return false;
    }
    bson_t *row = aw_mongo_journal_row(self, writes, n, err);
    if (row == NULL) {
        return false;
    }
    AW_CRASH("mongo.commit.before_journal");
    if (!aw_mongo_journal_insert(self, row, err)) {
        bson_destroy(row);
        return false;
    }
    AW_CRASH("mongo.commit.after_journal");
    self->pending = row;
    /* The unit is committed. If it cannot be applied just now, the next use of the writer begins
     * with it. */
    struct aw_err delay;
    if (!aw_mongo_settle(self, &delay)) {
        aw_log(AW_LOG_WARN, "mongo.apply_delayed", AW_E(&delay));
    } else if (self->next_slot - self->swept_slot > SWEEP_BUSY) {
        aw_mongo_journal_sweep(self);
    }
    return true;
}

static void mongo_idle(void *self_)
{
    struct aw_mongo *self = self_;
    struct aw_err err;
    aw_mongo_known_forget(&self->known);
    if (!aw_mongo_settle(self, &err)) {
        return;
    }
    if (atomic_load(&self->lease.is_lost) && !aw_mongo_journal_is_ours(self, &err)) {
        aw_log(AW_LOG_WARN, "mongo.idle", AW_E(&err));
        return;
    }
    if (self->next_slot - self->swept_slot > SWEEP_IDLE) {
        aw_mongo_journal_sweep(self);
    }
}

static void mongo_give_up(void *self)
{
    atomic_store(&((struct aw_mongo *)self)->gives_up, true);
}

const struct aw_driver aw_driver_mongo = {
    .name = "mongo",
    .open = mongo_open,
    .close = mongo_close,
    .ping = mongo_ping,
    .read_begin = mongo_read_begin,
    .read_end = mongo_read_end,
    .write_reader = mongo_write_reader,
    .get_many = aw_mongo_get_many,
    .each = aw_mongo_each,
    .count = aw_mongo_count,
    .commit = mongo_commit,
    .idle = mongo_idle,
    .give_up = mongo_give_up,
};
