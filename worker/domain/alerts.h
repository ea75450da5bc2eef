/* alerts.h - reading one alert by any id that was answered for it.
 * Threads: any. Errors: NOT_FOUND alert.absent (also for a foreign company), store codes. */
#ifndef AW_DOMAIN_ALERTS_H
#define AW_DOMAIN_ALERTS_H

#include "worker/model/model.h"
#include "worker/store/store.h"

/* The id of a twin stands for the first one's alert (W8). */
AW_MUST_CHECK bool aw_alert_get(struct aw_reader *reader, const struct aw_scope *scope,
                                const char *id, struct aw_arena *arena, struct aw_alert **alert,
                                struct aw_err *err);

#endif
