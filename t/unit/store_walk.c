/* A walk through a collection page by page, while rows come, change and go. */
#include "store_kit.h"

static struct aw_rows walk(struct kit *kit, const struct aw_scope *scope, struct aw_place *place,
                           size_t limit, bool *more)
{
    const struct aw_query query = {.schema = &thing_schema, .sort = "at", .limit = limit};
    struct aw_reader *reader;
    struct aw_rows rows;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    if (!aw_store_walk(reader, scope, &query, place, kit->arena, &rows, more, &err)) {
        fail_msg("walk: %s %s", err.code, err.msg);
    }
    aw_store_read_end(&reader);
    return rows;
}

static const char *id_at(const struct aw_rows *rows, size_t i)
{
    return ((const struct thing *)rows->v[i])->id;
}

/* Ids fall while the time rises; two rows of each time. */
static void insert_things(struct kit *kit, unsigned from, unsigned until)
{
    for (unsigned i = from; i < until; i++) {
        struct thing *thing =
            kit_thing(kit->arena,
                      aw_arena_printf(kit->arena, "id-%03u", i % 2 == 0 ? 500 - i : 500 + i),
                      i % 3 == 0 ? "beta" : "acme");
        thing->code = thing->id;
        thing->at = 1000 + i / 2;
        kit_insert(kit, thing);
    }
}

static void every_row_comes_once(void **state)
{
    struct kit *kit = *state;
    struct aw_place place = {.number = 0};
    bool more = true, seen[40] = {false};
    int64_t last = 0;
    insert_things(kit, 0, 30);
    size_t n = 0, pages = 0;
    while (more) {
        struct aw_rows rows = walk(kit, &aw_scope_all, &place, 7, &more);
        for (size_t i = 0; i < rows.n; i++, n++) {
            const struct thing *thing = rows.v[i];
            size_t number = (size_t)labs(strtol(thing->id + 3, NULL, 10) - 500);
            assert_false(seen[number]);
            seen[number] = true;
            assert_true(thing->at >= last);
            last = thing->at;
        }
        if (++pages == 2) {
            insert_things(kit, 30, 40); /* behind the place */
        }
    }
    assert_int_equal(n, 40);
    struct aw_rows rows = walk(kit, &aw_scope_all, &place, 7, &more);
    assert_int_equal(rows.n, 0);
    assert_false(more);
}

static void a_place_outlives_its_row(void **state)
{
    struct kit *kit = *state;
    struct aw_place place = {.number = 0};
    bool more;
    insert_things(kit, 0, 10);
    struct aw_rows rows = walk(kit, &aw_scope_all, &place, 4, &more);
    assert_int_equal(rows.n, 4);
    assert_true(more);
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (size_t i = 0; i < rows.n; i++) {
        aw_tx_delete(tx, &thing_schema, id_at(&rows, i), 1);
    }
    kit_commit(&tx);
    rows = walk(kit, &aw_scope_all, &place, 100, &more);
    assert_int_equal(rows.n, 6);
    assert_false(more);
    place = (struct aw_place){.number = 0};
    rows = walk(kit, &aw_scope_all, &place, 100, &more);
    assert_int_equal(rows.n, 6);
}

static void a_scope_leaves_rows_out(void **state)
{
    struct kit *kit = *state;
    static const char *const acme[] = {"acme"};
    const struct aw_scope scope = {.companies = acme, .n = 1};
    struct aw_place place = {.number = 0};
    bool more = true;
    size_t n = 0;
    insert_things(kit, 0, 30);
    while (more) {
        struct aw_rows rows = walk(kit, &scope, &place, 5, &more);
        for (size_t i = 0; i < rows.n; i++, n++) {
            assert_string_equal(((const struct thing *)rows.v[i])->company_id, "acme");
        }
    }
    assert_int_equal(n, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_CASE(every_row_comes_once),
        KIT_CASE(a_place_outlives_its_row),
        KIT_CASE(a_scope_leaves_rows_out),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
