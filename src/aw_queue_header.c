#include <string.h>

#include "aw_crash.h"
#include "aw_crc.h"
#include "aw_queue_layout.h"

/* A consumer may be writing one page while it is read, and then the other: a few tries see a whole
 * one. */
#define READ_TRIES 8

static bool page_read(const uint8_t *map, unsigned page, struct aw_queue_header *header)
{
    memcpy(header, map + page * AW_QUEUE_PAGE, sizeof(*header));
    if (header->magic != AW_QUEUE_MAGIC) {
        return false;
    }
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#else
    return header->crc == aw_crc32c(0, header, offsetof(struct aw_queue_header, crc));
#endif
}

/* Which page is the newer valid one; -1 = neither. */
static int newest(const uint8_t *map, struct aw_queue_header *header)
{
    struct aw_queue_header second;
    bool first_ok = page_read(map, 0, header);
    bool second_ok = page_read(map, 1, &second);
    if (second_ok && (!first_ok || second.generation > header->generation)) {
        *header = second;
        return 1;
    }
    return first_ok ? 0 : -1;
}

bool aw_queue_header_read(const uint8_t *map, struct aw_queue_header *header)
{
    for (int i = 0; i < READ_TRIES; i++) {
        if (newest(map, header) >= 0) {
            return true;
        }
    }
    return false;
}

void aw_queue_header_write(uint8_t *map, struct aw_queue_header *header)
{
    struct aw_queue_header now;
    int page = newest(map, &now);
    header->generation = page < 0 ? 1 : now.generation + 1;
    header->crc = aw_crc32c(0, header, offsetof(struct aw_queue_header, crc));

    uint8_t *at = map + (page == 0 ? AW_QUEUE_PAGE : 0);
    size_t half = sizeof(*header) / 2;
    AW_CRASH("queue.header.before_write");
    memcpy(at, header, half);
    AW_CRASH("queue.header.half_written");
    memcpy(at + half, (uint8_t *)header + half, sizeof(*header) - half);
    AW_CRASH("queue.header.after_write");
}
