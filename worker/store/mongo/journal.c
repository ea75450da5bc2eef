#include "mongo.h"

#include <stdatomic.h>
#include <string.h>

#include "worker/base/clock.h"
#include "worker/base/log.h"

#define JOURNAL         "journal"
#define ROW_MAX         (12 << 20) /* the server's limit of a document is 16 MiB */
#define VERIFY_EVERY_MS 5000
#define FIND_OUT_MS     300000
#define TAKE_OVER_TRIES 100

static mongoc_collection_t *journal_of(struct aw_mongo *self)
{
    return mongoc_database_get_collection(self->writer.db, JOURNAL);
}

static int64_t slot_of(const bson_t *row)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, row, "_id") ? bson_iter_as_int64(&it) : 0;
}

static void append_head(bson_t *row, struct aw_mongo *self, int64_t slot, const char *kind)
{
    BSON_APPEND_INT64(row, "_id", slot);
    BSON_APPEND_UTF8(row, "kind", kind);
    BSON_APPEND_UTF8(row, "owner", self->owner);
    BSON_APPEND_INT64(row, "attempt", self->attempt);
    BSON_APPEND_DATE_TIME(row, "at", aw_clock_wall_ms());
}

static void append_write(bson_t *list, size_t i, const struct aw_write *write)
{
    char buffer[16];
    const char *index;
    bson_t one, doc;
    bson_uint32_to_string((uint32_t)i, &index, buffer, sizeof(buffer));
    bson_append_document_begin(list, index, -1, &one);
    BSON_APPEND_UTF8(&one, "c", write->schema->name);
    BSON_APPEND_INT32(&one, "k", (int32_t)write->kind);
    BSON_APPEND_UTF8(&one, "i", write->id);
    BSON_APPEND_INT64(&one, "v", write->expect);
    if (write->kind != AW_WRITE_DELETE) {
        bson_append_document_begin(&one, "d", -1, &doc);
        aw_mongo_encode(write->schema, write->row, &doc);
        bson_append_document_end(&one, &doc);
    }
    bson_append_document_end(list, &one);
}

bson_t *aw_mongo_journal_row(struct aw_mongo *self, const struct aw_write *writes, size_t n,
                             struct aw_err *err)
{
    bson_t *row = NULL, *list = bson_new();
    for (size_t i = 0; i < n && list->len <= ROW_MAX; i++) {
        append_write(list, i, &writes[i]);
    }
    if (list->len > ROW_MAX) {
        aw_fail(err, AW_ERR_INVALID, "store.too_large", "a unit of %zu writes is over %d MiB", n,
                ROW_MAX >> 20);
    } else if (!aw_mongo_is_utf8(list)) {
        aw_fail(err, AW_ERR_INVALID, "store.refused", "a text of the unit is not UTF-8");
    } else {
        row = bson_new();
        self->attempt++;
        append_head(row, self, self->next_slot, "unit");
        BSON_APPEND_BOOL(row, "done", false);
        BSON_APPEND_BINARY(row, "writes", BSON_SUBTYPE_BINARY, bson_get_data(list), list->len);
    }
    bson_destroy(list);
    return row;
}

enum outcome { OUTCOME_DONE, OUTCOME_EXISTS, OUTCOME_REFUSED, OUTCOME_UNKNOWN };

static enum outcome put(struct aw_mongo *self, const bson_t *row, struct aw_err *err)
{
    bson_t *opts = BCON_NEW("validate", BCON_BOOL(false), "writeConcern", "{", "w", "majority", "j",
                            BCON_BOOL(true), "wtimeout", BCON_INT32(3000), "}");
    bson_t reply;
    bson_error_t error;
    mongoc_collection_t *journal = journal_of(self);
    enum outcome outcome = OUTCOME_DONE;
    if (!mongoc_collection_insert_one(journal, row, opts, &reply, &error)) {
        aw_mongo_fail(&error, err);
        /* A slot that is taken, but not yet on a majority, may become free again. */
        bool is_sure =
            !bson_has_field(&reply, "writeConcernErrors") && err->kind != AW_ERR_UNAVAILABLE;
        outcome = !is_sure                       ? OUTCOME_UNKNOWN
                  : err->kind == AW_ERR_CONFLICT ? OUTCOME_EXISTS
                                                 : OUTCOME_REFUSED;
    }
    bson_destroy(&reply);
    bson_destroy(opts);
    mongoc_collection_destroy(journal);
    return outcome;
}

static enum outcome put_barrier(struct aw_mongo *self, struct aw_err *err)
{
    bson_t row = BSON_INITIALIZER;
    append_head(&row, self, self->next_slot, "barrier");
    enum outcome outcome = put(self, &row, err);
    bson_destroy(&row);
    return outcome;
}

struct holder {
    const char *owner; /* of this process */
    bool is_there, is_ours, is_unit;
    int64_t attempt;
};

static bool take_holder(void *arg, const bson_t *doc)
{
    struct holder *holder = arg;
    bson_iter_t it;
    holder->is_there = true;
    holder->is_ours = bson_iter_init_find(&it, doc, "owner") && BSON_ITER_HOLDS_UTF8(&it) &&
                      strcmp(bson_iter_utf8(&it, NULL), holder->owner) == 0;
    holder->is_unit = bson_iter_init_find(&it, doc, "kind") && BSON_ITER_HOLDS_UTF8(&it) &&
                      strcmp(bson_iter_utf8(&it, NULL), "unit") == 0;
    holder->attempt = bson_iter_init_find(&it, doc, "attempt") ? bson_iter_as_int64(&it) : 0;
    return false;
}

/* Who holds the next slot? DONE: this very commit; REFUSED: not this commit; UNKNOWN: no answer. */
static enum outcome judge_slot(struct aw_mongo *self, struct aw_err *err)
{
    bson_t *filter = BCON_NEW("_id", BCON_INT64(self->next_slot));
    bson_t *opts = BCON_NEW("projection", "{", "kind", BCON_INT32(1), "owner", BCON_INT32(1),
                            "attempt", BCON_INT32(1), "}");
    struct holder holder = {.owner = self->owner};
    bool is_good = aw_mongo_find(&self->writer, JOURNAL, filter, opts, take_holder, &holder, err);
    bson_destroy(filter);
    bson_destroy(opts);
    if (!is_good || !holder.is_there) {
        return OUTCOME_UNKNOWN;
    }
    if (!holder.is_ours) {
        aw_mongo_fenced(self, err);
        return OUTCOME_REFUSED;
    }
    if (holder.is_unit && holder.attempt == self->attempt) {
        return OUTCOME_DONE;
    }
    /* Our own barrier, put by an earlier try of find_out(). */
    self->next_slot++;
    aw_fail(err, AW_ERR_UNAVAILABLE, "store.down", "the commit did not reach the database");
    return OUTCOME_REFUSED;
}

/* One look: a barrier that goes in says that the commit is not there and can never come; if the slot is taken, its row
 * tells. */
static enum outcome find_out_once(struct aw_mongo *self, struct aw_err *err)
{
    enum outcome outcome = put_barrier(self, err);
    if (outcome == OUTCOME_EXISTS) {
        return judge_slot(self, err);
    }
    if (outcome != OUTCOME_DONE) {
        return OUTCOME_UNKNOWN;
    }
    self->next_slot++;
    aw_fail(err, AW_ERR_UNAVAILABLE, "store.down", "the commit did not reach the database");
    return OUTCOME_REFUSED;
}

/* The answer to the insert was lost. When the first question has none either, the database is away: the writer, which
 * tells that otherwise, waits in here. */
static enum outcome find_out(struct aw_mongo *self, struct aw_err *err)
{
    int64_t start = aw_clock_mono_ms(), pause = 50;
    aw_log(AW_LOG_WARN, "mongo.outcome_unknown", AW_I("slot", self->next_slot), AW_E(err));
    for (bool is_down = false;
         aw_clock_mono_ms() - start < FIND_OUT_MS && !atomic_load(&self->gives_up);
         is_down = true) {
        enum outcome outcome = find_out_once(self, err);
        if (outcome != OUTCOME_UNKNOWN) {
            if (is_down) {
                aw_log(AW_LOG_INFO, "store.up", AW_I("after_ms", aw_clock_mono_ms() - start));
            }
            return outcome;
        }
        if (!is_down) {
            aw_log(AW_LOG_ERROR, "store.down", AW_E(err));
        }
        aw_clock_sleep_ms(pause);
        pause = pause < 1000 ? pause * 2 : 1000;
    }
    /* Neither answer would be true: only a new start, which reads the journal, can go on. */
    atomic_store(&self->is_fenced, true);
    aw_fail(err, AW_ERR_FENCED, "store.outcome_unknown", "no answer to a commit for %lld s",
            (long long)(aw_clock_mono_ms() - start) / 1000);
    return OUTCOME_REFUSED;
}

bool aw_mongo_journal_insert(struct aw_mongo *self, const bson_t *row, struct aw_err *err)
{
    int64_t start = aw_clock_mono_ms();
    enum outcome outcome = put(self, row, err);
    if (outcome == OUTCOME_EXISTS) {
        outcome = judge_slot(self, err);
    }
    if (outcome == OUTCOME_UNKNOWN) {
        outcome = find_out(self, err);
        start = aw_clock_mono_ms();
    }
    if (outcome != OUTCOME_DONE) {
        return false;
    }
    self->next_slot++;
    self->verified_ms = start;
    return true;
}

bool aw_mongo_journal_done(struct aw_mongo *self, const bson_t *row, struct aw_err *err)
{
    bson_t filter = BSON_INITIALIZER, small = BSON_INITIALIZER;
    BSON_APPEND_INT64(&filter, "_id", slot_of(row));
    bson_copy_to_excluding_noinit(row, &small, "done", "writes", NULL);
    BSON_APPEND_BOOL(&small, "done", true);
    mongoc_collection_t *journal = journal_of(self);
    bson_error_t error;
    bool is_good = mongoc_collection_replace_one(journal, &filter, &small, NULL, NULL, &error);
    mongoc_collection_destroy(journal);
    bson_destroy(&filter);
    bson_destroy(&small);
    return is_good || aw_mongo_fail(&error, err);
}

static bool take_slot(void *arg, const bson_t *doc)
{
    *(int64_t *)arg = slot_of(doc);
    return false;
}

static bool newest_slot(struct aw_mongo *self, int64_t *slot, struct aw_err *err)
{
    bson_t filter = BSON_INITIALIZER;
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "limit", BCON_INT64(1),
                            "projection", "{", "_id", BCON_INT32(1), "}");
    *slot = 0;
    bool is_good = aw_mongo_find(&self->writer, JOURNAL, &filter, opts, take_slot, slot, err);
    bson_destroy(&filter);
    bson_destroy(opts);
    return is_good;
}

bool aw_mongo_journal_is_ours(struct aw_mongo *self, struct aw_err *err)
{
    int64_t now = aw_clock_mono_ms(), slot;
    if (now - self->verified_ms < VERIFY_EVERY_MS && !atomic_load(&self->lease.is_lost)) {
        return true;
    }
    if (!newest_slot(self, &slot, err)) {
        return false;
    }
    if (slot != self->next_slot - 1) {
        return aw_mongo_fenced(self, err);
    }
    self->verified_ms = now;
    atomic_store(&self->lease.is_lost, false);
    return true;
}

static bool seize(struct aw_mongo *self, struct aw_err *err)
{
    for (int tries = 0; tries < TAKE_OVER_TRIES; tries++) {
        int64_t start = aw_clock_mono_ms(), slot;
        if (!newest_slot(self, &slot, err)) {
            return false;
        }
        self->next_slot = slot + 1;
        enum outcome outcome = put_barrier(self, err);
        if (outcome == OUTCOME_DONE) {
            self->next_slot++;
            self->verified_ms = start;
            AW_CRASH("mongo.take_over.barrier");
            return true;
        }
        if (outcome != OUTCOME_EXISTS) {
            return false;
        }
    }
    return aw_fail(err, AW_ERR_BUSY, "store.standby", "another writer goes on committing");
}

struct replay {
    struct aw_mongo *self;
    struct aw_err *err;
    int64_t rows;
    bool is_good;
};

static bool replay_row(void *arg, const bson_t *row)
{
    struct replay *replay = arg;
    replay->rows++;
    replay->is_good = aw_mongo_apply(replay->self, row, replay->err);
    AW_CRASH("mongo.take_over.applied");
    replay->is_good = replay->is_good && aw_mongo_journal_done(replay->self, row, replay->err);
    return replay->is_good;
}

bool aw_mongo_journal_take_over(struct aw_mongo *self, struct aw_err *err)
{
    if (!seize(self, err)) {
        return false;
    }
    self->swept_slot = 0;
    bson_t *filter = BCON_NEW("done", BCON_BOOL(false));
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    struct replay replay = {self, err, 0, true};
    bool is_good = aw_mongo_find(&self->writer, JOURNAL, filter, opts, replay_row, &replay, err) &&
                   replay.is_good;
    bson_destroy(filter);
    bson_destroy(opts);
    if (is_good) {
        aw_log(AW_LOG_INFO, "mongo.took_over", AW_I("slot", self->next_slot - 1),
               AW_I("replayed", replay.rows));
    }
    return is_good;
}

void aw_mongo_journal_sweep(struct aw_mongo *self)
{
    bson_t *filter =
        BCON_NEW("_id", "{", "$lt", BCON_INT64(self->next_slot - 1), "}", "done", BCON_BOOL(true));
    mongoc_collection_t *journal = journal_of(self);
    bson_error_t error;
    struct aw_err err;
    if (mongoc_collection_delete_many(journal, filter, NULL, NULL, &error)) {
        self->swept_slot = self->next_slot - 1;
    } else {
        aw_mongo_fail(&error, &err);
        aw_log(AW_LOG_INFO, "mongo.sweep_failed", AW_E(&err));
    }
    mongoc_collection_destroy(journal);
    bson_destroy(filter);
}
