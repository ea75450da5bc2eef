/* key_file.h - a small file that holds a secret, and nothing but it.
 * Threads: start-up. Errors: NOT_FOUND crypto.key_absent, INTERNAL crypto.key_file, INVALID
 * crypto.key_unsafe. */
#ifndef AW_BASE_KEY_FILE_H
#define AW_BASE_KEY_FILE_H

#include "src/aw_err.h"

/* Makes the file whole or not at all, mode 0400; one that is there stays as it is. */
AW_MUST_CHECK bool aw_key_file_create(const char *path, const void *key, size_t len,
                                      struct aw_err *err);
/* Only a regular file of ours with mode 0400 or 0600, one link and exactly len bytes. */
AW_MUST_CHECK bool aw_key_file_read(const char *path, void *key, size_t len, struct aw_err *err);

#endif
