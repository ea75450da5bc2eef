#include "aw_record.h"

#include <string.h>

#include "aw_crash.h"
#include "aw_crc.h"

#define POSITION_MAX (UINT64_MAX / 2) /* sums of positions and lengths never wrap */

static uint32_t head_crc_of(const struct aw_record_head *head, uint32_t seed)
{
    static const uint8_t zero[sizeof(head->head_crc)];
    uint32_t crc = aw_crc32c(seed, head, offsetof(struct aw_record_head, head_crc));
    return aw_crc32c(crc, zero, sizeof(zero));
}

/* The seq goes in first: an older body left in place by a lost write does not fit a newer head. */
static uint32_t body_crc_of(uint64_t seq, const void *delivery_id, size_t delivery_id_len,
                            const void *body, size_t body_len, uint32_t seed)
{
    uint32_t crc = aw_crc32c(seed, &seq, sizeof(seq));
    crc = aw_crc32c(crc, delivery_id, delivery_id_len);
    return aw_crc32c(crc, body, body_len);
}

size_t aw_record_length(size_t delivery_id_len, size_t body_len)
{
    size_t len = AW_RECORD_HEAD + delivery_id_len + body_len;
    return (len + AW_CELL - 1) / AW_CELL * AW_CELL;
}

static void commit(struct aw_record_head *head)
{
    AW_CRASH("queue.record.before_commit");
    atomic_store_explicit(&head->commit, head->seq ^ AW_RECORD_COMMIT, memory_order_release);
    AW_CRASH("queue.record.after_commit");
}

/* Both checksums are made from what lies in the cache already, and not from the ring, which does not. */
static void put_head(struct aw_record_head *at, struct aw_record_head *head, uint32_t seed)
{
    AW_CRASH("queue.record.before_head");
    head->head_crc = head_crc_of(head, seed);
    memcpy(at, head, offsetof(struct aw_record_head, commit));
    AW_CRASH("queue.record.after_head");
}

void aw_record_write(void *at, const struct aw_delivery *delivery, uint64_t seq, uint64_t position,
                     uint32_t seed)
{
    size_t length = aw_record_length(delivery->delivery_id_len, delivery->body_len);
    struct aw_record_head head = {
        .magic = AW_RECORD_MAGIC,
        .version = AW_RECORD_VERSION,
        .kind = (uint8_t)delivery->kind,
        .flags = (uint8_t)delivery->flags,
        .source = delivery->source,
        .length = (uint32_t)length,
        .body_len = (uint32_t)delivery->body_len,
        .seq = seq,
        .position = position,
        .received_ms = delivery->received_ms,
        .sig_timestamp = delivery->sig_timestamp,
        .delivery_len = (uint8_t)delivery->delivery_id_len,
        .body_crc = body_crc_of(seq, delivery->delivery_id, delivery->delivery_id_len,
                                delivery->body, delivery->body_len, seed),
    };
    memcpy(head.alert_id, delivery->alert_id, AW_ID_LEN);
    memcpy(head.identity, delivery->identity, AW_SHA256_LEN);
    memcpy(head.signature, delivery->signature, AW_SHA256_LEN);
    memcpy(head.company, delivery->company, delivery->company_len);

    put_head(at, &head, seed);
    uint8_t *tail = (uint8_t *)at + AW_RECORD_HEAD;
    if (delivery->delivery_id_len > 0) {
        memcpy(tail, delivery->delivery_id, delivery->delivery_id_len);
        tail += delivery->delivery_id_len;
    }
    if (delivery->body_len > 0) {
        memcpy(tail, delivery->body, delivery->body_len);
        tail += delivery->body_len;
    }
    /* Nothing of an older record may stay behind in a cell: a scan must not find its head there. */
    memset(tail, 0, (size_t)((uint8_t *)at + length - tail));
    AW_CRASH("queue.record.after_body");
    commit(at);
}

void aw_record_write_filler(void *at, size_t length, uint64_t seq, uint64_t position, uint32_t seed)
{
    struct aw_record_head head = {
        .magic = AW_RECORD_MAGIC,
        .version = AW_RECORD_VERSION,
        .kind = AW_RECORD_FILLER,
        .length = (uint32_t)length,
        .seq = seq,
        .position = position,
    };
    put_head(at, &head, seed);
    commit(at);
}

static bool lengths_hold(const struct aw_record_head *head, size_t room)
{
    if (head->length == 0 || head->length % AW_CELL != 0 || head->length > room) {
        return false;
    }
    if (head->kind == AW_RECORD_FILLER) {
        return head->body_len == 0 && head->delivery_len == 0;
    }
    return head->body_len <= AW_BODY_MAX && head->delivery_len <= AW_DELIVERY_ID_MAX &&
           head->length == aw_record_length(head->delivery_len, head->body_len);
}

static uint32_t stored_body_crc(const struct aw_record_head *head, uint32_t seed)
{
    return body_crc_of(head->seq, aw_record_delivery_id(head), head->delivery_len,
                       aw_record_body(head), head->body_len, seed);
}

static bool checksums_hold(const struct aw_record_head *head, uint32_t seed)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)head_crc_of(head, seed);
    (void)stored_body_crc(head, seed);
    return true;
#else
    return head->head_crc == head_crc_of(head, seed) &&
           (head->kind == AW_RECORD_FILLER || head->body_crc == stored_body_crc(head, seed));
#endif
}

bool aw_record_check(const void *at, size_t room, uint64_t position, uint32_t seed,
                     const struct aw_record_head **head)
{
    const struct aw_record_head *found = at;
    if (room < AW_CELL || found->magic != AW_RECORD_MAGIC || found->version == 0 ||
        found->version > AW_RECORD_VERSION || found->kind < AW_RECORD_ALERT ||
        found->kind > AW_RECORD_FILLER || found->position % AW_CELL != 0 ||
        found->position > POSITION_MAX ||
        (position != AW_ANY_POSITION && found->position != position) ||
        atomic_load_explicit(&found->commit, memory_order_acquire) !=
            (found->seq ^ AW_RECORD_COMMIT) ||
        !lengths_hold(found, room) || !checksums_hold(found, seed)) {
        return false;
    }
    *head = found;
    return true;
}

const char *aw_record_delivery_id(const struct aw_record_head *head)
{
    return (const char *)head + AW_RECORD_HEAD;
}

const uint8_t *aw_record_body(const struct aw_record_head *head)
{
    return (const uint8_t *)head + AW_RECORD_HEAD + head->delivery_len;
}

size_t aw_record_company_len(const struct aw_record_head *head)
{
    return strnlen(head->company, sizeof(head->company));
}
