/* ingest.h - a batch of records becomes alerts, incidents, notifications and events: one unit of
 * work (W7-W13).
 *
 * Decoding is done before (drain thread), the unit runs on the writer thread. The unit may be run
 * again with the same items, after an abort or after a crash: what is done already changes nothing.
 * Records must stay mapped until the unit has committed. Threads: decoding any; the unit and struct
 * aw_ingest on the writer thread. Errors: store codes, CONFLICT
 * ingest.stale (what was remembered does not fit the store: it is forgotten, run the unit again).
 */
#ifndef AW_DOMAIN_INGEST_H
#define AW_DOMAIN_INGEST_H

#include "src/aw_record.h"
#include "worker/model/model.h"
#include "worker/store/store.h"

/* What is remembered between batches: live keys, configurations, assets and runbook signatures of
 * companies. */
struct aw_ingest;
struct aw_ingest *aw_ingest_create(void);
void aw_ingest_destroy(struct aw_ingest **ingest);

struct aw_ingest_item {
    const struct aw_record_head *record;
    const char *queue;  /* hex of the id of the queue that it comes from */
    const char *reason; /* not NULL: cannot become an alert, goes to dead_letters */
    int64_t received_ms;
    char alert_id[AW_ID_TEXT + 1];
    const char *identity;      /* id of its row in deliveries */
    const char *signature_key; /* the same of its signature, NULL = not signed */
    const char *company_id;
    /* kind AW_RECORD_ALERT only: */
    const char *asset_name, *signature, *message, *tool_source;
    int severity;
    const char *delivery_id; /* NULL = none */
    const char *raw;
};
/* Reads a record that has passed aw_record_check(). Strings are copied into the arena. `queue` is
 * kept. */
void aw_ingest_decode(const struct aw_record_head *record, const char *queue,
                      struct aw_arena *arena, struct aw_ingest_item *item);

struct aw_ingest_counts {
    int64_t alerts, duplicates, dead_letters, correlated, incidents_opened, incidents_updated;
    int64_t by_severity[AW_SEVERITIES]; /* of alerts */
};
struct aw_ingest_batch {
    struct aw_ingest *ingest;
    const struct aw_ingest_item
        *items; /* in order of arrival; they live until the unit has ended */
    size_t n;
    int64_t now_ms;                 /* for dead letters only: decisions use received times (W11) */
    struct aw_ingest_counts counts; /* out: of the last run */
};
/* An aw_unit_fn over a struct aw_ingest_batch. */
AW_MUST_CHECK bool aw_ingest_unit(struct aw_tx *tx, void *batch, struct aw_err *err);

#endif
