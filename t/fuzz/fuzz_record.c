/* Fuzzes the record codec: bytes that pass the check have lengths that hold, and written again from what was read
 * they are the same record. */
#include <stdlib.h>
#include <string.h>

#include "src/aw_record.h"

#define SEED 1u

static void require(bool what)
{
    if (!what) {
        abort();
    }
}

static struct aw_delivery delivery_of(const struct aw_record_head *head)
{
    struct aw_delivery delivery = {
        .kind = head->kind,
        .flags = head->flags,
        .source = head->source,
        .received_ms = head->received_ms,
        .sig_timestamp = head->sig_timestamp,
        .company = head->company,
        .company_len = aw_record_company_len(head),
        .delivery_id = aw_record_delivery_id(head),
        .delivery_id_len = head->delivery_len,
        .body = aw_record_body(head),
        .body_len = head->body_len,
    };
    memcpy(delivery.alert_id, head->alert_id, AW_ID_LEN);
    memcpy(delivery.identity, head->identity, AW_SHA256_LEN);
    memcpy(delivery.signature, head->signature, AW_SHA256_LEN);
    return delivery;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct aw_record_head *head, *again;
    void *in = NULL, *out = NULL;
    if (size == 0 || posix_memalign(&in, AW_CACHE_LINE, size) != 0) {
        return 0;
    }
    memcpy(in, data, size);
    if (aw_record_check(in, size, AW_ANY_POSITION, SEED, &head)) {
        require(head->length <= size && head->length % AW_CELL == 0);
        require(aw_record_body(head) + head->body_len <= (uint8_t *)in + size);
        if (head->kind != AW_RECORD_FILLER &&
            posix_memalign(&out, AW_CACHE_LINE, head->length) == 0) {
            struct aw_delivery delivery = delivery_of(head);
            aw_record_write(out, &delivery, head->seq, head->position, SEED);
            require(aw_record_check(out, head->length, head->position, SEED, &again));
            require(again->length == head->length && again->seq == head->seq);
            require(memcmp(aw_record_delivery_id(again), aw_record_delivery_id(head),
                           (size_t)head->delivery_len + head->body_len) == 0);
        }
    }
    free(out);
    free(in);
    return 0;
}
