/* dead_letters.h - records that could not become alerts (W12): kept with their bytes and the
 * reason. Threads: writer thread. Errors: NOT_FOUND dead_letter.absent, INVALID dead_letter.record
 * (it still cannot be read), store codes. The caller adds the audit row. */
#ifndef AW_DOMAIN_DEAD_LETTERS_H
#define AW_DOMAIN_DEAD_LETTERS_H

#include "src/aw_record.h"
#include "worker/model/model.h"
#include "worker/store/store.h"

#define AW_DEAD_LETTER_TRIES 5 /* a record that broke the worker so often is not tried again */

/* Puts a record away; its id is the record's alert id, so that a second time changes nothing. */
AW_MUST_CHECK bool aw_dead_letter_add(struct aw_tx *tx, const struct aw_record_head *record,
                                      const char *reason, int64_t now_ms, struct aw_err *err);
/* Tries the record again as if it had just been drained, and removes the letter; `now` stays its
 * received time. */
AW_MUST_CHECK bool aw_dead_letter_retry(struct aw_tx *tx, const struct aw_scope *scope,
                                        const char *id, const char *actor, int64_t now_ms,
                                        struct aw_err *err);
AW_MUST_CHECK bool aw_dead_letter_discard(struct aw_tx *tx, const struct aw_scope *scope,
                                          const char *id, const char *actor, int64_t now_ms,
                                          struct aw_err *err);

#endif
