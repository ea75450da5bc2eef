/* Random queries on random rows: the database, the unit's overlay and the matcher in memory must say the same. */
#include "store_kit.h"

#include "worker/store/query.h"

enum { ROWS = 90, QUERIES = 400 };

static const char *const names[] = {NULL, "", "a", "ab", "b", "B", "\xc3\xa4", "z|x", "a'b"};
static const char *const companies[] = {"acme", "beta", "gamma", "nobody"};
static const int64_t numbers[] = {0, 1, 2, 3, -1, INT64_MAX, INT64_MIN};

static void randomize(struct thing *thing)
{
    thing->name = names[kit_pick(AW_COUNT(names))];
    thing->rank = numbers[kit_pick(AW_COUNT(numbers))];
    thing->flag = kit_pick(2);
    thing->level = (int)kit_pick(AW_SEVERITIES);
    thing->at = kit_pick(3) == 0 ? 0 : 1000 + kit_pick(5);
    if (kit_pick(2)) {
        thing->blob = (struct aw_bytes){.ptr = (const uint8_t *)"x", .len = 1};
    }
}

static struct thing *random_thing(struct aw_arena *arena, unsigned number)
{
    char id[16];
    snprintf(id, sizeof(id), "%c%03u", kit_pick(2) ? 'i' : 'I', number);
    struct thing *thing = kit_thing(arena, id, companies[kit_pick(3)]);
    randomize(thing);
    return thing;
}

static struct aw_cond random_cond(void)
{
    static const char *const number_fields[] = {"rank", "flag", "level", "at"};
    struct aw_cond cond = {.op = (enum aw_op)kit_pick(6)};
    switch (kit_pick(4)) {
    case 0:
        cond.field = number_fields[kit_pick(AW_COUNT(number_fields))];
        cond.number = kit_pick(2) ? numbers[kit_pick(AW_COUNT(numbers))] : 1000 + kit_pick(5);
        if (strcmp(cond.field, "flag") == 0 || strcmp(cond.field, "level") == 0) {
            cond.number = kit_pick(4);
        }
        break;
    case 1:
        cond.field = "name";
        cond.text = names[kit_pick(AW_COUNT(names))];
        if (cond.text == NULL) {
            cond.op = (enum aw_op)kit_pick(2);
        }
        break;
    case 2:
        cond.field = kit_pick(2) ? "name" : "company_id";
        cond.op = AW_OP_IN;
        cond.in =
            (struct aw_strs){.v = cond.field[0] == 'n' ? names + 1 : companies, .n = kit_pick(4)};
        break;
    default:
        cond.field = "blob";
        cond.op = (enum aw_op)kit_pick(2);
        break;
    }
    return cond;
}

static struct aw_query random_query(struct thing *const *things, size_t n)
{
    static const char *const sorts[] = {NULL, "id", "name", "rank", "at", "level"};
    struct aw_query query = {.schema = &thing_schema,
                             .n = kit_pick(4),
                             .sort = sorts[kit_pick(AW_COUNT(sorts))],
                             .descending = kit_pick(2),
                             .limit = kit_pick(2) ? kit_pick(12) : 0};
    for (size_t i = 0; i < query.n; i++) {
        query.conds[i] = random_cond();
    }
    if (kit_pick(2)) {
        const struct thing *after = things[kit_pick((unsigned)n)];
        query.after_id = after->id;
        query.after_text = after->name;
        query.after_number = after->rank;
        if (query.sort != NULL && strcmp(query.sort, "at") == 0) {
            query.after_number = after->at;
        } else if (query.sort != NULL && strcmp(query.sort, "level") == 0) {
            query.after_number = after->level;
        }
    }
    return query;
}

/* By looking at every row. */
static size_t expected(const struct aw_query *query, struct thing *const *things, size_t n,
                       const struct thing **found)
{
    struct aw_match match;
    struct aw_err err;
    size_t count = 0;
    assert_true(aw_match_init(&match, query, &err));
    for (size_t i = 0; i < n; i++) {
        if (things[i] == NULL || !aw_match_row(&match, things[i])) {
            continue;
        }
        size_t at = count++;
        while (at > 0 && aw_match_order(&match, things[i], found[at - 1]) < 0) {
            found[at] = found[at - 1];
            at--;
        }
        found[at] = things[i];
    }
    return query->limit != 0 && count > query->limit ? query->limit : count;
}

static void same(const struct aw_rows *rows, const struct thing *const *found, size_t n)
{
    assert_int_equal(rows->n, n);
    for (size_t i = 0; i < n; i++) {
        const struct thing *row = rows->v[i];
        assert_string_equal(row->id, found[i]->id);
        assert_true(aw_row_equal(&thing_schema, row, found[i]));
    }
}

static void fill(struct kit *kit, struct thing **things)
{
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (unsigned i = 0; i < ROWS; i++) {
        things[i] = random_thing(kit->arena, i);
        aw_tx_insert(tx, &thing_schema, things[i]);
    }
    kit_commit(&tx);
}

static void stored_rows_are_found_as_in_memory(void **state)
{
    struct kit *kit = *state;
    struct thing *things[ROWS];
    const struct thing *found[ROWS];
    struct aw_reader *reader;
    struct aw_err err;
    size_t hits = 0;
    fill(kit, things);
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    for (int i = 0; i < QUERIES; i++) {
        struct aw_query query = random_query(things, ROWS);
        size_t n = expected(&query, things, ROWS, found);
        struct aw_rows rows;
        int64_t count;
        assert_true(aw_store_find(reader, &aw_scope_all, &query, kit->arena, &rows, &err));
        same(&rows, found, n);
        query.limit = 0;
        assert_true(aw_store_count(reader, &aw_scope_all, &query, &count, &err));
        assert_int_equal(count, expected(&query, things, ROWS, found));
        hits += n;
    }
    assert_true(hits > QUERIES); /* the queries do find something */
    aw_store_read_end(&reader);
}

/* Every third row is replaced, every fifth deleted, some are new; then the unit commits. */
static void a_unit_finds_what_it_will_have_stored(void **state)
{
    struct kit *kit = *state;
    struct thing *things[ROWS + 20];
    const struct thing *found[ROWS + 20];
    struct aw_query queries[QUERIES];
    struct aw_err err;
    fill(kit, things);
    for (unsigned i = ROWS; i < AW_COUNT(things); i++) {
        things[i] = random_thing(kit->arena, i);
    }
    for (size_t i = 0; i < QUERIES; i++) {
        queries[i] = random_query(things, AW_COUNT(things));
    }
    struct aw_tx *tx = aw_tx_create(kit->store);
    for (unsigned i = 0; i < AW_COUNT(things); i++) {
        if (i >= ROWS) {
            aw_tx_insert(tx, &thing_schema, things[i]);
        } else if (i % 3 == 0) {
            randomize(things[i]);
            aw_tx_replace(tx, &thing_schema, things[i]);
        } else if (i % 5 == 0) {
            aw_tx_delete(tx, &thing_schema, things[i]->id, 1);
            things[i] = NULL;
        }
    }
    for (size_t i = 0; i < QUERIES; i++) {
        struct aw_rows rows;
        assert_true(aw_tx_find(tx, &aw_scope_all, &queries[i], &rows, &err));
        same(&rows, found, expected(&queries[i], things, AW_COUNT(things), found));
    }
    kit_commit(&tx);
    struct aw_reader *reader;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    for (size_t i = 0; i < QUERIES; i++) {
        struct aw_rows rows;
        assert_true(aw_store_find(reader, &aw_scope_all, &queries[i], kit->arena, &rows, &err));
        same(&rows, found, expected(&queries[i], things, AW_COUNT(things), found));
    }
    aw_store_read_end(&reader);
}

/* Page by page, forward and back, gives every row once. */
static void pages_make_the_whole(void **state)
{
    struct kit *kit = *state;
    static const char *const sorts[] = {NULL, "name", "rank", "at"};
    struct thing *things[ROWS];
    struct aw_reader *reader;
    struct aw_err err;
    fill(kit, things);
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    for (size_t i = 0; i < AW_COUNT(sorts) * 2; i++) {
        struct aw_query all = {.schema = &thing_schema,
                               .sort = sorts[i / 2],
                               .descending = i % 2 != 0};
        struct aw_query page = all;
        struct aw_rows whole, part;
        size_t seen = 0;
        page.limit = 7;
        assert_true(aw_store_find(reader, &aw_scope_all, &all, kit->arena, &whole, &err));
        assert_int_equal(whole.n, ROWS);
        do {
            assert_true(aw_store_find(reader, &aw_scope_all, &page, kit->arena, &part, &err));
            for (size_t k = 0; k < part.n; k++, seen++) {
                const struct thing *row = part.v[k], *same_row = whole.v[seen];
                assert_string_equal(row->id, same_row->id);
                page.after_id = row->id;
                page.after_text = row->name;
                page.after_number = i / 2 == 3 ? row->at : row->rank;
            }
        } while (part.n > 0);
        assert_int_equal(seen, ROWS);
    }
    aw_store_read_end(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_CASE(stored_rows_are_found_as_in_memory),
        KIT_CASE(a_unit_finds_what_it_will_have_stored),
        KIT_CASE(pages_make_the_whole),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_query", tests, NULL, NULL);
}
