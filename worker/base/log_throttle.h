/* log_throttle.h - how often one name may speak: AW_LOG_PER_SECOND times a second, the rest is
 * counted. Threads: one at a time. Owner: the caller's storage, zeroed. */
#ifndef AW_BASE_LOG_THROTTLE_H
#define AW_BASE_LOG_THROTTLE_H

#include "src/aw_defs.h"

enum { AW_LOG_PER_SECOND = 20, AW_LOG_NAMES = 256, AW_LOG_NAME_MAX = 40 };

struct aw_log_throttle {
    struct aw_log_name {
        char name[AW_LOG_NAME_MAX + 1]; /* "" = free */
        int64_t since_ms;               /* start of its second */
        unsigned written;
        uint64_t held; /* not written in this second */
    } names[AW_LOG_NAMES];
    size_t holding; /* names with held > 0 */
};

/* May `name` be written now (ms of a monotonic clock)? Names past the table's size always may. */
bool aw_log_throttle_take(struct aw_log_throttle *throttle, const char *name, int64_t now_ms);
/* One name whose second is over and that held lines back: its name and number, which is then
 * forgotten. */
bool aw_log_throttle_told(struct aw_log_throttle *throttle, int64_t now_ms, const char **name,
                          uint64_t *held);

#endif
