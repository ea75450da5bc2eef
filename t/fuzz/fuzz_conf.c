/* Any text as a configuration file: loaded or refused with file and line, never half. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/base/conf.h"

static const char *const words[] = {"sqlite", "mongo", NULL};

struct store {
    const char *path;
    int64_t cache, grace_s;
    bool sync;
    int driver;
    struct aw_strs hosts, words;
};
static const struct aw_field store_fields[] = {
    AW_FIELD(store, path, STR, .dflt = "\"/x\"", .max = 20),
    AW_FIELD(store, cache, I64, .dflt = "64", .min = 1, .max = 4096),
    AW_FIELD(store, grace_s, I64, .dflt = "30"),
    AW_FIELD(store, sync, BOOL),
    AW_FIELD(store, driver, ENUM, .arg = words),
    AW_FIELD(store, hosts, STRS, .dflt = "[\"a\"]", .max = 3),
    AW_FIELD(store, words, STRS, .arg = words),
};
static const struct aw_schema store_schema = AW_SCHEMA(store, "store", store_fields, NULL, 0, NULL);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store store;
    const struct aw_conf_section sections[] = {{"store", &store_schema, &store}};
    struct aw_err err;
    char path[64];
    int fd = memfd_create("conf", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    struct aw_arena *arena = aw_arena_create(0);
    if (aw_conf_load(path, sections, 1, arena, &err)) {
        if (store.cache < 1 || store.cache > 4096 || store.driver < 0 || store.driver > 1 ||
            store.hosts.n > 3) {
            abort();
        }
    } else if (strncmp(err.msg, path, strlen(path)) != 0) {
        abort();
    }
    aw_arena_destroy(&arena);
    close(fd);
    return 0;
}
