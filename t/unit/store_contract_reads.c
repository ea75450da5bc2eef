/* What every store driver promises: reading. */
#include "store_kit.h"

static void a_scope_hides_other_companies(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    static const char *const companies[] = {"acme", "beta", "gamma"};
    for (size_t i = 0; i < AW_COUNT(companies); i++) {
        kit_insert(kit, kit_thing(kit->arena, companies[i], companies[i]));
    }
    struct aw_reader *reader;
    struct aw_query all = {.schema = &thing_schema};
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    for (size_t n = 0; n <= AW_COUNT(companies); n++) {
        struct aw_scope scope = {.companies = companies, .n = n};
        struct aw_rows rows;
        int64_t count;
        void *got[AW_COUNT(companies)], *row;
        assert_true(aw_store_find(reader, &scope, &all, kit->arena, &rows, &err));
        assert_int_equal(rows.n, n);
        assert_true(aw_store_count(reader, &scope, &all, &count, &err));
        assert_int_equal(count, n);
        assert_true(aw_store_get_many(reader, &scope, &thing_schema, companies, AW_COUNT(companies),
                                      kit->arena, got, &err));
        for (size_t i = 0; i < AW_COUNT(companies); i++) {
            assert_int_equal(got[i] != NULL, i < n);
            assert_int_equal(aw_store_get(reader, &scope, &thing_schema, companies[i], kit->arena,
                                          &row, &err),
                             i < n);
        }
    }
    aw_store_read_end(&reader);
}

static void a_uuid_is_a_text_like_any_other(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    /* in the order of their bytes */
    static const char *const ids[] = {"-", "00000000-0000-0000-0000-000000000000",
                                      "01938c1e-7a4b-7c3d-8e2f-0123456789ab",
                                      "01938c1e-7a4b-7c3d-8e2f-0123456789ac",
                                      "ffffffff-ffff-ffff-ffff-ffffffffffff"};
    static const char *const nearly[] = {"01938C1E-7A4B-7C3D-8E2F-0123456789AB",
                                         "01938c1e-7a4b-7c3d-8e2f_0123456789ab",
                                         "01938c1e-7a4b-7c3d-8e2f-0123456789a"};
    for (size_t i = 0; i < AW_COUNT(ids); i++) {
        kit_insert(kit, kit_thing(kit->arena, ids[i], ids[AW_COUNT(ids) - 1 - i]));
    }
    struct aw_query query = {.schema = &thing_schema, .limit = 2};
    struct aw_scope scope = {.companies = ids, .n = 3};
    struct aw_reader *reader;
    struct aw_rows rows;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    for (size_t i = 0; i < AW_COUNT(ids); i += rows.n) {
        assert_true(aw_store_find(reader, &aw_scope_all, &query, kit->arena, &rows, &err));
        assert_true(rows.n > 0);
        for (size_t k = 0; k < rows.n; k++) {
            const struct thing *thing = rows.v[k];
            assert_string_equal(thing->id, ids[i + k]);
            assert_string_equal(thing->company_id, ids[AW_COUNT(ids) - 1 - i - k]);
            query.after_id = thing->id;
        }
    }
    query = (struct aw_query){.schema = &thing_schema, .limit = 9};
    assert_true(aw_store_find(reader, &scope, &query, kit->arena, &rows, &err));
    assert_int_equal(rows.n, 3);
    assert_string_equal(((struct thing *)rows.v[0])->id, ids[2]);
    query.n = 1;
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = ids[1]};
    assert_true(aw_store_find(reader, &aw_scope_all, &query, kit->arena, &rows, &err));
    assert_int_equal(rows.n, 1);
    assert_string_equal(((struct thing *)rows.v[0])->id, ids[3]);
    aw_store_read_end(&reader);
    for (size_t i = 0; i < AW_COUNT(nearly); i++) {
        assert_null(kit_get(kit, nearly[i]));
        kit_insert(kit, kit_thing(kit->arena, nearly[i], "acme"));
        assert_string_equal(kit_get(kit, nearly[i])->id, nearly[i]);
    }
    struct aw_tx *tx = aw_tx_create(kit->store);
    aw_tx_delete(tx, &thing_schema, ids[2], 1);
    kit_commit(&tx);
    assert_null(kit_get(kit, ids[2]));
    assert_non_null(kit_get(kit, nearly[0]));
}

static bool stop_at_three(void *arg, const void *row)
{
    size_t *seen = arg;
    assert_non_null(((const struct thing *)row)->id);
    return ++*seen < 3;
}

static void each_goes_row_by_row_and_stops(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (int i = 0; i < 2500; i++) {
        char id[16];
        snprintf(id, sizeof(id), "t%05d", i);
        aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), id, "acme"));
    }
    kit_commit(&tx);
    assert_int_equal(kit_count(kit), 2500);
    struct aw_reader *reader;
    struct aw_query all = {.schema = &thing_schema};
    size_t seen = 0;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_store_each(reader, &aw_scope_all, &all, stop_at_three, &seen, &err));
    assert_int_equal(seen, 3);
    aw_store_read_end(&reader);
}

static void wrong_queries_are_refused(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    const struct aw_query wrong[] = {
        {.schema = &thing_schema, .conds = {{.field = "nothing", .text = "x"}}, .n = 1},
        {.schema = &thing_schema,
         .conds = {{.field = "tags", .op = AW_OP_NE, .text = "x"}},
         .n = 1},
        {.schema = &thing_schema, .conds = {{.field = "name", .op = AW_OP_GT}}, .n = 1},
        {.schema = &thing_schema, .conds = {{.field = "rank", .op = AW_OP_IN}}, .n = 1},
        {.schema = &thing_schema, .sort = "nothing"},
        {.schema = &thing_schema, .sort = "tags"},
    };
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (size_t i = 0; i < AW_COUNT(wrong); i++) {
        struct aw_rows rows;
        assert_false(aw_tx_find(tx, &aw_scope_all, &wrong[i], &rows, &err));
        assert_string_equal(err.code, "store.query");
    }
    aw_tx_end(tx, false);
    aw_tx_destroy(&tx);
}

/* Never two writers: the second is refused, or takes over and the first is fenced off. */
/* EQ on a list: it holds the text, whole; in the database and in what a unit has buffered. */
static void a_list_is_asked_for_one_of_its_texts(void **state)
{
    struct kit *kit = *state;
    static const char *const both[] = {"Datadog", "Zab\"bix"}, *const one[] = {"Datadog EU"};
    struct thing *first = kit_thing(kit->arena, "first", "acme");
    struct thing *second = kit_thing(kit->arena, "second", "acme");
    first->tags = (struct aw_strs){.v = both, .n = 2};
    second->tags = (struct aw_strs){.v = one, .n = 1};
    kit_insert(kit, first);
    kit_insert(kit, second);
    kit_insert(kit, kit_thing(kit->arena, "third", "acme"));
    static const struct {
        const char *text;
        size_t found;
    } cases[] = {{"Datadog", 2}, {"Zab\"bix", 1}, {"Datadog EU", 1}, {"data", 0}, {"", 0}};
    struct aw_tx *tx = aw_tx_create(kit->store);
    struct thing *buffered = kit_thing(aw_tx_arena(tx), "fourth", "acme");
    buffered->tags = first->tags;
    buffered->tags.n = 1;
    aw_tx_insert(tx, &thing_schema, buffered);
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        struct aw_query query = {
            .schema = &thing_schema,
            .conds = {{.field = "tags", .op = AW_OP_EQ, .text = cases[i].text}},
            .n = 1};
        struct aw_rows rows;
        struct aw_err err;
        assert_true(aw_tx_find(tx, &aw_scope_all, &query, &rows, &err));
        assert_int_equal(rows.n, cases[i].found);
    }
    kit_commit(&tx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_CASE(a_scope_hides_other_companies),        KIT_CASE(a_uuid_is_a_text_like_any_other),
        KIT_CASE(each_goes_row_by_row_and_stops),       KIT_CASE(wrong_queries_are_refused),
        KIT_CASE(a_list_is_asked_for_one_of_its_texts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_contract_reads", tests, NULL, NULL);
}
