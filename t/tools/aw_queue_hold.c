/* aw_queue_hold - holds the producer mutex of a queue file, so that tests can stop every append.
 *
 * usage: aw_queue_hold PATH
 * Prints "held" when it has the mutex and gives it back when its standard input is closed; killed
 * before, it leaves the mutex to whoever comes next. Exit status: 0, or 1 with the reason on
 * standard error. */
#include <stdio.h>
#include <unistd.h>

#include "src/aw_queue.h"

#define LOCK_US 1000000

int main(int argc, char **argv)
{
    struct aw_queue queue;
    struct aw_err err;
    char sink[64];
    if (argc != 2) {
        fprintf(stderr, "usage: aw_queue_hold PATH\n");
        return 1;
    }
    if (!aw_queue_open(&queue, argv[1], 0, AW_FILE_ANY_FS, NULL, &err)) {
        fprintf(stderr, "aw_queue_hold: %s (%s)\n", err.msg, err.code);
        return 1;
    }
    enum aw_queue_rc rc = aw_queue_lock(&queue, LOCK_US);
    if (rc != AW_QUEUE_OK && rc != AW_QUEUE_REPAIRED) {
        fprintf(stderr, "aw_queue_hold: the mutex is not to be had (%d)\n", (int)rc);
        return 1;
    }
    puts("held");
    fflush(stdout);
    while (read(STDIN_FILENO, sink, sizeof(sink)) > 0) {
    }
    aw_queue_unlock(&queue);
    aw_queue_close(&queue);
    return 0;
}
