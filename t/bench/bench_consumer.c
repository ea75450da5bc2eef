/* The smallest consumer of a queue file: takes every record (all its checksums are looked at), releases, waits.
 * usage: bench_consumer QUEUE [TIMES]
 * nginx wakes it, so that a batch is what came since; where many in a row are large there is no end of them, and it looks
 * again after a moment instead of being woken for each. (The worker lingers longer, for the sake of its commits.) TIMES
 * gets "delivery_id mono_us" of each record at the moment in which it was in hand (CLOCK_MONOTONIC). Ends when its
 * standard input closes and the queue is empty; then prints {"records":N,"batches":N,"damaged":N}. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/aw_queue.h"
#include "worker/base/clock.h"
#include "worker/base/thread.h"

enum { BATCH = 1000, WAIT_MS = 100, LARGE = 12, MANY = 16, LINGER_MS = 1 };

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

int main(int argc, char **argv)
{
    struct aw_queue queue;
    struct aw_err err;
    unsigned long long records = 0, batches = 0;
    unsigned large = 0; /* batches in a row */
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
            large = n >= LARGE ? large + 1 : 0;
            if (large >= MANY) {
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
