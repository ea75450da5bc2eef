/* admin.h - local socket of a running worker, for `alertwhisperd apply`.
 *
 * One exchange per connection: the client sends an apply file and shuts its side down; the answer
 * is "ok\n" and the result as JSON, or "error\n" and a sentence. Mode 0600: whoever may connect is
 * the worker's own user or root. Threads: one of its own; start and stop from the main thread. */
#ifndef AW_ADMIN_H
#define AW_ADMIN_H

#include "worker/domain/apply.h"

struct aw_admin;

AW_MUST_CHECK bool aw_admin_start(const char *path, const struct aw_apply_deps *deps,
                                  struct aw_admin **admin, struct aw_err *err);
void aw_admin_stop(struct aw_admin **admin);

/* Client side. False with err->kind NOT_FOUND when no worker listens there. */
AW_MUST_CHECK bool aw_admin_send(const char *path, const char *text, size_t len,
                                 struct aw_str *result, struct aw_err *err);

#endif
