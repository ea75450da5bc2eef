/* Eight hex digits at a time against one at a time. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "src/aw_hex.h"

static void writes_every_byte_at_every_place(void **unused)
{
    (void)unused;
    for (int place = 0; place < 4; place++) {
        for (int value = 0; value < 256; value++) {
            uint8_t bytes[4] = {0x01, 0x9a, 0xef, 0x50};
            char text[8], expected[9];
            bytes[place] = (uint8_t)value;
            snprintf(expected, sizeof(expected), "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2],
                     bytes[3]);
            aw_hex_write4(bytes, text);
            assert_memory_equal(text, expected, sizeof(text));
        }
    }
}

/* Every character at every place, beside digits of both cases. */
static void reads_digits_and_nothing_else(void **unused)
{
    (void)unused;
    for (int place = 0; place < 8; place++) {
        for (int c = 0; c < 256; c++) {
            char text[8] = {'0', 'f', 'A', '9', 'a', 'F', '5', 'c'};
            uint8_t bytes[4];
            text[place] = (char)c;
            assert_int_equal(aw_hex_read4(text, bytes) == 0, isxdigit(c) != 0);
            assert_int_equal(aw_hex_value((char)c) >= 0, isxdigit(c) != 0);
            for (int i = 0; isxdigit(c) && i < 4; i++) {
                int value = aw_hex_value(text[2 * i]) * 16 + aw_hex_value(text[2 * i + 1]);
                assert_int_equal(bytes[i], value);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes_every_byte_at_every_place),
                                       cmocka_unit_test(reads_digits_and_nothing_else)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_hex", tests, NULL, NULL);
}
