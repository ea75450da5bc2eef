/* Queries that are asked value by value say what they say in one piece, whatever was written: indexes in slices of a few
 * rows, also on tables made before the index was in slices, and indexes that another one spares. */
#include "store_kit.h"

#include <sqlite3.h>

#include "worker/store/sqlite/slice.h"

enum { ROWS = 60, STEPS = 300, SLICE_BITS = 2, PAGE = 3 };

static const char *const names[] = {"ash", "birch", "oak", NULL};
static const char *const companies[] = {"acme", "beta", "gamma"};

static int64_t versions[ROWS]; /* what is stored, 0 = absent */

static struct thing *thing_of(struct aw_arena *arena, unsigned number)
{
    struct thing *thing = kit_thing(arena, aw_arena_printf(arena, "id-%u", number * 7919 % 1000),
                                    companies[number % 3]);
    thing->version = versions[number];
    thing->name = names[kit_pick(AW_COUNT(names))];
    thing->rank = kit_pick(10);
    thing->level = (int)kit_pick(AW_SEVERITIES);
    return thing;
}

static void write_some(struct kit *kit)
{
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (unsigned number = kit_pick(ROWS), i = 0; i < 1 + kit_pick(4);
         i++, number = (number + 1) % ROWS) {
        struct thing *thing = thing_of(aw_tx_arena(tx), number);
        if (versions[number] == 0) {
            aw_tx_insert(tx, &thing_schema, thing);
            versions[number] = 1;
        } else if (kit_pick(2) == 0) {
            aw_tx_delete(tx, &thing_schema, thing->id, versions[number]);
            versions[number] = 0;
        } else {
            aw_tx_replace(tx, &thing_schema, thing);
            versions[number]++;
        }
    }
    kit_commit(&tx);
}

/* The same rows in the same order, and their number, page by page. */
static void compare(struct kit *kit, struct aw_reader *reader, struct aw_query query,
                    struct aw_query plain, const struct aw_scope *scope)
{
    struct aw_err err;
    struct aw_rows rows, expected;
    int64_t n, expected_n;
    assert_true(aw_store_count(reader, scope, &query, &n, &err));
    assert_true(aw_store_count(reader, scope, &plain, &expected_n, &err));
    assert_int_equal(n, expected_n);
    for (bool more = true; more;) {
        assert_true(aw_store_find(reader, scope, &query, kit->arena, &rows, &err));
        assert_true(aw_store_find(reader, scope, &plain, kit->arena, &expected, &err));
        assert_int_equal(rows.n, expected.n);
        for (size_t i = 0; i < rows.n; i++) {
            const struct thing *thing = rows.v[i], *other = expected.v[i];
            assert_string_equal(thing->id, other->id);
            query.after_id = plain.after_id = thing->id;
            query.after_number = plain.after_number = thing->rank;
        }
        more = query.limit != 0 && rows.n == query.limit;
    }
}

/* By a name, and by a range of one name, which the index in slices does not serve. */
static void compare_names(struct kit *kit, struct aw_reader *reader, struct aw_query query,
                          const struct aw_scope *scope)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        struct aw_query plain = query;
        query.n = 1;
        query.conds[0] = (struct aw_cond){.field = "name", .op = AW_OP_EQ, .text = names[i]};
        plain.n = 2;
        plain.conds[0] = plain.conds[1] = query.conds[0];
        plain.conds[0].op = AW_OP_GE;
        plain.conds[1].op = AW_OP_LE;
        compare(kit, reader, query, plain, scope);
    }
}

/* Without a level, and with any level, which is a condition on it. */
static void compare_levels(struct kit *kit, struct aw_reader *reader, struct aw_query query,
                           const struct aw_scope *scope)
{
    struct aw_query plain = query;
    plain.n = 1;
    plain.conds[0] = (struct aw_cond){.field = "level", .op = AW_OP_GE};
    compare(kit, reader, query, plain, scope);
}

static void compare_all(struct kit *kit)
{
    const struct aw_scope two = {.companies = companies, .n = 2},
                          one = {.companies = companies, .n = 1};
    const struct aw_scope *const scopes[] = {&aw_scope_all, &two, &one};
    struct aw_reader *reader;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    for (size_t i = 0; i < AW_COUNT(scopes) * 4; i++) {
        struct aw_query query = {.schema = &thing_schema, .sort = "rank"};
        query.descending = i % 2 != 0;
        query.limit = i / 2 % 2 != 0 ? PAGE : 0;
        compare_names(kit, reader, query, scopes[i / 4]);
        compare_levels(kit, reader, query, scopes[i / 4]);
    }
    aw_store_read_end(&reader);
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void answers_do_not_depend_on_the_index(void **state)
{
    struct kit *kit = *state;
    memset(versions, 0, sizeof(versions));
    compare_all(kit);
    for (int i = 0; i < STEPS; i++) {
        write_some(kit);
        if (i % 20 == 0) {
            compare_all(kit);
        }
        if (i % 50 == 0) {
            kit_reopen(kit);
        }
    }
    compare_all(kit);
    assert_in_range(ask(kit->path, "SELECT count(DISTINCT slice) FROM uuids"), 5, ROWS);
    assert_in_range(ask(kit->path,
                        "SELECT max(n) FROM (SELECT count(*) n FROM uuids GROUP BY slice)"),
                    2, 1 << SLICE_BITS);
    assert_int_equal(ask(kit->path, "SELECT count(*) FROM sqlite_master WHERE type='index' AND "
                                    "sql LIKE '%uuids.name%(slice,\"name\"%'"),
                     1);
    assert_int_equal(ask(kit->path, "SELECT count(*) FROM sqlite_master WHERE type='index' AND "
                                    "name='uuids.company_rank'"),
                     0);
}

static void a_table_of_former_days_gets_its_slices(void **state)
{
    struct kit *kit = *state;
    static const struct aw_schema later = AW_SCHEMA(thing, "things", thing_fields[2], thing_indexes,
                                                    AW_COUNT(thing_indexes), "for tests");
    static const struct aw_schema *const schemas[] = {&aw_meta_schema, &later, NULL};
    struct aw_err err;
    memset(versions, 0, sizeof(versions));
    for (int i = 0; i < 40; i++) {
        write_some(kit);
    }
    aw_store_close(&kit->store);
    kit_schema = &later;
    assert_true(aw_store_open_driver(kit->driver, &kit->conf, false, schemas, &kit->store, &err));
    compare_all(kit);
    for (int i = 0; i < 100; i++) {
        write_some(kit);
    }
    compare_all(kit);
    assert_true(ask(kit->path, "SELECT count(DISTINCT slice) FROM things") > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_do_not_depend_on_the_index, kit_setup_uuids,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(a_table_of_former_days_gets_its_slices, kit_setup,
                                        kit_teardown),
    };
    aw_slice_bits = SLICE_BITS;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
