/* ingest_run.h - one run of the ingest unit: what its parts hand to each other.
 * Threads: writer thread. Owner: everything is in the arena of the unit. */
#ifndef AW_DOMAIN_INGEST_RUN_H
#define AW_DOMAIN_INGEST_RUN_H

#include "company_view.h"
#include "events.h"
#include "ingest.h"

struct aw_ingest_alert {
    struct aw_alert *row;
    struct aw_company_view *view;
    struct aw_correlate_alert engine;
    uint32_t incident; /* number in the run, AW_ID_INDEX_NONE = stays active */
};

struct aw_ingest_run {
    struct aw_tx *tx;
    struct aw_arena *arena;
    struct aw_ingest_counts *counts;
    struct aw_news news;
    struct aw_ingest_alert *alerts; /* the new ones, in order of arrival */
    size_t alert_count;
};

/* Decides about the new alerts, writes them with their membership, and the incidents that they change. */
AW_MUST_CHECK bool aw_ingest_correlate(struct aw_ingest_run *run, struct aw_err *err);

#endif
