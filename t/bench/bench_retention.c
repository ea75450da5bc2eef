/* What it costs to throw deliveries away: CPU time for each row inserted and deleted, and how long a unit holds the
 * writer. usage: bench_retention FOLDER ROWS [KEPT], where every KEPT-th row is of a long memory and stays. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "worker/base/clock.h"
#include "worker/base/str.h"
#include "worker/domain/ingest_dedupe.h"
#include "worker/domain/retention.h"
#include "worker/store/writer.h"

enum { UNIT = 2000 };

static const int64_t began_ms = INT64_C(1700000000000);

static void die(const struct aw_err *err)
{
    fprintf(stderr, "bench_retention: %s: %s\n", err->code, err->msg);
    exit(1);
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

struct filling {
    int64_t from;
    int64_t kept; /* 0 = none */
};

static bool fill_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    static const char *const counted[] = {"3f0c2a9d7b7e4c51a0f3d2b1c4e5f607:1099511627776"};
    const struct filling *filling = arg;
    struct aw_arena *arena = aw_tx_arena(tx);
    const char **ids = AW_NEW_N(arena, const char *, UNIT);
    void **rows = AW_NEW_N(arena, void *, UNIT);
    for (int64_t i = 0; i < UNIT; i++) {
        uint8_t bytes[32];
        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
            abort();
        }
        ids[i] = aw_base64url(arena, bytes, sizeof(bytes));
    }
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_delivery_schema, ids, UNIT, rows, err)) {
        return false;
    }
    for (int64_t i = 0; i < UNIT; i++) {
        struct aw_delivery_row *row = AW_NEW(arena, struct aw_delivery_row);
        bool is_long = filling->kept != 0 && i % filling->kept == 0;
        row->id = ids[i];
        row->company_id = "company-1";
        row->alert_id = "0191f7c8-3c1e-7a10-8000-000000000000";
        row->received_at = began_ms + (filling->from + i) / 10;
        row->memory_ms = is_long ? AW_DELIVERY_MEMORY_MS : AW_CONTENT_MEMORY_MS;
        row->counted = (struct aw_strs){.v = counted, .n = 1};
        aw_tx_insert(tx, &aw_delivery_schema, row);
    }
    return true;
}

static void fill(struct aw_writer *writer, int64_t rows, int64_t kept)
{
    struct aw_err err;
    int64_t cpu = cpu_us();
    for (struct filling filling = {.kept = kept}; filling.from < rows; filling.from += UNIT) {
        if (!aw_writer_run(writer, "fill", fill_unit, &filling, AW_ONCE, &err)) {
            die(&err);
        }
    }
    printf("inserted %lld rows, %.1f us CPU each\n", (long long)rows,
           (double)(cpu_us() - cpu) / (double)rows);
}

/* A whole run of the rule. */
static void throw_away(struct aw_store *store, struct aw_writer *writer,
                       const struct aw_retention_rule *rule, int64_t oldest_ms)
{
    const struct aw_retention_limits limits = {.now_ms = oldest_ms, .oldest_ms = oldest_ms};
    struct aw_retention_page page = {.more = true};
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_place place = {.number = 0};
    int64_t cpu = cpu_us(), look_us = 0, unit_us = 0, most_us = 0, units = 0, pages = 0, rows = 0;
    while (page.more) {
        struct aw_reader *reader;
        struct aw_err err;
        int64_t began = aw_clock_mono_us();
        if (!aw_store_read_begin(store, &reader, &err) ||
            !aw_retention_look(reader, rule, &limits, &place, arena, &page, &err)) {
            die(&err);
        }
        aw_store_read_end(&reader);
        look_us += aw_clock_mono_us() - began;
        pages++;
        if (page.n > 0) {
            began = aw_clock_mono_us();
            if (!aw_writer_run(writer, "retention", aw_retention_unit, &page, AW_ONCE, &err)) {
                die(&err);
            }
            int64_t took = aw_clock_mono_us() - began;
            unit_us += took;
            most_us = took > most_us ? took : most_us;
            units++;
            rows += (int64_t)page.n;
        }
        aw_arena_reset(arena);
    }
    printf(
        "deleted %lld rows in %lld units, %.1f us CPU each; a page is looked at in %.2f ms, a unit "
        "takes %.2f ms, at most %.2f\n",
        (long long)rows, (long long)units, rows > 0 ? (double)(cpu_us() - cpu) / (double)rows : 0.0,
        (double)look_us / 1000 / (double)pages,
        units > 0 ? (double)unit_us / 1000 / (double)units : 0.0, (double)most_us / 1000);
    aw_arena_destroy(&arena);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_retention FOLDER ROWS [KEPT]\n");
        return 2;
    }
    char path[4096];
    int64_t rows = strtoll(argv[2], NULL, 10), kept = argc > 3 ? strtoll(argv[3], NULL, 10) : 0;
    int64_t last = began_ms + rows / 10;
    struct aw_store *store;
    struct aw_writer *writer;
    struct aw_err err;
    snprintf(path, sizeof(path), "%s/bench.db", argv[1]);
    struct aw_store_conf conf = {.driver = "sqlite", .path = path};
    if (!aw_store_open(&conf, false, &store, &err) || !aw_writer_start(store, 8, &writer, &err)) {
        die(&err);
    }
    fill(writer, rows, kept);
    throw_away(store, writer, &aw_retention_short_deliveries, last + 60 * 60000);
    throw_away(store, writer, &aw_retention_deliveries, last + 2 * AW_DELIVERY_MEMORY_MS);
    aw_writer_stop(&writer, 1000);
    aw_store_close(&store);
    return 0;
}
