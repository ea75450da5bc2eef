/* aw_queue_forge - appends records to a queue file past all checks of nginx, for tests.
 *
 * usage: aw_queue_forge PATH COMPANY COUNT BODY
 *        aw_queue_forge PATH
 * The first form appends COUNT alert records that are received now. The second one reads lines "COMPANY MS BODY", MS = the
 * received time; at an empty line it appends what it has read in one go, and, when all of the queue is released by its
 * consumer, prints an empty line too. A record has identity and id of its own, an id header "forged-N-PID" and the BODY as
 * it is; its alert id is printed, one a line. Exit status: 0, or 1 with the reason on standard error. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/aw_id.h"
#include "src/aw_mac.h"
#include "src/aw_queue.h"
#include "worker/base/clock.h"

enum { LOCK_US = 1000000, POLL_MS = 1 };

static struct aw_queue queue;
static long made;

static bool append(const char *company, uint64_t received_ms, const char *body)
{
    char name[64], id[AW_ID_TEXT + 1];
    struct aw_delivery delivery = {
        .kind = AW_RECORD_ALERT,
        .flags = AW_RECORD_DELIVERY_ID,
        .received_ms = received_ms,
        .company = company,
        .company_len = strlen(company),
        .delivery_id = name,
        .delivery_id_len =
            (size_t)snprintf(name, sizeof(name), "forged-%ld-%d", made++, (int)getpid()),
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
    };
    aw_id_make(delivery.alert_id, delivery.received_ms);
    aw_mac_identity_delivery(company, delivery.company_len, name, delivery.delivery_id_len,
                             delivery.identity);
    aw_id_format(delivery.alert_id, id);
    puts(id);
    return aw_queue_append(&queue, &delivery) != 0;
}

static bool lock(void)
{
    enum aw_queue_rc rc = aw_queue_lock(&queue, LOCK_US);
    return rc == AW_QUEUE_OK || rc == AW_QUEUE_REPAIRED;
}

static bool append_many(const char *company, long count, const char *body)
{
    bool ok = true;
    for (long n = 0; n < count && ok; n++) {
        ok = lock() && append(company, (uint64_t)aw_clock_wall_ms(), body);
        aw_queue_unlock(&queue);
    }
    (void)aw_queue_wake(&queue);
    return ok;
}

/* Lines, each with its line feed; the lock is held until all of them are in. */
static bool append_lines(char *text)
{
    bool ok = lock();
    for (char *line = text; ok && *line != '\0';) {
        char company[64];
        uint64_t received_ms;
        int body = 0;
        size_t len = strcspn(line, "\n");
        line[len] = '\0';
        ok = sscanf(line, "%63s %" SCNu64 " %n", company, &received_ms, &body) == 2 &&
             append(company, received_ms, line + body);
        line += len + 1;
    }
    aw_queue_unlock(&queue);
    (void)aw_queue_wake(&queue);
    return ok;
}

static bool play(void)
{
    char *text = NULL, *line = NULL;
    size_t len = 0, line_size = 0;
    bool ok = true;
    FILE *gathered = open_memstream(&text, &len);
    for (ssize_t n; ok && (n = getline(&line, &line_size, stdin)) > 0;) {
        if (line[0] != '\n') {
            fwrite(line, 1, (size_t)n, gathered);
            continue;
        }
        fclose(gathered);
        ok = append_lines(text);
        while (ok && aw_queue_head(&queue) < aw_queue_tail(&queue)) {
            aw_clock_sleep_ms(POLL_MS);
        }
        puts("");
        fflush(stdout);
        free(text);
        gathered = open_memstream(&text, &len);
    }
    fclose(gathered);
    free(text);
    free(line);
    return ok;
}

int main(int argc, char **argv)
{
    struct aw_err err;
    if (argc != 2 && argc != 5) {
        fprintf(stderr, "usage: aw_queue_forge PATH [COMPANY COUNT BODY]\n");
        return 1;
    }
    if (!aw_queue_open(&queue, argv[1], 0, AW_FILE_ANY_FS, NULL, &err)) {
        fprintf(stderr, "aw_queue_forge: %s (%s)\n", err.msg, err.code);
        return 1;
    }
    bool ok = argc == 2 ? play() : append_many(argv[2], strtol(argv[3], NULL, 10), argv[4]);
    if (!ok) {
        fprintf(stderr, "aw_queue_forge: the queue does not take it\n");
    }
    aw_queue_close(&queue);
    return ok ? 0 : 1;
}
