/* Batches as the pipeline writes them: rows a second and processor time of the store alone.
 * usage: bench_store FOLDER BATCHES [ALERTS_PER_BATCH [REPORT_EVERY]]
 * Per alert: one row of alerts (600 bytes of raw body), two of deliveries (looked up first), one of events; per
 * batch 20 incidents are changed. The database stays in the folder; a second run goes on with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "src/aw_id.h"
#include "worker/base/clock.h"
#include "worker/base/str.h"
#include "worker/model/model.h"
#include "worker/store/writer.h"

enum { INCIDENTS = 20, COMPANIES = 20, RAW = 600 };

struct batch {
    size_t n;
    struct aw_alert *alerts;
    struct aw_delivery_row *deliveries; /* 2 n */
    struct aw_event *events;
    const char **delivery_ids;
    const char *incident_ids[INCIDENTS];
    void **found; /* 2 n */
};

static void die(const struct aw_err *err)
{
    fprintf(stderr, "bench_store: %s: %s\n", err->code, err->msg);
    exit(1);
}

static const char *random_id(struct aw_arena *arena)
{
    uint8_t bytes[32];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        abort();
    }
    return aw_base64url(arena, bytes, sizeof(bytes));
}

static const char *time_id(struct aw_arena *arena, int64_t now_ms)
{
    uint8_t id[AW_ID_LEN];
    char text[AW_ID_TEXT + 1];
    aw_id_make(id, (uint64_t)now_ms);
    aw_id_format(id, text);
    return aw_arena_str(arena, text);
}

static void make_alert(struct batch *batch, size_t i, int64_t now_ms, struct aw_arena *arena)
{
    static char raw[RAW + 1];
    static const char *const counted[] = {"3f0c2a9d7b7e4c51a0f3d2b1c4e5f607:1099511627776"};
    memset(raw, 'x', RAW);
    const char *company = aw_arena_printf(arena, "company-%zu", i % COMPANIES);
    struct aw_alert *alert = &batch->alerts[i];
    *alert =
        (struct aw_alert){.id = time_id(arena, now_ms),
                          .company_id = company,
                          .asset_id = time_id(arena, now_ms),
                          .asset_name = aw_arena_printf(arena, "web-%zu", i % 97),
                          .signature = "service_down:nginx",
                          .severity = AW_HIGH,
                          .message = "nginx does not answer on port 443 since 30 seconds",
                          .tool_source = "Prometheus",
                          .status = i % 3 == 0 ? AW_ALERT_ACTIVE : AW_ALERT_CORRELATED,
                          .incident_id = i % 3 == 0 ? NULL : batch->incident_ids[i % INCIDENTS],
                          .delivery_id = aw_arena_printf(arena, "delivery-%zu", i),
                          .delivery_attempts = 1,
                          .created_at = now_ms,
                          .updated_at = now_ms,
                          .raw = raw};
    for (size_t k = 2 * i; k < 2 * i + 2; k++) {
        batch->delivery_ids[k] = random_id(arena);
        batch->deliveries[k] = (struct aw_delivery_row){.id = batch->delivery_ids[k],
                                                        .company_id = company,
                                                        .alert_id = alert->id,
                                                        .received_at = now_ms,
                                                        .memory_ms = 86400000,
                                                        .counted = {.v = counted, .n = 1}};
    }
    static int64_t seq;
    int64_t epoch = now_ms; /* so that a second run goes on behind the first */
    batch->events[i] =
        (struct aw_event){.id = aw_arena_printf(arena, "%013ld-%08ld", (long)epoch, (long)++seq),
                          .epoch = epoch,
                          .seq = seq,
                          .company_id = company,
                          .permission = "view",
                          .object = "alerts",
                          .object_id = alert->id,
                          .object_version = 1,
                          .type = "alert_received",
                          .created_at = now_ms};
}

static bool write_batch(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct batch *batch = arg;
    void *incidents[INCIDENTS];
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_delivery_schema, batch->delivery_ids, 2 * batch->n,
                        batch->found, err) ||
        !aw_tx_get_many(tx, &aw_scope_all, &aw_incident_schema, batch->incident_ids, INCIDENTS,
                        incidents, err)) {
        return false;
    }
    for (size_t i = 0; i < 2 * batch->n; i++) {
        aw_tx_insert(tx, &aw_delivery_schema, &batch->deliveries[i]);
    }
    for (size_t i = 0; i < batch->n; i++) {
        aw_tx_insert(tx, &aw_alert_schema, &batch->alerts[i]);
        aw_tx_insert(tx, &aw_event_schema, &batch->events[i]);
    }
    for (size_t i = 0; i < INCIDENTS; i++) {
        struct aw_incident *incident = incidents[i];
        incident->alert_count++;
        aw_tx_replace(tx, &aw_incident_schema, incident);
    }
    return true;
}

static bool open_incidents(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct batch *batch = arg;
    (void)err;
    for (size_t i = 0; i < INCIDENTS; i++) {
        struct aw_incident *incident = AW_NEW(aw_tx_arena(tx), struct aw_incident);
        incident->id = batch->incident_ids[i];
        incident->company_id = "company-1";
        incident->asset_name = "web-1";
        incident->signature = incident->aggregation_key = "service_down:nginx";
        aw_tx_insert(tx, &aw_incident_schema, incident);
    }
    return true;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double cpu_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(size_t alerts, double wall, double cpu, double *times, size_t n)
{
    qsort(times, n, sizeof(*times), compare);
    printf(
        "%zu alerts: %.0f alerts/s, %.1f us CPU per alert, batch p50 %.1f p99 %.1f max %.1f ms\n",
        alerts, (double)alerts / wall, cpu * 1e6 / (double)alerts, times[n / 2] * 1e3,
        times[n * 99 / 100] * 1e3, times[n - 1] * 1e3);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_store FOLDER BATCHES [ALERTS_PER_BATCH [REPORT_EVERY]]\n");
        return 2;
    }
    size_t batches = strtoul(argv[2], NULL, 10);
    size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
    size_t every = argc > 4 ? strtoul(argv[4], NULL, 10) : batches;
    struct aw_arena *arena = aw_arena_create(0), *long_lived = aw_arena_create(0);
    struct aw_store_conf conf = {.driver = "sqlite",
                                 .path = aw_arena_printf(long_lived, "%s/bench.db", argv[1])};
    struct batch batch = {.n = n,
                          .alerts = AW_NEW_N(long_lived, struct aw_alert, n),
                          .deliveries = AW_NEW_N(long_lived, struct aw_delivery_row, 2 * n),
                          .events = AW_NEW_N(long_lived, struct aw_event, n),
                          .delivery_ids = AW_NEW_N(long_lived, const char *, 2 * n),
                          .found = AW_NEW_N(long_lived, void *, 2 * n)};
    struct aw_store *store;
    struct aw_writer *writer;
    struct aw_err err;
    if (!aw_store_open(&conf, false, &store, &err) || !aw_writer_start(store, 16, &writer, &err)) {
        die(&err);
    }
    for (size_t i = 0; i < INCIDENTS; i++) {
        batch.incident_ids[i] = time_id(long_lived, aw_clock_wall_ms());
    }
    if (!aw_writer_run(writer, "incidents", open_incidents, &batch, AW_ONCE, &err)) {
        die(&err);
    }
    double *times = calloc(every, sizeof(*times)), wall = 0, cpu = 0;
    for (size_t b = 0; b < batches; b++) {
        aw_arena_reset(arena);
        int64_t now_ms = aw_clock_wall_ms();
        for (size_t i = 0; i < n; i++) {
            make_alert(&batch, i, now_ms, arena);
        }
        double cpu_before = cpu_now();
        int64_t before = aw_clock_mono_us();
        if (!aw_writer_run(writer, "batch", write_batch, &batch, AW_PATIENT, &err)) {
            die(&err);
        }
        times[b % every] = (double)(aw_clock_mono_us() - before) / 1e6;
        wall += times[b % every];
        cpu += cpu_now() - cpu_before;
        if ((b + 1) % every == 0) {
            report(every * n, wall, cpu, times, every);
            wall = cpu = 0;
        }
    }
    free(times);
    aw_writer_stop(&writer, 1000);
    aw_store_close(&store);
    aw_arena_destroy(&arena);
    aw_arena_destroy(&long_lived);
    return 0;
}
