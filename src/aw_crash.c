#include "aw_crash.h"

#ifdef AW_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool (*aw_crash_sync)(int fd);

static char armed_name[64];
static _Atomic long armed_count;
static _Atomic bool is_armed, hangs;

void aw_crash_arm(const char *spec)
{
    armed_name[0] = '\0';
    long count = 1;
    atomic_store(&hangs, false);
    if (spec != NULL) {
        size_t len = strcspn(spec, ":");
        snprintf(armed_name, sizeof(armed_name), "%.*s", (int)len, spec);
        if (spec[len] == ':') {
            char *end;
            count = strtol(spec + len + 1, &end, 10);
            atomic_store(&hangs, strcmp(end, ":hang") == 0);
        }
    }
    atomic_store(&armed_count, count);
    atomic_store(&is_armed, true);
}

void aw_crash_point(const char *name)
{
    if (!atomic_load(&is_armed)) {
        aw_crash_arm(getenv("AW_CRASH_AT"));
    }
    if (armed_name[0] != '\0' && strcmp(armed_name, name) == 0 &&
        atomic_fetch_sub(&armed_count, 1) == 1) {
        while (atomic_load(&hangs)) {
            (void)pause();
        }
        raise(SIGKILL);
    }
}

void aw_crash_fault(const char *name, const void *bytes, size_t len)
{
    static char *volatile nowhere;
    const char *spec = getenv("AW_FAULT_AT");
    size_t named = strlen(name);
    if (spec != NULL && strncmp(spec, name, named) == 0 && spec[named] == ':' &&
        memmem(bytes, len, spec + named + 1, strlen(spec + named + 1)) != NULL) {
        *nowhere = 0;
    }
}

/* The linker gives the bounds of the section that AW_CRASH() fills. */
extern const char *const __start_aw_crash_names[], *const __stop_aw_crash_names[];

const char *const *aw_crash_names(size_t *count)
{
    *count = (size_t)(__stop_aw_crash_names - __start_aw_crash_names);
    return __start_aw_crash_names;
}

#endif
