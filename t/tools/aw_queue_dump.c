/* aw_queue_dump - the records of a queue file as JSON lines, for tests.
 *
 * usage: aw_queue_dump PATH          shows what waits and changes nothing
 *        aw_queue_dump --drain PATH  is the consumer: shows and releases all that waits, then ends
 *        aw_queue_dump --follow PATH drains until its standard input is closed
 * Exit status: 0, or 1 with the reason on standard error. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "src/aw_id.h"
#include "src/aw_queue.h"

static void print_hex(const char *name, const uint8_t *bytes, size_t len)
{
    printf(",\"%s\":\"", name);
    for (size_t i = 0; i < len; i++) {
        printf("%02x", bytes[i]);
    }
    putchar('"');
}

static void print_base64(const char *name, const uint8_t *bytes, size_t len)
{
    static unsigned char text[AW_BODY_MAX / 3 * 4 + 8];
    EVP_EncodeBlock(text, bytes, (int)len);
    printf(",\"%s\":\"%s\"", name, (char *)text);
}

static void print_record(const struct aw_record_head *record)
{
    static const char *const kinds[] = {"", "alert", "attempt", "filler"};
    char id[AW_ID_TEXT + 1];
    aw_id_format(record->alert_id, id);
    printf("{\"kind\":\"%s\",\"seq\":%llu,\"flags\":%u,\"company\":\"%.*s\",\"alert_id\":\"%s\"",
           kinds[record->kind], (unsigned long long)record->seq, record->flags,
           (int)aw_record_company_len(record), record->company, id);
    printf(",\"received_ms\":%llu,\"sig_timestamp\":%llu", (unsigned long long)record->received_ms,
           (unsigned long long)record->sig_timestamp);
    print_hex("identity", record->identity, AW_SHA256_LEN);
    print_base64("delivery_id", (const uint8_t *)aw_record_delivery_id(record),
                 record->delivery_len);
    print_base64("body", aw_record_body(record), record->body_len);
    printf("}\n");
}

static void dump(struct aw_queue *queue, uint64_t *cursor)
{
    const struct aw_record_head *record;
    while ((record = aw_queue_next(queue, cursor)) != NULL) {
        print_record(record);
    }
    fflush(stdout);
}

static void follow(struct aw_queue *queue, uint64_t *cursor)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char sink[64];
    for (;;) {
        dump(queue, cursor);
        aw_queue_release(queue, *cursor);
        if (poll(&input, 1, 0) == 1 && read(STDIN_FILENO, sink, sizeof(sink)) <= 0) {
            return;
        }
        aw_queue_wait(queue, *cursor, 100);
    }
}

int main(int argc, char **argv)
{
    bool drain = argc == 3 && strcmp(argv[1], "--drain") == 0;
    bool stay = argc == 3 && strcmp(argv[1], "--follow") == 0;
    if (argc != (drain || stay ? 3 : 2)) {
        fprintf(stderr, "usage: aw_queue_dump [--drain|--follow] PATH\n");
        return 1;
    }
    unsigned how = (drain || stay ? AW_FILE_CONSUMER : AW_FILE_INSPECT) | AW_FILE_ANY_FS;
    struct aw_queue queue;
    struct aw_err err;
    if (!aw_queue_open(&queue, argv[argc - 1], 0, how, NULL, &err)) {
        fprintf(stderr, "aw_queue_dump: %s (%s)\n", err.msg, err.code);
        return 1;
    }
    uint64_t cursor = aw_queue_head(&queue);
    if (stay) {
        follow(&queue, &cursor);
    } else {
        dump(&queue, &cursor);
    }
    if (drain) {
        aw_queue_release(&queue, cursor);
    }
    if (queue.damaged > 0) {
        fprintf(stderr, "aw_queue_dump: %llu damaged regions\n", (unsigned long long)queue.damaged);
    }
    aw_queue_close(&queue);
    return 0;
}
