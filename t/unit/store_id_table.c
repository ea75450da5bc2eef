/* Many ids, cleared and used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "worker/store/id_table.h"

enum { IDS = 5000 };

static void an_id_keeps_its_value_until_the_table_is_cleared(void **state)
{
    static char ids[IDS][16], again[16];
    struct aw_id_table table = {.slots = NULL};
    (void)state;
    assert_null(aw_id_table_get(&table, "id-0"));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < IDS; i++) {
            snprintf(ids[i], sizeof(ids[i]), "id-%d", i * (round + 1));
            void **place = aw_id_table_place(&table, ids[i]);
            assert_null(*place);
            *place = ids[i];
        }
        assert_int_equal(table.n, IDS);
        for (int i = 0; i < IDS; i++) {
            snprintf(again, sizeof(again), "id-%d", i * (round + 1));
            assert_ptr_equal(aw_id_table_get(&table, again), ids[i]);
            assert_ptr_equal(*aw_id_table_place(&table, again), ids[i]);
        }
        assert_null(aw_id_table_get(&table, "id--1"));
        assert_int_equal(table.n, IDS);
        aw_id_table_clear(&table);
        assert_null(aw_id_table_get(&table, ids[1]));
    }
    aw_id_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_keeps_its_value_until_the_table_is_cleared),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_id_table", tests, NULL, NULL);
}
