/* setup.h - the first start of an installation: master key file and first administrator, once.
 * Threads: start-up only. */
#ifndef AW_DOMAIN_SETUP_H
#define AW_DOMAIN_SETUP_H

#include "worker/base/crypto.h"
#include "worker/store/writer.h"

/* Makes the user `email` with role admin and a random password, which is returned (arena memory) to
 * be shown once. CONFLICT setup.done when there is any user. The master key file is made by
 * aw_sealer_open(path, true, ...). */
AW_MUST_CHECK bool aw_setup_admin(struct aw_writer *writer, const char *email, const char *name,
                                  struct aw_arena *arena, const char **password,
                                  struct aw_err *err);
/* A password of 24 random characters without look-alikes (about 139 bits). */
const char *aw_setup_password(struct aw_arena *arena);

#endif
