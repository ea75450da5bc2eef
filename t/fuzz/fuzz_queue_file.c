/* Fuzzes a whole queue file: damaged header, live words and records. Opening, recovering and draining end, stay
 * inside the file, and a second recovery finds what the first one left.
 *
 * Input: a list of edits to a good file of 1 MiB: u8 what, u24 where, u8 length, bytes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/aw_queue_layout.h"

#define SIZE AW_QUEUE_SIZE_MIN

static char path[64];
static uint8_t *good;

static void require(bool what)
{
    if (!what) {
        abort();
    }
}

static void remove_file(void)
{
    unlink(path);
}

static void read_file(uint8_t *into)
{
    int fd = open(path, O_RDONLY);
    require(fd >= 0 && pread(fd, into, SIZE, 0) == SIZE);
    close(fd);
}

static void make_good(void)
{
    struct aw_queue queue;
    struct aw_err err;
    static const uint8_t body[3000] = "{}";
    snprintf(path, sizeof(path), "/dev/shm/aw-fuzz-%d", (int)getpid());
    unlink(path);
    atexit(remove_file);
    require(aw_queue_open(&queue, path, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER | AW_FILE_ANY_FS,
                          NULL, &err));
    for (size_t i = 0; i < 40; i++) {
        struct aw_delivery delivery = {.kind = AW_RECORD_ALERT,
                                       .company = "acme",
                                       .company_len = 4,
                                       .body = body,
                                       .body_len = i * 70};
        require(aw_queue_lock(&queue, 1000000) == AW_QUEUE_OK);
        require(aw_queue_append(&queue, &delivery) != 0);
        aw_queue_unlock(&queue);
    }
    aw_queue_release(&queue, 2 * AW_CELL);
    aw_queue_close(&queue);
    good = malloc(SIZE);
    require(good != NULL);
    read_file(good);
}

/* What an edit may touch: both header pages, the words of the live pages (not the mutexes: nonsense there is the
 * C library's), the records. */
static const struct {
    uint32_t from, len;
} regions[] = {
    {0, sizeof(struct aw_queue_header)},
    {AW_QUEUE_PAGE, sizeof(struct aw_queue_header)},
    {AW_QUEUE_LIVE_AT + offsetof(struct aw_queue_live, tail),
     sizeof(struct aw_queue_live) - offsetof(struct aw_queue_live, tail)},
    {AW_QUEUE_DATA_AT, 96 * AW_CELL},
    {SIZE - 1024, 1024},
};

static void edit(uint8_t *file, const uint8_t *data, size_t size)
{
    while (size >= 5) {
        uint32_t region = data[0] % AW_COUNT(regions);
        uint32_t where = (data[1] | data[2] << 8 | data[3] << 16) % regions[region].len;
        size_t len = data[4];
        len = len < size - 5 ? len : size - 5;
        len = len < regions[region].len - where ? len : regions[region].len - where;
        memcpy(file + regions[region].from + where, data + 5, len);
        data += 5 + len;
        size -= 5 + len;
    }
}

/* This build skips the checksum that keeps unreachable counters out of a header: an overflow of one is no finding. */
static void keep_reachable(uint8_t *page)
{
    const uint64_t mask = (UINT64_C(1) << 40) - 1;
    struct aw_queue_header *header = (struct aw_queue_header *)page;
    header->generation &= mask;
    header->epoch &= mask;
    header->head &= mask;
}

static void write_file(const uint8_t *file)
{
    int fd = open(path, O_RDWR);
    require(fd >= 0 && pwrite(fd, file, SIZE, 0) == SIZE);
    close(fd);
}

struct found {
    uint64_t head, tail, records;
};

/* Opens and drains. False = the file was refused. */
static bool drain(struct found *found, bool new_boot)
{
    struct aw_queue queue;
    struct aw_err err;
    struct aw_queue_info info;
    const struct aw_record_head *record;
    uint64_t bytes, oldest;
    if (!aw_queue_open(&queue, path, 0, AW_FILE_CONSUMER | AW_FILE_ANY_FS, NULL, &err)) {
        return false;
    }
    require(aw_queue_inspect(&queue, &info, &err));
    aw_queue_depth(&queue, &bytes, &oldest);
    *found = (struct found){.head = aw_queue_head(&queue), .tail = aw_queue_tail(&queue)};
    uint64_t cursor = found->head;
    while ((record = aw_queue_next(&queue, &cursor)) != NULL) {
        require((uint8_t *)record >= queue.data);
        require((uint8_t *)record + record->length <= queue.data + queue.data_size);
        found->records++;
    }
    require(!new_boot || (queue.recovered && cursor == found->tail));
    struct aw_delivery delivery = {.kind = AW_RECORD_ALERT, .company = "c", .company_len = 1};
    enum aw_queue_rc rc = aw_queue_lock(&queue, 1000);
    if (rc == AW_QUEUE_OK || rc == AW_QUEUE_REPAIRED) {
        bool room = aw_queue_has_room(&queue, AW_CELL);
        (void)aw_queue_at(&queue, aw_queue_keyed(&queue));
        require(!new_boot || room || found->tail - found->head > queue.data_size / 2);
        if (!new_boot) {
            aw_queue_append(&queue, &delivery);
        }
        aw_queue_unlock(&queue);
    }
    queue.consumer = false; /* closing must not write the head */
    aw_queue_close(&queue);
    return true;
}

static void change_boot(uint8_t *file)
{
    ((struct aw_queue_header *)file)->boot_id[0] ^= 1;
    ((struct aw_queue_header *)(file + AW_QUEUE_PAGE))->boot_id[0] ^= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[SIZE];
    struct found first, second;
    if (good == NULL) {
        make_good();
    }
    memcpy(file, good, SIZE);
    edit(file, data, size);
    keep_reachable(file);
    keep_reachable(file + AW_QUEUE_PAGE);
    write_file(file);
    drain(&first, false);

    change_boot(file);
    write_file(file);
    if (drain(&first, true)) {
        read_file(file);
        change_boot(file);
        write_file(file);
        require(drain(&second, true));
        require(first.head == second.head && first.tail == second.tail &&
                first.records == second.records);
    }
    return 0;
}
