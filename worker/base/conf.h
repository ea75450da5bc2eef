/* conf.h - configuration file to structs, by field tables, over libconfuse.
 *
 * A file has sections; each layer owns the schema of its section. Unknown keys name the nearest known one; every
 * message has file:line. Integers whose name ends in _s, _seconds or _ms also take a duration with its unit ("15m").
 * Loading fills new structs; nothing is half applied. Threads: start-up and reload only. */
#ifndef AW_BASE_CONF_H
#define AW_BASE_CONF_H

#include "field.h"
#include "str.h"

struct aw_conf_section {
    const char *name; /* "store" */
    const struct aw_schema *schema;
    void *row; /* out: filled with values or defaults */
};
AW_MUST_CHECK bool aw_conf_load(const char *path, const struct aw_conf_section *sections, size_t n,
                                struct aw_arena *arena, struct aw_err *err);
/* The commented sample file, from the tables. */
void aw_conf_print(const struct aw_conf_section *sections, size_t n, struct aw_str *out);
/* "30s", "15m", "24h", "7d", or plain seconds. */
AW_MUST_CHECK bool aw_duration_parse(const char *text, int64_t *seconds);
/* The word of the list nearest to `text` (edit distance), or NULL when none is near. */
const char *aw_nearest(const char *text, const char *const *words, size_t n);

#endif
