/* inspect.h - `alertwhisperd queue PATH`: what lies in a queue file, without stopping anything.
 * Threads: main. */
#ifndef AW_INSPECT_H
#define AW_INSPECT_H

#include "src/aw_err.h"
#include "worker/base/str.h"

/* Appends one JSON object: header, depth, oldest record, damaged records. */
AW_MUST_CHECK bool aw_inspect_queue(const char *path, struct aw_str *out, struct aw_err *err);

#endif
