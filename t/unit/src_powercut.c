/* Power cuts, played: what is synced is kept, of the rest any subset of any age, in pages or in sectors. Three boots
 * for each seed; AW_SEED in the environment repeats a run. */
#include "queue_kit.h"

#include <fcntl.h>

#define SIZE       AW_QUEUE_SIZE_MIN
#define WAIT_US    1000000u
#define SEEDS      300
#define BOOTS      3
#define NUMBERS    4096
#define OPS        100
#define FATE_LIVE  1 /* in the queue */
#define FATE_STORE 2 /* committed in the worker's store */

struct world {
    uint64_t seed, grain; /* bytes that reach the disk together */
    struct aw_queue queue;
    uint8_t *disk;
    uint64_t next, delivered, cursor; /* numbers given, records delivered, read cursor */
    uint64_t end[NUMBERS];
    uint8_t fate[NUMBERS];
};

static struct world world;

static void keep(uint64_t at)
{
    uint64_t len = SIZE - at < world.grain ? SIZE - at : world.grain;
    memcpy(world.disk + at, world.queue.map + at, len);
}

static void write_back_some(unsigned one_in)
{
    for (uint64_t at = 0; at < SIZE; at += world.grain) {
        if (kit_random(&world.seed) % one_in == 0) {
            keep(at);
        }
    }
}

static void sync_all(void)
{
    assert_int_equal(aw_queue_sync(&world.queue, aw_queue_tail(&world.queue), WAIT_US),
                     AW_QUEUE_OK);
    memcpy(world.disk, world.queue.map, SIZE);
}

static void append_one(void)
{
    static const size_t longest[] = {100, 1000, 9000, 60000};
    uint64_t random = kit_random(&world.seed);
    size_t body = random % longest[random >> 32 & 3];
    if (world.next < NUMBERS && kit_append(&world.queue, world.next, body) != 0) {
        world.end[world.next] = aw_queue_tail(&world.queue);
        world.fate[world.next++] = FATE_LIVE;
    }
}

static void deliver_one(void)
{
    const struct aw_record_head *record = aw_queue_next(&world.queue, &world.cursor);
    if (record != NULL) {
        uint64_t n = kit_number(record);
        assert_true(n < world.next);
        kit_check(record, n);
        world.fate[n] = FATE_STORE; /* again is harmless: the store knows the alert's id */
        world.delivered++;
        aw_queue_release(&world.queue, world.cursor);
    }
}

/* So that an older lap lies under everything that follows. */
static void fill_a_lap(void)
{
    while (aw_queue_tail(&world.queue) < world.queue.data_size) {
        append_one();
        deliver_one();
    }
    sync_all();
}

static void live_for_a_while(void)
{
    world.cursor = aw_queue_head(&world.queue);
    for (int i = 0; i < OPS; i++) {
        switch (kit_random(&world.seed) % 16) {
        case 0:
            sync_all();
            break;
        case 1:
            write_back_some(40);
            break;
        case 2:
        case 3:
        case 4:
        case 5:
        case 6:
            for (uint64_t n = world.seed % 4; n > 0; n--) {
                deliver_one();
            }
            break;
        default:
            append_one();
        }
    }
}

/* What must survive: synced, and not in the store. */
static uint64_t mark_promised(bool *promised)
{
    uint64_t synced = atomic_load(&world.queue.live->synced), count = 0;
    for (uint64_t n = 0; n < world.next; n++) {
        promised[n] = world.fate[n] == FATE_LIVE && world.end[n] <= synced;
        count += promised[n];
    }
    return count;
}

static void cut_power(void)
{
    write_back_some(1 + kit_random(&world.seed) % 4);
    aw_queue_close(&world.queue);
    kit_other_boot(world.disk);
    int fd = open(kit_queue, O_RDWR);
    assert_int_equal(pwrite(fd, world.disk, SIZE, 0), SIZE);
    close(fd);
}

struct contents {
    uint64_t head, tail, count;
    uint64_t numbers[NUMBERS];
};

static void read_contents(struct contents *contents)
{
    const struct aw_record_head *record;
    contents->head = aw_queue_head(&world.queue);
    contents->tail = aw_queue_tail(&world.queue);
    contents->count = 0;
    uint64_t cursor = contents->head;
    while ((record = aw_queue_next(&world.queue, &cursor)) != NULL) {
        uint64_t n = kit_number(record);
        assert_true(n < world.next);
        kit_check(record, n); /* never torn */
        assert_true(contents->count == 0 || n > contents->numbers[contents->count - 1]);
        assert_int_equal(world.end[n], cursor); /* in its own place, so not from another lap */
        contents->numbers[contents->count++] = n;
    }
    assert_int_equal(cursor, contents->tail);
}

static void start_again(void)
{
    static bool promised[NUMBERS];
    static struct contents first, second;
    uint64_t epoch = world.queue.epoch;
    mark_promised(promised);
    cut_power();
    kit_open(&world.queue, 0, AW_FILE_CONSUMER);
    assert_true(world.queue.recovered);
    assert_true(world.queue.epoch > epoch);
    read_contents(&first);
    for (uint64_t i = 0; i < first.count; i++) {
        promised[first.numbers[i]] = false;
    }
    for (uint64_t n = 0; n < world.next; n++) {
        assert_false(promised[n]);
        if (world.fate[n] == FATE_LIVE) {
            world.fate[n] = 0; /* not promised: gone, unless found */
        }
    }
    for (uint64_t i = 0; i < first.count; i++) {
        if (world.fate[first.numbers[i]] == 0) {
            world.fate[first.numbers[i]] = FATE_LIVE;
        }
    }
    aw_queue_close(&world.queue); /* a second recovery changes nothing */
    kit_new_boot(kit_queue);
    kit_open(&world.queue, 0, AW_FILE_CONSUMER);
    read_contents(&second);
    assert_int_equal(world.queue.damaged, 0);
    assert_memory_equal(&first, &second, offsetof(struct contents, numbers));
    assert_memory_equal(first.numbers, second.numbers, first.count * sizeof(uint64_t));
    memcpy(world.disk, world.queue.map, SIZE);
}

static void power_cuts(void **unused)
{
    (void)unused;
    static uint8_t disk[SIZE];
    const char *given = getenv("AW_SEED");
    uint64_t base = given == NULL ? (uint64_t)time(NULL) * 1000 : strtoull(given, NULL, 10);
    uint64_t delivered = 0, laps = 0;
    print_message("AW_SEED=%llu\n", (unsigned long long)base);
    for (uint64_t i = 0; i < SEEDS; i++) {
        unlink(kit_queue);
        world = (struct world){.seed = base + i, .grain = i % 2 ? 512 : 4096, .disk = disk};
        kit_open(&world.queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
        fill_a_lap();
        for (int boot = 0; boot < BOOTS; boot++) {
            live_for_a_while();
            start_again();
        }
        delivered += world.delivered;
        laps += aw_queue_tail(&world.queue) / world.queue.data_size;
        aw_queue_close(&world.queue);
    }
    assert_true(delivered > 50 * SEEDS); /* it was no empty exercise */
    assert_true(laps > 3 * SEEDS / 2);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, kit_setup_memory, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(power_cuts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_powercut", tests, NULL, NULL);
}
