/* mongo_kit.h - a schema with every type of field, and a MongoDB database for a test.
 * The server is the one of AW_TEST_MONGO_URI. */
#ifndef AW_T_MONGO_KIT_H
#define AW_T_MONGO_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/store/mongo/mongo.h"

struct aw_inner {
    const char *word;
    int64_t number;
};
struct aw_thing {
    const char *id;
    int64_t version;
    const char *company_id, *name;
    int64_t count, at;
    bool flag;
    int colour;
    struct aw_bytes bytes;
    struct aw_strs words;
    const void *inner;
    const char *raw;
};

static const struct aw_field inner_fields[] = {
    AW_FIELD(aw_inner, word, STR),
    AW_FIELD(aw_inner, number, I64),
};
static const struct aw_schema inner_schema =
    AW_SCHEMA(aw_inner, "inner", inner_fields, NULL, 0, NULL);
static const char *const colour_words[] = {"red", "green", "blue", NULL};
static const struct aw_field thing_fields[] = {
    AW_FIELD(aw_thing, id, STR),
    AW_FIELD(aw_thing, version, I64),
    AW_FIELD(aw_thing, company_id, STR),
    AW_FIELD(aw_thing, name, STR, .flags = AW_F_NULLABLE),
    AW_FIELD(aw_thing, count, I64),
    AW_FIELD(aw_thing, at, TIME),
    AW_FIELD(aw_thing, flag, BOOL),
    AW_FIELD(aw_thing, colour, ENUM, .arg = colour_words),
    AW_FIELD(aw_thing, bytes, BYTES),
    AW_FIELD(aw_thing, words, STRS),
    AW_FIELD(aw_thing, inner, OBJ, .arg = &inner_schema),
    AW_FIELD(aw_thing, raw, RAW),
};
static const struct aw_index thing_indexes[] = {
    {"company_name", {"company_id", "name"}, true},
    {"at", {"-at"}, false},
};
/* Three collections, so that a unit can be half applied. */
static const struct aw_schema things =
    AW_SCHEMA(aw_thing, "things", thing_fields, thing_indexes, 2, "things");
static const struct aw_schema others = AW_SCHEMA(aw_thing, "others", thing_fields, NULL, 0, NULL);
static const struct aw_schema events = AW_SCHEMA(aw_thing, "events", thing_fields, NULL, 0, NULL);
static const struct aw_schema *const kit_schemas[] = {&things, &others, &events, NULL};

static inline struct aw_thing kit_thing(const char *id, const char *name)
{
    return (struct aw_thing){.id = id, .version = 1, .company_id = "acme", .name = name};
}
static inline struct aw_write kit_insert(const struct aw_schema *schema, struct aw_thing *row)
{
    return (struct aw_write){.kind = AW_WRITE_INSERT, .schema = schema, .row = row, .id = row->id};
}
static inline struct aw_write kit_replace(const struct aw_schema *schema, struct aw_thing *row,
                                          int64_t expect)
{
    row->version = expect + 1;
    return (struct aw_write){
        .kind = AW_WRITE_REPLACE, .schema = schema, .row = row, .id = row->id, .expect = expect};
}
static inline struct aw_write kit_delete(const struct aw_schema *schema, const char *id,
                                         int64_t expect)
{
    return (struct aw_write){.kind = AW_WRITE_DELETE, .schema = schema, .id = id, .expect = expect};
}

/* The given URI with a database of this process. */
static inline const char *kit_uri(void)
{
    static char uri[300];
    const char *given = getenv("AW_TEST_MONGO_URI");
    assert_non_null(given);
    const char *options = strchr(given, '?');
    const char *slash = strchr(given + strlen("mongodb://"), '/');
    int hosts = (int)(slash != NULL ? slash - given : (ptrdiff_t)strlen(given));
    snprintf(uri, sizeof(uri), "%.*s/aw_test_%d%s", hosts, given, (int)getpid(),
             options != NULL ? options : "");
    return uri;
}

static inline bool kit_try_open(const char *uri, struct aw_mongo **self, struct aw_err *err)
{
    struct aw_store_conf conf = {.driver = "mongo", .uri = uri};
    void *opened = NULL;
    bool is_good = aw_driver_mongo.open(&opened, &conf, false, kit_schemas, err);
    *self = opened;
    return is_good;
}
static inline struct aw_mongo *kit_open(const char *uri)
{
    struct aw_err err = {0};
    struct aw_mongo *self;
    if (!kit_try_open(uri, &self, &err)) {
        fail_msg("open: %s %s", err.code, err.msg);
    }
    return self;
}
static inline void kit_close(struct aw_mongo *self)
{
    aw_driver_mongo.close(self);
}

static inline mongoc_client_t *kit_client(const char *uri)
{
    mongoc_client_t *client = mongoc_client_new(uri);
    assert_non_null(client);
    return client;
}
static inline void kit_drop(const char *uri)
{
    mongoc_init();
    mongoc_client_t *client = kit_client(uri);
    mongoc_database_t *db = mongoc_client_get_default_database(client);
    bson_error_t error;
    if (!mongoc_database_drop(db, &error)) {
        fail_msg("drop: %s", error.message);
    }
    mongoc_database_destroy(db);
    mongoc_client_destroy(client);
}

static inline bool kit_commit(struct aw_mongo *self, const struct aw_write *writes, size_t n,
                              struct aw_err *err)
{
    *err = (struct aw_err){0};
    return aw_driver_mongo.commit(self, writes, n, err);
}
static inline void kit_must_commit(struct aw_mongo *self, const struct aw_write *writes, size_t n)
{
    struct aw_err err;
    if (!kit_commit(self, writes, n, &err)) {
        fail_msg("commit: %s %s", err.code, err.msg);
    }
}
/* Version of a row, 0 = absent. */
static inline int64_t kit_version(struct aw_mongo *self, const struct aw_schema *schema,
                                  const char *id)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_err err = {0};
    void *row = NULL;
    if (!aw_driver_mongo.get_many(aw_driver_mongo.write_reader(self), schema, &id, 1, arena, &row,
                                  &err)) {
        fail_msg("get: %s %s", err.code, err.msg);
    }
    int64_t version = row != NULL ? ((struct aw_thing *)row)->version : 0;
    aw_arena_destroy(&arena);
    return version;
}

#endif
