/* metrics.h - counters, gauges and histograms in the Prometheus text format (version 0.0.4).
 *
 * A metric is a static row; labels are part of the row. Register once at start; values are relaxed atomics.
 * Threads: updates any; registration at start-up. */
#ifndef AW_BASE_METRICS_H
#define AW_BASE_METRICS_H

#include <stdatomic.h>

#include "str.h"

#define AW_METRIC_BUCKETS 16

enum aw_metric_type { AW_METRIC_COUNTER, AW_METRIC_GAUGE, AW_METRIC_HISTOGRAM };

struct aw_metric {
    const char *name;   /* "aw_store_commits_total" */
    const char *labels; /* "driver=\"sqlite\"", or NULL */
    const char *help;
    enum aw_metric_type type;
    double scale;          /* value * scale is printed (0 = 1): microseconds to seconds = 1e-6 */
    _Atomic int64_t value; /* histogram: sum */
    _Atomic int64_t count; /* histogram */
    int64_t bounds[AW_METRIC_BUCKETS]; /* histogram: upper bounds in rising order, ended by 0 */
    _Atomic int64_t buckets[AW_METRIC_BUCKETS + 1];
    struct aw_metric *next;
};
void aw_metric_register(struct aw_metric *metrics, size_t n);
static inline void aw_metric_add(struct aw_metric *metric, int64_t n)
{
    atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}
static inline void aw_metric_set(struct aw_metric *metric, int64_t n)
{
    atomic_store_explicit(&metric->value, n, memory_order_relaxed);
}
void aw_metric_observe(struct aw_metric *metric, int64_t value);
/* All registered metrics, grouped by name, HELP and TYPE once each. */
void aw_metrics_print(struct aw_str *out);

#endif
