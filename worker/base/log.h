/* log.h - structured log: one JSON object per line, written with one write(2).
 *
 * aw_log(AW_LOG_WARN, "store.slow", AW_S("op", "find"), AW_I("ms", ms));
 * Event names are `unit.what`, documented in docs/reference/log.md. Never a secret, never a body. Repeats of one
 * name above 20 a second are counted and told once. Threads: any. */
#ifndef AW_BASE_LOG_H
#define AW_BASE_LOG_H

#include "src/aw_err.h"

enum aw_log_level { AW_LOG_DEBUG, AW_LOG_INFO, AW_LOG_WARN, AW_LOG_ERROR, AW_LOG_LEVELS };
extern const char *const aw_log_level_names[AW_LOG_LEVELS + 1];
extern _Atomic(enum aw_log_level)
    aw_log_level; /* below it nothing is written; set at start and on reload */

struct aw_log_kv {
    const char *key;  /* NULL ends the list */
    const char *text; /* NULL: number counts */
    int64_t number;
};
static inline const char *aw_log_text(const char *text)
{
    return text != NULL ? text : "";
}
#define AW_S(k, v) ((struct aw_log_kv){.key = (k), .text = aw_log_text(v)})
#define AW_I(k, v) ((struct aw_log_kv){.key = (k), .number = (int64_t)(v)})
/* The three fields of an error. */
#define AW_E(err) AW_S("code", (err)->code), AW_S("error", (err)->msg)
#define aw_log(level, event, ...)                                                                  \
    do {                                                                                           \
        if ((level) >= aw_log_level) {                                                             \
            aw_log_emit((level), (event),                                                          \
                        (const struct aw_log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}});      \
        }                                                                                          \
    } while (0)
/* A line that is a record of its own: written whatever the level is, and never held back. */
#define aw_log_record(event, ...)                                                                  \
    aw_log_write((event), (const struct aw_log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
void aw_log_write(const char *event, const struct aw_log_kv *fields);
void aw_log_emit(enum aw_log_level level, const char *event, const struct aw_log_kv *fields);
/* stderr at start and for NULL or ""; a path is opened for append. aw_log_reopen() after rotation (USR1). */
AW_MUST_CHECK bool aw_log_open(const char *path, struct aw_err *err);
void aw_log_reopen(void);

#endif
