/* retention.h - rows whose time is over: which they are, and their deletion in small units.
 *
 * A walk through the collection finds them (a reader, any thread); a unit deletes those of one page by the version
 * that was found. A row of `deliveries` is over when no record that can still come may be a repeat of it (W8).
 * Threads: looking any, the unit on the writer thread. Owner: everything is in the arena given. Errors: store codes. */
#ifndef AW_DOMAIN_RETENTION_H
#define AW_DOMAIN_RETENTION_H

#include "worker/model/model.h"
#include "worker/store/store.h"

#define AW_RETENTION_ROWS 500 /* of one page and unit */
/* Beyond the memory of a delivery: a request takes a while from its received time to its record, clocks are moved. */
#define AW_RETENTION_MARGIN_MS (INT64_C(10) * 60 * 1000)

struct aw_retention_limits {
    int64_t now_ms;
    int64_t oldest_ms; /* received time of the oldest record that can still come; the present when
                                there is none */
    int64_t event_ms;  /* how long events are kept */
    int64_t notification_ms; /* how long a notification is kept after it was read */
};
enum aw_retention_verdict {
    AW_RETENTION_OVER,
    AW_RETENTION_STAYS,
    AW_RETENTION_YOUNG /* and so is all that lies behind it */
};
/* One kind of rows. */
struct aw_retention_rule {
    const struct aw_schema *schema;
    const char *order; /* of the walk, as in aw_store_walk() */
    enum aw_retention_verdict (*judge)(const void *row, const struct aw_retention_limits *limits);
    bool goes_on;     /* a run begins where the last one ended, not at the first row */
    bool of_records;  /* judges by oldest_ms */
    const char *news; /* type of the event that tells of a deletion, or NULL */
};
extern const struct aw_retention_rule aw_retention_deliveries, aw_retention_short_deliveries,
    aw_retention_events, aw_retention_notifications, aw_retention_replies;

struct aw_retention_page {
    const struct aw_retention_rule *rule;
    void **rows; /* that are over, as they were found */
    size_t n;
    bool more;      /* the walk goes on behind them */
    int64_t now_ms; /* of the news */
};
/* Looks at one page behind *place and moves it. */
AW_MUST_CHECK bool aw_retention_look(struct aw_reader *reader, const struct aw_retention_rule *rule,
                                     const struct aw_retention_limits *limits,
                                     struct aw_place *place, struct aw_arena *arena,
                                     struct aw_retention_page *page, struct aw_err *err);
/* An aw_unit_fn over a struct aw_retention_page. CONFLICT, and nothing is deleted, when one of the rows was changed since
 * it was found: look again. */
AW_MUST_CHECK bool aw_retention_unit(struct aw_tx *tx, void *page, struct aw_err *err);

#endif
