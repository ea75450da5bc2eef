/* The critical section of the edge: who is new, who is a repeat, who must wait for the disk, who is refused. */
#include "queue_kit.h"

#include "src/aw_intake.h"
#include "src/aw_state_layout.h"

#define NOW     KIT_NOW_S
#define SIZE    AW_QUEUE_SIZE_MIN
#define LOCK_US 1000000u

static struct aw_queue queue;
static struct aw_state state;
static struct aw_intake intake;
static uint64_t cursor; /* of the consumer that each test plays */

static void open_state(void)
{
    struct aw_err err;
    assert_true(aw_state_open(&state, kit_state, 1024, &queue, AW_FILE_CREATE, NULL, &err));
}

static int setup(void **unused)
{
    if (kit_setup_memory(unused) != 0) {
        return -1;
    }
    kit_open(&queue, SIZE, AW_FILE_CREATE | AW_FILE_CONSUMER);
    open_state();
    intake = (struct aw_intake){.queue = &queue,
                                .state = &state,
                                .clock_skew_s = 300,
                                .delivery_memory_s = 86400,
                                .content_memory_s = 300};
    cursor = 0;
    return 0;
}

static int teardown(void **unused)
{
    aw_state_close(&state);
    aw_queue_close(&queue);
    return kit_teardown(unused);
}

/* Alert number n, as its alert_id-th sending: the identity is of n, the alert id of the sending. */
static struct aw_intake_item item_of(uint64_t n, uint64_t alert_id)
{
    struct aw_intake_item item = {.delivery = kit_alert(n, 200)};
    memcpy(item.delivery.alert_id, &alert_id, sizeof(alert_id));
    return item;
}

static struct aw_intake_item signed_item(uint64_t n, uint64_t alert_id, uint64_t signature)
{
    struct aw_intake_item item = item_of(n, alert_id);
    kit_sign(&item.delivery, signature);
    return item;
}

static void run(struct aw_intake_item *item, bool durable, uint32_t now_s)
{
    aw_intake_batch(&intake, &item, 1, durable, LOCK_US, now_s);
}

static void expect(struct aw_intake_item item, bool durable, uint32_t now_s,
                   enum aw_intake_verdict verdict, uint64_t alert_id)
{
    run(&item, durable, now_s);
    assert_int_equal(item.verdict, verdict);
    if (verdict == AW_INTAKE_ACCEPTED || verdict == AW_INTAKE_DUPLICATE) {
        assert_memory_equal(item.alert_id, &alert_id, sizeof(alert_id));
    }
}

static const struct aw_record_head *next_record(enum aw_record_kind kind, uint64_t alert_id)
{
    const struct aw_record_head *record = aw_queue_next(&queue, &cursor);
    assert_non_null(record);
    assert_int_equal(record->kind, kind);
    assert_int_equal(kit_number(record), alert_id);
    return record;
}

static void no_more_records(void)
{
    assert_null(aw_queue_next(&queue, &cursor));
}

static uint64_t counter(enum aw_counter which)
{
    return atomic_load(&state.counters->value[which]);
}

static void new_and_again(void **unused)
{
    (void)unused;
    expect(item_of(1, 101), false, NOW, AW_INTAKE_ACCEPTED, 101);
    expect(item_of(1, 102), false, NOW, AW_INTAKE_DUPLICATE, 101);
    expect(item_of(2, 103), false, NOW, AW_INTAKE_ACCEPTED, 103);
    assert_int_equal(aw_queue_keyed(&queue), aw_queue_tail(&queue));
    const struct aw_record_head *first = next_record(AW_RECORD_ALERT, 101);
    struct aw_delivery sent = kit_alert(1, 200);
    assert_int_equal(first->body_len, 200);
    assert_memory_equal(aw_record_body(first), sent.body, 200);
    const struct aw_record_head *attempt = next_record(AW_RECORD_ATTEMPT, 101);
    assert_int_equal(attempt->body_len, 0);
    assert_int_equal(attempt->flags & AW_RECORD_NEW_SIGNATURE, 0);
    assert_memory_equal(attempt->identity, sent.identity, AW_SHA256_LEN);
    next_record(AW_RECORD_ALERT, 103);
    no_more_records();
    assert_int_equal(counter(AW_COUNT_accepted), 2);
    assert_int_equal(counter(AW_COUNT_duplicates), 1);
    assert_int_equal(counter(AW_COUNT_batches), 3);
    assert_int_equal(atomic_load(&queue.live->synced), 0);
}

static void twins_of_one_batch(void **unused)
{
    (void)unused;
    struct aw_intake_item items[4] = {item_of(1, 101), item_of(1, 102), item_of(2, 103),
                                      signed_item(2, 104, 9)};
    struct aw_intake_item *list[4] = {&items[0], &items[1], &items[2], &items[3]};
    aw_intake_batch(&intake, list, 4, true, LOCK_US, NOW);
    static const enum aw_intake_verdict verdicts[] = {AW_INTAKE_ACCEPTED, AW_INTAKE_DUPLICATE,
                                                      AW_INTAKE_ACCEPTED, AW_INTAKE_DUPLICATE};
    static const uint64_t ids[] = {101, 101, 103, 103};
    for (size_t i = 0; i < AW_COUNT(items); i++) {
        assert_int_equal(items[i].verdict, verdicts[i]);
        assert_memory_equal(items[i].alert_id, &ids[i], sizeof(ids[i]));
    }
    assert_int_equal(atomic_load(&queue.live->synced), aw_queue_tail(&queue));
    struct aw_queue_sync_stats stats;
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.syncs, 1);
    aw_intake_batch(&intake, list, 0, true, LOCK_US, NOW);
}

static void signatures_are_known(void **unused)
{
    (void)unused;
    expect(signed_item(1, 101, 7), false, NOW, AW_INTAKE_ACCEPTED, 101);
    /* the same signed message under another delivery id is a repeat, and brings nothing new */
    expect(signed_item(2, 102, 7), false, NOW, AW_INTAKE_DUPLICATE, 101);
    /* the same delivery signed again: from now on its new signature is known too */
    expect(signed_item(1, 103, 8), false, NOW, AW_INTAKE_DUPLICATE, 101);
    expect(signed_item(3, 104, 8), false, NOW, AW_INTAKE_DUPLICATE, 101);
    /* that delivery id was never accepted for itself */
    expect(signed_item(3, 105, 9), false, NOW, AW_INTAKE_ACCEPTED, 105);
    assert_int_equal(next_record(AW_RECORD_ALERT, 101)->flags,
                     AW_RECORD_SIGNED | AW_RECORD_DELIVERY_ID);
    assert_int_equal(next_record(AW_RECORD_ATTEMPT, 101)->flags & AW_RECORD_NEW_SIGNATURE, 0);
    const struct aw_record_head *attempt = next_record(AW_RECORD_ATTEMPT, 101);
    assert_int_not_equal(attempt->flags & AW_RECORD_NEW_SIGNATURE, 0);
    assert_int_equal(attempt->sig_timestamp, NOW);
    assert_int_equal(next_record(AW_RECORD_ATTEMPT, 101)->flags & AW_RECORD_NEW_SIGNATURE, 0);
    next_record(AW_RECORD_ALERT, 105);
    no_more_records();
}

static void memories_end(void **unused)
{
    (void)unused;
    struct aw_intake_item content = item_of(1, 101);
    content.delivery.flags = 0;
    expect(content, false, NOW, AW_INTAKE_ACCEPTED, 101);
    expect(item_of(2, 102), false, NOW, AW_INTAKE_ACCEPTED, 102);
    struct aw_intake_item ahead = signed_item(3, 103, 3);
    ahead.delivery.flags &= ~(unsigned)AW_RECORD_DELIVERY_ID;
    ahead.delivery.sig_timestamp = NOW + 299;
    expect(ahead, false, NOW, AW_INTAKE_ACCEPTED, 103);

    content = item_of(1, 111);
    content.delivery.flags = 0;
    expect(content, false, NOW + 300, AW_INTAKE_DUPLICATE, 101);
    expect(content, false, NOW + 301, AW_INTAKE_ACCEPTED, 111);
    expect(item_of(2, 112), false, NOW + 86400, AW_INTAKE_DUPLICATE, 102);
    expect(item_of(2, 112), false, NOW + 86401, AW_INTAKE_ACCEPTED, 112);
    /* a timestamp ahead of time stays valid, and so its signature stays known, for 598 s */
    struct aw_intake_item replay = signed_item(4, 113, 3);
    expect(replay, false, NOW + 604, AW_INTAKE_DUPLICATE, 103);
    expect(replay, false, NOW + 605, AW_INTAKE_ACCEPTED, 113);
}

static void fill_queue(uint64_t first)
{
    struct aw_intake_item item;
    do {
        item = item_of(first++, 1);
        item.delivery.body_len = 60000;
        run(&item, false, NOW);
    } while (item.verdict == AW_INTAKE_ACCEPTED);
    do {
        item = item_of(first++, 1);
        item.delivery.body_len = 0;
        run(&item, false, NOW);
    } while (item.verdict == AW_INTAKE_ACCEPTED);
    assert_int_equal(item.verdict, AW_INTAKE_FULL);
}

static void full_leaves_no_trace(void **unused)
{
    (void)unused;
    expect(signed_item(1, 101, 1), false, NOW, AW_INTAKE_ACCEPTED, 101);
    fill_queue(1000);
    uint64_t tail = aw_queue_tail(&queue), dropped = counter(AW_COUNT_attempts_dropped);
    expect(signed_item(2, 102, 2), false, NOW, AW_INTAKE_FULL, 0);
    expect(signed_item(1, 103, 1), false, NOW, AW_INTAKE_DUPLICATE, 101);
    assert_int_equal(counter(AW_COUNT_attempts_dropped), dropped + 1);
    /* a repeat with a new signature must be written down before it is answered */
    expect(signed_item(1, 104, 3), true, NOW, AW_INTAKE_FULL, 0);
    assert_int_equal(aw_queue_tail(&queue), tail);
    assert_true(counter(AW_COUNT_unavailable_full) >= 3);
    aw_queue_release(&queue, tail);
    expect(signed_item(2, 105, 2), false, NOW, AW_INTAKE_ACCEPTED, 105);
    expect(signed_item(9, 106, 3), false, NOW, AW_INTAKE_ACCEPTED, 106);
}

static void ids_full(void **unused)
{
    (void)unused;
    /* every place taken by signatures that nothing may evict */
    for (uint32_t set = 0; set < state.set_count; set++) {
        for (int way = 0; way < AW_IDS_WAYS; way++) {
            state.sets[set].tags[way] = AW_IDS_TAG_SIGNATURE;
            state.sets[set].until[way] = (uint16_t)((NOW + 100) / AW_IDS_UNTIL_S);
            state.sets[set].ways[way].expires_s = NOW + 100;
        }
    }
    uint64_t tail = aw_queue_tail(&queue);
    expect(item_of(1, 101), false, NOW, AW_INTAKE_IDS_FULL, 0);
    assert_int_equal(aw_queue_tail(&queue), tail);
    assert_int_equal(counter(AW_COUNT_unavailable_ids), 1);
    /* one free place in a set of the identity only: not enough for both keys */
    struct aw_intake_item item = signed_item(1, 102, 1);
    struct aw_ids_set *sets[2], *others[2];
    ((struct aw_state_header *)state.map)->mix = 0x9e3779b97f4a7c15ull;
    aw_ids_sets_of(&state, item.delivery.identity, sets);
    aw_ids_sets_of(&state, item.delivery.signature, others);
    assert_true(sets[1] != others[0] && sets[1] != others[1]);
    sets[1]->tags[0] = 0;
    expect(item, false, NOW, AW_INTAKE_IDS_FULL, 0);
    expect(item_of(1, 103), false, NOW, AW_INTAKE_ACCEPTED, 103);
    /* a repeat without a new key needs no place; with one it does */
    expect(item_of(1, 104), false, NOW, AW_INTAKE_DUPLICATE, 103);
    expect(item, false, NOW, AW_INTAKE_IDS_FULL, 0);
    others[0]->tags[5] = 0;
    expect(item, false, NOW, AW_INTAKE_DUPLICATE, 103);
}

static void durable_waits_for_the_disk(void **unused)
{
    (void)unused;
    struct aw_queue_sync_stats stats;
    expect(item_of(1, 101), false, NOW, AW_INTAKE_ACCEPTED, 101);
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.syncs, 0);
    /* the twin of one that is not durable yet syncs for it */
    expect(item_of(1, 102), true, NOW, AW_INTAKE_DUPLICATE, 101);
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.syncs, 1);
    /* of one that is, nobody waits */
    expect(item_of(1, 103), true, NOW, AW_INTAKE_DUPLICATE, 101);
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.syncs, 1);
    /* a new signature is written and synced before the answer */
    expect(signed_item(1, 104, 1), true, NOW, AW_INTAKE_DUPLICATE, 101);
    assert_int_equal(atomic_load(&queue.live->synced), aw_queue_tail(&queue));
    aw_queue_sync_stats(&queue, &stats);
    assert_int_equal(stats.syncs, 2);
}

static void busy_lock(void **unused)
{
    (void)unused;
    struct aw_intake_item items[2] = {item_of(1, 101), item_of(2, 102)};
    struct aw_intake_item *list[2] = {&items[0], &items[1]};
    int held[2];
    char byte;
    assert_int_equal(pipe(held), 0);
    pid_t child = fork();
    if (child == 0) {
        if (aw_queue_lock(&queue, 1000) == AW_QUEUE_OK && write(held[1], "", 1) == 1) {
            pause();
        }
        _exit(1);
    }
    assert_int_equal(read(held[0], &byte, 1), 1);
    assert_false(aw_intake_try(&intake, list, 2, NOW));
    assert_int_equal(counter(AW_COUNT_unavailable_busy), 0); /* it may be tried again */
    aw_intake_batch(&intake, list, 2, false, 2000, NOW);
    assert_int_equal(items[0].verdict, AW_INTAKE_BUSY);
    assert_int_equal(items[1].verdict, AW_INTAKE_BUSY);
    assert_int_equal(counter(AW_COUNT_unavailable_busy), 2);
    assert_int_equal(counter(AW_COUNT_batches), 0);
    kill(child, SIGKILL);
    kit_wait(child);
    expect(item_of(1, 101), false, NOW, AW_INTAKE_ACCEPTED, 101);
    assert_int_equal(counter(AW_COUNT_repairs), 1);
    close(held[0]);
    close(held[1]);
}

static void broken_words(void **unused)
{
    (void)unused;
    atomic_store(&queue.live->tail, 1);
    expect(item_of(1, 101), true, NOW, AW_INTAKE_BROKEN, 0);
    assert_int_equal(counter(AW_COUNT_unavailable_broken), 1);
    assert_int_equal(aw_intake_rebuild(&intake, NOW), AW_QUEUE_BROKEN);
    atomic_store(&queue.live->tail, 0);
    atomic_store(&queue.live->keyed, 1ull << 60); /* nonsense here costs time only */
    expect(item_of(1, 101), true, NOW, AW_INTAKE_ACCEPTED, 101);
    assert_int_equal(aw_queue_keyed(&queue), aw_queue_tail(&queue));
}

static void lose_state(void)
{
    aw_state_close(&state);
    assert_int_equal(unlink(kit_state), 0);
    open_state();
}

static void rebuilt_from_the_queue(void **unused)
{
    (void)unused;
    expect(signed_item(1, 101, 1), false, NOW, AW_INTAKE_ACCEPTED, 101);
    uint64_t released = aw_queue_tail(&queue);
    expect(signed_item(2, 102, 2), false, NOW, AW_INTAKE_ACCEPTED, 102);
    expect(signed_item(2, 103, 3), false, NOW, AW_INTAKE_DUPLICATE, 102);
    expect(signed_item(1, 104, 4), false, NOW, AW_INTAKE_DUPLICATE, 101);
    aw_queue_release(&queue, released);
    lose_state();
    assert_true(state.fresh);
    /* workers with another state file, during a reload, have advanced the word meanwhile */
    aw_queue_set_keyed(&queue, aw_queue_tail(&queue));
    assert_int_equal(aw_intake_rebuild(&intake, NOW), AW_QUEUE_OK);
    assert_false(state.fresh);
    assert_int_equal(aw_queue_keyed(&queue), aw_queue_tail(&queue));
    expect(item_of(2, 105), false, NOW, AW_INTAKE_DUPLICATE, 102);
    expect(signed_item(90, 106, 2), false, NOW, AW_INTAKE_DUPLICATE, 102);
    expect(signed_item(91, 107, 3), false, NOW, AW_INTAKE_DUPLICATE, 102);
    /* of the released alert nothing is left; its attempt must not bring back a signature alone */
    expect(signed_item(92, 108, 4), false, NOW, AW_INTAKE_ACCEPTED, 108);
    expect(signed_item(1, 109, 5), false, NOW, AW_INTAKE_ACCEPTED, 109);
}

/* Nobody called the rebuild (its caller died): the first batch does the work before it judges. */
static void first_batch_rebuilds(void **unused)
{
    (void)unused;
    expect(signed_item(1, 101, 1), false, NOW, AW_INTAKE_ACCEPTED, 101);
    lose_state();
    expect(signed_item(1, 102, 2), false, NOW, AW_INTAKE_DUPLICATE, 101);
    expect(signed_item(7, 103, 1), false, NOW, AW_INTAKE_DUPLICATE, 101);
}

/* A power cut keeps the attempt and loses its alert: the sender's retry must be accepted. */
static void attempt_without_its_alert(void **unused)
{
    (void)unused;
    expect(signed_item(1, 101, 1), false, NOW, AW_INTAKE_ACCEPTED, 101);
    expect(signed_item(1, 102, 2), false, NOW, AW_INTAKE_DUPLICATE, 101);
    queue.data[10] ^= 1;
    aw_state_close(&state);
    aw_queue_close(&queue);
    unlink(kit_state);
    kit_new_boot(kit_queue);
    kit_open(&queue, SIZE, AW_FILE_CONSUMER);
    assert_true(queue.recovered);
    open_state();
    assert_int_equal(aw_intake_rebuild(&intake, NOW), AW_QUEUE_OK);
    expect(signed_item(1, 103, 2), true, NOW, AW_INTAKE_ACCEPTED, 103);
    cursor = aw_queue_head(&queue);
    next_record(AW_RECORD_ATTEMPT, 101);
    next_record(AW_RECORD_ALERT, 103);
    no_more_records();
}

/* Recovered records have an old epoch, but are not released: their identities must not count as evictable. */
static void recovered_is_not_released(void **unused)
{
    (void)unused;
    expect(item_of(1, 101), false, NOW, AW_INTAKE_ACCEPTED, 101);
    aw_state_close(&state);
    aw_queue_close(&queue);
    kit_new_boot(kit_queue);
    kit_open(&queue, SIZE, AW_FILE_CONSUMER);
    unlink(kit_state);
    open_state();
    expect(item_of(1, 102), true, NOW, AW_INTAKE_DUPLICATE, 101);
    struct aw_delivery delivery = kit_alert(1, 0);
    struct aw_ids_entry entry;
    assert_non_null(aw_ids_find(&state, delivery.identity, AW_KEY_IDENTITY, NOW, &entry));
    assert_true(entry.seq >= aw_queue_seq_at(&queue, aw_queue_head(&queue)));
    assert_true(aw_queue_is_committed(&queue, entry.seq));
}

#ifdef AW_CRASH_POINTS

static bool is_failing;

static bool fail_sync(int fd)
{
    (void)fd;
    return !is_failing;
}

static void failed_sync(void **unused)
{
    (void)unused;
    expect(item_of(1, 101), true, NOW, AW_INTAKE_ACCEPTED, 101);
    aw_crash_sync = fail_sync;
    is_failing = true;
    struct aw_intake_item items[3] = {item_of(2, 102), item_of(1, 103), item_of(2, 104)};
    struct aw_intake_item *list[3] = {&items[0], &items[1], &items[2]};
    aw_intake_batch(&intake, list, 3, true, LOCK_US, NOW);
    assert_int_equal(items[0].verdict, AW_INTAKE_BROKEN);
    assert_int_equal(items[1].verdict, AW_INTAKE_DUPLICATE); /* was durable before */
    assert_int_equal(items[2].verdict, AW_INTAKE_BROKEN);    /* a twin may not hear yes either */
    assert_int_equal(counter(AW_COUNT_unavailable_broken), 2);
    is_failing = false;
    expect(item_of(2, 105), true, NOW, AW_INTAKE_BROKEN, 0);
    /* `memory` promises no disk */
    expect(item_of(2, 106), false, NOW, AW_INTAKE_DUPLICATE, 102);
    next_record(AW_RECORD_ALERT, 101);
    next_record(AW_RECORD_ALERT, 102); /* record and keys stay: there is no second one */
    next_record(AW_RECORD_ATTEMPT, 101);
    aw_queue_release(&queue, aw_queue_tail(&queue));
    expect(item_of(2, 107), true, NOW, AW_INTAKE_DUPLICATE, 102);
    expect(item_of(3, 108), true, NOW, AW_INTAKE_ACCEPTED, 108);
    assert_false(aw_queue_sync_broken(&queue));
    aw_crash_sync = NULL;
}

#endif

#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ALL(new_and_again),
        WITH_ALL(twins_of_one_batch),
        WITH_ALL(signatures_are_known),
        WITH_ALL(memories_end),
        WITH_ALL(full_leaves_no_trace),
        WITH_ALL(ids_full),
        WITH_ALL(durable_waits_for_the_disk),
        WITH_ALL(busy_lock),
        WITH_ALL(broken_words),
        WITH_ALL(rebuilt_from_the_queue),
        WITH_ALL(first_batch_rebuilds),
        WITH_ALL(attempt_without_its_alert),
        WITH_ALL(recovered_is_not_released),
#ifdef AW_CRASH_POINTS
        WITH_ALL(failed_sync),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_intake", tests, NULL, NULL);
}
