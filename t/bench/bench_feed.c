/* Feeds a queue file with signed alerts as a module would, as fast as they are taken.
 * usage: bench_feed QUEUE COMPANIES ASSETS ALERTS FROM
 * Companies are comp-1.., assets srv-COMPANY-1..; bodies of 260 to 570 bytes, 4 signatures per asset, every fourth
 * critical; FROM keeps the delivery ids of several runs apart. Prints, once all is released by the consumer,
 * {"alerts":N,"seconds":S}: the time from the first append to the last release. */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/aw_id.h"
#include "src/aw_mac.h"
#include "src/aw_queue.h"
#include "worker/base/clock.h"

enum { BATCH = 64, LOCK_US = 1000000 };

struct made {
    struct aw_delivery delivery;
    char company[32], id[48], body[1024];
};

static uint64_t mixed(uint64_t z)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    z += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void make(struct made *made, uint64_t seq, unsigned companies, unsigned assets)
{
    static const char *const severities[] = {"low", "medium", "high", "critical"};
    static const char *const tools[] = {"Datadog", "Zabbix", "Prometheus"};
    static const char filler[] = "a value has crossed its threshold for five minutes; the "
                                 "dashboard of the service shows the last hour, "
                                 "the runbook names who is to be told, and the check goes on every "
                                 "thirty seconds until it is quiet "
                                 "again; this text is as long as such texts are, which makes the "
                                 "body as large as bodies are in practice";
    struct aw_delivery *d = &made->delivery;
    uint64_t r = mixed(seq), now_ms = (uint64_t)aw_clock_wall_ms();
    unsigned company = (unsigned)(r % companies) + 1;

    memset(d, 0, sizeof(*d));
    d->kind = AW_RECORD_ALERT;
    d->flags = AW_RECORD_SIGNED | AW_RECORD_DELIVERY_ID;
    d->received_ms = now_ms;
    d->sig_timestamp = now_ms / 1000;
    d->company = made->company;
    d->company_len = (size_t)snprintf(made->company, sizeof(made->company), "comp-%u", company);
    d->delivery_id = made->id;
    d->delivery_id_len = (size_t)snprintf(made->id, sizeof(made->id), "feed-%016llx-%llu",
                                          (unsigned long long)r, (unsigned long long)seq);
    d->body = (const uint8_t *)made->body;
    d->body_len = (size_t)snprintf(
        made->body, sizeof(made->body),
        "{\"asset_name\":\"srv-%u-%u\",\"signature\":\"service_down:%u\",\"severity\":\"%s\","
        "\"message\":\"alert %llu: %.*s\",\"tool_source\":\"%s\",\"host\":\"10.%u.%u.%u\"}",
        company, (unsigned)(r >> 8) % assets + 1, (unsigned)(r >> 20) & 3,
        severities[(r >> 40) & 3], (unsigned long long)seq, 100 + (int)((r >> 48) % 200), filler,
        tools[(r >> 44) % 3], company, (unsigned)(r >> 8) & 255, (unsigned)(r >> 16) & 255);
    aw_id_make(d->alert_id, now_ms);
    aw_mac_identity_delivery(d->company, d->company_len, d->delivery_id, d->delivery_id_len,
                             d->identity);
    aw_mac_identity_signature(d->company, d->company_len, d->identity, d->signature);
}

static void pause_us(long us)
{
    const struct timespec time = {.tv_nsec = us * 1000};
    (void)nanosleep(&time, NULL);
}

/* Appends all of the batch, waiting for room. */
static bool append(struct aw_queue *queue, const struct made *made, size_t n)
{
    for (size_t done = 0; done < n;) {
        enum aw_queue_rc rc = aw_queue_lock(queue, LOCK_US);
        if (rc != AW_QUEUE_OK && rc != AW_QUEUE_REPAIRED) {
            return false;
        }
        while (done < n && aw_queue_append(queue, &made[done].delivery) != 0) {
            done++;
        }
        aw_queue_set_keyed(queue, aw_queue_tail(queue));
        aw_queue_unlock(queue);
        (void)aw_queue_wake(queue);
        if (done < n) {
            pause_us(1000);
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct made made[BATCH];
    struct aw_queue queue;
    struct aw_err err;

    if (argc != 6) {
        fprintf(stderr, "usage: bench_feed QUEUE COMPANIES ASSETS ALERTS FROM\n");
        return 2;
    }
    unsigned companies = (unsigned)atoi(argv[2]), assets = (unsigned)atoi(argv[3]);
    uint64_t alerts = strtoull(argv[4], NULL, 10), from = strtoull(argv[5], NULL, 10);
    if (!aw_queue_open(&queue, argv[1], 0, AW_FILE_ANY_FS, NULL, &err)) {
        fprintf(stderr, "bench_feed: %s\n", err.msg);
        return 1;
    }
    int64_t began = aw_clock_mono_us();
    for (uint64_t i = 0; i < alerts;) {
        size_t n = alerts - i < BATCH ? (size_t)(alerts - i) : BATCH;
        for (size_t k = 0; k < n; k++) {
            make(&made[k], from + i + k, companies, assets);
        }
        if (!append(&queue, made, n)) {
            fprintf(stderr, "bench_feed: the queue file cannot be locked\n");
            return 1;
        }
        i += n;
    }
    while (aw_queue_head(&queue) < aw_queue_tail(&queue)) {
        pause_us(1000);
    }
    printf("{\"alerts\":%llu,\"seconds\":%.3f}\n", (unsigned long long)alerts,
           (double)(aw_clock_mono_us() - began) / 1e6);
    aw_queue_close(&queue);
    return 0;
}
