#include "aw_intake.h"

#include <string.h>

#include "aw_crash.h"

#define SYNC_WAIT_US 1000000u

/* What one batch knows under the lock. */
struct section {
    struct aw_intake *intake;
    struct aw_queue *queue;
    struct aw_state *state;
    uint32_t now_s;
    uint64_t head_seq; /* read once: a record of this batch can never count as released */
};

static uint32_t clamp_s(uint64_t seconds)
{
    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

static uint32_t identity_expiry(const struct aw_intake *intake, unsigned flags,
                                uint64_t received_ms)
{
    uint32_t memory_s =
        flags & AW_RECORD_DELIVERY_ID ? intake->delivery_memory_s : intake->content_memory_s;
    return clamp_s(received_ms / 1000 + memory_s);
}

/* A timestamp may lie ahead by the skew, and the clocks of two processes apart by a little. */
static uint32_t signature_expiry(const struct aw_intake *intake, uint64_t sig_timestamp)
{
    return clamp_s(sig_timestamp + intake->clock_skew_s + 5);
}

static bool put(struct section *s, const uint8_t *key, enum aw_key_kind kind,
                const uint8_t *alert_id, uint64_t seq, uint32_t expires_s)
{
    return aw_ids_put(s->state, key, kind, alert_id, seq, expires_s, s->now_s, s->head_seq);
}

/* Inserts what a record of the queue says again. An attempt record may have outlived its alert (a
 * power cut): it gives back nothing that would make a retry of the lost alert a duplicate. A table
 * that has become too small loses keys here; the store's own memory of deliveries then decides. */
static void put_record_keys(struct section *s, const struct aw_record_head *record)
{
    uint64_t seq = aw_queue_seq_at(s->queue, record->position);
    bool brings_signature = record->flags & AW_RECORD_SIGNED;
    if (record->kind == AW_RECORD_ALERT) {
        uint32_t expires_s = identity_expiry(s->intake, record->flags, record->received_ms);
        (void)put(s, record->identity, AW_KEY_IDENTITY, record->alert_id, seq, expires_s);
    } else {
        struct aw_ids_entry entry;
        const struct aw_ids_entry *alert =
            aw_ids_find(s->state, record->identity, AW_KEY_IDENTITY, s->now_s, &entry);
        brings_signature = record->flags & AW_RECORD_NEW_SIGNATURE && alert != NULL &&
                           memcmp(alert->alert_id, record->alert_id, AW_ID_LEN) == 0;
    }
    if (brings_signature) {
        (void)put(s, record->signature, AW_KEY_SIGNATURE, record->alert_id, seq,
                  signature_expiry(s->intake, record->sig_timestamp));
    }
}

/* Whoever gets the lock first after a death, or with a new state file, finds `keyed` behind the
 * tail. */
static void insert_missing_keys(struct section *s)
{
    uint64_t tail = aw_queue_tail(s->queue);
    uint64_t at = aw_queue_keyed(s->queue);
    uint64_t oldest = tail > s->queue->data_size ? tail - s->queue->data_size : 0;
    if (at > tail || at < oldest || at % AW_CELL != 0) {
        at = aw_queue_head(s->queue);
    }
    while (at < tail) {
        const struct aw_record_head *record = aw_queue_at(s->queue, at);
        if (record != NULL && record->kind != AW_RECORD_FILLER) {
            put_record_keys(s, record);
        }
        at += record == NULL ? AW_CELL : record->length;
        aw_queue_set_keyed(s->queue, at);
    }
}

/* OK = the lock is held and every published record has its keys. */
static enum aw_queue_rc enter(struct section *s, struct aw_intake *intake, unsigned timeout_us,
                              uint32_t now_s)
{
    enum aw_queue_rc rc = aw_queue_lock(intake->queue, timeout_us);
    if (rc != AW_QUEUE_OK && rc != AW_QUEUE_REPAIRED) {
        return rc;
    }
    if (rc == AW_QUEUE_REPAIRED) {
        aw_counters_add(intake->state->counters, AW_COUNT_repairs, 1);
    }
    *s = (struct section){.intake = intake,
                          .queue = intake->queue,
                          .state = intake->state,
                          .now_s = now_s,
                          .head_seq = aw_queue_seq_at(intake->queue, aw_queue_head(intake->queue))};
    if (aw_queue_keyed(s->queue) != aw_queue_tail(s->queue)) {
        insert_missing_keys(s);
    }
    return AW_QUEUE_OK;
}

/* Appends and publishes, and only then inserts the keys: a key without its record would mute an
 * alert. */
static bool append(struct section *s, const struct aw_delivery *delivery,
                   const struct aw_ids_place *identity, const struct aw_ids_place *signature)
{
    uint64_t seq = aw_queue_append(s->queue, delivery);
    if (seq == 0) {
        return false;
    }
    AW_CRASH("intake.append.before_keys");
    if (identity != NULL) {
        aw_ids_store(identity, delivery->alert_id, seq,
                     identity_expiry(s->intake, delivery->flags, delivery->received_ms));
    }
    AW_CRASH("intake.append.between_keys");
    if (signature != NULL) {
        aw_ids_store(signature, delivery->alert_id, seq,
                     signature_expiry(s->intake, delivery->sig_timestamp));
    }
    AW_CRASH("intake.append.after_keys");
    aw_queue_set_keyed(s->queue, aw_queue_tail(s->queue));
    return true;
}

/* End of what must be durable before a twin of this entry is answered; 0 = nothing. */
static uint64_t position_needed(struct section *s, const struct aw_ids_entry *entry)
{
    if (entry == NULL || aw_queue_is_committed(s->queue, entry->seq)) {
        return 0;
    }
    return (entry->seq - (s->queue->epoch << 40) + 1) * AW_CELL;
}

static uint64_t max_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Returns what must be durable before the answer. */
static uint64_t judge_known(struct section *s, struct aw_intake_item *item,
                            const struct aw_ids_entry *identity,
                            const struct aw_ids_entry *signature)
{
    struct aw_delivery attempt = item->delivery;
    uint64_t needed = max_of(position_needed(s, identity), position_needed(s, signature));
    bool new_signature = attempt.flags & AW_RECORD_SIGNED && signature == NULL;
    memcpy(item->alert_id, (identity != NULL ? identity : signature)->alert_id, AW_ID_LEN);
    memcpy(attempt.alert_id, item->alert_id, AW_ID_LEN);
    attempt.kind = AW_RECORD_ATTEMPT;
    attempt.delivery_id_len = attempt.body_len = 0;
    attempt.flags |= new_signature ? AW_RECORD_NEW_SIGNATURE : 0;

    item->verdict = AW_INTAKE_DUPLICATE;
    if (!new_signature) {
        if (!append(s, &attempt, NULL, NULL)) {
            aw_counters_add(s->state->counters, AW_COUNT_attempts_dropped, 1);
        }
        return needed;
    }
    struct aw_ids_place places[2];
    if (!aw_ids_reserve(s->state, NULL, attempt.signature, s->now_s, s->head_seq, places)) {
        item->verdict = AW_INTAKE_IDS_FULL;
        return 0;
    }
    if (!append(s, &attempt, NULL, &places[1])) {
        item->verdict = AW_INTAKE_FULL;
        return 0;
    }
    return max_of(needed, aw_queue_tail(s->queue));
}

static uint64_t judge_new(struct section *s, struct aw_intake_item *item)
{
    const struct aw_delivery *delivery = &item->delivery;
    const uint8_t *signature = delivery->flags & AW_RECORD_SIGNED ? delivery->signature : NULL;
    struct aw_ids_place places[2];
    if (!aw_ids_reserve(s->state, delivery->identity, signature, s->now_s, s->head_seq, places)) {
        item->verdict = AW_INTAKE_IDS_FULL;
        return 0;
    }
    if (!append(s, delivery, &places[0], signature != NULL ? &places[1] : NULL)) {
        item->verdict = AW_INTAKE_FULL;
        return 0;
    }
    memcpy(item->alert_id, delivery->alert_id, AW_ID_LEN);
    item->verdict = AW_INTAKE_ACCEPTED;
    return aw_queue_tail(s->queue);
}

static uint64_t judge(struct section *s, struct aw_intake_item *item)
{
    const struct aw_delivery *delivery = &item->delivery;
    struct aw_ids_entry entries[2];
    const struct aw_ids_entry *identity =
        aw_ids_find(s->state, delivery->identity, AW_KEY_IDENTITY, s->now_s, &entries[0]);
    const struct aw_ids_entry *signature =
        delivery->flags & AW_RECORD_SIGNED
            ? aw_ids_find(s->state, delivery->signature, AW_KEY_SIGNATURE, s->now_s, &entries[1])
            : NULL;
    if (identity != NULL || signature != NULL) {
        return judge_known(s, item, identity, signature);
    }
    return judge_new(s, item);
}

void aw_intake_prefetch(const struct aw_intake *intake, const struct aw_intake_item *item)
{
    const struct aw_delivery *delivery = &item->delivery;
    aw_ids_prefetch(intake->state, delivery->identity);
    if (delivery->flags & AW_RECORD_SIGNED) {
        aw_ids_prefetch(intake->state, delivery->signature);
    }
}

static enum aw_intake_verdict verdict_of(enum aw_queue_rc rc)
{
    return rc == AW_QUEUE_BUSY ? AW_INTAKE_BUSY : AW_INTAKE_BROKEN;
}

static void count_verdicts(const struct aw_intake *intake, struct aw_intake_item **items, size_t n)
{
    static const enum aw_counter of_verdict[] = {
        [AW_INTAKE_ACCEPTED] = AW_COUNT_accepted,
        [AW_INTAKE_DUPLICATE] = AW_COUNT_duplicates,
        [AW_INTAKE_FULL] = AW_COUNT_unavailable_full,
        [AW_INTAKE_IDS_FULL] = AW_COUNT_unavailable_ids,
        [AW_INTAKE_BUSY] = AW_COUNT_unavailable_busy,
        [AW_INTAKE_BROKEN] = AW_COUNT_unavailable_broken,
    };
    for (size_t i = 0; i < n; i++) {
        aw_counters_add(intake->state->counters, of_verdict[items[i]->verdict], 1);
    }
}

/* Without a successful sync nobody who waits for it may hear yes; records and keys stay, and a
 * retry joins the next sync. */
static void sync_batch(struct aw_intake *intake, struct aw_intake_item **items, size_t n)
{
    uint64_t needed = 0;
    for (size_t i = 0; i < n; i++) {
        needed = max_of(needed, items[i]->needed);
    }
    if (needed == 0) {
        return;
    }
    enum aw_queue_rc rc = aw_queue_sync(intake->queue, needed, SYNC_WAIT_US);
    for (size_t i = 0; rc != AW_QUEUE_OK && i < n; i++) {
        if (items[i]->needed != 0) {
            items[i]->verdict = verdict_of(rc);
        }
    }
}

static enum aw_queue_rc judge_batch(struct aw_intake *intake, struct aw_intake_item **items,
                                    size_t n, unsigned lock_timeout_us, uint32_t now_s)
{
    struct section section;
    enum aw_queue_rc rc = enter(&section, intake, lock_timeout_us, now_s);
    if (rc != AW_QUEUE_OK) {
        for (size_t i = 0; i < n; i++) {
            items[i]->verdict = verdict_of(rc);
        }
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n) {
            aw_intake_prefetch(intake, items[i + 1]);
        }
        items[i]->needed = judge(&section, items[i]);
    }
    aw_queue_unlock(intake->queue);
    aw_counters_add(intake->state->counters, AW_COUNT_batches, 1);
    return rc;
}

void aw_intake_batch(struct aw_intake *intake, struct aw_intake_item **items, size_t n,
                     bool durable, unsigned lock_timeout_us, uint32_t now_s)
{
    enum aw_queue_rc rc = judge_batch(intake, items, n, lock_timeout_us, now_s);
    if (rc == AW_QUEUE_OK && durable) {
        sync_batch(intake, items, n);
    }
    count_verdicts(intake, items, n);
}

bool aw_intake_try(struct aw_intake *intake, struct aw_intake_item **items, size_t n,
                   uint32_t now_s)
{
    if (judge_batch(intake, items, n, 0, now_s) == AW_QUEUE_BUSY) {
        return false;
    }
    count_verdicts(intake, items, n);
    return true;
}

/* `keyed` alone does not tell: processes that use another state file may have advanced it meanwhile. */
enum aw_queue_rc aw_intake_rebuild(struct aw_intake *intake, uint32_t now_s)
{
    struct section section;
    enum aw_queue_rc rc = enter(&section, intake, SYNC_WAIT_US, now_s);
    if (rc != AW_QUEUE_OK) {
        return rc;
    }
    if (intake->state->fresh) {
        aw_queue_set_keyed(intake->queue, aw_queue_head(intake->queue));
        insert_missing_keys(&section);
        intake->state->fresh = false;
    }
    aw_queue_unlock(intake->queue);
    return AW_QUEUE_OK;
}
