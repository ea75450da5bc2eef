/* A unit is all or nothing: killed at every point of its commit, on a full disk, and when reading goes on beside
 * it. SQLite only: the other driver's database is a process of its own. */
#include "store_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "src/aw_crash.h"

enum { BEFORE = 30, WRITES = 12 };

static void fill(struct kit *kit)
{
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (int i = 0; i < BEFORE; i++) {
        char id[16];
        snprintf(id, sizeof(id), "old%02d", i);
        aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), id, "acme"));
    }
    kit_commit(&tx);
}

/* WRITES writes: a third inserted, a third replaced, a third deleted. */
static bool write_mixed(struct aw_store *store, struct aw_err *err)
{
    struct aw_tx *tx = aw_tx_create(store);
    struct aw_arena *arena = aw_tx_arena(tx);
    bool ok = true;
    for (int i = 0; i < WRITES && ok; i++) {
        char id[16];
        struct thing *thing;
        snprintf(id, sizeof(id), "%s%02d", i % 3 == 0 ? "new" : "old", i);
        if (i % 3 == 0) {
            aw_tx_insert(tx, &thing_schema, kit_thing(arena, id, "acme"));
            continue;
        }
        ok = aw_tx_get(tx, &aw_scope_all, &thing_schema, id, (void **)&thing, err);
        if (ok && i % 3 == 1) {
            thing->rank = 1;
            aw_tx_replace(tx, &thing_schema, thing);
        } else if (ok) {
            aw_tx_delete(tx, &thing_schema, id, thing->version);
        }
    }
    ok = ok && aw_tx_commit(tx, err);
    aw_tx_end(tx, ok);
    aw_tx_destroy(&tx);
    return ok;
}

/* How many of the unit's writes are stored. */
static int stored_writes(struct kit *kit)
{
    int n = 0;
    for (int i = 0; i < WRITES; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%s%02d", i % 3 == 0 ? "new" : "old", i);
        const struct thing *thing = kit_get(kit, id);
        n += i % 3 == 0 ? thing != NULL : i % 3 == 1 ? thing->rank == 1 : thing == NULL;
    }
    return n;
}

#ifdef AW_CRASH_POINTS
/* Runs the unit in a child that is killed there. Returns whether it was. */
static bool killed_at(struct kit *kit, const char *spec)
{
    int status;
    aw_store_close(&kit->store);
    pid_t child = fork();
    if (child == 0) {
        struct aw_store *store;
        struct aw_err err;
        if (!aw_store_open_driver(kit->driver, &kit->conf, false, kit_schemas, &store, &err)) {
            _exit(2);
        }
        aw_crash_arm(spec);
        _exit(write_mixed(store, &err) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    kit_open(kit);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void a_unit_that_is_killed_is_all_or_nothing(void **state)
{
    struct kit *kit = *state;
    char spec[64];
    fill(kit);
    assert_true(killed_at(kit, "store.commit.begin"));
    assert_int_equal(stored_writes(kit), 0);
    for (int i = 1; i <= WRITES; i++) {
        snprintf(spec, sizeof(spec), "store.commit.write:%d", i);
        assert_true(killed_at(kit, spec));
        assert_int_equal(stored_writes(kit), 0);
    }
    assert_true(killed_at(kit, "store.commit.before"));
    assert_int_equal(stored_writes(kit), 0);
    assert_true(killed_at(kit, "store.commit.after"));
    assert_int_equal(stored_writes(kit), WRITES);
    assert_int_equal(kit_count(kit), BEFORE);
}
#endif

static bool insert_large(struct kit *kit, const char *id, size_t size, struct aw_err *err)
{
    struct aw_tx *tx = aw_tx_create(kit->store);
    struct thing *thing = kit_thing(aw_tx_arena(tx), id, "acme");
    char *raw = aw_arena_alloc(aw_tx_arena(tx), size + 1);
    memset(raw, 'x', size);
    raw[size] = '\0';
    thing->raw = raw;
    aw_tx_insert(tx, &thing_schema, thing);
    bool ok = aw_tx_commit(tx, err);
    aw_tx_end(tx, ok);
    aw_tx_destroy(&tx);
    return ok;
}

/* No file of this process may grow past a limit, as on a disk without room. */
static void a_full_disk_refuses_and_then_takes_the_unit(void **state)
{
    struct kit *kit = *state;
    struct rlimit former, small;
    struct aw_err err = {.code = ""};
    char id[16];
    int stored = 0;
    fill(kit);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    small = former;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    do {
        snprintf(id, sizeof(id), "big%03d", stored);
    } while (insert_large(kit, id, 100000, &err) && ++stored < 100);
    assert_in_range(stored, 1, 20);
    for (int i = 0; i < 3; i++) {
        assert_false(insert_large(kit, id, 100000, &err));
        assert_int_equal(err.kind, AW_ERR_UNAVAILABLE);
        assert_int_equal(kit_count(kit), BEFORE + stored);
        assert_null(kit_get(kit, id));
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
    assert_true(insert_large(kit, id, 100000, &err));
    assert_true(write_mixed(kit->store, &err));
    assert_int_equal(stored_writes(kit), WRITES);
    assert_int_equal(kit_count(kit), BEFORE + stored + 1);
    kit_reopen(kit);
    assert_int_equal(kit_count(kit), BEFORE + stored + 1);
    assert_int_equal(strlen(kit_get(kit, id)->raw), 100000);
}

/* What a reader has begun to read stays as it was, also while units commit and checkpoints run. */
static void a_reader_keeps_its_snapshot(void **state)
{
    struct kit *kit = *state;
    struct aw_query all = {.schema = &thing_schema};
    struct aw_reader *reader;
    struct aw_err err;
    int64_t count;
    fill(kit);
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_store_count(reader, &aw_scope_all, &all, &count, &err));
    assert_int_equal(count, BEFORE);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof(id), "big%03d", i);
        assert_true(insert_large(kit, id, 100000, &err));
        kit->store->driver->idle(kit->store->self);
        assert_true(aw_store_count(reader, &aw_scope_all, &all, &count, &err));
        assert_int_equal(count, BEFORE);
    }
    aw_store_read_end(&reader);
    assert_int_equal(kit_count(kit), BEFORE + 20);
}

/* The database and what lies beside it belong to this user alone. */
static void files_are_private(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct kit *kit = *state;
    fill(kit);
    for (size_t i = 0; i < AW_COUNT(ends); i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s%s", kit->path, ends[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

/* A database of an older program: a column and an index are missing, another index is not as it is now, and one is
 * there that is no longer wanted. */
static void an_older_database_is_completed(void **state)
{
    static const struct aw_field few_fields[] = {
        AW_FIELD(thing, id, STR),
        AW_FIELD(thing, version, I64),
        AW_FIELD(thing, company_id, STR),
        AW_FIELD(thing, code, STR),
    };
    static const struct aw_field more_fields[] = {
        AW_FIELD(thing, id, STR),
        AW_FIELD(thing, version, I64),
        AW_FIELD(thing, company_id, STR),
        AW_FIELD(thing, code, STR),
        AW_FIELD(thing, rank, I64, .dflt = "-7"),
        AW_FIELD(thing, flag, BOOL, .dflt = "true"),
        AW_FIELD(thing, level, ENUM, .dflt = "\"high\"", .arg = aw_severity_names),
        AW_FIELD(thing, name, STR, .dflt = "\"asset|signature\""),
        AW_FIELD(thing, at, TIME),
        AW_FIELD(thing, tags, STRS, .dflt = "[\"a\",\"b\"]"),
        AW_FIELD(thing, policy, OBJ, .arg = &aw_policy_schema,
                 .dflt = "{\"auto_approve_low_risk\":true}"),
    };
    static const struct aw_index few_indexes[] = {{"company_code", {"code"}, false},
                                                  {"code", {"code"}, true}};
    static const struct aw_index more_indexes[] = {{"company_code", {"company_id", "code"}, true},
                                                   {"rank", {"-rank"}, false}};
    static const struct aw_schema few = AW_SCHEMA(thing, "olds", few_fields, few_indexes, 2, "old");
    static const struct aw_schema more =
        AW_SCHEMA(thing, "olds", more_fields, more_indexes, 2, "new");
    static const struct aw_schema *const before[] = {&aw_meta_schema, &few, NULL};
    static const struct aw_schema *const now[] = {&aw_meta_schema, &more, NULL};
    struct kit *kit = *state;
    struct aw_err err;
    aw_store_close(&kit->store);
    assert_true(aw_store_open_driver(kit->driver, &kit->conf, false, before, &kit->store, &err));
    struct aw_tx *tx = aw_tx_create(kit->store);
    aw_tx_insert(tx, &few, kit_thing(aw_tx_arena(tx), "a", "acme"));
    kit_commit(&tx);
    aw_store_close(&kit->store);

    assert_true(aw_store_open_driver(kit->driver, &kit->conf, false, now, &kit->store, &err));
    struct thing *thing;
    tx = aw_tx_create(kit->store);
    assert_true(aw_tx_get(tx, &aw_scope_all, &more, "a", (void **)&thing, &err));
    assert_int_equal(thing->rank, -7);
    assert_true(thing->flag);
    assert_int_equal(thing->level, AW_HIGH);
    assert_string_equal(thing->name, "asset|signature");
    assert_int_equal(thing->at, 0);
    assert_int_equal(thing->tags.n, 2);
    assert_string_equal(thing->tags.v[1], "b");
    assert_true(((const struct aw_policy *)thing->policy)->auto_approve_low_risk);
    struct thing *namesake = kit_thing(aw_tx_arena(tx), "c", "other");
    namesake->code = "a";
    aw_tx_insert(tx, &more, namesake);
    kit_commit(&tx);
    tx = aw_tx_create(kit->store);
    struct thing *twin = kit_thing(aw_tx_arena(tx), "b", "acme");
    twin->code = "a";
    aw_tx_insert(tx, &more, twin); /* the index is unique now */
    kit_commit_fails(&tx, AW_ERR_CONFLICT, "store.conflict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef AW_CRASH_POINTS
        KIT_CASE(a_unit_that_is_killed_is_all_or_nothing),
#endif
        KIT_CASE(a_full_disk_refuses_and_then_takes_the_unit),
        KIT_CASE(a_reader_keeps_its_snapshot),
        KIT_CASE(files_are_private),
        KIT_CASE(an_older_database_is_completed),
    };
    unsetenv("AW_TEST_STORE");
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_crash", tests, NULL, NULL);
}
