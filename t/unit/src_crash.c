/* Producers and consumers are killed, at any time and at every named point; the survivors go on. Afterwards every
 * answered delivery is there once, every repeat hears the alert id that is there, no key is missing. */
#include "queue_kit.h"

#include <sched.h>

#include "src/aw_intake.h"

#define SIZE      AW_QUEUE_SIZE_MIN
#define IDS       4096
#define WAIT_US   1000000u
#define PRODUCERS 4
#define EACH      12
#define RESIGNED  100000u /* added to a number: its second signature */
#define STRANGER  200000u /* added to a number: a delivery id that nobody used */

/* Seen by all processes. */
struct ledger {
    _Atomic uint64_t answered[PRODUCERS * EACH]; /* alert id of the last answer, 0 = none */
    _Atomic uint32_t wrong;                      /* answers that cannot be */
    _Atomic uint32_t held;                       /* nobody sends its last delivery yet */
};

static struct ledger *ledger;
static struct aw_queue queue;
static struct aw_state state;
static struct aw_intake intake;
static uint64_t cursor, sendings;
static uint64_t delivered[PRODUCERS * EACH]; /* alert id in the queue, 0 = none */

static int setup(void **unused)
{
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return ledger == MAP_FAILED ? -1 : kit_setup_memory(unused);
}

static int teardown(void **unused)
{
    munmap(ledger, sizeof(*ledger));
    return kit_teardown(unused);
}

/* New files, with the ring just before its wrap, so that a filler comes soon. */
static void begin(void)
{
    struct aw_err err;
    unlink(kit_queue);
    unlink(kit_state);
    memset(ledger, 0, sizeof(*ledger));
    memset(delivered, 0, sizeof(delivered));
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    assert_true(aw_state_open(&state, kit_state, IDS, &queue, AW_FILE_CREATE, NULL, &err));
    intake = (struct aw_intake){&queue, &state, 300, 86400, 300};
    cursor = queue.data_size - 5 * AW_CELL;
    atomic_store(&queue.live->head, cursor);
    atomic_store(&queue.live->keyed, cursor);
    atomic_store(&queue.live->tail, cursor);
    atomic_store(&queue.live->synced, cursor);
    atomic_store(&queue.live->sleeping, 1); /* so that the first wake is a real one */
    sendings = 0;
}

static void end(void)
{
    aw_state_close(&state);
    aw_queue_close(&queue);
}

/* As a sender does: again until there is an answer. Returns the alert id of the answer. */
static uint64_t send_until_answered(uint64_t n, uint64_t delivery_id, uint64_t signature,
                                    uint64_t own_id, bool durable)
{
    uint64_t began = kit_now_us(), answer;
    struct aw_intake_item item = {.delivery = kit_alert(n, 40 * (n % 13))};
    struct aw_intake_item *list = &item;
    struct aw_delivery named = kit_alert(delivery_id, 0);
    memcpy(item.delivery.identity, named.identity, AW_SHA256_LEN);
    memcpy(item.delivery.alert_id, &own_id, sizeof(own_id));
    kit_sign(&item.delivery, signature);
    do {
        struct aw_delivery body = kit_alert(n, item.delivery.body_len);
        item.delivery.body = body.body;
        aw_intake_batch(&intake, &list, 1, durable, WAIT_US, KIT_NOW_S);
        aw_queue_wake(&queue);
        if (kit_now_us() - began > 20 * WAIT_US) {
            atomic_fetch_add(&ledger->wrong, 1);
            return 0;
        }
    } while (item.verdict != AW_INTAKE_ACCEPTED && item.verdict != AW_INTAKE_DUPLICATE);
    memcpy(&answer, item.alert_id, sizeof(answer));
    return answer;
}

/* The deliveries of one producer; `life` makes the alert ids of each life different. */
static void produce(uint64_t producer, uint64_t life)
{
    for (uint64_t n = producer * EACH; n < (producer + 1) * EACH; n++) {
        uint64_t own_id = life * 1000 + n + 1;
        while (n % EACH == EACH - 1 && atomic_load(&ledger->held) != 0) {
            sched_yield();
        }
        uint64_t answer = send_until_answered(n, n, n, own_id, n % 4 == 0);
        uint64_t before = atomic_exchange(&ledger->answered[n], answer);
        if (before != 0 && before != answer) {
            atomic_fetch_add(&ledger->wrong, 1);
        }
        if (n % 3 == 0 && send_until_answered(n, n, n, own_id + 500, false) != answer) {
            atomic_fetch_add(&ledger->wrong, 1);
        }
        if (n % 5 == 0 &&
            send_until_answered(n, n, n + RESIGNED, own_id + 500, n % 2 == 0) != answer) {
            atomic_fetch_add(&ledger->wrong, 1);
        }
    }
    _exit(0);
}

static pid_t start_producer(uint64_t producer, const char *dies_at)
{
    uint64_t life = ++sendings;
    pid_t child = fork();
    if (child == 0) {
#ifdef AW_CRASH_POINTS
        if (dies_at != NULL) {
            aw_crash_arm(dies_at);
        }
#else
        (void)dies_at;
#endif
        produce(producer, life);
    }
    return child;
}

static void drain(void)
{
    const struct aw_record_head *record;
    while ((record = aw_queue_next(&queue, &cursor)) != NULL) {
        if (record->kind == AW_RECORD_ALERT) {
            bool found = false;
            for (uint64_t n = 0; n < PRODUCERS * EACH && !found; n++) {
                struct aw_delivery sent = kit_alert(n, record->body_len);
                found = memcmp(sent.identity, record->identity, AW_SHA256_LEN) == 0;
                if (found) {
                    assert_memory_equal(sent.body, aw_record_body(record), record->body_len);
                    assert_int_equal(delivered[n], 0); /* never twice */
                    delivered[n] = kit_number(record);
                }
            }
            assert_true(found);
        }
        aw_queue_release(&queue, cursor);
    }
}

/* Drains until the child is gone. Returns its wait status. */
static int drain_until_exit(pid_t child)
{
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        drain();
        aw_queue_wait(&queue, cursor, 1);
    }
    drain();
    return status;
}

static void verify(uint64_t producers)
{
    drain();
    assert_int_equal(atomic_load(&ledger->wrong), 0);
    assert_int_equal(queue.damaged, 0);
    for (uint64_t n = 0; n < producers * EACH; n++) {
        uint64_t id = atomic_load(&ledger->answered[n]);
        assert_int_not_equal(id, 0);
        assert_int_equal(delivered[n], id); /* never lost, and it was the one that was named */
        assert_int_equal(send_until_answered(n, n, n, 1, false), id);
        assert_int_equal(send_until_answered(n, n + STRANGER, n, 1, false), id);
        if (n % 5 == 0) {
            assert_int_equal(send_until_answered(n, n + STRANGER, n + RESIGNED, 1, false), id);
        }
    }
    assert_int_equal(aw_queue_keyed(&queue), aw_queue_tail(&queue));
}

/* Without any named point: somebody dies at a random moment, again and again. */
static void killed_at_any_time(void **unused)
{
    (void)unused;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 25; round++) {
        pid_t children[PRODUCERS];
        begin();
        atomic_store(&ledger->held, 1);
        for (uint64_t p = 0; p < PRODUCERS; p++) {
            children[p] = start_producer(p, NULL);
        }
        for (int kills = 0; kills < 4; kills++) {
            uint64_t p = kit_random(&seed) % PRODUCERS;
            uint64_t until = kit_now_us() + kit_random(&seed) % 1000;
            while (kit_now_us() < until) {
                drain();
            }
            assert_int_equal(kill(children[p], SIGKILL), 0);
            assert_true(kit_was_killed(drain_until_exit(children[p])));
            children[p] = start_producer(p, NULL);
        }
        atomic_store(&ledger->held, 0);
        for (int p = 0; p < PRODUCERS; p++) {
            assert_int_equal(drain_until_exit(children[p]), 0);
        }
        verify(PRODUCERS);
        end();
    }
}

#ifdef AW_CRASH_POINTS

static bool is_one_of(const char *name, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++) {
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0) {
            return true;
        }
    }
    return false;
}

static bool die_and_be_replaced(const char *name, int count, uint64_t producers)
{
    char spec[80];
    pid_t children[PRODUCERS] = {0};
    begin();
    snprintf(spec, sizeof(spec), "%s:%d", name, count);
    for (uint64_t p = 0; p < producers; p++) {
        children[p] = start_producer(p, p == 0 ? spec : NULL);
    }
    bool died = kit_was_killed(drain_until_exit(children[0]));
    children[0] = start_producer(0, NULL);
    for (uint64_t p = 0; p < producers; p++) {
        assert_int_equal(drain_until_exit(children[p]), 0);
    }
    verify(producers);
    end();
    return died;
}

static void producers_at_every_point(void **unused)
{
    (void)unused;
    static const char *const expected[] = {"queue.append.", "queue.record.", "queue.unlock.",
                                           "queue.keyed.",  "queue.wake.",   "queue.sync.before_fd",
                                           "ids.put.",      "intake.",       NULL};
    static const uint64_t producers[] = {1, 2, 4};
    size_t points;
    const char *const *names = aw_crash_names(&points);
    for (size_t i = 0; i < points; i++) {
        unsigned died = 0;
        for (size_t k = 0; k < AW_COUNT(producers); k++) {
            for (int count = 1; count <= 5; count += 2) {
                bool again = died > 0 || is_one_of(names[i], expected);
                died += (count == 1 || again) && die_and_be_replaced(names[i], count, producers[k]);
            }
        }
        if (died == 0 && is_one_of(names[i], expected)) {
            fail_msg("nobody died at %s", names[i]);
        }
    }
}

/* The first dies with the lock held, the second while it repairs what the first left. */
static void repairers_at_every_point(void **unused)
{
    (void)unused;
    static const char *const firsts[] = {"queue.append.before_tail:3",
                                         "intake.append.before_keys:4", "ids.put.before_tag:2"};
    static const char *const expected[] = {"queue.adopt.", "queue.lock.", "ids.put.", NULL};
    size_t points;
    const char *const *names = aw_crash_names(&points);
    for (size_t i = 0; i < points; i++) {
        unsigned died = 0;
        for (size_t k = 0; k < AW_COUNT(firsts); k++) {
            begin();
            assert_true(kit_was_killed(drain_until_exit(start_producer(0, firsts[k]))));
            died += kit_was_killed(drain_until_exit(start_producer(1, names[i])));
            for (uint64_t p = 0; p < 2; p++) {
                assert_int_equal(drain_until_exit(start_producer(p, NULL)), 0);
            }
            verify(2);
            end();
        }
        if (died == 0 && is_one_of(names[i], expected)) {
            fail_msg("nobody died at %s", names[i]);
        }
    }
}

/* --- the consumer dies --- */
#define RECORDS 60

static void consume(_Atomic uint32_t *stored, const char *dies_at)
{
    struct aw_queue own;
    const struct aw_record_head *record;
    kit_open(&own, 0, AW_FILE_CONSUMER);
    aw_crash_arm(dies_at);
    uint64_t at = aw_queue_head(&own);
    while ((record = aw_queue_next(&own, &at)) != NULL) {
        kit_check(record, kit_number(record));
        atomic_fetch_add(&stored[kit_number(record)], 1); /* the store's commit */
        aw_queue_release(&own, at);
    }
    aw_queue_close(&own);
    _exit(0);
}

static void consumers_at_every_point(void **unused)
{
    (void)unused;
    static const char *const expected[] = {"queue.release.", "queue.header.", NULL};
    size_t points;
    const char *const *names = aw_crash_names(&points);
    _Atomic uint32_t *stored = (_Atomic uint32_t *)ledger;
    _Static_assert(RECORDS * sizeof(*stored) <= sizeof(*ledger), "the store fits");
    for (size_t i = 0; i < points; i++) {
        if (!is_one_of(names[i], expected)) {
            continue;
        }
        for (int count = 1; count <= 2; count++) {
            char spec[80];
            unsigned again = 0;
            unlink(kit_queue);
            memset(ledger, 0, sizeof(*ledger));
            kit_open(&queue, SIZE, AW_FILE_CREATE);
            for (uint64_t n = 0; n < RECORDS; n++) {
                assert_true(kit_append(&queue, n, 5000) != 0);
            }
            snprintf(spec, sizeof(spec), "%s:%d", names[i], count);
            for (int life = 0; life < 2; life++) {
                pid_t child = fork();
                if (child == 0) {
                    consume(stored, life == 0 ? spec : NULL);
                }
                int status = kit_wait(child);
                assert_true(life == 0 ? kit_was_killed(status) : status == 0);
            }
            for (uint64_t n = 0; n < RECORDS; n++) {
                assert_in_range(atomic_load(&stored[n]), 1, 2); /* again, but never not */
                again += atomic_load(&stored[n]) - 1;
            }
            assert_true(again <= 1); /* the one that was stored and not yet released */
            assert_int_equal(aw_queue_head(&queue), aw_queue_tail(&queue));
            struct aw_queue_header header;
            assert_true(aw_queue_header_read(queue.map, &header));
            assert_int_equal(header.head, aw_queue_head(&queue));
            aw_queue_close(&queue);
        }
    }
}

#endif

#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ALL(killed_at_any_time),
#ifdef AW_CRASH_POINTS
        WITH_ALL(producers_at_every_point),
        WITH_ALL(repairers_at_every_point),
        WITH_ALL(consumers_at_every_point),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_crash", tests, NULL, NULL);
}
