/* rate_limits.h - how many deliveries a company may send (ruling 15: off until it is set).
 * Threads: aw_rate_limit_put on the writer thread, the rest any. Errors: PRECONDITION
 * rate_limit.version, store codes. */
#ifndef AW_DOMAIN_RATE_LIMITS_H
#define AW_DOMAIN_RATE_LIMITS_H

#include "save.h"
#include "worker/model/model.h"

/* The stored row, or what holds without one: off, 60 a minute, burst 100, version 0. */
AW_MUST_CHECK bool aw_rate_limit_get(struct aw_reader *reader, const char *company_id,
                                     struct aw_arena *arena, struct aw_rate_limit **row,
                                     struct aw_err *err);
/* Takes company_id, enabled, requests_per_minute and burst_size of `want`. `version` that must be
 * stored now, -1 = any, 0 = none yet. */
AW_MUST_CHECK bool aw_rate_limit_put(struct aw_tx *tx, const struct aw_rate_limit *want,
                                     int64_t version, const struct aw_act *act,
                                     struct aw_rate_limit **row, enum aw_saved *saved,
                                     struct aw_err *err);

#endif
