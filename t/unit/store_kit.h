/* store_kit.h - for the tests of the store: a schema with a field of every type, fresh stores on the driver that
 * the environment names (AW_TEST_STORE=sqlite|mongo, AW_TEST_MONGO_URI), units of work without a writer thread. */
#ifndef AW_T_UNIT_STORE_KIT_H
#define AW_T_UNIT_STORE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/model/model.h"
#include "worker/store/store_core.h"

#pragma weak aw_driver_mongo

struct thing {
    const char *id;
    int64_t version;
    const char *company_id;
    const char *code; /* unique in the company */
    const char *name; /* may be null */
    int64_t rank;
    bool flag;
    int level;
    int64_t at;
    struct aw_bytes blob;
    struct aw_strs tags;
    const void *policy;
    const char *raw;
};
#define THING_FIELDS(id_flags, name_flags)                                                         \
    {                                                                                              \
        AW_FIELD(thing, id, STR, .flags = (id_flags)), AW_FIELD(thing, version, I64),              \
            AW_FIELD(thing, company_id, STR, .flags = (id_flags)&AW_F_UUID),                       \
            AW_FIELD(thing, code, STR),                                                            \
            AW_FIELD(thing, name, STR, .flags = AW_F_NULLABLE | (name_flags)),                     \
            AW_FIELD(thing, rank, I64), AW_FIELD(thing, flag, BOOL),                               \
            AW_FIELD(thing, level, ENUM, .arg = aw_severity_names),                                \
            AW_FIELD(thing, at, TIME, .flags = AW_F_NULLABLE),                                     \
            AW_FIELD(thing, blob, BYTES, .flags = AW_F_NULLABLE), AW_FIELD(thing, tags, STRS),     \
            AW_FIELD(thing, policy, OBJ, .arg = &aw_policy_schema, .flags = AW_F_NULLABLE),        \
            AW_FIELD(thing, raw, RAW, .flags = AW_F_NULLABLE),                                     \
    }
static const struct aw_field thing_fields[][13] = {THING_FIELDS(0, 0), THING_FIELDS(AW_F_RANDOM, 0),
                                                   THING_FIELDS(AW_F_UUID, AW_F_SCATTERED)};
static const struct aw_index thing_indexes[] = {
    {"company_code", {"company_id", "code"}, true},
    {"company_rank", {"company_id", "rank"}, false},
    {"company_level", {"company_id", "level", "rank"}, false},
    {"name", {"-name"}, false},
};
static const struct aw_schema thing_schemas[] = {
    AW_SCHEMA(thing, "things", thing_fields[0], thing_indexes, AW_COUNT(thing_indexes),
              "for tests"),
    AW_SCHEMA(thing, "random", thing_fields[1], thing_indexes, AW_COUNT(thing_indexes),
              "for tests"),
    AW_SCHEMA(thing, "uuids", thing_fields[2], thing_indexes, AW_COUNT(thing_indexes), "for tests"),
};
static const struct aw_schema *kit_schema; /* that the running case uses */
#define thing_schema (*kit_schema)
static const struct aw_schema *const kit_schemas[] = {&aw_meta_schema, &thing_schemas[0],
                                                      &thing_schemas[1], &thing_schemas[2], NULL};

struct kit {
    const struct aw_driver *driver;
    struct aw_store_conf conf;
    struct aw_store *store;
    struct aw_arena *arena;
    char folder[64], path[96], uri[512];
};

static inline bool kit_is_mongo(void)
{
    const char *word = getenv("AW_TEST_STORE");
    return word != NULL && strcmp(word, "mongo") == 0;
}

/* The server of the environment with a database of this test's own. */
static inline void kit_uri(struct kit *kit)
{
    static unsigned count;
    const char *given = getenv("AW_TEST_MONGO_URI");
    assert_non_null(given);
    const char *host = strstr(given, "://");
    assert_non_null(host);
    size_t len = (size_t)(host + 3 - given) + strcspn(host + 3, "/?");
    const char *options = strchr(given, '?');
    snprintf(kit->uri, sizeof(kit->uri), "%.*s/awtest_%d_%u%s", (int)len, given, (int)getpid(),
             count++, options != NULL ? options : "");
}

static inline void kit_open(struct kit *kit)
{
    struct aw_err err;
    if (!aw_store_open_driver(kit->driver, &kit->conf, false, kit_schemas, &kit->store, &err)) {
        fail_msg("open: %s %s", err.code, err.msg);
    }
}

static inline int kit_setup_on(void **state, const struct aw_schema *schema)
{
    kit_schema = schema;
    struct kit *kit = calloc(1, sizeof(*kit));
    *state = kit;
    kit->arena = aw_arena_create(0);
    snprintf(kit->folder, sizeof(kit->folder), "/tmp/aw_store_XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->path, sizeof(kit->path), "%s/aw.db", kit->folder);
    kit->driver = &aw_driver_sqlite;
    kit->conf = (struct aw_store_conf){.driver = "sqlite", .path = kit->path};
    if (kit_is_mongo()) {
        kit_uri(kit);
        kit->driver = &aw_driver_mongo;
        assert_non_null(kit->driver);
        kit->conf = (struct aw_store_conf){.driver = "mongo", .uri = kit->uri};
    }
    kit_open(kit);
    return 0;
}

static inline int kit_setup(void **state)
{
    return kit_setup_on(state, &thing_schemas[0]);
}

/* The same on a table whose ids are random. */
static inline int kit_setup_random(void **state)
{
    return kit_setup_on(state, &thing_schemas[1]);
}

/* The same where ids may be kept as the bytes of a UUID, and an index in slices. */
static inline int kit_setup_uuids(void **state)
{
    return kit_setup_on(state, &thing_schemas[2]);
}

static inline int kit_teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct kit *kit = *state;
    aw_store_close(&kit->store);
    aw_arena_destroy(&kit->arena);
    for (size_t i = 0; i < AW_COUNT(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", kit->path, ends[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(kit->folder), 0);
    free(kit);
    return 0;
}

static inline void kit_reopen(struct kit *kit)
{
    aw_store_close(&kit->store);
    kit_open(kit);
}

/* A thing with its own code; the rest is zero. */
static inline struct thing *kit_thing(struct aw_arena *arena, const char *id, const char *company)
{
    struct thing *thing = AW_NEW(arena, struct thing);
    thing->id = aw_arena_str(arena, id);
    thing->company_id = aw_arena_str(arena, company);
    thing->code = thing->id;
    return thing;
}

static inline void kit_commit(struct aw_tx **tx)
{
    struct aw_err err;
    if (!aw_tx_commit(*tx, &err)) {
        fail_msg("commit: %s %s", err.code, err.msg);
    }
    aw_tx_end(*tx, true);
    aw_tx_destroy(tx);
}

/* The commit must fail so, and nothing of the unit may be stored. */
static inline void kit_commit_fails(struct aw_tx **tx, enum aw_err_kind kind, const char *code)
{
    struct aw_err err;
    assert_false(aw_tx_commit(*tx, &err));
    assert_string_equal(err.code, code);
    assert_int_equal(err.kind, kind);
    aw_tx_end(*tx, false);
    aw_tx_destroy(tx);
}

static inline void kit_insert(struct kit *kit, struct thing *thing)
{
    struct aw_tx *tx = aw_tx_create(kit->store);
    aw_tx_insert(tx, &thing_schema, thing);
    kit_commit(&tx);
}

/* NULL = absent */
static inline struct thing *kit_get(struct kit *kit, const char *id)
{
    struct aw_reader *reader;
    struct aw_err err;
    void *row = NULL;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    if (!aw_store_get(reader, &aw_scope_all, &thing_schema, id, kit->arena, &row, &err)) {
        assert_int_equal(err.kind, AW_ERR_NOT_FOUND);
        assert_string_equal(err.code, "store.absent");
    }
    aw_store_read_end(&reader);
    return row;
}

static inline int64_t kit_count(struct kit *kit)
{
    struct aw_query all = {.schema = &thing_schema};
    struct aw_reader *reader;
    struct aw_err err;
    int64_t n = -1;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_store_count(reader, &aw_scope_all, &all, &n, &err));
    aw_store_read_end(&reader);
    return n;
}

#define KIT_CASE(name)                                                                             \
    {#name, name, kit_setup, kit_teardown, NULL},                                                  \
        {#name " (random ids)", name, kit_setup_random, kit_teardown, NULL},                       \
    {                                                                                              \
#name " (UUIDs)", name, kit_setup_uuids, kit_teardown, NULL                                \
    }

/* A number below n, in the same order in every run. */
static inline unsigned kit_pick(unsigned n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

#endif
