/* Recovery after a new boot: what comes back, what becomes a hole, deaths inside recovery. */
#include "queue_kit.h"

#include <fcntl.h>

#define SIZE    AW_QUEUE_SIZE_MIN
#define WAIT_US 1000000u

static void reboot(struct aw_queue *queue, unsigned how)
{
    aw_queue_close(queue);
    kit_new_boot(kit_queue);
    kit_open(queue, 0, how);
    assert_true(queue->recovered);
}

static void all_records_come_back(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    uint64_t cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    uint64_t before = 0;
    for (uint64_t n = 0; n < 20; n++) {
        before = kit_append(&queue, n, n * 100);
    }
    uint64_t tail = aw_queue_tail(&queue);
    reboot(&queue, AW_FILE_CONSUMER);
    assert_int_equal(queue.epoch, 2);
    assert_int_equal(queue.damaged, 0);
    assert_int_equal(aw_queue_tail(&queue), tail);
    assert_int_equal(aw_queue_head(&queue), 0);
    assert_int_equal(aw_queue_keyed(&queue), 0);
    assert_true(aw_queue_is_committed(&queue, before)); /* recovery has synced */
    for (uint64_t n = 0; n < 20; n++) {
        kit_check(aw_queue_next(&queue, &cursor), n);
    }
    assert_null(aw_queue_next(&queue, &cursor));
    uint64_t after = kit_append(&queue, 20, 10);
    assert_true(after > before);
    assert_int_equal(after >> 40, 2);
    kit_check(aw_queue_next(&queue, &cursor), 20);
    aw_queue_close(&queue);
}

static void released_ones_stay_released(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    uint64_t cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    for (uint64_t n = 0; n < 10; n++) {
        kit_append(&queue, n, 500);
    }
    for (uint64_t n = 0; n < 6; n++) {
        kit_check(aw_queue_next(&queue, &cursor), n);
    }
    aw_queue_release(&queue, cursor);
    reboot(&queue, AW_FILE_CONSUMER); /* closing has written the head */
    assert_int_equal(aw_queue_head(&queue), cursor);
    kit_check(aw_queue_next(&queue, &cursor), 6);
    /* Everything released and the file at rest: positions go on, nothing comes back. */
    uint64_t tail = aw_queue_tail(&queue);
    aw_queue_release(&queue, tail);
    reboot(&queue, AW_FILE_CONSUMER);
    assert_int_equal(aw_queue_head(&queue), tail);
    assert_int_equal(aw_queue_tail(&queue), tail);
    aw_queue_close(&queue);
}

/* The head is written to the header now and then while the consumer lives: a power cut repeats little. */
static void head_is_persisted_on_the_way(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    struct aw_queue_header header;
    uint64_t cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    for (uint64_t n = 0; n < 400; n++) {
        kit_append(&queue, n, 5000);
        kit_check(aw_queue_next(&queue, &cursor), n);
        aw_queue_release(&queue, cursor);
        assert_true(aw_queue_header_read(queue.map, &header));
        assert_true(header.head <= cursor);
        assert_true(cursor - header.head < queue.data_size / 16 + 6000);
    }
    aw_queue_close(&queue);
}

/* What a power cut would bring back counts as well, until a header page that tells of its release is on the disk. */
static void the_oldest_that_can_come_again(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    struct aw_err err;
    uint64_t cursor = 0, ms = 1;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    assert_true(aw_queue_oldest(&queue, &ms, &err));
    assert_int_equal(ms, 0);
    for (uint64_t n = 0; n < 20; n++) {
        struct aw_delivery delivery = kit_alert(n, 5000);
        delivery.received_ms += n;
        assert_true(aw_queue_lock(&queue, WAIT_US) == AW_QUEUE_OK);
        assert_true(aw_queue_append(&queue, &delivery) != 0);
        aw_queue_unlock(&queue);
    }
    uint64_t first = KIT_NOW_S * 1000ull, released = 0;
    do {
        assert_true(aw_queue_oldest(&queue, &ms, &err));
        assert_int_equal(ms, first); /* also when it is released */
        kit_check(aw_queue_next(&queue, &cursor), released++);
        aw_queue_release(&queue, cursor);
    } while (atomic_load(&queue.header_at) == 0);
    assert_true(released > 1);
    /* The very head is on a page now: the next record is the oldest. */
    assert_true(aw_queue_oldest(&queue, &ms, &err));
    assert_int_equal(ms, first + released);
    aw_queue_release(&queue, aw_queue_tail(&queue));
    aw_queue_close(&queue);
    kit_open(&queue, 0, AW_FILE_CONSUMER);
    assert_true(aw_queue_oldest(&queue, &ms, &err));
    assert_int_equal(ms, 0);
    aw_queue_close(&queue);
}

static void holes_become_fillers(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    uint64_t starts[10], cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    for (uint64_t n = 0; n < 10; n++) {
        starts[n] = aw_queue_tail(&queue);
        kit_append(&queue, n, 1000);
    }
    uint64_t tail = aw_queue_tail(&queue);
    memset(queue.data + starts[0], 0, AW_CELL);
    memset(queue.data + starts[3], 0xff, 2 * (starts[1] - starts[0]));
    queue.data[starts[6] + 500] ^= 1;
    memset(queue.live, 0xff, sizeof(*queue.live)); /* pointers are not believed */
    reboot(&queue, AW_FILE_CONSUMER);
    assert_int_equal(queue.damaged, 3);
    assert_int_equal(aw_queue_tail(&queue), tail);
    static const uint64_t good[] = {1, 2, 5, 7, 8, 9};
    for (size_t i = 0; i < AW_COUNT(good); i++) {
        kit_check(aw_queue_next(&queue, &cursor), good[i]);
    }
    assert_null(aw_queue_next(&queue, &cursor));
    assert_int_equal(queue.damaged, 3); /* the consumer meets fillers, not damage */
    reboot(&queue, 0);
    assert_int_equal(queue.damaged, 0);
    assert_int_equal(queue.epoch, 3);
    aw_queue_close(&queue);
}

static void lost_end(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    uint64_t cursor = 0;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    kit_append(&queue, 0, 1000);
    uint64_t end = aw_queue_tail(&queue);
    uint64_t lost = kit_append(&queue, 1, 1000);
    memset(queue.data + end, 0, AW_CELL);
    reboot(&queue, AW_FILE_CONSUMER);
    assert_int_equal(aw_queue_tail(&queue), end);
    uint64_t seq = kit_append(&queue, 2, 1000); /* the same place, another seq */
    assert_true(seq > lost);
    kit_check(aw_queue_next(&queue, &cursor), 0);
    kit_check(aw_queue_next(&queue, &cursor), 2);
    assert_null(aw_queue_next(&queue, &cursor));
    aw_queue_close(&queue);
}

#ifdef AW_CRASH_POINTS

/* --- killed inside creation and recovery, and the power cut at that moment too --- */
static uint8_t *shared_disk; /* what the disk holds, kept by the dying process */

static bool copy_to_disk(int fd)
{
    return pread(fd, shared_disk, SIZE, 0) == SIZE;
}

/* Opens in a child that dies at the count-th passage of the point. True = it died there. */
static bool die_while_opening(const char *name, int count)
{
    pid_t child = fork();
    if (child == 0) {
        char spec[80];
        struct aw_queue queue;
        struct aw_err err;
        aw_crash_sync = copy_to_disk;
        snprintf(spec, sizeof(spec), "%s:%d", name, count);
        aw_crash_arm(spec);
        _exit(aw_queue_open(&queue, kit_queue, SIZE, AW_FILE_CREATE | AW_FILE_ANY_FS, NULL, &err)
                  ? 0
                  : 1);
    }
    int status = kit_wait(child);
    assert_true(kit_was_killed(status) || status == 0);
    return kit_was_killed(status);
}

static void lose_some_pages(uint64_t *seed)
{
    uint8_t page[AW_QUEUE_PAGE];
    int fd = open(kit_queue, O_RDWR);
    for (off_t at = 0; at < SIZE; at += AW_QUEUE_PAGE) {
        assert_int_equal(pread(fd, page, sizeof(page), at), sizeof(page));
        if (memcmp(page, shared_disk + at, sizeof(page)) != 0 && kit_random(seed) % 2 == 0) {
            assert_int_equal(pwrite(fd, shared_disk + at, sizeof(page), at), sizeof(page));
        }
    }
    close(fd);
}

/* A file of another boot with 12 records, of which three are damaged. */
static void make_damaged(void)
{
    struct aw_queue queue;
    unlink(kit_queue);
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    for (uint64_t n = 0; n < 12; n++) {
        uint64_t start = aw_queue_tail(&queue);
        kit_append(&queue, n, 700);
        queue.data[start + 300] ^= n % 4 == 1;
    }
    aw_queue_close(&queue);
    kit_new_boot(kit_queue);
    int fd = open(kit_queue, O_RDONLY);
    copy_to_disk(fd);
    close(fd);
}

static void expect_the_nine(uint64_t lowest_epoch)
{
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    uint64_t cursor = aw_queue_head(&queue);
    assert_true(queue.epoch >= lowest_epoch);
    for (uint64_t n = 0; n < 12; n++) {
        if (n % 4 != 1) {
            kit_check(aw_queue_next(&queue, &cursor), n);
        }
    }
    assert_null(aw_queue_next(&queue, &cursor));
    uint64_t seq = kit_append(&queue, 12, 10);
    assert_true(seq >> 40 >= lowest_epoch);
    assert_int_equal(aw_queue_sync(&queue, aw_queue_tail(&queue), WAIT_US), AW_QUEUE_OK);
    aw_queue_close(&queue);
}

static void deaths_in_recovery(void **unused)
{
    (void)unused;
    size_t points, died = 0;
    const char *const *names = aw_crash_names(&points);
    uint64_t seed = 7;
    shared_disk = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < points; i++) {
        for (int count = 1; count <= 3; count++) {
            for (int power = 0; power <= 3; power++) {
                make_damaged();
                if (!die_while_opening(names[i], count)) {
                    count = power = 4;
                    continue;
                }
                died++;
                if (power > 0) {
                    lose_some_pages(&seed);
                    kit_new_boot(kit_queue);
                }
                expect_the_nine(2);
            }
        }
    }
    assert_true(died > 60);
    munmap(shared_disk, SIZE);
}

static void deaths_in_creation(void **unused)
{
    (void)unused;
    size_t points, died = 0;
    const char *const *names = aw_crash_names(&points);
    shared_disk = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < points; i++) {
        for (int count = 1; count <= 2; count++) {
            struct aw_queue queue;
            unlink(kit_queue);
            died += die_while_opening(names[i], count);
            kit_open(&queue, SIZE, AW_FILE_CREATE);
            assert_true(kit_append(&queue, 1, 10) != 0);
            aw_queue_close(&queue);
        }
    }
    assert_true(died > 12);
    munmap(shared_disk, SIZE);
}

static bool fail_sync(int fd)
{
    (void)fd;
    return false;
}

/* A disk that fails during recovery leaves a file that the next attacher recovers afresh. */
static void recovery_without_a_disk(void **unused)
{
    (void)unused;
    struct aw_queue queue;
    kit_open(&queue, SIZE, AW_FILE_CREATE);
    kit_append(&queue, 1, 10);
    aw_queue_close(&queue);
    kit_new_boot(kit_queue);
    aw_crash_sync = fail_sync;
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.io");
    kit_open_fails(0, AW_FILE_ANY_FS, "queue.io");
    aw_crash_sync = NULL;
    kit_open(&queue, 0, 0);
    assert_true(queue.recovered);
    kit_check(aw_queue_at(&queue, 0), 1);
    aw_queue_close(&queue);
}

#endif

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, kit_setup_memory, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(all_records_come_back),        WITH_DIR(released_ones_stay_released),
        WITH_DIR(head_is_persisted_on_the_way), WITH_DIR(the_oldest_that_can_come_again),
        WITH_DIR(holes_become_fillers),         WITH_DIR(lost_end),
#ifdef AW_CRASH_POINTS
        WITH_DIR(deaths_in_recovery),           WITH_DIR(deaths_in_creation),
        WITH_DIR(recovery_without_a_disk),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_recovery", tests, NULL, NULL);
}
