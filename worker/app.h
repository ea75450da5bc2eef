/* app.h - the running worker: everything that is started, in order, and stopped in reverse.
 * Threads: main. Errors are logged by main(). */
#ifndef AW_APP_H
#define AW_APP_H

#include "options.h"

/* Runs until SIGTERM or SIGINT (true: all was drained and stopped) or a failure (false, err). HUP
 * reads `path` again and takes what may change, USR1 opens the log again. */
AW_MUST_CHECK bool aw_app_run(const char *path, const struct aw_options *options,
                              struct aw_err *err);

#endif
