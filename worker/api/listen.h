/* listen.h - a listening unix socket at a path.
 * Threads: start and stop. */
#ifndef AW_API_LISTEN_H
#define AW_API_LISTEN_H

#include "src/aw_err.h"

/* Mode 0660, group of the directory (where that is allowed). A socket file that nobody listens on is replaced.
 * CONFLICT api.busy when somebody does, INTERNAL api.socket else. */
AW_MUST_CHECK bool aw_unix_listen(const char *path, int *fd, struct aw_err *err);

#endif
