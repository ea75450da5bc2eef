/* What every driver promises; see store_kit.h for the driver that is tested. */
#include "store_kit.h"

#include "worker/store/query.h"

static struct thing *full_thing(struct aw_arena *arena)
{
    static const char *const tags[] = {"", "a\"b", "grün\n"};
    static const uint8_t blob[] = {0, 1, 0xff, 0};
    static const struct aw_policy policy = {.auto_approve_low_risk = true,
                                            .maintenance_window = "Sat 22:00-02:00"};
    struct thing *thing = kit_thing(arena, "full", "acme");
    thing->name = "gr\xc3\xbcn \xf0\x9f\x94\xa5 'quoted' \"twice\" \\ end";
    thing->rank = INT64_MIN;
    thing->flag = true;
    thing->level = AW_CRITICAL;
    thing->at = INT64_C(1795244400123);
    thing->blob = (struct aw_bytes){.ptr = blob, .len = sizeof(blob)};
    thing->tags = (struct aw_strs){.v = tags, .n = AW_COUNT(tags)};
    thing->policy = &policy;
    thing->raw = " {\"a\" : [1, 2.50 ,null]}\n";
    return thing;
}

static void rows_come_back_as_written(void **state)
{
    struct kit *kit = *state;
    struct thing *full = full_thing(kit->arena);
    struct thing *empty = kit_thing(kit->arena, "empty", "acme");
    struct thing *blank = kit_thing(kit->arena, "blank", "acme");
    blank->name = blank->raw = "";
    blank->blob = (struct aw_bytes){.ptr = (const uint8_t *)"", .len = 0};
    blank->rank = INT64_MAX;
    struct thing *const all[] = {full, empty, blank};
    for (size_t i = 0; i < AW_COUNT(all); i++) {
        kit_insert(kit, all[i]);
        assert_int_equal(all[i]->version, 1);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < AW_COUNT(all); i++) {
            const struct thing *back = kit_get(kit, all[i]->id);
            assert_non_null(back);
            assert_true(aw_row_equal(&thing_schema, back, all[i]));
        }
        kit_reopen(kit);
    }
    assert_null(kit_get(kit, "ful"));
    assert_null(kit_get(kit, ""));
}

static void replace_and_delete_follow_versions(void **state)
{
    struct kit *kit = *state;
    kit_insert(kit, kit_thing(kit->arena, "a", "acme"));
    struct thing *thing = kit_get(kit, "a");
    struct aw_tx *tx = aw_tx_create(kit->store);
    thing->rank = 7;
    aw_tx_replace(tx, &thing_schema, thing);
    assert_int_equal(thing->version, 2);
    assert_int_equal(aw_tx_writes(tx), 1);
    kit_commit(&tx);
    const struct thing *back = kit_get(kit, "a");
    assert_int_equal(back->version, 2);
    assert_int_equal(back->rank, 7);

    tx = aw_tx_create(kit->store);
    aw_tx_delete(tx, &thing_schema, "a", 2);
    kit_commit(&tx);
    assert_null(kit_get(kit, "a"));
}

/* The unit changes the row that it got: indexed fields alone and together, in one write or two, or by a row that takes
 * the place of a deleted one. */
static void what_was_read_is_replaced_whole(void **state)
{
    enum { CODE = 1, NAME = 2, RANK = 4, COMPANY = 8, ALL = 16, WAYS = 3 };
    struct kit *kit = *state;
    struct aw_err err;
    kit_insert(kit, kit_thing(kit->arena, "a", "acme"));
    for (unsigned round = 1; round <= ALL * WAYS; round++) {
        struct aw_tx *tx = aw_tx_create(kit->store);
        struct aw_arena *arena = aw_tx_arena(tx);
        struct thing *row;
        struct aw_rows found;
        assert_true(aw_tx_get(tx, &aw_scope_all, &thing_schema, "a", (void **)&row, &err));
        struct thing was = *row;
        const char *fresh = aw_arena_printf(arena, "%u", round);
        row->code = round & CODE ? fresh : row->code;
        row->name = round & NAME ? fresh : row->name;
        row->rank = round & RANK ? round : row->rank;
        row->company_id = round & COMPANY ? fresh : row->company_id;
        row->at = round;
        if (round % WAYS == 0) {
            aw_tx_delete(tx, &thing_schema, "a", row->version);
            aw_tx_insert(tx, &thing_schema, row);
        } else {
            aw_tx_replace(tx, &thing_schema, row);
        }
        if (round % WAYS == 1) {
            assert_true(aw_tx_get(tx, &aw_scope_all, &thing_schema, "a", (void **)&row, &err));
            row->rank = was.rank; /* back to what is stored */
            aw_tx_replace(tx, &thing_schema, row);
        }
        struct thing *expected = aw_row_copy(&thing_schema, row, kit->arena);
        kit_commit(&tx);
        assert_true(aw_row_equal(&thing_schema, kit_get(kit, "a"), expected));

        const struct aw_query query = {
            .schema = &thing_schema,
            .conds = {{.field = "company_id", .op = AW_OP_EQ, .text = expected->company_id},
                      {.field = "rank", .op = AW_OP_EQ, .number = expected->rank},
                      {.field = "code", .op = AW_OP_EQ, .text = expected->code},
                      {.field = "name", .op = AW_OP_EQ, .text = expected->name}},
            .n = 4};
        tx = aw_tx_create(kit->store);
        assert_true(aw_tx_find(tx, &aw_scope_all, &query, &found, &err));
        assert_int_equal(found.n, 1);
        kit_commit(&tx);
    }
}

enum wrong { SAME_ID, SAME_CODE, OLD_REPLACE, ABSENT_REPLACE, OLD_DELETE, ABSENT_DELETE, WRONGS };

static void write_wrong(struct aw_tx *tx, enum wrong wrong)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    struct thing *thing = kit_thing(arena, "a", "acme");
    switch (wrong) {
    case SAME_ID:
        thing->code = "other";
        aw_tx_insert(tx, &thing_schema, thing);
        break;
    case SAME_CODE:
        thing->id = "b";
        aw_tx_insert(tx, &thing_schema, thing);
        break;
    case ABSENT_REPLACE:
        thing->id = thing->code = "nobody";
        /* fall through */
    case OLD_REPLACE:
        thing->version = 1;
        aw_tx_replace(tx, &thing_schema, thing);
        break;
    case OLD_DELETE:
        aw_tx_delete(tx, &thing_schema, "a", 1);
        break;
    default:
        aw_tx_delete(tx, &thing_schema, "nobody", 1);
        break;
    }
}

/* "a" is at version 2; the unit writes other rows before and behind the one that is wrong. */
static void a_conflict_undoes_the_whole_unit(void **state)
{
    struct kit *kit = *state;
    kit_insert(kit, kit_thing(kit->arena, "a", "acme"));
    kit_insert(kit, kit_thing(kit->arena, "other", "acme"));
    struct thing *thing = kit_get(kit, "a");
    struct aw_tx *tx = aw_tx_create(kit->store);
    aw_tx_replace(tx, &thing_schema, thing);
    kit_commit(&tx);
    for (enum wrong wrong = 0; wrong < WRONGS; wrong++) {
        tx = aw_tx_create(kit->store);
        aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), "before", "acme"));
        struct thing *other = kit_get(kit, "other");
        other->rank = 5;
        aw_tx_replace(tx, &thing_schema, other);
        write_wrong(tx, wrong);
        aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), "behind", "acme"));
        kit_commit_fails(&tx, AW_ERR_CONFLICT, "store.conflict");
        assert_int_equal(kit_count(kit), 2);
        assert_int_equal(kit_get(kit, "a")->version, 2);
        assert_int_equal(kit_get(kit, "other")->rank, 0);
    }
    kit_insert(kit, kit_thing(kit->arena, "b", "acme")); /* the store still works */
    kit_insert(kit, kit_thing(kit->arena, "before", "acme"));
    assert_int_equal(kit_count(kit), 4);
}

static void a_unit_sees_its_own_writes(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    kit_insert(kit, kit_thing(kit->arena, "old", "acme"));
    kit_insert(kit, kit_thing(kit->arena, "gone", "acme"));
    struct aw_tx *tx = aw_tx_create(kit->store);
    aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), "new", "acme"));
    aw_tx_delete(tx, &thing_schema, "gone", 1);
    struct thing *old;
    assert_true(aw_tx_get(tx, &aw_scope_all, &thing_schema, "old", (void **)&old, &err));
    old->rank = 3;
    aw_tx_replace(tx, &thing_schema, old);

    const char *const ids[] = {"new", "old", "gone", "never", "new"};
    struct thing *rows[AW_COUNT(ids)];
    assert_true(
        aw_tx_get_many(tx, &aw_scope_all, &thing_schema, ids, AW_COUNT(ids), (void **)rows, &err));
    assert_string_equal(rows[0]->id, "new");
    assert_int_equal(rows[1]->rank, 3);
    assert_int_equal(rows[1]->version, 2);
    assert_null(rows[2]);
    assert_null(rows[3]);
    assert_string_equal(rows[4]->id, "new");

    rows[1]->rank = 99; /* a change that is not written */
    assert_true(aw_tx_get(tx, &aw_scope_all, &thing_schema, "old", (void **)&old, &err));
    assert_int_equal(old->rank, 3);
    assert_false(aw_tx_get(tx, &aw_scope_all, &thing_schema, "gone", (void **)&old, &err));
    assert_int_equal(err.kind, AW_ERR_NOT_FOUND);
    assert_null(kit_get(kit, "new")); /* nobody else sees it */
    kit_commit(&tx);
    assert_int_equal(kit_get(kit, "old")->rank, 3);
    assert_null(kit_get(kit, "gone"));
    assert_non_null(kit_get(kit, "new"));
}

static void several_writes_to_a_row_are_one(void **state)
{
    struct kit *kit = *state;
    kit_insert(kit, kit_thing(kit->arena, "stored", "acme"));
    kit_insert(kit, kit_thing(kit->arena, "again", "acme"));
    struct aw_tx *tx = aw_tx_create(kit->store);
    struct aw_arena *arena = aw_tx_arena(tx);
    struct thing *raised = kit_thing(arena, "raised", "acme");
    aw_tx_insert(tx, &thing_schema, raised);
    raised->rank = 2;
    aw_tx_replace(tx, &thing_schema, raised);

    struct thing *undone = kit_thing(arena, "undone", "acme");
    aw_tx_insert(tx, &thing_schema, undone);
    aw_tx_delete(tx, &thing_schema, "undone", 1);

    struct thing *stored = kit_get(kit, "stored");
    for (int i = 0; i < 3; i++) {
        stored->rank++;
        aw_tx_replace(tx, &thing_schema, stored);
    }
    aw_tx_delete(tx, &thing_schema, "again", 1);
    struct thing *again = kit_thing(arena, "again", "acme");
    again->rank = 8;
    aw_tx_insert(tx, &thing_schema, again);
    assert_int_equal(aw_tx_writes(tx), 3);
    kit_commit(&tx);

    assert_int_equal(kit_get(kit, "raised")->rank, 2);
    assert_int_equal(kit_get(kit, "raised")->version, 2);
    assert_null(kit_get(kit, "undone"));
    assert_int_equal(kit_get(kit, "stored")->rank, 3);
    assert_int_equal(kit_get(kit, "stored")->version, 4);
    assert_int_equal(kit_get(kit, "again")->rank, 8);
    assert_int_equal(kit_get(kit, "again")->version, 2);
    stored = kit_get(kit, "stored"); /* and the versions go on from there */
    tx = aw_tx_create(kit->store);
    aw_tx_replace(tx, &thing_schema, stored);
    kit_commit(&tx);
    assert_int_equal(kit_get(kit, "stored")->version, 5);
}

/* Two states of one row in one unit: one of them is wrong, so nothing is written. */
static void a_unit_that_contradicts_itself_is_refused(void **state)
{
    struct kit *kit = *state;
    kit_insert(kit, kit_thing(kit->arena, "a", "acme"));
    for (int which = 0; which < 3; which++) {
        struct aw_tx *tx = aw_tx_create(kit->store);
        aw_tx_replace(tx, &thing_schema, kit_get(kit, "a"));
        if (which == 0) {
            aw_tx_replace(tx, &thing_schema, kit_get(kit, "a"));
        } else if (which == 1) {
            aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), "a", "acme"));
        } else {
            aw_tx_delete(tx, &thing_schema, "a", 1);
        }
        kit_commit_fails(&tx, AW_ERR_CONFLICT, "store.conflict");
        assert_int_equal(kit_get(kit, "a")->version, 1);
    }
}

static void there_is_one_writer(void **state)
{
    struct kit *kit = *state;
    struct aw_store *second;
    struct aw_err err;
    struct aw_tx *tx = aw_tx_create(kit->store);
    aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), "first", "acme"));
    if (!aw_store_open_driver(kit->driver, &kit->conf, false, kit_schemas, &second, &err)) {
        /* SQLite refuses; on MongoDB the second one may stand by. */
        bool standby = err.kind == AW_ERR_BUSY && strcmp(err.code, "store.standby") == 0;
        assert_true(standby ||
                    (err.kind == AW_ERR_CONFLICT && strcmp(err.code, "store.busy") == 0));
        kit_commit(&tx);
        return;
    }
    kit_commit_fails(&tx, AW_ERR_FENCED, "store.fenced");
    tx = aw_tx_create(second);
    aw_tx_insert(tx, &thing_schema, kit_thing(aw_tx_arena(tx), "second", "acme"));
    kit_commit(&tx);
    aw_store_close(&second);
    assert_null(kit_get(kit, "first"));
    assert_non_null(kit_get(kit, "second"));
}

static void a_store_can_be_opened_to_read_beside_the_writer(void **state)
{
    struct kit *kit = *state;
    struct aw_store *writing = kit->store;
    struct aw_err err;
    kit_insert(kit, kit_thing(kit->arena, "a", "acme"));
    assert_true(
        aw_store_open_driver(kit->driver, &kit->conf, true, kit_schemas, &kit->store, &err));
    assert_non_null(kit_get(kit, "a"));
    assert_true(aw_store_ping(kit->store, &err));
    struct aw_store *reading = kit->store;
    kit->store = writing;
    kit_insert(kit, kit_thing(kit->arena, "b", "acme"));
    kit->store = reading;
    assert_non_null(kit_get(kit, "b"));
    aw_store_close(&kit->store);
    kit->store = writing;
    assert_true(aw_store_ping(kit->store, &err));
}

static void a_newer_schema_is_refused(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    struct aw_tx *tx = aw_tx_create(kit->store);
    struct aw_meta *meta;
    assert_true(
        aw_tx_get(tx, &aw_scope_all, &aw_meta_schema, AW_STORE_VERSION_ID, (void **)&meta, &err));
    assert_int_equal(strtol(meta->value, NULL, 10), AW_STORE_VERSION);
    meta->value = "999";
    aw_tx_replace(tx, &aw_meta_schema, meta);
    kit_commit(&tx);
    aw_store_close(&kit->store);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_false(aw_store_open_driver(kit->driver, &kit->conf, read_only, kit_schemas,
                                          &kit->store, &err));
        assert_string_equal(err.code, "store.newer");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_CASE(rows_come_back_as_written),
        KIT_CASE(replace_and_delete_follow_versions),
        KIT_CASE(what_was_read_is_replaced_whole),
        KIT_CASE(a_conflict_undoes_the_whole_unit),
        KIT_CASE(a_unit_sees_its_own_writes),
        KIT_CASE(several_writes_to_a_row_are_one),
        KIT_CASE(a_unit_that_contradicts_itself_is_refused),
        KIT_CASE(there_is_one_writer),
        KIT_CASE(a_store_can_be_opened_to_read_beside_the_writer),
        KIT_CASE(a_newer_schema_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_contract", tests, NULL, NULL);
}
