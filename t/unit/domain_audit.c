/* The audit trail: contiguous numbers, a chain per company, and no change that the recount does not find. */
#include <fcntl.h>

#include "domain_kit.h"

#include "worker/base/log.h"
#include "worker/domain/audit_checkpoint.h"

static bool act_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    return aw_audit_add(tx, arg, err);
}

static bool two_acts_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    return aw_audit_add(tx, arg, err) && aw_audit_add(tx, arg, err);
}

static void add(struct kit *kit, const char *company, int64_t n)
{
    struct aw_audit_act act = {.company_id = company,
                               .user_id = n % 2 ? "user" : NULL,
                               .action = "company.updated",
                               .object = "companies",
                               .object_id = n % 3 ? "c1" : NULL,
                               .details = n % 2 ? "{\"n\":1}" : NULL,
                               .refused = n % 4 == 0,
                               .now_ms = KIT_NOW + n};
    kit_run(kit, act_unit, &act);
}

static struct aw_audit_verdict verify(struct kit *kit, const char *company)
{
    struct aw_reader *reader;
    struct aw_audit_verdict verdict;
    struct aw_err err;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_audit_verify(reader, company, &verdict, &err));
    aw_store_read_end(&reader);
    return verdict;
}

static void holds(struct kit *kit, const char *company, int64_t rows)
{
    struct aw_audit_verdict verdict = verify(kit, company);
    assert_int_equal(verdict.bad, 0);
    assert_int_equal(verdict.rows, rows);
}

static void chains_are_contiguous_and_apart(void **state)
{
    struct kit *kit = *state;
    struct aw_err err;
    holds(kit, "acme", 0);
    for (int64_t n = 0; n < 12; n++) {
        add(kit, n % 3 == 0 ? "acme" : n % 3 == 1 ? "beta" : NULL, n);
        struct aw_audit_act aborted = {.company_id = "acme", .action = "x", .now_ms = KIT_NOW};
        kit_fault_at = (int)(n % 3);
        kit_fault_kind = AW_ERR_UNAVAILABLE;
        assert_false(kit_try(kit, act_unit, &aborted, &err));
    }
    struct aw_audit_act twice = {.company_id = "beta", .action = "x", .now_ms = KIT_NOW};
    kit_run(kit, two_acts_unit, &twice);
    holds(kit, "acme", 4);
    holds(kit, "beta", 6);
    holds(kit, AW_AUDIT_NO_COMPANY, 4);
    struct aw_audit *row = kit_get(kit, &aw_audit_schema, "acme:0000000000000004");
    assert_int_equal(row->number, 4);
    assert_int_equal(row->timestamp, KIT_NOW + 9);
    assert_string_equal(verify(kit, "acme").head, row->hash);
    assert_string_equal(
        ((struct aw_audit *)kit_get(kit, &aw_audit_schema, "acme:0000000000000001"))->previous_hash,
        "");
}

struct tamper {
    struct aw_audit *row;
    bool remove;
};
static bool tamper_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct tamper *tamper = arg;
    (void)err;
    if (tamper->remove) {
        aw_tx_delete(tx, &aw_audit_schema, tamper->row->id, tamper->row->version);
    } else {
        aw_tx_replace(tx, &aw_audit_schema, tamper->row);
    }
    return true;
}

static struct aw_audit *row_of(struct kit *kit, int64_t number)
{
    return kit_get(kit, &aw_audit_schema, aw_arena_printf(kit->arena, "acme:%016d", (int)number));
}

static void every_changed_member_is_found(void **state)
{
    struct kit *kit = *state;
    for (int64_t n = 1; n <= 8; n++) {
        add(kit, "acme", n);
    }
    for (int member = 0; member < 10; member++) {
        struct aw_audit *row = row_of(kit, 5), *original = row_of(kit, 5);
        switch (member) {
        case 0:
            row->user_id = "somebody";
            break;
        case 1:
            row->user_id = NULL;
            break;
        case 2:
            row->action = "company.updatee";
            break;
        case 3:
            row->object = "companie";
            row->object_id = "sc1"; /* a letter moved over */
            break;
        case 4:
            row->object_id = "";
            break;
        case 5:
            row->details = "{}";
            break;
        case 6:
            row->refused = !row->refused;
            break;
        case 7:
            row->timestamp++;
            break;
        case 8:
            row->number = 6;
            break;
        default:
            row->previous_hash = row_of(kit, 3)->hash;
            break;
        }
        struct tamper tamper = {.row = row};
        kit_run(kit, tamper_unit, &tamper);
        assert_int_equal(verify(kit, "acme").bad, 5);
        assert_int_equal(verify(kit, "acme").rows, 4);
        original->version = row->version;
        tamper.row = original;
        kit_run(kit, tamper_unit, &tamper);
        holds(kit, "acme", 8);
    }
}

static void a_rewritten_row_is_found_by_the_next(void **state)
{
    struct kit *kit = *state;
    char hash[AW_AUDIT_HASH_TEXT + 1];
    for (int64_t n = 1; n <= 3; n++) {
        add(kit, "acme", n);
    }
    struct tamper tamper = {.row = row_of(kit, 2)};
    tamper.row->action = "nothing.happened";
    aw_audit_hash(tamper.row, hash);
    tamper.row->hash = hash;
    kit_run(kit, tamper_unit, &tamper);
    assert_int_equal(verify(kit, "acme").bad, 3);
}

static void missing_rows_are_found(void **state)
{
    struct kit *kit = *state;
    for (int64_t n = 1; n <= 5; n++) {
        add(kit, "acme", n);
    }
    struct tamper tamper = {.row = row_of(kit, 5), .remove = true};
    kit_run(kit, tamper_unit, &tamper);
    assert_int_equal(verify(kit, "acme").bad, 5);
    tamper.row = row_of(kit, 2);
    kit_run(kit, tamper_unit, &tamper);
    assert_int_equal(verify(kit, "acme").bad, 2);
}

static void a_row_beside_the_chain_is_found(void **state)
{
    struct kit *kit = *state;
    for (int64_t n = 1; n <= 3; n++) {
        add(kit, "acme", n);
    }
    struct aw_audit *row = row_of(kit, 2);
    row->id = "somewhere";
    kit_insert(kit, &aw_audit_schema, row);
    assert_int_equal(verify(kit, "acme").bad, 4);
}

static bool add_number(void *arg, const void *row)
{
    char *text = arg;
    sprintf(text + strlen(text), "%d ", (int)((const struct aw_audit *)row)->number);
    return true;
}

static void a_part_of_a_chain_is_read_in_order(void **state)
{
    struct kit *kit = *state;
    static const struct {
        int64_t from, to;
        const char *rows;
    } parts[] = {{1, 12, "1 2 3 4 5 6 7 8 9 10 11 12 "},
                 {9, 11, "9 10 11 "},
                 {12, 99, "12 "},
                 {13, 99, ""},
                 {5, 4, ""}};
    for (int64_t n = 1; n <= 12; n++) {
        add(kit, "acme", n);
        add(kit, "acme-2", n);
        add(kit, "acm", n);
    }
    for (size_t i = 0; i < AW_COUNT(parts); i++) {
        char text[64] = "";
        struct aw_reader *reader;
        struct aw_err err;
        assert_true(aw_store_read_begin(kit->store, &reader, &err));
        assert_true(
            aw_audit_each(reader, "acme", parts[i].from, parts[i].to, add_number, text, &err));
        aw_store_read_end(&reader);
        assert_string_equal(text, parts[i].rows);
    }
}

/* --- checkpoints --- */

static struct aw_sealer *sealer_of(struct kit *kit)
{
    struct aw_sealer *sealer;
    struct aw_err err;
    const char *path = aw_arena_printf(kit->arena, "%s/key", kit->folder);
    assert_true(aw_sealer_open(path, true, &sealer, &err));
    unlink(path);
    return sealer;
}

/* The chains and numbers of the checkpoints that were logged since the last call. */
static const char *told(struct kit *kit, const char *path)
{
    static char text[1 << 16];
    static const char mark[] = "\"checkpoint\":\"alertwhisper-audit-1 ";
    const char *out = "";
    int fd = open(path, O_RDWR);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    for (const char *at = strstr(text, mark); at; at = strstr(at, mark)) {
        const char *hash;
        at += sizeof(mark) - 1;
        hash = strchr(strchr(at, ' ') + 1, ' ');
        out = aw_arena_printf(kit->arena, "%s%.*s,", out, (int)(hash - at), at);
    }
    return out;
}

static void tell(struct aw_audit_witness *witness)
{
    struct aw_err err;
    assert_true(aw_audit_witness_tell(witness, KIT_NOW, &err));
}

static bool replace_meta_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)err;
    aw_tx_replace(tx, &aw_meta_schema, arg);
    return true;
}

static void the_log_tells_chains_that_have_grown(void **state)
{
    struct kit *kit = *state;
    char path[] = "/tmp/aw-audit-XXXXXX";
    struct aw_err err;
    struct aw_sealer *sealer = sealer_of(kit);
    struct aw_audit_witness *witness = aw_audit_witness_create(kit->store, sealer);
    close(mkstemp(path));
    assert_true(aw_log_open(path, &err));
    aw_log_level = AW_LOG_ERROR; /* they are written all the same */
    tell(witness);
    assert_string_equal(told(kit, path), "");
    add(kit, "acme", 1);
    add(kit, NULL, 1);
    tell(witness);
    assert_string_equal(told(kit, path), "- 1,acme 1,");
    tell(witness);
    assert_string_equal(told(kit, path), "");
    add(kit, "acme", 2);
    tell(witness);
    assert_string_equal(told(kit, path), "acme 2,");
    /* rewritten to the same length: another head, which is told */
    struct tamper tamper = {.row = row_of(kit, 2), .remove = true};
    kit_run(kit, tamper_unit, &tamper);
    struct aw_meta *meta = kit_get(kit, &aw_meta_schema, "audit:acme");
    char *value = aw_arena_str(kit->arena, meta->value);
    value[strlen(value) - 3] ^= 1;
    meta->value = value;
    kit_run(kit, replace_meta_unit, meta);
    tell(witness);
    assert_string_equal(told(kit, path), "acme 2,");
    /* more chains than a second of the log has lines for other events */
    for (int i = 0; i < 50; i++) {
        add(kit, aw_arena_printf(kit->arena, "c%02d", i), 1);
    }
    tell(witness);
    const char *many = told(kit, path);
    assert_int_equal(strlen(many), 50 * strlen("c00 1,"));
    aw_audit_witness_destroy(&witness);
    aw_sealer_close(&sealer);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chains_are_contiguous_and_apart, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(every_changed_member_is_found, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_rewritten_row_is_found_by_the_next, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(missing_rows_are_found, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_row_beside_the_chain_is_found, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(a_part_of_a_chain_is_read_in_order, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(the_log_tells_chains_that_have_grown, kit_setup,
                                        kit_teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
