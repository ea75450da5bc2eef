/* CRC32C: the vectors of RFC 3720 B.4, the fast way against the portable one. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "src/aw_crc.h"

static void vectors(void **unused)
{
    (void)unused;
    uint8_t data[32];
    assert_int_equal(aw_crc32c(0, "", 0), 0);
    assert_int_equal(aw_crc32c(0, "123456789", 9), 0xe3069283);
    memset(data, 0, sizeof(data));
    assert_int_equal(aw_crc32c(0, data, sizeof(data)), 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(aw_crc32c(0, data, sizeof(data)), 0x62a8ab43);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)i;
    }
    assert_int_equal(aw_crc32c(0, data, sizeof(data)), 0x46dd794e);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(aw_crc32c(0, data, sizeof(data)), 0x113fdb5c);
}

static void fast_equals_portable(void **unused)
{
    (void)unused;
    uint8_t data[320];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 167 + 13);
    }
    for (size_t from = 0; from < 16; from++) {
        for (size_t len = 0; from + len <= sizeof(data); len++) {
            assert_int_equal(aw_crc32c((uint32_t)len, data + from, len),
                             aw_crc32c_portable((uint32_t)len, data + from, len));
        }
    }
}

static void continues(void **unused)
{
    (void)unused;
    const char *text = "an alert that got a 2xx is never lost";
    size_t len = strlen(text);
    for (size_t cut = 0; cut <= len; cut++) {
        uint32_t crc = aw_crc32c(7, text, cut);
        assert_int_equal(aw_crc32c(crc, text + cut, len - cut), aw_crc32c(7, text, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors),
                                       cmocka_unit_test(fast_equals_portable),
                                       cmocka_unit_test(continues)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_crc", tests, NULL, NULL);
}
