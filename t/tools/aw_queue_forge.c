/* aw_queue_forge - appends records to a queue file past all checks of nginx, for tests.
 *
 * usage: aw_queue_forge PATH COMPANY COUNT BODY
 * Appends COUNT alert records, each with identity and id of its own, an id header "forged-N-PID" and
 * the BODY as it is; prints their alert ids, one a line. Exit status: 0, or 1 with the reason on
 * standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/aw_id.h"
#include "src/aw_mac.h"
#include "src/aw_queue.h"
#include "worker/base/clock.h"

#define LOCK_US 1000000

static bool append(struct aw_queue *queue, const char *company, const char *body, long n)
{
    char name[64], id[AW_ID_TEXT + 1];
    struct aw_delivery delivery = {
        .kind = AW_RECORD_ALERT,
        .flags = AW_RECORD_DELIVERY_ID,
        .received_ms = (uint64_t)aw_clock_wall_ms(),
        .company = company,
        .company_len = strlen(company),
        .delivery_id = name,
        .delivery_id_len = (size_t)snprintf(name, sizeof(name), "forged-%ld-%d", n, (int)getpid()),
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
    };
    aw_id_make(delivery.alert_id, delivery.received_ms);
    aw_mac_identity_delivery(company, delivery.company_len, name, delivery.delivery_id_len,
                             delivery.identity);
    enum aw_queue_rc rc = aw_queue_lock(queue, LOCK_US);
    if (rc != AW_QUEUE_OK && rc != AW_QUEUE_REPAIRED) {
        return false;
    }
    uint64_t seq = aw_queue_append(queue, &delivery);
    aw_queue_unlock(queue);
    aw_id_format(delivery.alert_id, id);
    puts(id);
    return seq != 0;
}

int main(int argc, char **argv)
{
    struct aw_queue queue;
    struct aw_err err;
    if (argc != 5) {
        fprintf(stderr, "usage: aw_queue_forge PATH COMPANY COUNT BODY\n");
        return 1;
    }
    if (!aw_queue_open(&queue, argv[1], 0, AW_FILE_ANY_FS, NULL, &err)) {
        fprintf(stderr, "aw_queue_forge: %s (%s)\n", err.msg, err.code);
        return 1;
    }
    long count = strtol(argv[3], NULL, 10);
    for (long n = 0; n < count; n++) {
        if (!append(&queue, argv[2], argv[4], n)) {
            fprintf(stderr, "aw_queue_forge: the queue does not take it\n");
            return 1;
        }
    }
    (void)aw_queue_wake(&queue);
    aw_queue_close(&queue);
    return 0;
}
