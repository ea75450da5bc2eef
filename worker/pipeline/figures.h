/* figures.h - what the pipeline counts.
 * Threads: the drain thread; registration at start-up. */
#ifndef AW_PIPELINE_FIGURES_H
#define AW_PIPELINE_FIGURES_H

#include "worker/domain/ingest.h"

/* Once is enough; more does no harm. */
void aw_figures_register(void);
void aw_figures_batch(const struct aw_ingest_counts *counts, size_t records, int64_t took_us);

#endif
