/* The correlation engine alone: alerts a second over a fixed number of live keys.
 * usage: bench_correlate GROUPS ALERTS RUNS
 * As the pipeline asks it: hashes of asset and signature and what lies ahead into the cache, then for each alert what
 * it needs and the decision, a sweep after each 1,000. An
 * alert in 32 on an open key is preceded by the end of its incident, so that keys go on gathering, opening and
 * joining. Time is that of the processor, so that neighbours on the machine do not count.
 * Prints {"runs":[alerts per second],"opened":N,"joined":N,"groups":N}. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker/base/vec.h"
#include "worker/domain/correlate.h"

enum { BATCH = 1000, RATE = 20000 /* alerts per second of the time that the engine sees */ };

static const struct aw_correlate_rules rules = {.automatic = true,
                                                .window_ms = 900000,
                                                .min_alerts = 2,
                                                .single_runbook = true,
                                                .single_critical = true};

struct names {
    char asset[64], signature[64];
};
struct figures {
    uint64_t opened, joined;
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift64 (Marsaglia 2003) */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void decide(struct aw_correlate *state, const struct aw_correlate_alert *alert,
                   bool resolved, struct aw_correlate_ids *members, struct figures *figures)
{
    struct aw_correlate_id incident;
    int64_t from, until;
    if (resolved) {
        aw_correlate_know(state, alert->key, NULL);
    }
    if (aw_correlate_needs(state, &rules, alert->key, alert->at_ms, &from, &until) != 0) {
        aw_correlate_know(state, alert->key, NULL);
    }
    switch (aw_correlate_alert(state, &rules, alert, &incident, members)) {
    case AW_CORRELATE_ALONE:
        break;
    case AW_CORRELATE_JOIN:
        figures->joined++;
        break;
    case AW_CORRELATE_OPEN:
        aw_correlate_opened(state, alert->key, &alert->id);
        figures->opened++;
        break;
    }
}

/* One batch; its alerts are decoded, so in the cache, when the engine gets them. Returns the seconds that it took. */
static double feed(struct aw_correlate *state, const struct names *names, size_t groups,
                   int64_t *at, uint64_t *seed, struct figures *figures)
{
    static struct names decoded[BATCH];
    static uint64_t random[BATCH];
    static struct aw_correlate_key keys[BATCH];
    static struct aw_correlate_ids members;
    for (size_t i = 0; i < BATCH; i++) {
        random[i] = next_random(seed);
        decoded[i] = names[random[i] % groups];
    }
    double began = cpu_seconds();
    for (size_t i = 0; i < BATCH; i++) {
        keys[i] = aw_correlate_key(decoded[i].asset, decoded[i].signature);
        aw_correlate_prefetch(state, keys[i]);
    }
    for (size_t i = 0; i < BATCH; i++, (*at)++) {
        if (i + AW_CORRELATE_AHEAD < BATCH) {
            aw_correlate_prefetch_group(state, keys[i + AW_CORRELATE_AHEAD]);
        }
        struct aw_correlate_alert alert = {.key = keys[i],
                                           .at_ms = *at * 1000 / RATE,
                                           .critical = (random[i] >> 40) % 16 == 0};
        alert.id.v[0] = (uint8_t)random[i];
        decide(state, &alert, (random[i] >> 48) % 32 == 0, &members, figures);
    }
    aw_correlate_sweep(state, *at * 1000 / RATE - rules.window_ms, 4000000, 2 * groups);
    return cpu_seconds() - began;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_correlate GROUPS ALERTS RUNS\n");
        return 2;
    }
    size_t groups = strtoul(argv[1], NULL, 10), alerts = strtoul(argv[2], NULL, 10);
    int runs = atoi(argv[3]);
    struct names *names = calloc(groups, sizeof(*names));
    if (names == NULL) {
        return 1;
    }
    for (size_t i = 0; i < groups; i++) {
        snprintf(names[i].asset, sizeof(names[i].asset), "srv-%zu-%zu", i / 500, i / 8 % 64);
        snprintf(names[i].signature, sizeof(names[i].signature), "service_down:%zu", i);
    }
    struct aw_correlate *state = aw_correlate_create(INT64_MIN);
    struct figures figures = {0};
    uint64_t seed = 88172645463325252ull;
    int64_t at = 0;
    while (at < 10 * (int64_t)groups) { /* then all keys are live */
        (void)feed(state, names, groups, &at, &seed, &figures);
    }
    printf("{\"runs\":[");
    for (int run = 0; run < runs; run++) {
        double seconds = 0;
        for (size_t i = 0; i < alerts / BATCH; i++) {
            seconds += feed(state, names, groups, &at, &seed, &figures);
        }
        printf("%s%.0f", run > 0 ? "," : "", (double)(alerts / BATCH * BATCH) / seconds);
    }
    printf("],\"opened\":%llu,\"joined\":%llu,\"groups\":%zu}\n",
           (unsigned long long)figures.opened, (unsigned long long)figures.joined,
           aw_correlate_groups(state));
    aw_correlate_destroy(&state);
    free(names);
    return 0;
}
