#include "api_kit.h"

#include "worker/domain/api_keys.h"
#include "worker/domain/companies.h"
#include "worker/domain/rate_limits.h"

static struct kit kit;

static int open_all(void **state)
{
    (void)state;
    kit_open(&kit);
    kit_apply(&kit, kit_companies);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

/* What a unit is asked to do, and what came of it. */
struct work {
    bool (*run)(struct aw_tx *tx, struct work *work, struct aw_err *err);
    const char *key;
    int64_t version;
    enum aw_saved saved;
};

static bool unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct work *work = arg;
    return work->run(tx, work, err);
}

static bool do_work(struct work *work, struct aw_err *err)
{
    *err = (struct aw_err){0};
    return aw_writer_run(kit.writer, "test", unit, work, AW_ONCE, err);
}

static struct aw_api_key *stored_key(const char *name)
{
    struct aw_reader *reader;
    struct aw_rows rows;
    struct aw_err err = {0};
    const struct aw_query query = {
        .schema = &aw_api_key_schema,
        .conds = {{.field = "company_id", .op = AW_OP_EQ, .text = "acme"},
                  {.field = "name", .op = AW_OP_EQ, .text = name}},
        .n = 2,
    };
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_store_find(reader, &aw_scope_all, &query, kit.arena, &rows, &err), err);
    aw_store_read_end(&reader);
    assert_int_equal(rows.n, 1);
    return rows.v[0];
}

static const struct aw_act act = {.user_id = NULL, .now_ms = 1800000000000};

static void ids_of_companies_are_plain(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "comp-acme", "A.b_c-9",
                                       "0123456789012345678901234567890123456789"};
    static const char *const bad[] = {"",         "a b",
                                      "a/b",      "a|b",
                                      "\xc3\xa9", "01234567890123456789012345678901234567890"};
    for (size_t i = 0; i < AW_COUNT(good); i++) {
        assert_true(aw_company_id_ok(good[i]));
    }
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_false(aw_company_id_ok(bad[i]));
    }
}

static void keys_are_long_and_plain(void **state)
{
    (void)state;
    char key[AW_API_KEY_MAX + 2];
    memset(key, 'k', sizeof(key));
    key[AW_API_KEY_MAX + 1] = '\0';
    assert_false(aw_api_key_ok(key));
    key[AW_API_KEY_MAX] = '\0';
    assert_true(aw_api_key_ok(key));
    key[AW_API_KEY_MIN] = '\0';
    assert_true(aw_api_key_ok(key));
    key[3] = ' ';
    assert_false(aw_api_key_ok(key));
    key[3] = '\x80';
    assert_false(aw_api_key_ok(key));
    assert_false(aw_api_key_ok("fifteen-chars-x"));
    const char *made = aw_api_key_generate(kit.arena);
    assert_true(aw_api_key_ok(made));
    assert_string_not_equal(made, aw_api_key_generate(kit.arena));
}

static bool save_key(struct aw_tx *tx, struct work *work, struct aw_err *err)
{
    const struct aw_api_key want = {.company_id = "acme", .name = "tools"};
    const char *made;
    bool ok = aw_api_key_save(tx, kit.sealer, &want, work->key, &act, &made, &work->saved, err);
    assert_null(made);
    return ok;
}

static void a_key_can_be_found_and_copied_again(void **state)
{
    (void)state;
    struct work work = {.run = save_key, .key = "another-key-0123456789"};
    struct aw_err err;
    struct aw_bytes plain;
    uint8_t sha[32];
    KIT_OK(do_work(&work, &err), err);
    assert_int_equal(work.saved, AW_UPDATED);
    const struct aw_api_key *row = stored_key("tools");
    aw_sha256(work.key, strlen(work.key), sha);
    assert_string_equal(row->key_sha256, aw_hex(kit.arena, sha, sizeof(sha)));
    const char *where = aw_arena_printf(kit.arena, "api_keys|acme|%s", row->id);
    KIT_OK(aw_unseal(kit.sealer, "api-key", where, row->key_sealed, kit.arena, &plain, &err), err);
    assert_int_equal(plain.len, strlen(work.key));
    assert_memory_equal(plain.ptr, work.key, plain.len);
    /* the copy of one row is of no use in another */
    assert_false(aw_unseal(kit.sealer, "api-key", "api_keys|acme|other", row->key_sealed, kit.arena,
                           &plain, &err));
    KIT_OK(do_work(&work, &err), err);
    assert_int_equal(work.saved, AW_UNCHANGED);
    work.key = NULL;
    KIT_OK(do_work(&work, &err), err);
    assert_int_equal(work.saved, AW_UNCHANGED);
}

static void a_key_belongs_to_one_company(void **state)
{
    (void)state;
    struct work work = {.run = save_key, .key = "globex-key-0123456789"};
    struct aw_err err;
    assert_false(do_work(&work, &err));
    assert_string_equal(err.code, "api_key.taken");
}

static bool put_limit(struct aw_tx *tx, struct work *work, struct aw_err *err)
{
    const struct aw_rate_limit want = {.company_id = "acme",
                                       .enabled = true,
                                       .requests_per_minute = 5,
                                       .burst_size = 5};
    struct aw_rate_limit *row;
    return aw_rate_limit_put(tx, &want, work->version, &act, &row, &work->saved, err);
}

static void a_limit_is_changed_by_who_has_seen_it(void **state)
{
    (void)state;
    struct work work = {.run = put_limit, .version = 1};
    struct aw_err err;
    assert_false(do_work(&work, &err));
    assert_int_equal(err.kind, AW_ERR_PRECONDITION);
    work.version = 0;
    KIT_OK(do_work(&work, &err), err);
    assert_int_equal(work.saved, AW_CREATED);
    assert_false(do_work(&work, &err));
    work.version = 1;
    KIT_OK(do_work(&work, &err), err);
    assert_int_equal(work.saved, AW_UNCHANGED);
    work.version = -1;
    KIT_OK(do_work(&work, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_companies_are_plain),
        cmocka_unit_test(keys_are_long_and_plain),
        cmocka_unit_test(a_key_can_be_found_and_copied_again),
        cmocka_unit_test(a_key_belongs_to_one_company),
        cmocka_unit_test(a_limit_is_changed_by_who_has_seen_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
