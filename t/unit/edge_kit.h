/* edge_kit.h - for the tests of the edge table: a file in a folder of its own, open as reader
 * and as writer. Threads: as in aw_edge.h. Owner: the including test program. */
#ifndef AW_TEST_EDGE_KIT_H
#define AW_TEST_EDGE_KIT_H

#include "aw_edge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE (256u << 10)

static char folder[64];
static char path[96];
static struct aw_edge writer, reader;
static struct aw_err err;

static inline int open_both(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/aw-edge-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/edge", folder);
    if (!aw_edge_open(&reader, path, SIZE, AW_FILE_CREATE | AW_FILE_ANY_FS, NULL, &err) ||
        !aw_edge_open(&writer, path, 0, AW_FILE_CONSUMER, NULL, &err)) {
        fail_msg("%s: %s", err.code, err.msg);
    }
    return 0;
}

static inline int close_both(void **state)
{
    (void)state;
    aw_edge_close(&writer);
    aw_edge_close(&reader);
    unlink(path);
    rmdir(folder);
    return 0;
}

static inline void key_of(const char *text, uint8_t sha256[AW_SHA256_LEN])
{
    aw_mac_sha256(text, strlen(text), sha256);
}

static inline struct aw_edge_key_in key_in(const char *text)
{
    struct aw_edge_key_in key = {.expires_s = 0};
    key_of(text, key.sha256);
    return key;
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, open_both, close_both)

#endif
