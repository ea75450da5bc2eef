#include "figures.h"

#include <pthread.h>

#include "worker/base/metrics.h"

enum { RECORDS, BATCH_RECORDS, SECONDS, DUPLICATES, OPENED, DEAD_LETTERS, FIGURES };

static struct aw_metric figures[FIGURES] = {
    [RECORDS] = {.name = "aw_pipeline_records_total",
                 .help = "Records taken from the queue files and committed.",
                 .type = AW_METRIC_COUNTER},
    [BATCH_RECORDS] = {.name = "aw_pipeline_batch_records",
                       .help = "Records of one batch.",
                       .type = AW_METRIC_HISTOGRAM,
                       .bounds = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}},
    [SECONDS] = {.name = "aw_pipeline_seconds",
                 .help = "Time of one batch from decoding to release.",
                 .type = AW_METRIC_HISTOGRAM,
                 .scale = 1e-6,
                 .bounds = {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000,
                            10000000}},
    [DUPLICATES] = {.name = "aw_duplicates_total",
                    .help = "Deliveries that repeated a known one.",
                    .type = AW_METRIC_COUNTER},
    [OPENED] = {.name = "aw_incidents_opened_total",
                .help = "Incidents opened when alerts arrived.",
                .type = AW_METRIC_COUNTER},
    [DEAD_LETTERS] = {.name = "aw_dead_letters_total",
                      .help = "Records put away because they could not become alerts.",
                      .type = AW_METRIC_COUNTER},
};

#define ALERTS(word)                                                                               \
    {                                                                                              \
        .name = "aw_alerts_total", .labels = "severity=\"" word "\"", .help = "Alerts taken in.",  \
        .type = AW_METRIC_COUNTER                                                                  \
    }
static struct aw_metric alerts[AW_SEVERITIES] = {[AW_LOW] = ALERTS("low"),
                                                 [AW_MEDIUM] = ALERTS("medium"),
                                                 [AW_HIGH] = ALERTS("high"),
                                                 [AW_CRITICAL] = ALERTS("critical")};

static void register_all(void)
{
    aw_metric_register(figures, AW_COUNT(figures));
    aw_metric_register(alerts, AW_COUNT(alerts));
}

void aw_figures_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_all);
}

void aw_figures_batch(const struct aw_ingest_counts *counts, size_t records, int64_t took_us)
{
    aw_metric_add(&figures[RECORDS], (int64_t)records);
    aw_metric_observe(&figures[BATCH_RECORDS], (int64_t)records);
    aw_metric_observe(&figures[SECONDS], took_us);
    aw_metric_add(&figures[DUPLICATES], counts->duplicates);
    aw_metric_add(&figures[OPENED], counts->incidents_opened);
    aw_metric_add(&figures[DEAD_LETTERS], counts->dead_letters);
    for (int i = 0; i < AW_SEVERITIES; i++) {
        aw_metric_add(&alerts[i], counts->by_severity[i]);
    }
}
