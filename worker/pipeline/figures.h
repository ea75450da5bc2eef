/* figures.h - what the pipeline counts.
 * Threads: the drain thread; registration at start-up. */
#ifndef AW_PIPELINE_FIGURES_H
#define AW_PIPELINE_FIGURES_H

#include "src/aw_queue.h"
#include "worker/domain/ingest.h"

/* A slot for the queue's own figures, -1 when there are too many queues. Registers everything once. */
int aw_figures_queue(const char *name);
void aw_figures_depth(int slot, struct aw_queue *queue, int64_t now_ms);
void aw_figures_batch(const struct aw_ingest_counts *counts, size_t records, int64_t took_us);

#endif
