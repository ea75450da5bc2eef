#include "worker/base/log_throttle.h"

#include <string.h>

enum { SECOND_MS = 1000 };

/* The place of a name, made when it is new; NULL = the table is full. */
static struct aw_log_name *place_of(struct aw_log_throttle *throttle, const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c != '\0'; c++) {
        hash = hash * 33 + (uint8_t)*c;
    }
    for (size_t i = 0; i < AW_LOG_NAMES; i++) {
        struct aw_log_name *at = &throttle->names[(hash + i) % AW_LOG_NAMES];
        if (at->name[0] == '\0') {
            strncat(at->name, name, AW_LOG_NAME_MAX);
            return at;
        }
        if (strncmp(at->name, name, AW_LOG_NAME_MAX) == 0) {
            return at;
        }
    }
    return NULL;
}

bool aw_log_throttle_take(struct aw_log_throttle *throttle, const char *name, int64_t now_ms)
{
    struct aw_log_name *at = place_of(throttle, name);
    if (at == NULL) {
        return true;
    }
    if (now_ms - at->since_ms >= SECOND_MS && at->held == 0) {
        at->since_ms = now_ms;
        at->written = 0;
    }
    if (at->written < AW_LOG_PER_SECOND) {
        at->written++;
        return true;
    }
    throttle->holding += at->held++ == 0;
    return false;
}

bool aw_log_throttle_told(struct aw_log_throttle *throttle, int64_t now_ms, const char **name,
                          uint64_t *held)
{
    for (size_t i = 0; throttle->holding > 0 && i < AW_LOG_NAMES; i++) {
        struct aw_log_name *at = &throttle->names[i];
        if (at->held > 0 && now_ms - at->since_ms >= SECOND_MS) {
            *name = at->name;
            *held = at->held;
            at->held = 0;
            throttle->holding--;
            return true;
        }
    }
    return false;
}
