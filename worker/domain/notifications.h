/* notifications.h - the bell: one row per (company, key, severity) while unread (ruling 22).
 *
 * The id is a hash of company, key and severity; a repeat raises the count of the unread row, and
 * the first alert after it was read makes it unread again with a count of 1. Threads: changes on
 * the writer thread. Errors: NOT_FOUND notification.absent, store codes. */
#ifndef AW_DOMAIN_NOTIFICATIONS_H
#define AW_DOMAIN_NOTIFICATIONS_H

#include "events.h"
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

/* Rings for new alerts of severity high or critical, in order of arrival; adds the news: "notification" when a row
 * becomes unread, "notification_updated" when only its count rises. */
AW_MUST_CHECK bool aw_notifications_ring(struct aw_tx *tx, const struct aw_alert *const *alerts,
                                         size_t n, struct aw_news *news, struct aw_err *err);
/* Id of the row, in the arena. */
const char *aw_notification_id(const char *company_id, const char *asset_name,
                               const char *signature, int severity, struct aw_arena *arena);

#endif
