#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aw_alert_json.h"

static void utf8(void **state)
{
    (void)state;
    /* All code points, encoded as their range says: every one is good but surrogates and what is
     * too large. */
    for (uint32_t c = 1; c < 0x120000; c++) {
        char bytes[20];
        size_t len = 0;
        if (c < 0x80) {
            bytes[len++] = (char)c;
        } else if (c < 0x800) {
            bytes[len++] = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            bytes[len++] = (char)(0xe0 | c >> 12);
        } else {
            bytes[len++] = (char)(0xf0 | c >> 18);
        }
        for (int shift = c < 0x80      ? 0
                         : c < 0x800   ? 6
                         : c < 0x10000 ? 12
                                       : 18;
             shift > 0; shift -= 6) {
            bytes[len++] = (char)(0x80 | (c >> (shift - 6) & 0x3f));
        }
        size_t count = 0;
        bool good = (c < 0xd800 || c > 0xdfff) && c < 0x110000;
        memcpy(bytes + len, "abcdefgh", 8);
        assert_int_equal(aw_utf8_check(bytes, len + 8, &count), good);
        assert_int_equal(count, good ? 9 : 0);
        if (len > 1) {
            assert_false(aw_utf8_check(bytes, len - 1, NULL));
            assert_false(aw_utf8_check(bytes + 1, len, NULL));
        }
    }
    /* Overlong forms and NUL at every place around the word of eight. */
    static const char *const overlong[] = {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
                                           "\xf0\x8f\xbf\xbf"};
    for (size_t before = 0; before < 20; before++) {
        char bytes[32];
        memset(bytes, 'a', sizeof(bytes));
        assert_true(aw_utf8_check(bytes, before, NULL));
        bytes[before] = '\0';
        assert_false(aw_utf8_check(bytes, before + 1, NULL));
        assert_false(aw_utf8_check(bytes, sizeof(bytes), NULL));
        for (size_t i = 0; i < AW_COUNT(overlong); i++) {
            memset(bytes, 'a', sizeof(bytes));
            memcpy(bytes + before, overlong[i], strlen(overlong[i]));
            assert_false(aw_utf8_check(bytes, sizeof(bytes), NULL));
        }
    }
}

/* In texts around the length that is looked at together, at every place. */
static void utf8_of_every_length(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xff"};
    for (size_t len = 1; len < 200; len++) {
        for (size_t at = 0; at < len; at++) {
            char *bytes = malloc(len); /* exactly: a sanitizer sees every byte too far */
            size_t count = 0;
            memset(bytes, 'a', len);
            bytes[at] = '\0';
            assert_false(aw_utf8_check(bytes, len, NULL));
            bytes[at] = 'a';
            for (size_t i = 0; i < AW_COUNT(bad) && at + strlen(bad[i]) <= len; i++) {
                memcpy(bytes + at, bad[i], strlen(bad[i]));
                assert_false(aw_utf8_check(bytes, len, NULL));
                memset(bytes, 'a', len);
            }
            memcpy(bytes + at, "\xf0\x9f\x98\x80", at + 4 <= len ? 4 : 0);
            assert_true(aw_utf8_check(bytes, len, &count));
            assert_int_equal(count, at + 4 <= len ? len - 3 : len);
            free(bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),
        cmocka_unit_test(utf8_of_every_length),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
