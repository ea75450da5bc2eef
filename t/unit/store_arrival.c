/* Tables of random ids against a model in memory: with a small map, so that rows move on to the hash table, with
 * commits that fail in between and with restarts. */
#include "store_kit.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "worker/store/sqlite/arrival.h"
#include "worker/store/sqlite/pairs.h"

enum { IDS = 1500, COMMITS = 300, WRITES = 25, MAP_FULL = 64 };

static int64_t versions[IDS]; /* of the model, 0 = absent */

static const char *id_of(struct aw_arena *arena, unsigned number)
{
    return aw_arena_printf(arena, "id-%u-%u", number * 2654435761u, number);
}

static struct thing *thing_of(struct aw_arena *arena, unsigned number)
{
    struct thing *thing = kit_thing(arena, id_of(arena, number), "acme");
    thing->version = versions[number];
    thing->rank = number;
    return thing;
}

/* One write to each of some ids; *after gets what the model is if it commits. */
static void write_some(struct aw_tx *tx, int64_t *after)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    memcpy(after, versions, sizeof(versions));
    for (int i = 0; i < WRITES; i++) {
        unsigned number = kit_pick(IDS);
        if (after[number] != versions[number]) {
            continue;
        }
        if (versions[number] == 0) {
            aw_tx_insert(tx, &thing_schema, thing_of(arena, number));
            after[number] = 1;
        } else if (kit_pick(3) == 0) {
            aw_tx_delete(tx, &thing_schema, id_of(arena, number), versions[number]);
            after[number] = 0;
        } else {
            aw_tx_replace(tx, &thing_schema, thing_of(arena, number));
            after[number]++;
        }
    }
}

/* A write that cannot be: a version that is not stored, or an id that is there already. */
static void write_wrong(struct aw_tx *tx, const int64_t *after)
{
    unsigned number = kit_pick(IDS);
    while (after[number] != versions[number]) {
        number = kit_pick(IDS);
    }
    struct thing *thing = thing_of(aw_tx_arena(tx), number);
    if (versions[number] != 0 && kit_pick(2) != 0) {
        aw_tx_insert(tx, &thing_schema, thing);
    } else if (kit_pick(2) != 0) {
        thing->version = versions[number] + 1;
        aw_tx_replace(tx, &thing_schema, thing);
    } else {
        aw_tx_delete(tx, &thing_schema, thing->id, versions[number] + 1);
    }
}

static void check_some(struct aw_tx *tx, unsigned n)
{
    const char *ids[IDS] = {NULL};
    struct thing *rows[IDS];
    unsigned numbers[IDS];
    struct aw_err err;
    for (unsigned i = 0; i < n; i++) {
        numbers[i] = n == IDS ? i : kit_pick(IDS);
        ids[i] = id_of(aw_tx_arena(tx), numbers[i]);
    }
    assert_true(aw_tx_get_many(tx, &aw_scope_all, &thing_schema, ids, n, (void **)rows, &err));
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(rows[i] != NULL ? rows[i]->version : 0, versions[numbers[i]]);
        assert_true(rows[i] == NULL || rows[i]->rank == numbers[i]);
    }
}

/* No file may grow: the commit fails at its very end, when the rows have been written. */
static void commit_without_room(struct aw_tx **tx)
{
    struct rlimit former, none;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    none = former;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    kit_commit_fails(tx, AW_ERR_UNAVAILABLE, "store.down");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
}

static int64_t ask(struct kit *kit, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(kit->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void rows_are_found_as_in_the_model(void **state)
{
    struct kit *kit = *state;
    int64_t after[IDS];
    size_t failed = 0;
    aw_arrival_map_full = MAP_FULL;
    memset(versions, 0, sizeof(versions));
    for (int i = 0; i < COMMITS; i++) {
        struct aw_tx *tx = aw_tx_create(kit->store);
        check_some(tx, 40);
        write_some(tx, after);
        if (kit_pick(5) == 0) {
            write_wrong(tx, after);
            kit_commit_fails(&tx, AW_ERR_CONFLICT, "store.conflict");
            failed++;
        } else if (kit_pick(5) == 0 && aw_tx_writes(tx) > 0) {
            commit_without_room(&tx);
        } else {
            kit_commit(&tx);
            memcpy(versions, after, sizeof(versions));
        }
        if (kit_pick(8) == 0) {
            kit_reopen(kit);
        }
    }
    assert_in_range(failed, 1, COMMITS / 2);
    struct aw_tx *tx = aw_tx_create(kit->store);
    check_some(tx, IDS);
    aw_tx_end(tx, false);
    aw_tx_destroy(&tx);
    assert_true(ask(kit, "SELECT count(*) FROM \"random.hash\"") > MAP_FULL);
    assert_true(ask(kit, "SELECT row FROM arrivals WHERE name='random'") > MAP_FULL);
    assert_int_equal(ask(kit, "SELECT count(*)-count(DISTINCT id) FROM random"), 0);
    for (unsigned i = 0; i < IDS; i += 50) { /* another connection, which has no map */
        struct thing *thing = kit_get(kit, id_of(kit->arena, i));
        assert_int_equal(thing != NULL ? thing->version : 0, versions[i]);
    }
}

/* The newest rows are deleted and others come: their numbers must not be taken for settled ones. */
static void numbers_are_not_given_twice(void **state)
{
    struct kit *kit = *state;
    aw_arrival_map_full = 1;
    memset(versions, 0, sizeof(versions));
    for (unsigned i = 0; i < 40; i++) {
        struct aw_tx *tx = aw_tx_create(kit->store);
        aw_tx_insert(tx, &thing_schema, thing_of(aw_tx_arena(tx), i));
        versions[i] = 1;
        if (i > 0 && i % 2 == 0) {
            aw_tx_delete(tx, &thing_schema, id_of(aw_tx_arena(tx), i - 1), 1);
            versions[i - 1] = 0;
        }
        kit_commit(&tx);
        tx = aw_tx_create(kit->store);
        aw_tx_delete(tx, &thing_schema, id_of(aw_tx_arena(tx), i), 1);
        versions[i] = 0;
        kit_commit(&tx);
        kit_reopen(kit);
        tx = aw_tx_create(kit->store);
        aw_tx_insert(tx, &thing_schema, thing_of(aw_tx_arena(tx), i));
        versions[i] = 1;
        kit_commit(&tx);
        kit_reopen(kit);
        tx = aw_tx_create(kit->store);
        check_some(tx, IDS);
        aw_tx_end(tx, false);
        aw_tx_destroy(&tx);
    }
}

static void one_hash_can_have_several_rows(void **state)
{
    struct aw_pairs pairs = {.v = NULL};
    (void)state;
    for (int64_t row = 1; row <= 10000; row++) {
        aw_pairs_add(&pairs, (uint64_t)row % 2500 * UINT64_C(0x9e3779b97f4a7c15), row);
    }
    assert_int_equal(pairs.n, 10000);
    for (uint64_t k = 0; k < 2600; k++) {
        uint64_t hash = k * UINT64_C(0x9e3779b97f4a7c15);
        size_t at = hash, n = 0;
        int64_t row;
        while ((row = aw_pairs_next(&pairs, hash, &at)) != 0) {
            assert_int_equal(row % 2500, k);
            n++;
        }
        assert_int_equal(n, k < 2500 ? 4 : 0);
    }
    aw_pairs_clear(&pairs);
    size_t at = 0;
    assert_int_equal(aw_pairs_next(&pairs, 0, &at), 0);
    aw_pairs_free(&pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_found_as_in_the_model, kit_setup_random,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(numbers_are_not_given_twice, kit_setup_random,
                                        kit_teardown),
        cmocka_unit_test(one_hash_can_have_several_rows),
    };
    unsetenv("AW_TEST_STORE");
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_arrival", tests, NULL, NULL);
}
