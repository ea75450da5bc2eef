/* The state file and its table of ids. */
#include "queue_kit.h"

#include "src/aw_state_layout.h"

#define NOW  KIT_NOW_S
#define MANY 100000u
#define PAIR (2 * AW_IDS_WAYS) /* places of a key */

static struct aw_queue queue;
static struct aw_state state;
static uint32_t clock_s;

static int setup(void **unused)
{
    if (kit_setup_memory(unused) != 0) {
        return -1;
    }
    kit_open(&queue, AW_QUEUE_SIZE_MIN, AW_FILE_CREATE);
    clock_s = NOW;
    return 0;
}

static int teardown(void **unused)
{
    aw_state_close(&state);
    aw_queue_close(&queue);
    return kit_teardown(unused);
}

static void open_state(uint32_t ids, unsigned how)
{
    struct aw_err err = {0};
    if (!aw_state_open(&state, kit_state, ids, &queue, how, NULL, &err)) {
        fail_msg("aw_state_open: %s: %s", err.code, err.msg);
    }
}

static void open_fails(uint32_t ids, unsigned how, const char *code)
{
    struct aw_state other;
    struct aw_err err = {0};
    assert_false(aw_state_open(&other, kit_state, ids, &queue, how, NULL, &err));
    assert_string_equal(err.code, code);
    assert_int_equal(other.fd, -1);
}

static void key_of(uint64_t n, uint8_t key[AW_SHA256_LEN])
{
    struct aw_delivery delivery = kit_alert(n, 0);
    memcpy(key, delivery.identity, AW_SHA256_LEN);
}

static bool put(uint64_t n, enum aw_key_kind kind, uint64_t seq, uint32_t expires_s,
                uint64_t head_seq)
{
    uint8_t key[AW_SHA256_LEN], alert_id[AW_ID_LEN] = {0};
    key_of(n, key);
    memcpy(alert_id, &n, sizeof(n));
    return aw_ids_put(&state, key, kind, alert_id, seq, expires_s, clock_s, head_seq);
}

static const struct aw_ids_entry *find(uint64_t n, enum aw_key_kind kind, uint32_t now_s)
{
    uint8_t key[AW_SHA256_LEN];
    key_of(n, key);
    aw_ids_prefetch(&state, key);
    static struct aw_ids_entry found;
    const struct aw_ids_entry *entry = aw_ids_find(&state, key, kind, now_s, &found);
    assert_true(entry == NULL || memcmp(entry->alert_id, &n, sizeof(n)) == 0);
    return entry;
}

static void opened_and_kept(void **unused)
{
    (void)unused;
    open_fails(1024, 0, "state.absent");
    open_fails(0, AW_FILE_CREATE, "state.size");
    open_state(1025, AW_FILE_CREATE);
    assert_true(state.fresh);
    assert_int_equal(state.set_count * AW_IDS_WAYS, 2048);
    assert_int_equal((uintptr_t)state.sets % AW_CACHE_LINE, 0);
    aw_counters_add(state.counters, AW_COUNT_accepted, 3);
    atomic_store(&state.rates[AW_RATE_SLOTS - 1].tat_us, 77);
    assert_true(put(1, AW_KEY_IDENTITY, 5, NOW + 10, 0));
    aw_state_close(&state);

    open_state(2048, AW_FILE_CREATE);
    assert_false(state.fresh);
    assert_int_equal(atomic_load(&state.counters->value[AW_COUNT_accepted]), 3);
    assert_int_equal(atomic_load(&state.rates[AW_RATE_SLOTS - 1].tat_us), 77);
    assert_int_equal(find(1, AW_KEY_IDENTITY, NOW)->seq, 5);
    struct aw_state people;
    struct aw_err err;
    assert_true(aw_state_open(&people, kit_state, 0, &queue, AW_FILE_INSPECT, NULL, &err));
    assert_int_equal(people.set_count, state.set_count);
    assert_int_equal(atomic_load(&people.counters->value[AW_COUNT_accepted]), 3);
    aw_state_close(&people);
    aw_state_close(&people);
    assert_string_equal(aw_counter_docs[AW_COUNT_repairs].name, "repairs");
    assert_true(strlen(aw_counter_docs[AW_COUNT_repairs].help) > 0);
}

static void made_anew_only_alone(void **unused)
{
    (void)unused;
    open_state(1024, AW_FILE_CREATE);
    put(1, AW_KEY_IDENTITY, 5, NOW + 10, 0);
    open_fails(4096, AW_FILE_CREATE, "state.busy");
    open_fails(4096, 0, "state.absent");
    assert_non_null(find(1, AW_KEY_IDENTITY, NOW)); /* nothing was changed */
    aw_state_close(&state);
    open_state(4096, AW_FILE_CREATE);
    assert_true(state.fresh);
    assert_null(find(1, AW_KEY_IDENTITY, NOW));
}

static void another_queue_or_boot(void **unused)
{
    (void)unused;
    open_state(1024, AW_FILE_CREATE);
    put(1, AW_KEY_IDENTITY, 5, NOW + 10, 0);
    aw_state_close(&state);
    queue.id[3] ^= 1;
    open_state(1024, AW_FILE_CREATE);
    assert_true(state.fresh);
    assert_null(find(1, AW_KEY_IDENTITY, NOW));
    ((struct aw_state_header *)state.map)->boot_id[0] ^= 1;
    aw_state_close(&state);
    open_fails(1024, AW_FILE_INSPECT, "state.absent");
    open_state(1024, AW_FILE_CREATE);
    assert_true(state.fresh);
}

/* Whoever makes the file may die before the keys are back: the queue itself remembers that they are missing. */
static void new_file_takes_keyed_back(void **unused)
{
    (void)unused;
    kit_append(&queue, 1, 10);
    aw_queue_set_keyed(&queue, aw_queue_tail(&queue));
    open_state(1024, AW_FILE_CREATE);
    assert_int_equal(aw_queue_keyed(&queue), aw_queue_head(&queue));
    aw_queue_set_keyed(&queue, aw_queue_tail(&queue));
    aw_state_close(&state);
    open_state(1024, AW_FILE_CREATE);
    assert_int_equal(aw_queue_keyed(&queue), aw_queue_tail(&queue));
}

static void kinds_and_expiry(void **unused)
{
    (void)unused;
    open_state(1024, AW_FILE_CREATE);
    assert_null(find(1, AW_KEY_IDENTITY, NOW));
    assert_true(put(1, AW_KEY_IDENTITY, 5, NOW + 10, 0));
    assert_null(find(1, AW_KEY_SIGNATURE, NOW));
    assert_true(put(1, AW_KEY_SIGNATURE, 6, NOW + 20, 0));
    assert_int_equal(find(1, AW_KEY_IDENTITY, NOW)->seq, 5);
    assert_int_equal(find(1, AW_KEY_SIGNATURE, NOW)->seq, 6);
    assert_non_null(find(1, AW_KEY_IDENTITY, NOW + 10));
    assert_null(find(1, AW_KEY_IDENTITY, NOW + 11));
    assert_non_null(find(1, AW_KEY_SIGNATURE, NOW + 11));
    assert_true(put(1, AW_KEY_IDENTITY, 9, NOW + 30, 0)); /* the same key is overwritten */
    assert_int_equal(find(1, AW_KEY_IDENTITY, NOW + 30)->seq, 9);
    uint64_t used, total;
    aw_ids_fill(&state, &used, &total);
    assert_int_equal(used, 2);
    assert_int_equal(total, 1024);
}

/* Numbers of keys that share their two sets, in the same order: while no key may be evicted, they go into the first
 * and the second set in turn. */
static void numbers_of_one_pair(uint64_t *numbers, size_t count)
{
    struct aw_ids_set *wanted[2], *sets[2];
    uint8_t key[AW_SHA256_LEN];
    ((struct aw_state_header *)state.map)->mix = 0x9e3779b97f4a7c15ull;
    key_of(0, key);
    aw_ids_sets_of(&state, key, wanted);
    assert_ptr_not_equal(wanted[0], wanted[1]);
    numbers[0] = 0;
    for (uint64_t n = 1, found = 1; found < count; n++) {
        key_of(n, key);
        aw_ids_sets_of(&state, key, sets);
        if (sets[0] == wanted[0] && sets[1] == wanted[1]) {
            numbers[found++] = n;
        }
    }
}

static bool has_room(uint64_t identity, uint64_t signature, uint64_t head_seq)
{
    uint8_t keys[2][AW_SHA256_LEN];
    key_of(identity, keys[0]);
    key_of(signature, keys[1]);
    struct aw_ids_place places[2];
    return aw_ids_reserve(&state, keys[0], keys[1], NOW, head_seq, places);
}

static void what_may_be_evicted(void **unused)
{
    (void)unused;
    uint64_t n[PAIR + 5];
    uint8_t key[AW_SHA256_LEN];
    struct aw_ids_place places[2];
    open_state(1024, AW_FILE_CREATE);
    numbers_of_one_pair(n, AW_COUNT(n));
    /* 4 signatures and 28 identities with falling seq 127..100; nothing is released below seq 100. */
    for (size_t i = 0; i < PAIR; i++) {
        assert_true(has_room(n[i], n[i + 1], 100) == (i < PAIR - 1));
        assert_true(put(n[i], i < 4 ? AW_KEY_SIGNATURE : AW_KEY_IDENTITY, i < 4 ? 1 : 131 - i,
                        NOW + 10, 100));
    }
    key_of(n[PAIR], key);
    assert_false(aw_ids_reserve(&state, key, NULL, NOW, 100, places));
    assert_false(aw_ids_reserve(&state, NULL, key, NOW, 100, places));
    assert_false(put(n[PAIR], AW_KEY_IDENTITY, 140, NOW + 10, 100));

    /* One released in each set: an identity takes the one, a signature the other. */
    assert_true(has_room(n[PAIR], n[PAIR + 1], 102));
    assert_true(aw_ids_reserve(&state, key, NULL, NOW, 101, places));
    assert_false(has_room(n[PAIR], n[PAIR + 1], 101)); /* one place is not two */
    assert_true(put(n[PAIR], AW_KEY_IDENTITY, 140, NOW + 10, 102));
    assert_null(find(n[PAIR - 2], AW_KEY_IDENTITY, NOW)); /* had seq 101, in the first set */
    assert_non_null(find(n[PAIR - 1], AW_KEY_IDENTITY, NOW));
    assert_true(put(n[PAIR + 1], AW_KEY_SIGNATURE, 141, NOW + 10, 102));
    assert_null(find(n[PAIR - 1], AW_KEY_IDENTITY, NOW));
    assert_false(put(n[PAIR + 2], AW_KEY_IDENTITY, 142, NOW + 10, 102));

    /* Everything released: the set with fewer signatures gives its oldest identities. */
    assert_true(put(n[PAIR + 3], AW_KEY_IDENTITY, 143, NOW + 10, UINT64_MAX));
    assert_null(find(n[PAIR - 4], AW_KEY_IDENTITY, NOW));
    assert_true(put(n[PAIR + 4], AW_KEY_SIGNATURE, 144, NOW + 10, UINT64_MAX));
    assert_null(find(n[PAIR - 6], AW_KEY_IDENTITY, NOW));
    assert_non_null(find(n[PAIR - 3], AW_KEY_IDENTITY, NOW));
    for (size_t i = 0; i < 4; i++) { /* signatures stay until they expire */
        assert_non_null(find(n[i], AW_KEY_SIGNATURE, NOW));
    }
}

/* Of the released identities the one that would be forgotten soonest goes; among those of half a minute, the oldest. */
static void soonest_first(void **unused)
{
    (void)unused;
    uint64_t n[PAIR + 3];
    open_state(1024, AW_FILE_CREATE);
    numbers_of_one_pair(n, AW_COUNT(n));
    for (uint32_t i = 0; i < PAIR; i++) {
        uint32_t expires_s = i == 6 ? NOW + 300 : i == 8 || i == 10 ? NOW + 900 : NOW + 86400 + i;
        assert_true(put(n[i], AW_KEY_IDENTITY, i == 8 ? 200 : 100 + i, expires_s, 0));
    }
    assert_true(put(n[PAIR], AW_KEY_IDENTITY, 300, NOW + 86400, 250));
    assert_null(find(n[6], AW_KEY_IDENTITY, NOW));
    assert_true(put(n[PAIR + 1], AW_KEY_IDENTITY, 301, NOW + 86400, 250));
    assert_null(find(n[10], AW_KEY_IDENTITY, NOW));
    /* 8 would be next, but its record is not released */
    assert_true(put(n[PAIR + 2], AW_KEY_IDENTITY, 302, NOW + 86400, 200));
    assert_non_null(find(n[8], AW_KEY_IDENTITY, NOW));
    assert_null(find(n[0], AW_KEY_IDENTITY, NOW));
}

/* What the short form of an expiry says of a clock that is weeks off is not believed. */
static void weeks_off(void **unused)
{
    (void)unused;
    const uint32_t week_s = 7 * 86400;
    uint64_t n[PAIR + 1];
    open_state(1024, AW_FILE_CREATE);
    numbers_of_one_pair(n, AW_COUNT(n));
    for (size_t i = 0; i < PAIR; i++) {
        assert_true(put(n[i], i % 3 ? AW_KEY_IDENTITY : AW_KEY_SIGNATURE, 10, NOW + week_s, 10));
    }
    for (; clock_s > NOW - 8 * week_s; clock_s -= week_s) {
        assert_false(put(n[PAIR], AW_KEY_IDENTITY, 11, NOW, 10));
    }
    for (size_t i = 0; i < PAIR; i++) {
        assert_non_null(find(n[i], i % 3 ? AW_KEY_IDENTITY : AW_KEY_SIGNATURE, NOW));
    }
    for (clock_s = NOW + 2 * week_s; clock_s < NOW + 9 * week_s; clock_s += week_s) {
        assert_true(put(n[PAIR], AW_KEY_SIGNATURE, 12, clock_s, 10)); /* all have expired */
    }
}

static void expired_is_a_place(void **unused)
{
    (void)unused;
    uint64_t n[PAIR + 1];
    open_state(1024, AW_FILE_CREATE);
    numbers_of_one_pair(n, AW_COUNT(n));
    for (size_t i = 0; i < PAIR; i++) {
        assert_true(put(n[i], AW_KEY_SIGNATURE, 1, i == PAIR - 1 ? NOW - 1 : NOW, UINT64_MAX));
    }
    assert_true(put(n[PAIR], AW_KEY_SIGNATURE, 1, NOW, UINT64_MAX));
    assert_null(find(n[PAIR - 1], AW_KEY_SIGNATURE, NOW - 1));
    assert_false(put(n[PAIR - 1], AW_KEY_SIGNATURE, 1, NOW, UINT64_MAX));
}

/* A key that has expired is overwritten where it is, also when its other set has more room by now. */
static void a_key_is_there_once(void **unused)
{
    (void)unused;
    uint64_t n[PAIR], used, total;
    open_state(1024, AW_FILE_CREATE);
    numbers_of_one_pair(n, AW_COUNT(n));
    for (size_t i = 0; i < 6; i++) {
        assert_true(put(n[i], AW_KEY_SIGNATURE, i, i % 2 ? NOW - 1 : NOW, 0));
    }
    for (size_t i = 0; i < 6; i++) {
        assert_true(put(n[i], AW_KEY_SIGNATURE, 9 + i, NOW, 0));
        assert_int_equal(find(n[i], AW_KEY_SIGNATURE, NOW)->seq, 9 + i);
    }
    aw_ids_fill(&state, &used, &total);
    assert_int_equal(used, 6);
}

/* Signatures up to 80 % of the table, of which none may be evicted: all find a place, although one set per key would
 * have been too small for many. */
static void full_to_four_fifths(void **unused)
{
    (void)unused;
    static unsigned only_first[16384];
    struct aw_ids_set *sets[2];
    uint8_t key[AW_SHA256_LEN];
    unsigned too_many = 0;
    open_state(AW_COUNT(only_first) * AW_IDS_WAYS, AW_FILE_CREATE);
    ((struct aw_state_header *)state.map)->mix = 0x9e3779b97f4a7c15ull;
    assert_int_equal(state.set_count, AW_COUNT(only_first));
    memset(only_first, 0, sizeof(only_first));
    for (uint64_t n = 0; n < AW_COUNT(only_first) * AW_IDS_WAYS / 5 * 4; n++) {
        assert_true(put(n, AW_KEY_SIGNATURE, n, NOW, UINT64_MAX));
        key_of(n, key);
        aw_ids_sets_of(&state, key, sets);
        too_many += ++only_first[sets[0] - state.sets] > AW_IDS_WAYS;
    }
    assert_in_range(too_many, 5000, 20000);
}

/* The manual's rule: three quarters of the entries are signatures that live; beside each comes an identity, which may
 * go as soon as a hundredth of the table was filled after it. */
static void steady_at_three_quarters(void **unused)
{
    (void)unused;
    enum { ENTRIES = 16384, LIVE = ENTRIES / 4 * 3, LAG = ENTRIES / 100 };
    static struct aw_delivery sent[6 * LIVE];
    const uint8_t alert_id[AW_ID_LEN] = {0};
    uint64_t evicted = 0;
    open_state(ENTRIES, AW_FILE_CREATE);
    ((struct aw_state_header *)state.map)->mix = 0x9e3779b97f4a7c15ull;
    for (uint64_t n = 0; n < 6 * LIVE; n++) {
        struct aw_ids_entry entry;
        uint64_t head_seq = n < LAG ? 0 : n - LAG;
        uint32_t now_s = (uint32_t)n;
        sent[n] = kit_alert(n, 0);
        kit_sign(&sent[n], n);
        struct aw_ids_place places[2];
        assert_true(
            aw_ids_reserve(&state, sent[n].identity, sent[n].signature, now_s, head_seq, places));
        aw_ids_store(&places[0], alert_id, n, UINT32_MAX);
        aw_ids_store(&places[1], alert_id, n, now_s + LIVE);
        if (n >= LIVE) {
            const struct aw_delivery *old = &sent[n - LIVE], *unreleased = &sent[n - LAG];
            assert_non_null(aw_ids_find(&state, old->signature, AW_KEY_SIGNATURE, now_s, &entry));
            assert_non_null(
                aw_ids_find(&state, unreleased->identity, AW_KEY_IDENTITY, now_s, &entry));
            evicted += aw_ids_find(&state, old->identity, AW_KEY_IDENTITY, now_s, &entry) == NULL;
        }
    }
    assert_true(evicted > 3 * LIVE); /* otherwise there was room for everything */
}

/* Against a plain array: whatever is found was put, and what was put last for a key is found or evicted. */
static void random_against_a_model(void **unused)
{
    (void)unused;
    static uint64_t seqs[2][512];
    uint64_t seed = 11;
    unsigned hits = 0, refused = 0;
    memset(seqs, 0, sizeof(seqs));
    open_state(1024, AW_FILE_CREATE);
    for (uint64_t i = 1; i < MANY; i++) {
        uint64_t random = kit_random(&seed);
        uint64_t n = random % 512;
        unsigned kind = random >> 32 & 1;
        const struct aw_ids_entry *entry = find(n, kind ? AW_KEY_SIGNATURE : AW_KEY_IDENTITY, NOW);
        assert_true(entry == NULL || entry->seq == seqs[kind][n]);
        /* what is not released must be there */
        assert_true(entry != NULL || seqs[kind][n] == 0 || (!kind && seqs[kind][n] < i - 100));
        hits += entry != NULL;
        if (entry == NULL) {
            bool ok = put(n, kind ? AW_KEY_SIGNATURE : AW_KEY_IDENTITY, i, NOW + 10, i - 100);
            refused += !ok;
            seqs[kind][n] = ok ? i : 0;
        }
    }
    assert_true(hits > MANY / 2);
    uint64_t used, total;
    aw_ids_fill(&state, &used, &total);
    assert_true(used <= total && used > total / 2);
    assert_true(refused < MANY / 10);
}

static void sampled_fill(void **unused)
{
    (void)unused;
    uint64_t used, total;
    open_state(131072, AW_FILE_CREATE);
    aw_ids_fill(&state, &used, &total);
    assert_int_equal(used, 0);
    for (uint64_t n = 0; n < 60000; n++) {
        put(n, AW_KEY_IDENTITY, n, NOW + 10, 0);
    }
    aw_ids_fill(&state, &used, &total);
    assert_int_equal(total, 131072);
    assert_in_range(used, 54000, 66000);
}

#ifdef AW_CRASH_POINTS

static void killed_in_put(void **unused)
{
    (void)unused;
    static const char *const points[] = {"ids.put.before_clear", "ids.put.after_clear",
                                         "ids.put.before_tag", "ids.put.after_tag"};
    uint64_t n[PAIR + 1];
    open_state(1024, AW_FILE_CREATE);
    numbers_of_one_pair(n, AW_COUNT(n));
    for (size_t p = 0; p < AW_COUNT(points); p++) {
        memset(state.sets, 0, state.set_count * sizeof(*state.sets));
        for (size_t i = 0; i < PAIR; i++) {
            put(n[i], AW_KEY_IDENTITY, 1 + i, NOW + 10, 0);
        }
        pid_t child = fork();
        if (child == 0) {
            aw_crash_arm(points[p]);
            put(n[PAIR], AW_KEY_IDENTITY, 50, NOW + 10, 3);
            _exit(1);
        }
        assert_true(kit_was_killed(kit_wait(child)));
        assert_true((find(n[0], AW_KEY_IDENTITY, NOW) != NULL) ==
                    (p == 0)); /* its place was taken */
        assert_true((find(n[PAIR], AW_KEY_IDENTITY, NOW) != NULL) == (p == 3));
        for (size_t i = 1; i < PAIR; i++) {
            assert_int_equal(find(n[i], AW_KEY_IDENTITY, NOW)->seq, 1 + i);
        }
        assert_true(put(n[PAIR], AW_KEY_IDENTITY, 50, NOW + 10, 3));
        assert_int_equal(find(n[PAIR], AW_KEY_IDENTITY, NOW)->seq, 50);
        assert_non_null(find(n[1], AW_KEY_IDENTITY, NOW));
    }
}

static void killed_in_making(void **unused)
{
    (void)unused;
    size_t count, died = 0;
    const char *const *names = aw_crash_names(&count);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], "state.", 6) != 0) {
            continue;
        }
        unlink(kit_state);
        aw_queue_set_keyed(&queue, aw_queue_tail(&queue));
        kit_append(&queue, i, 10);
        pid_t child = fork();
        if (child == 0) {
            struct aw_err err;
            aw_crash_arm(names[i]);
            _exit(aw_state_open(&state, kit_state, 1024, &queue, AW_FILE_CREATE, NULL, &err));
        }
        assert_true(kit_was_killed(kit_wait(child)));
        died++;
        open_state(1024, AW_FILE_CREATE);
        assert_int_equal(aw_queue_keyed(&queue), aw_queue_head(&queue));
        aw_state_close(&state);
    }
    assert_true(died >= 5);
}

#endif

#define WITH_QUEUE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_QUEUE(opened_and_kept),       WITH_QUEUE(made_anew_only_alone),
        WITH_QUEUE(another_queue_or_boot), WITH_QUEUE(new_file_takes_keyed_back),
        WITH_QUEUE(kinds_and_expiry),      WITH_QUEUE(what_may_be_evicted),
        WITH_QUEUE(expired_is_a_place),    WITH_QUEUE(random_against_a_model),
        WITH_QUEUE(sampled_fill),          WITH_QUEUE(a_key_is_there_once),
        WITH_QUEUE(full_to_four_fifths),   WITH_QUEUE(steady_at_three_quarters),
        WITH_QUEUE(soonest_first),         WITH_QUEUE(weeks_off),
#ifdef AW_CRASH_POINTS
        WITH_QUEUE(killed_in_put),         WITH_QUEUE(killed_in_making),
#endif
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_ids", tests, NULL, NULL);
}
