/* The smallest consumer of a queue file: takes every record (all its checksums are looked at), releases, waits.
 * usage: bench_consumer QUEUE [TIMES]
 * nginx wakes it, so that a batch is what came since. Where more than MANY come in a second it looks every LINGER_MS
 * instead, because a wake for every turn of nginx costs both of them. TIMES gets "delivery_id mono_us" of each record at
 * the moment in which it was in hand (CLOCK_MONOTONIC). Ends when its standard input closes and the queue is empty; then
 * prints {"records":N,"batches":N,"damaged":N}. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/aw_queue.h"
#include "worker/base/clock.h"
#include "worker/base/thread.h"

enum { BATCH = 1000, WAIT_MS = 100, MANY = 30000, WINDOW_MS = 50, LINGER_MS = 5 };

static bool input_is_closed(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char sink[64];
    return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, sink, sizeof(sink)) <= 0;
}

static size_t take(struct aw_queue *queue, uint64_t *cursor, FILE *times)
{
    const struct aw_record_head *record;
    size_t n = 0;
    while (n < BATCH && (record = aw_queue_next(queue, cursor)) != NULL) {
        n++;
        if (times != NULL) {
            fprintf(times, "%.*s %lld\n", record->delivery_len, aw_record_delivery_id(record),
                    (long long)aw_clock_mono_us());
        }
    }
    return n;
}

struct rate {
    int64_t since_us;
    uint64_t records;
    bool is_high;
};

/* More than MANY a second in the last window? */
static bool comes_fast(struct rate *rate, size_t n)
{
    int64_t now_us = aw_clock_mono_us(), past_us = now_us - rate->since_us;
    rate->records += n;
    if (past_us >= WINDOW_MS * 1000) {
        rate->is_high = rate->records * 1000000 > (uint64_t)past_us * MANY;
        rate->since_us = now_us;
        rate->records = 0;
    }
    return rate->is_high;
}

int main(int argc, char **argv)
{
    struct aw_queue queue;
    struct aw_err err;
    unsigned long long records = 0, batches = 0;
    struct rate rate = {0};
    FILE *times = argc == 3 ? fopen(argv[2], "w") : NULL;

    if (argc < 2 || (argc == 3 && times == NULL)) {
        fprintf(stderr, "usage: bench_consumer QUEUE [TIMES]\n");
        return 2;
    }
    if (!aw_queue_open(&queue, argv[1], 0, AW_FILE_CONSUMER | AW_FILE_ANY_FS, NULL, &err)) {
        fprintf(stderr, "bench_consumer: %s\n", err.msg);
        return 1;
    }
    aw_thread_wake_first();
    uint64_t cursor = aw_queue_head(&queue);
    for (;;) {
        size_t n = take(&queue, &cursor, times);
        if (n > 0) {
            aw_queue_release(&queue, cursor);
            records += n;
            batches++;
            if (comes_fast(&rate, n)) {
                aw_clock_sleep_ms(LINGER_MS);
            }
        } else if (input_is_closed()) {
            break;
        } else {
            aw_queue_wait(&queue, cursor, WAIT_MS);
        }
    }
    printf("{\"records\":%llu,\"batches\":%llu,\"damaged\":%llu}\n", records, batches,
           (unsigned long long)queue.damaged);
    if (times != NULL) {
        fclose(times);
    }
    aw_queue_close(&queue);
    return 0;
}
