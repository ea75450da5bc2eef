/* The MongoDB driver: rows as BSON, queries, errors; with a server also expectations, unique
 * indexes and refusals. */
#include "mongo_kit.h"

#include "worker/base/clock.h"
#include "worker/base/vec.h"

/* --- without a server --- */

static void test_row_round_trip(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "", "\xc3\xa4"};
    const struct aw_inner inner = {"w", INT64_MIN};
    const struct aw_thing full = {.id = "x",
                                  .version = 7,
                                  .company_id = "acme",
                                  .name = "n",
                                  .count = INT64_MAX,
                                  .at = 1763700000123,
                                  .flag = true,
                                  .colour = 2,
                                  .bytes = {(const uint8_t *)"\0\1", 2},
                                  .words = {words, 3},
                                  .inner = &inner,
                                  .raw = "{\"a\": 1}"};
    const struct aw_thing empty = {.id = "y"};
    const struct aw_thing *const rows[] = {&full, &empty};
    struct aw_arena *arena = aw_arena_create(0);
    for (size_t i = 0; i < AW_COUNT(rows); i++) {
        bson_t doc = BSON_INITIALIZER;
        aw_mongo_encode(&things, rows[i], &doc);
        assert_true(aw_row_equal(&things, rows[i], aw_mongo_decode(&things, &doc, arena)));
        bson_destroy(&doc);
    }
    aw_arena_destroy(&arena);
}

static void test_row_types(void **state)
{
    (void)state;
    const struct aw_thing row = {.id = "x", .version = 1, .colour = 1, .at = 5};
    bson_t doc = BSON_INITIALIZER;
    bson_iter_t it;
    aw_mongo_encode(&things, &row, &doc);
    assert_true(bson_iter_init_find(&it, &doc, "_id") && BSON_ITER_HOLDS_UTF8(&it));
    assert_true(bson_iter_init_find(&it, &doc, "version") && BSON_ITER_HOLDS_INT64(&it));
    assert_true(bson_iter_init_find(&it, &doc, "colour") && BSON_ITER_HOLDS_INT32(&it));
    assert_true(bson_iter_init_find(&it, &doc, "at") && BSON_ITER_HOLDS_DATE_TIME(&it));
    assert_true(bson_iter_init_find(&it, &doc, "name") && BSON_ITER_HOLDS_NULL(&it));
    assert_true(bson_iter_init_find(&it, &doc, "words") && BSON_ITER_HOLDS_ARRAY(&it));
    assert_false(bson_has_field(&doc, "id"));
    bson_destroy(&doc);
}

/* Fields come in any order, unknown ones are passed over, missing ones are zero. */
static void test_foreign_document(void **state)
{
    (void)state;
    bson_t *doc = BCON_NEW("count", BCON_INT32(3), "later", BCON_BOOL(true), "_id", "x");
    struct aw_arena *arena = aw_arena_create(0);
    const struct aw_thing *row = aw_mongo_decode(&things, doc, arena);
    assert_string_equal(row->id, "x");
    assert_int_equal(row->count, 3);
    assert_null(row->name);
    aw_arena_destroy(&arena);
    bson_destroy(doc);
}

static void expect_filter(const struct aw_query *query, const char *json)
{
    bson_t filter = BSON_INITIALIZER;
    aw_mongo_filter(query, &filter);
    char *text = bson_as_relaxed_extended_json(&filter, NULL);
    assert_string_equal(text, json);
    bson_free(text);
    bson_destroy(&filter);
}

static void test_filters(void **state)
{
    (void)state;
    static const char *const ids[] = {"a", "b"};
    struct aw_query query = {.schema = &things};
    expect_filter(&query, "{ }");
    query.conds[query.n++] = (struct aw_cond){.field = "id", .op = AW_OP_EQ, .text = "x"};
    expect_filter(&query, "{ \"_id\" : \"x\" }");
    query.conds[0] = (struct aw_cond){.field = "id", .op = AW_OP_IN, .in = {ids, 2}};
    query.conds[query.n++] = (struct aw_cond){.field = "name", .op = AW_OP_NE, .text = NULL};
    query.conds[query.n++] = (struct aw_cond){.field = "colour", .op = AW_OP_GE, .number = 1};
    query.conds[query.n++] = (struct aw_cond){.field = "colour", .op = AW_OP_LT, .number = 2};
    expect_filter(
        &query, "{ \"_id\" : { \"$in\" : [ \"a\", \"b\" ] }, \"name\" : { \"$ne\" : null }, "
                "\"colour\" : { \"$gte\" : 1 }, \"$and\" : [ { \"colour\" : { \"$lt\" : 2 } } ] }");
}

/* A time of 0 is null in the database and a number for the caller. */
static void test_time_filters(void **state)
{
    (void)state;
    struct aw_query query = {.schema = &things, .n = 1};
    static const struct {
        enum aw_op op;
        int64_t ms;
        const char *json;
    } cases[] = {
        {AW_OP_EQ, 0, "{ \"at\" : null }"},
        {AW_OP_NE, 0, "{ \"at\" : { \"$ne\" : null } }"},
        {AW_OP_GT, 0, "{ \"at\" : { \"$gt\" : { \"$date\" : \"1970-01-01T00:00:00Z\" } } }"},
        {AW_OP_LE, 1000,
         "{ \"at\" : { \"$not\" : { \"$gt\" : { \"$date\" : \"1970-01-01T00:00:01Z\" } } } }"},
        {AW_OP_GE, 1000, "{ \"at\" : { \"$gte\" : { \"$date\" : \"1970-01-01T00:00:01Z\" } } }"},
        {AW_OP_LT, 1000,
         "{ \"at\" : { \"$not\" : { \"$gte\" : { \"$date\" : \"1970-01-01T00:00:01Z\" } } } }"},
    };
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        query.conds[0] = (struct aw_cond){.field = "at", .op = cases[i].op, .number = cases[i].ms};
        expect_filter(&query, cases[i].json);
    }
}

static void test_keyset(void **state)
{
    (void)state;
    struct aw_query query = {.schema = &things, .after_id = "x"};
    expect_filter(&query, "{ \"_id\" : { \"$gt\" : \"x\" } }");
    query.sort = "name";
    query.descending = true;
    query.after_text = "n";
    expect_filter(&query, "{ \"$or\" : [ { \"name\" : \"n\", \"_id\" : { \"$lt\" : \"x\" } }, "
                          "{ \"name\" : { \"$lt\" : \"n\" } }, { \"name\" : null } ] }");
    query.after_text = NULL;
    expect_filter(&query, "{ \"$or\" : [ { \"name\" : null, \"_id\" : { \"$lt\" : \"x\" } } ] }");
    query.descending = false;
    expect_filter(&query, "{ \"$or\" : [ { \"name\" : null, \"_id\" : { \"$gt\" : \"x\" } }, "
                          "{ \"name\" : { \"$ne\" : null } } ] }");
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        uint32_t domain, code;
        enum aw_err_kind kind;
        const char *name;
    } cases[] = {
        {MONGOC_ERROR_SERVER_SELECTION, 13053, AW_ERR_UNAVAILABLE, "store.down"},
        {MONGOC_ERROR_STREAM, 4, AW_ERR_UNAVAILABLE, "store.down"},
        {MONGOC_ERROR_WRITE_CONCERN, 64, AW_ERR_UNAVAILABLE, "store.down"},
        {MONGOC_ERROR_SERVER, 10107, AW_ERR_UNAVAILABLE, "store.down"},
        {MONGOC_ERROR_SERVER, 11000, AW_ERR_CONFLICT, "store.conflict"},
        {MONGOC_ERROR_SERVER, 121, AW_ERR_INVALID, "store.refused"},
        {MONGOC_ERROR_COMMAND, 22, AW_ERR_INVALID, "store.refused"},
        {MONGOC_ERROR_SERVER, 13, AW_ERR_INTERNAL, "store.denied"},
        {MONGOC_ERROR_SERVER, 8, AW_ERR_INTERNAL, "store.failed"},
    };
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        bson_error_t error = {.domain = cases[i].domain, .code = cases[i].code};
        struct aw_err err = {0};
        assert_false(aw_mongo_fail(&error, &err));
        assert_int_equal(err.kind, cases[i].kind);
        assert_string_equal(err.code, cases[i].name);
    }
}

static void test_journal_row_limits(void **state)
{
    (void)state;
    struct aw_mongo self = {.next_slot = 1};
    struct aw_thing row = kit_thing("x", "\xff");
    struct aw_write write = kit_insert(&things, &row);
    struct aw_err err = {0};
    assert_null(aw_mongo_journal_row(&self, &write, 1, &err));
    assert_int_equal(err.kind, AW_ERR_INVALID);
    assert_string_equal(err.code, "store.refused");

    enum { MIB = 1 << 20 };
    char *big = malloc(MIB);
    memset(big, 'x', MIB - 1);
    big[MIB - 1] = '\0';
    row.name = big;
    struct aw_write many[13];
    for (size_t i = 0; i < AW_COUNT(many); i++) {
        many[i] = write;
    }
    bson_t *fits = aw_mongo_journal_row(&self, many, 11, &err);
    assert_non_null(fits);
    bson_destroy(fits);
    assert_null(aw_mongo_journal_row(&self, many, AW_COUNT(many), &err));
    assert_int_equal(err.kind, AW_ERR_INVALID);
    assert_string_equal(err.code, "store.too_large");
    free(big);
}

static void test_bad_uri(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "http://127.0.0.1/x", "mongodb://127.0.0.1",
                                      "mongodb://127.0.0.1/"};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        struct aw_mongo *self;
        struct aw_err err = {0};
        assert_false(kit_try_open(bad[i], &self, &err));
        assert_string_equal(err.code, "store.uri");
    }
}

static void test_server_down(void **state)
{
    (void)state;
    struct aw_mongo *self;
    struct aw_err err = {0};
    int64_t start = aw_clock_mono_ms();
    /* Port 1 of the loopback: nobody listens there. */
    assert_false(kit_try_open("mongodb://127.0.0.1:1/x", &self, &err));
    assert_int_equal(err.kind, AW_ERR_UNAVAILABLE);
    assert_in_range(aw_clock_mono_ms() - start, 0, 3500);
}

/* --- with a server --- */

static void expect_conflict(struct aw_mongo *self, const struct aw_write *writes, size_t n)
{
    struct aw_err err;
    assert_false(kit_commit(self, writes, n, &err));
    assert_int_equal(err.kind, AW_ERR_CONFLICT);
    assert_string_equal(err.code, "store.conflict");
}

static void test_expectations(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri);
    struct aw_thing a = kit_thing("a", "A"), b = kit_thing("b", "B"), other = kit_thing("o", "O");
    struct aw_write writes[] = {kit_insert(&things, &a), kit_insert(&things, &b)};
    kit_must_commit(self, writes, 2);

    /* each with a second write that would be good: nothing of the unit may be in */
    struct aw_write bad[][2] = {
        {kit_insert(&others, &other), kit_insert(&things, &a)},
        {kit_insert(&others, &other), kit_delete(&things, "b", 2)},
        {kit_insert(&others, &other), kit_delete(&things, "absent", 1)},
        {kit_insert(&others, &other), {0}},
    };
    struct aw_thing late = kit_thing("a", "A2");
    bad[3][1] = kit_replace(&things, &late, 2);
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        expect_conflict(self, bad[i], 2);
        assert_int_equal(kit_version(self, &others, "o"), 0);
    }
    struct aw_write good[] = {kit_replace(&things, &late, 1), kit_delete(&things, "b", 1)};
    kit_must_commit(self, good, 2);
    assert_int_equal(kit_version(self, &things, "a"), 2);
    assert_int_equal(kit_version(self, &things, "b"), 0);
    kit_close(self);
    kit_drop(uri);
}

static void test_unique(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri);
    struct aw_thing a = kit_thing("a", "A"), b = kit_thing("b", "B");
    struct aw_write first[] = {kit_insert(&things, &a), kit_insert(&things, &b)};
    kit_must_commit(self, first, 2);

    struct aw_thing twin = kit_thing("c", "A"), twin2 = kit_thing("d", "A"),
                    moved = kit_thing("b", "A");
    expect_conflict(self, (struct aw_write[]){kit_insert(&things, &twin)}, 1);
    expect_conflict(self, (struct aw_write[]){kit_replace(&things, &moved, 1)}, 1);
    struct aw_thing new1 = kit_thing("e", "N"), new2 = kit_thing("f", "N");
    expect_conflict(self,
                    (struct aw_write[]){kit_insert(&things, &new1), kit_insert(&things, &new2)}, 2);
    /* of another company it is another name */
    twin2.company_id = "other";
    kit_must_commit(self, (struct aw_write[]){kit_insert(&things, &twin2)}, 1);
    /* the unit itself frees the name: by a delete, by a replace */
    struct aw_write freed[] = {kit_insert(&things, &twin), kit_delete(&things, "a", 1)};
    kit_must_commit(self, freed, 2);
    struct aw_thing renamed = kit_thing("c", "C"), heir = kit_thing("g", "A");
    struct aw_write passed[] = {kit_insert(&things, &heir), kit_replace(&things, &renamed, 1)};
    kit_must_commit(self, passed, 2);
    assert_int_equal(kit_version(self, &things, "g"), 1);
    assert_int_equal(kit_version(self, &things, "c"), 2);
    kit_close(self);
    kit_drop(uri);
}

static void test_refused_unit_leaves_nothing(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri);
    struct aw_thing good = kit_thing("a", "A"), bad = kit_thing("b", "\xff\xfe");
    struct aw_write writes[] = {kit_insert(&things, &good), kit_insert(&things, &bad)};
    struct aw_err err;
    assert_false(kit_commit(self, writes, 2, &err));
    assert_string_equal(err.code, "store.refused");
    assert_int_equal(kit_version(self, &things, "a"), 0);
    kit_must_commit(self, writes, 1);
    kit_close(self);
    kit_drop(uri);
}

static void test_same_row_twice(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri);
    struct aw_thing a = kit_thing("a", "A");
    struct aw_write writes[] = {kit_insert(&things, &a), kit_insert(&things, &a)};
    struct aw_err err;
    assert_false(kit_commit(self, writes, 2, &err));
    assert_string_equal(err.code, "store.twice");
    kit_close(self);
    kit_drop(uri);
}

static bool count_row(void *arg, void *row)
{
    (void)row;
    ++*(size_t *)arg;
    return true;
}

/* More rows than one batch of a cursor and one find of ids hold. */
static void test_many_rows(void **state)
{
    (void)state;
    enum { N = 2100 };
    const char *uri = kit_uri();
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri);
    struct aw_thing *rows = calloc(N, sizeof(*rows));
    struct aw_write *writes = calloc(N, sizeof(*writes));
    char(*ids)[16] = calloc(N, sizeof(*ids));
    const char **list = calloc(N, sizeof(*list));
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "row-%05d", i);
        list[i] = ids[i];
        rows[i] = kit_thing(ids[i], ids[i]);
        writes[i] = kit_insert(&others, &rows[i]);
    }
    kit_must_commit(self, writes, N);
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_err err;
    void **found = calloc(N, sizeof(*found));
    void *reader = NULL;
    assert_true(aw_driver_mongo.read_begin(self, &reader, &err));
    assert_true(aw_driver_mongo.get_many(reader, &others, list, N, arena, found, &err));
    for (int i = 0; i < N; i++) {
        assert_string_equal(((struct aw_thing *)found[i])->id, ids[i]);
    }
    size_t seen = 0;
    int64_t counted;
    struct aw_query query = {.schema = &others};
    assert_true(aw_driver_mongo.each(reader, &query, arena, count_row, &seen, &err));
    assert_int_equal(seen, N);
    assert_true(aw_driver_mongo.count(reader, &query, &counted, &err));
    assert_int_equal(counted, N);
    aw_driver_mongo.read_end(self, reader);
    aw_arena_destroy(&arena);
    free(found);
    free(list);
    free(ids);
    free(writes);
    free(rows);
    kit_close(self);
    kit_drop(uri);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_round_trip),   cmocka_unit_test(test_row_types),
        cmocka_unit_test(test_foreign_document), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_time_filters),     cmocka_unit_test(test_keyset),
        cmocka_unit_test(test_errors),           cmocka_unit_test(test_journal_row_limits),
        cmocka_unit_test(test_bad_uri),          cmocka_unit_test(test_server_down),
    };
    const struct CMUnitTest with_server[] = {
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_refused_unit_leaves_nothing),
        cmocka_unit_test(test_same_row_twice),
        cmocka_unit_test(test_many_rows),
    };
    /* One plan: t/e2e/10-store-contract.t runs the second half, once for every server. */
    return getenv("AW_TEST_MONGO_URI") == NULL
               ? cmocka_run_group_tests_name("store_mongo", tests, NULL, NULL)
               : cmocka_run_group_tests_name("store_mongo with a server", with_server, NULL, NULL);
}
