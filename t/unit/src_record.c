/* The record codec: what is written is read, and nothing else is. */
#include "queue_kit.h"

#define SEED 0x1234u
#define ROOM 2048

static _Alignas(64) uint8_t area[ROOM + 70000];

static const struct aw_record_head *check(size_t room, uint64_t position)
{
    const struct aw_record_head *head = NULL;
    return aw_record_check(area, room, position, SEED, &head) ? head : NULL;
}

static void round_trip(void **unused)
{
    (void)unused;
    static const size_t bodies[] = {0, 1, 63, 64, 65, 255, 256, 257, 1000, AW_BODY_MAX};
    for (size_t i = 0; i < AW_COUNT(bodies); i++) {
        for (size_t id_len = 0; id_len <= AW_DELIVERY_ID_MAX; id_len += 64) {
            char id[AW_DELIVERY_ID_MAX];
            memset(id, 'd', sizeof(id));
            struct aw_delivery delivery = kit_alert(i, bodies[i]);
            delivery.delivery_id = id;
            delivery.delivery_id_len = id_len;
            delivery.source = 3;
            kit_sign(&delivery, i);
            size_t length = aw_record_length(id_len, bodies[i]);
            memset(area, 0xaa, sizeof(area));
            aw_record_write(area, &delivery, 77, 4 * AW_CELL, SEED);

            const struct aw_record_head *head = check(length, 4 * AW_CELL);
            assert_non_null(head);
            assert_int_equal(head->length, length);
            assert_int_equal(head->seq, 77);
            assert_int_equal(head->source, 3);
            assert_int_equal(head->flags, AW_RECORD_SIGNED | AW_RECORD_DELIVERY_ID);
            assert_int_equal(head->sig_timestamp, KIT_NOW_S);
            assert_memory_equal(head->signature, delivery.signature, AW_SHA256_LEN);
            assert_int_equal(aw_record_company_len(head), 4);
            assert_int_equal(head->delivery_len, id_len);
            assert_memory_equal(aw_record_delivery_id(head), id, id_len);
            assert_int_equal(head->tries, 0);
            kit_check(head, i);
            assert_int_equal(area[length], 0xaa); /* nothing behind the record is touched */
        }
    }
}

static void padding_is_zero(void **unused)
{
    (void)unused;
    struct aw_delivery delivery = kit_alert(1, 300);
    memset(area, 0xaa, sizeof(area));
    aw_record_write(area, &delivery, 1, 0, SEED);
    for (size_t i = AW_RECORD_HEAD + 300; i < aw_record_length(0, 300); i++) {
        assert_int_equal(area[i], 0);
    }
}

static void full_length_company(void **unused)
{
    (void)unused;
    char company[AW_COMPANY_ID_MAX];
    memset(company, 'c', sizeof(company));
    struct aw_delivery delivery = kit_alert(1, 10);
    delivery.company = company;
    delivery.company_len = sizeof(company);
    aw_record_write(area, &delivery, 1, 0, SEED);
    assert_int_equal(aw_record_company_len(check(ROOM, 0)), AW_COMPANY_ID_MAX);
}

static void every_flipped_bit_shows(void **unused)
{
    (void)unused;
    struct aw_delivery delivery = kit_alert(5, 300);
    aw_record_write(area, &delivery, 9, 512, SEED);
    size_t covered = AW_RECORD_HEAD + 300;
    for (size_t i = 0; i < covered; i++) {
        if (i >= offsetof(struct aw_record_head, tries) &&
            i < offsetof(struct aw_record_head, commit)) {
            continue; /* counts up in place */
        }
        for (int bit = 0; bit < 8; bit++) {
            area[i] ^= (uint8_t)(1 << bit);
            assert_null(check(ROOM, AW_ANY_POSITION));
            area[i] ^= (uint8_t)(1 << bit);
        }
    }
    assert_non_null(check(ROOM, AW_ANY_POSITION));
}

static void place_seed_and_room(void **unused)
{
    (void)unused;
    const struct aw_record_head *head;
    struct aw_delivery delivery = kit_alert(5, 300);
    size_t length = aw_record_length(0, 300);
    aw_record_write(area, &delivery, 9, 512, SEED);
    assert_non_null(check(length, 512));
    assert_null(check(length, 768));
    assert_null(check(length - 1, 512));
    assert_null(check(AW_CELL - 1, 512));
    assert_null(check(0, 512));
    assert_false(aw_record_check(area, length, 512, SEED + 1, &head));
}

/* A head that is right in itself must not make an older body pass: that is a torn write. */
static void old_body_under_new_head(void **unused)
{
    (void)unused;
    struct aw_delivery delivery = kit_alert(5, 3000);
    uint8_t cell[AW_CELL];
    aw_record_write(area, &delivery, 9, 512, SEED);
    uint32_t body_crc = ((struct aw_record_head *)area)->body_crc;
    aw_record_write(area, &delivery, 10, 512, SEED);
    assert_int_not_equal(((struct aw_record_head *)area)->body_crc, body_crc);
    memcpy(cell, area, AW_CELL);
    struct aw_delivery other = kit_alert(6, 3000);
    aw_record_write(area, &other, 9, 512, SEED);
    memcpy(area, cell, AW_CELL);
    assert_null(check(sizeof(area), 512));
}

/* Lengths with right checksums, as a defect of a writer would leave them: still never past the
 * room. */
static void hostile_lengths(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t length, body_len;
        uint8_t kind;
    } bad[] = {
        {0, 0, AW_RECORD_ALERT},
        {255, 0, AW_RECORD_ALERT},
        {256, 65, AW_RECORD_ALERT},
        {512, 0, AW_RECORD_ALERT},
        {256, UINT32_MAX, AW_RECORD_ALERT},
        {0xffffff00u, 0xfffff000u, AW_RECORD_ALERT},
        {66048, 65537, AW_RECORD_ALERT},
        {0, 0, AW_RECORD_FILLER},
        {ROOM + 256, 0, AW_RECORD_FILLER},
        {256, 1, AW_RECORD_FILLER},
        {256, 0, 0},
        {256, 0, 4},
    };
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        struct aw_record_head *head = (struct aw_record_head *)area;
        uint32_t zero = 0;
        aw_record_write_filler(area, AW_CELL, 1, 0, SEED);
        assert_non_null(check(ROOM, 0));
        head->length = bad[i].length;
        head->body_len = bad[i].body_len;
        head->kind = bad[i].kind;
        uint32_t crc = aw_crc32c(SEED, head, offsetof(struct aw_record_head, head_crc));
        head->head_crc = aw_crc32c(crc, &zero, sizeof(zero));
        assert_null(check(ROOM, AW_ANY_POSITION));
    }
}

static void filler(void **unused)
{
    (void)unused;
    memset(area, 0xaa, sizeof(area));
    aw_record_write_filler(area, 1024, 3, 256, SEED);
    const struct aw_record_head *head = check(ROOM, 256);
    assert_non_null(head);
    assert_int_equal(head->kind, AW_RECORD_FILLER);
    assert_int_equal(head->length, 1024);
    assert_int_equal(area[AW_RECORD_HEAD], 0xaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),          cmocka_unit_test(padding_is_zero),
        cmocka_unit_test(full_length_company), cmocka_unit_test(every_flipped_bit_shows),
        cmocka_unit_test(place_seed_and_room), cmocka_unit_test(old_body_under_new_head),
        cmocka_unit_test(hostile_lengths),     cmocka_unit_test(filler),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_record", tests, NULL, NULL);
}
