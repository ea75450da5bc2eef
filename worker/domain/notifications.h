/* notifications.h - the bell: one row per (company, key, severity) while unread (ruling 22).
 *
 * The id is a hash of company, key and severity; a repeat raises the count of the unread row, and
 * the first alert after it was read makes it unread again with a count of 1. Threads: changes on
 * the writer thread. Errors: NOT_FOUND notification.absent, store codes. */
#ifndef AW_DOMAIN_NOTIFICATIONS_H
#define AW_DOMAIN_NOTIFICATIONS_H

#include "worker/model/model.h"
#include "worker/store/store.h"

/* Marks one notification as read; already read is no change. */
AW_MUST_CHECK bool aw_notification_read(struct aw_tx *tx, const struct aw_scope *scope,
                                        const char *id, const char *actor, int64_t now_ms,
                                        struct aw_notification **notification, struct aw_err *err);
/* Marks the newest unread ones of the scope as read, at most `limit`; *n: how many. */
AW_MUST_CHECK bool aw_notifications_read_all(struct aw_tx *tx, const struct aw_scope *scope,
                                             const char *actor, int64_t now_ms, size_t limit,
                                             size_t *n, struct aw_err *err);

#define AW_NOTIFICATION_ID 43
void aw_notification_id(const char *company_id, const char *asset_name, const char *signature,
                        int severity, char text[AW_NOTIFICATION_ID + 1]);

#endif
