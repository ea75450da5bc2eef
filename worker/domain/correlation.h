/* correlation.h - correlation outside the stream of alerts: by hand, and telling the caches what
 * has changed. Threads: aw_correlate_by_hand on the writer thread; aw_correlation_forget any. */
#ifndef AW_DOMAIN_CORRELATION_H
#define AW_DOMAIN_CORRELATION_H

#include "worker/model/model.h"
#include "worker/store/store.h"

struct aw_correlate_counts {
    int64_t incidents_created, incidents_updated, alerts_correlated;
};
/* POST /api/incidents/correlate: the active alerts of the company inside the window (now - window,
 * now] join or open incidents, keys in the order of their first alert that is still active (ruling
 * 20). The caller has checked company and scope and adds the audit row. */
AW_MUST_CHECK bool aw_correlate_by_hand(struct aw_tx *tx, const char *company_id, const char *actor,
                                        int64_t now_ms, struct aw_correlate_counts *counts,
                                        struct aw_err *err);

/* Whoever changes a company, its assets, runbooks or correlation configuration calls this inside
 * its unit: what the pipeline remembers of the company is then read again. Cheap; no handle, a
 * process-wide generation per company. */
void aw_correlation_forget(const char *company_id);
/* The generation that aw_correlation_forget() moves. */
uint64_t aw_correlation_generation(const char *company_id);

#endif
