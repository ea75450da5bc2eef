#include "figures.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "worker/base/metrics.h"

enum { QUEUES = 32 };
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

/* Rows of the queues live for ever: a queue that comes back finds its own. */
static struct queue_figures {
    char labels[256];
    struct aw_metric depth, oldest;
} queues[QUEUES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the slots */

static void register_all(void)
{
    aw_metric_register(figures, AW_COUNT(figures));
    aw_metric_register(alerts, AW_COUNT(alerts));
}

/* queue="NAME", escaped as the text format wants it. */
static void make_labels(const char *name, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "queue=\"");
    for (; *name != '\0' && n + 4 < size; name++) {
        if (*name == '"' || *name == '\\') {
            out[n++] = '\\';
        }
        out[n++] = *name;
    }
    out[n++] = '"';
    out[n] = '\0';
}

int aw_figures_queue(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char labels[sizeof(queues[0].labels)];
    int found = -1;
    pthread_once(&once, register_all);
    make_labels(name, labels, sizeof(labels));
    pthread_mutex_lock(&lock);
    for (int i = 0; i < QUEUES && found < 0; i++) {
        struct queue_figures *slot = &queues[i];
        if (slot->labels[0] == '\0') {
            memcpy(slot->labels, labels, sizeof(labels));
            slot->depth = (struct aw_metric){.name = "aw_queue_depth_bytes",
                                             .labels = slot->labels,
                                             .help = "Bytes of the queue file that wait.",
                                             .type = AW_METRIC_GAUGE};
            slot->oldest = (struct aw_metric){.name = "aw_queue_oldest_seconds",
                                              .labels = slot->labels,
                                              .help = "Age of the oldest record that waits.",
                                              .type = AW_METRIC_GAUGE,
                                              .scale = 1e-3};
            aw_metric_register(&slot->depth, 1);
            aw_metric_register(&slot->oldest, 1);
        }
        found = strcmp(slot->labels, labels) == 0 ? i : -1;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void aw_figures_depth(int slot, struct aw_queue *queue, int64_t now_ms)
{
    if (slot >= 0) {
        uint64_t bytes, oldest_ms;
        aw_queue_depth(queue, &bytes, &oldest_ms);
        int64_t age = oldest_ms == 0 ? 0 : now_ms - (int64_t)oldest_ms;
        aw_metric_set(&queues[slot].depth, (int64_t)bytes);
        aw_metric_set(&queues[slot].oldest, age > 0 ? age : 0);
    }
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
