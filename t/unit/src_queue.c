/* The queue file on one boot: opening, appending, consuming, syncing, waking, and what damaged
 * words do. */
#include "queue_kit.h"

#include <fcntl.h>

#define SIZE AW_QUEUE_SIZE_MIN

static void patch(off_t at, const void *data, size_t len)
{
    int fd = open(kit_queue, O_RDWR);
    assert_int_equal(pwrite(fd, data, len, at), len);
    close(fd);
}

static void open_and_open_again(void **unused)
{
    (void)unused;
    struct aw_queue one, two;
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.absent");
    kit_open_fails(SIZE - 1, AW_FILE_ANY_FS | AW_FILE_CREATE, "queue.size");
    kit_open(&one, SIZE, AW_FILE_CREATE);
    assert_true(one.recovered);
    assert_int_equal(one.epoch, 1);
    assert_int_equal(one.data_size, SIZE - AW_QUEUE_DATA_AT);
    assert_int_equal(aw_queue_tail(&one), 0);
    kit_open(&two, 0, AW_FILE_CONSUMER);
    assert_false(two.recovered);
    assert_memory_equal(one.id, two.id, AW_QUEUE_ID_LEN);
    kit_open_fails(0, AW_FILE_ANY_FS | AW_FILE_CONSUMER, "queue.busy");
    kit_open_fails(SIZE + 4096, AW_FILE_ANY_FS | AW_FILE_CREATE, "queue.size");
    assert_true(kit_append(&one, 1, 100) != 0);
    aw_queue_close(&two);
    kit_open(&two, 0, AW_FILE_CONSUMER);
    uint64_t cursor = aw_queue_head(&two);
    kit_check(aw_queue_next(&two, &cursor), 1);
    aw_queue_close(&one);
    aw_queue_close(&two);
    aw_queue_close(&two); /* closing twice is nothing */
}

static void odd_size(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE + 777, AW_FILE_CREATE);
    assert_int_equal(queue.data_size % AW_CELL, 0);
    assert_true(queue.data_size + AW_QUEUE_DATA_AT <= SIZE + 777);
    aw_queue_close(&queue);
}

static void foreign_files(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    static uint8_t noise[SIZE];
    memset(noise, 'n', sizeof(noise));
    FILE *file = fopen(kit_queue, "w");
    assert_int_equal(chmod(kit_queue, 0600), 0);
    fwrite(noise, 1, sizeof(noise), file);
    fclose(file);
    kit_open_fails(SIZE, AW_FILE_ANY_FS | AW_FILE_CREATE, "queue.format");
    assert_int_equal(truncate(kit_queue, 1000), 0);
    kit_open_fails(SIZE, AW_FILE_ANY_FS | AW_FILE_CREATE, "queue.format");
    /* A making that was cut off is gone on with, by a creator only. */
    assert_int_equal(truncate(kit_queue, 0), 0);
    assert_int_equal(truncate(kit_queue, 5000), 0);
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.absent");
    kit_open_fails(0, AW_FILE_INSPECT, "queue.absent");
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    aw_queue_close(&queue);
    assert_int_equal(truncate(kit_queue, SIZE + 4096), 0);
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.size");
}

/* Writes the header with one field changed into both pages. */
static void reheader(size_t at, const void *value, size_t len)
{
    struct aw_queue_header header;
    uint8_t pages[2 * AW_QUEUE_PAGE];
    int fd = open(kit_queue, O_RDWR);
    assert_int_equal(pread(fd, pages, sizeof(pages), 0), sizeof(pages));
    assert_true(aw_queue_header_read(pages, &header));
    memcpy((uint8_t *)&header + at, value, len);
    aw_queue_header_write(pages, &header);
    aw_queue_header_write(pages, &header);
    assert_int_equal(pwrite(fd, pages, sizeof(pages), 0), sizeof(pages));
    close(fd);
}

static void other_formats(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    uint32_t version = AW_QUEUE_VERSION + 1, known = AW_QUEUE_VERSION, cell = 512;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    aw_queue_close(&queue);
    reheader(offsetof(struct aw_queue_header, version), &version, sizeof(version));
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.version");
    reheader(offsetof(struct aw_queue_header, version), &known, sizeof(known));
    kit_open(&queue, 0, 0);
    aw_queue_close(&queue);
    reheader(offsetof(struct aw_queue_header, cell), &cell, sizeof(cell));
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.format");
}

/* One header page may be damaged; with both gone the file is refused, never made anew. */
static void header_pages(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    kit_append(&queue, 1, 10);
    aw_queue_close(&queue);
    struct aw_queue_header header;
    int fd = open(kit_queue, O_RDONLY);
    uint8_t pages[2 * AW_QUEUE_PAGE];
    assert_int_equal(pread(fd, pages, sizeof(pages), 0), sizeof(pages));
    close(fd);
    for (int page = 0; page < 2; page++) {
        pages[page * AW_QUEUE_PAGE + 40] ^= 1;
        assert_true(aw_queue_header_read(pages, &header));
        pages[page * AW_QUEUE_PAGE + 40] ^= 1;
    }
    patch(40, "?", 1);
    patch(AW_QUEUE_PAGE + 40, "?", 1);
    kit_open_fails(SIZE, AW_FILE_ANY_FS | AW_FILE_CREATE, "queue.format");
}

static void volatile_place(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    struct aw_err err;
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/aw-unit-%d", (int)getpid());
    assert_false(aw_queue_open(&queue, path, SIZE, AW_FILE_CREATE, NULL, &err));
    assert_string_equal(err.code, "queue.volatile");
    assert_true(aw_queue_open(&queue, path, SIZE, AW_FILE_CREATE | AW_FILE_ANY_FS, NULL, &err));
    aw_queue_close(&queue);
    unlink(path);
}

static void first_in_first_out(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t last = 0, cursor = 0;
    for (uint64_t n = 0; n < 50; n++) {
        uint64_t tail = aw_queue_tail(&queue);
        uint64_t seq = kit_append(&queue, n, n * 37);
        assert_true(seq > last);
        assert_int_equal(seq, aw_queue_seq_at(&queue, tail));
        assert_false(aw_queue_is_committed(&queue, seq));
        last = seq;
    }
    for (uint64_t n = 0; n < 50; n++) {
        uint64_t start = cursor;
        const struct aw_record_head *record = aw_queue_next(&queue, &cursor);
        kit_check(record, n);
        assert_ptr_equal(aw_queue_at(&queue, start), record);
        assert_int_equal(cursor, start + record->length);
    }
    assert_null(aw_queue_next(&queue, &cursor));
    assert_null(aw_queue_at(&queue, cursor));
    assert_null(aw_queue_at(&queue, 1));
    assert_int_equal(cursor, aw_queue_tail(&queue));
    aw_queue_release(&queue, cursor);
    assert_int_equal(aw_queue_head(&queue), cursor);
    assert_true(aw_queue_is_committed(&queue, last));
    kit_check(aw_queue_at(&queue, 0), 0); /* released, but not overwritten */
    aw_queue_release(&queue, 0);          /* never backwards, never beyond the tail */
    aw_queue_release(&queue, cursor + AW_CELL);
    assert_int_equal(aw_queue_head(&queue), cursor);
    aw_queue_close(&queue);
}

/* A record of `cells` cells comes when `left` cells are left before the end of the data area. */
static void wrap_once(struct aw_queue *queue, uint64_t cells, uint64_t left, uint64_t *n,
                      uint64_t *cursor)
{
    const size_t big = 60000;
    uint64_t to_wrap;
    while ((to_wrap = aw_queue_to_wrap(queue, aw_queue_tail(queue))) != left * AW_CELL) {
        uint64_t gap = to_wrap - left * AW_CELL;
        size_t body = gap > 2 * big ? big
                      : gap > big   ? gap / 2 / AW_CELL * AW_CELL - AW_RECORD_HEAD
                                    : (size_t)gap - AW_RECORD_HEAD;
        if (to_wrap < left * AW_CELL) {
            body = big;
        }
        assert_true(kit_append(queue, *n, body) != 0);
        kit_check(aw_queue_next(queue, cursor), (*n)++);
        aw_queue_release(queue, *cursor);
    }
    uint64_t before = aw_queue_tail(queue);
    uint64_t filler = cells > left ? left : 0;
    assert_true(kit_append(queue, *n, cells * AW_CELL - AW_RECORD_HEAD) != 0);
    assert_int_equal(aw_queue_tail(queue), before + (filler + cells) * AW_CELL);
    assert_int_equal(aw_queue_at(queue, before)->kind,
                     filler > 0 ? AW_RECORD_FILLER : AW_RECORD_ALERT);
    kit_check(aw_queue_next(queue, cursor), (*n)++);
    assert_int_equal(*cursor, aw_queue_tail(queue));
    aw_queue_release(queue, *cursor);
}

static void wrap_at_every_alignment(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t n = 0, cursor = 0;
    for (uint64_t cells = 1; cells <= 12; cells++) {
        for (uint64_t left = 1; left <= 13; left++) {
            wrap_once(&queue, cells, left, &n, &cursor);
        }
    }
    assert_null(aw_queue_next(&queue, &cursor));
    assert_int_equal(queue.damaged, 0);
    aw_queue_close(&queue);
}

static void full_is_refused(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t put = 0, got = 0, cursor = 0;
    uint64_t high_water = queue.data_size / 10 * 8;
    for (int round = 0; round < 7; round++) {
        size_t body = 1000 + (size_t)round * 777;
        while (kit_append(&queue, put, body) != 0) {
            put++;
        }
        uint64_t used = aw_queue_tail(&queue) - aw_queue_head(&queue);
        assert_true(used <= high_water);
        assert_true(used + 2 * aw_record_length(0, body) > high_water);
        assert_int_equal(aw_queue_lock(&queue, 1000), AW_QUEUE_OK);
        assert_false(aw_queue_has_room(&queue, aw_record_length(0, body)));
        aw_queue_unlock(&queue);
        for (uint64_t stop = got + (put - got) / 2 + 1; got < stop; got++) {
            kit_check(aw_queue_next(&queue, &cursor), got);
        }
        aw_queue_release(&queue, cursor);
    }
    for (; got < put; got++) {
        kit_check(aw_queue_next(&queue, &cursor), got);
    }
    assert_null(aw_queue_next(&queue, &cursor));
    aw_queue_close(&queue);
}

static void seq_grows_past_forty_bits(void **unused)
{
    (void)unused;
    struct aw_queue queue = {.epoch = 3};
    uint64_t edge = (1ull << 40) * AW_CELL;
    assert_int_equal(aw_queue_seq_at(&queue, 0), 3ull << 40);
    assert_true(aw_queue_seq_at(&queue, edge) > aw_queue_seq_at(&queue, edge - AW_CELL));
    uint64_t late = aw_queue_seq_at(&queue, edge + 10 * AW_CELL);
    queue.epoch = 4; /* a power cut lost the last cells */
    assert_true(aw_queue_seq_at(&queue, edge - 1000 * AW_CELL) > late);
}

static void damaged_cells_are_skipped(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t starts[10];
    for (uint64_t n = 0; n < 10; n++) {
        starts[n] = aw_queue_tail(&queue);
        kit_append(&queue, n, 1000);
    }
    queue.data[starts[0] + AW_RECORD_HEAD + 5] ^= 1; /* body of the first */
    memset(queue.data + starts[4], 0xff, AW_CELL);   /* head of the fifth */
    queue.data[starts[5]] ^= 1;                      /* and of the one behind it: one region */
    ((struct aw_record_head *)(queue.data + starts[8]))->length = 0xffffff00u;
    queue.data[starts[9] + 900] ^= 4;
    assert_null(aw_queue_at(&queue, starts[4]));
    uint64_t cursor = 0;
    static const uint64_t good[] = {1, 2, 3, 6, 7};
    for (size_t i = 0; i < AW_COUNT(good); i++) {
        kit_check(aw_queue_next(&queue, &cursor), good[i]);
    }
    assert_null(aw_queue_next(&queue, &cursor));
    assert_int_equal(cursor, aw_queue_tail(&queue));
    assert_int_equal(queue.damaged, 3);
    aw_queue_close(&queue);
}

static void nonsense_in_live_words(void **unused)
{
    (void)unused;
    struct aw_queue queue, other;
    struct aw_err err;
    uint64_t bytes, oldest;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    kit_append(&queue, 1, 10);
    uint64_t tail = aw_queue_tail(&queue);
    const uint64_t bad[] = {UINT64_MAX, tail + queue.data_size + AW_CELL, tail + 1, 1ull << 63};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        uint64_t cursor = 0;
        atomic_store(&queue.live->tail, bad[i]);
        assert_int_equal(aw_queue_lock(&queue, 1000), AW_QUEUE_BROKEN);
        assert_null(aw_queue_next(&queue, &cursor));
        assert_null(aw_queue_at(&queue, 0));
        aw_queue_depth(&queue, &bytes, &oldest);
        assert_int_equal(bytes, 0);
        aw_queue_release(&queue, bad[i]);
        assert_int_equal(aw_queue_head(&queue), 0);
        uint64_t began = kit_now_us();
        aw_queue_wait(&queue, 0, 20);
        assert_true(kit_now_us() - began >= 19000); /* no busy loop */
    }
    /* While somebody is attached nobody repairs; alone, the records are trusted. */
    assert_false(aw_queue_open(&other, kit_queue, 0, AW_FILE_ANY_FS, NULL, &err));
    assert_string_equal(err.code, "queue.busy");
    aw_queue_close(&queue);
    kit_open(&queue, 0, AW_FILE_CONSUMER);
    assert_true(queue.recovered);
    uint64_t cursor = aw_queue_head(&queue);
    kit_check(aw_queue_next(&queue, &cursor), 1);
    aw_queue_close(&queue);
}

static void tries_are_counted_in_place(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    uint64_t cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    kit_append(&queue, 1, 10);
    const struct aw_record_head *record = aw_queue_next(&queue, &cursor);
    aw_queue_mark_try(record);
    aw_queue_mark_try(record);
    cursor = 0;
    assert_int_equal(aw_queue_next(&queue, &cursor)->tries, 2);
    kit_append(&queue, 2, 10);
    assert_int_equal(aw_queue_next(&queue, &cursor)->tries, 0);
    aw_queue_close(&queue);
}

static void depth_and_inspection(void **unused)
{
    (void)unused;
    struct aw_queue queue, people;
    struct aw_queue_info info;
    struct aw_err err;
    uint64_t bytes, oldest, cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    aw_queue_depth(&queue, &bytes, &oldest);
    assert_int_equal(bytes, 0);
    assert_int_equal(oldest, 0);
    for (uint64_t n = 1; n <= 3; n++) {
        struct aw_delivery delivery = kit_alert(n, 500);
        delivery.received_ms = 1000 * n;
        delivery.kind = n == 2 ? AW_RECORD_ATTEMPT : AW_RECORD_ALERT;
        assert_int_equal(aw_queue_lock(&queue, 1000), AW_QUEUE_OK);
        assert_true(aw_queue_append(&queue, &delivery) != 0);
        aw_queue_unlock(&queue);
    }
    aw_queue_next(&queue, &cursor);
    aw_queue_release(&queue, cursor);
    aw_queue_depth(&queue, &bytes, &oldest);
    assert_int_equal(bytes, 2 * aw_record_length(0, 500));
    assert_int_equal(oldest, 2000);

    kit_open(&people, 0, AW_FILE_INSPECT);
    assert_true(aw_queue_inspect(&people, &info, &err));
    assert_int_equal(info.version, AW_QUEUE_VERSION);
    assert_int_equal(info.file_size, SIZE);
    assert_int_equal(info.records, 1);
    assert_int_equal(info.attempts, 1);
    assert_int_equal(info.bytes, bytes);
    assert_int_equal(info.oldest_ms, 2000);
    assert_int_equal(info.damaged, 0);
    assert_int_equal(info.synced, 0);
    assert_true(info.same_boot);
    assert_memory_equal(info.id, queue.id, AW_QUEUE_ID_LEN);
    aw_queue_close(&people);
    aw_queue_close(&queue);

    /* Of another boot: what a recovery would find, and nothing is changed. */
    kit_new_boot(kit_queue);
    for (int i = 0; i < 2; i++) {
        kit_open(&people, 0, AW_FILE_INSPECT);
        assert_true(aw_queue_inspect(&people, &info, &err));
        assert_false(info.same_boot);
        assert_int_equal(info.epoch, 1);
        assert_int_equal(info.records, 1);
        assert_int_equal(info.attempts, 1);
        aw_queue_close(&people);
    }
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(open_and_open_again),
        WITH_DIR(odd_size),
        WITH_DIR(foreign_files),
        WITH_DIR(other_formats),
        WITH_DIR(header_pages),
        cmocka_unit_test(volatile_place),
        WITH_DIR(first_in_first_out),
        WITH_DIR(wrap_at_every_alignment),
        WITH_DIR(full_is_refused),
        cmocka_unit_test(seq_grows_past_forty_bits),
        WITH_DIR(damaged_cells_are_skipped),
        WITH_DIR(nonsense_in_live_words),
        WITH_DIR(tries_are_counted_in_place),
        WITH_DIR(depth_and_inspection),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_queue", tests, NULL, NULL);
}
