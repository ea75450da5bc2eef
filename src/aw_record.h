/* aw_record.h - one record of the queue file: an accepted delivery, an attempt, or a filler.
 *
 * Layout: a fixed head of AW_RECORD_HEAD bytes, then the delivery id, then the raw body, padded to whole
 * cells. Integers are in the byte order of the host; a queue file never leaves its machine.
 * Both checksums are CRC32C seeded with the queue id, so that no sender can forge a record inside a body.
 * Threads: pure functions. Owner: the caller. */
#ifndef AW_RECORD_H
#define AW_RECORD_H

#include <stdatomic.h>

#include "aw_defs.h"

#define AW_CELL           256 /* records start on multiples of it: a scan can find them again */
#define AW_RECORD_HEAD    192
#define AW_RECORD_MAGIC   0x63725741u /* "AWrc" */
#define AW_RECORD_VERSION 1

enum aw_record_kind {
    AW_RECORD_ALERT = 1,   /* a delivery: its body waits to become an alert */
    AW_RECORD_ATTEMPT = 2, /* a repeat of a known delivery: no body; alert_id is the first one's */
    AW_RECORD_FILLER = 3   /* a hole or the rest before the wrap: only the head counts */
};

enum aw_record_flags {
    AW_RECORD_SIGNED = 1, /* signature and sig_timestamp are set (verified) */
    AW_RECORD_DELIVERY_ID =
        2, /* identity comes from X-Delivery-ID (memory 24 h), else from content (5 min) */
    AW_RECORD_NEW_SIGNATURE = 4, /* attempt: it brings a signature that was not known */
};

struct aw_record_head {
    uint32_t magic;
    uint8_t version;
    uint8_t kind;
    uint8_t flags;
    uint8_t source;  /* sender format; 0 = the generic endpoint */
    uint32_t length; /* of the whole record, a multiple of AW_CELL */
    uint32_t body_len;
    uint64_t seq;           /* epoch << 40 | n */
    uint64_t position;      /* virtual offset: grows for ever, place = position % data size */
    uint64_t received_ms;   /* wall clock, ms since 1970 */
    uint64_t sig_timestamp; /* signed timestamp, s since 1970; 0 = not signed */
    uint8_t alert_id[AW_ID_LEN];
    uint8_t identity[AW_SHA256_LEN];  /* SHA-256(company, identity): aw_mac_identity_*() */
    uint8_t signature[AW_SHA256_LEN]; /* SHA-256(company, "sig", signature); zero = not signed */
    char company[AW_COMPANY_ID_MAX];  /* NUL-padded, no NUL at full length */
    uint8_t delivery_len;             /* length of the X-Delivery-ID text behind the head */
    uint8_t reserved[3];
    uint32_t head_crc; /* over the head up to here, this field as zero */
    uint32_t body_crc; /* over delivery id and body; covers seq through the seed */
    uint32_t tries;    /* times that this record itself broke the worker; outside the checksums */
    _Atomic uint64_t
        commit; /* = seq ^ AW_RECORD_COMMIT, stored last (release); outside the checksums */
};
#define AW_RECORD_COMMIT 0xa1e57c0ff1edbee5ull
_Static_assert(sizeof(struct aw_record_head) == AW_RECORD_HEAD, "record head is 192 bytes");

/* What a producer knows about a delivery: the input of aw_record_write(). */
struct aw_delivery {
    enum aw_record_kind kind;
    unsigned flags;
    uint8_t source;
    uint64_t received_ms;
    uint64_t sig_timestamp;
    uint8_t alert_id[AW_ID_LEN];
    uint8_t identity[AW_SHA256_LEN];
    uint8_t signature[AW_SHA256_LEN];
    const char *company; /* not NUL-terminated */
    size_t company_len;
    const char *delivery_id;
    size_t delivery_id_len;
    const uint8_t *body;
    size_t body_len;
};

/* Length in the ring of a record with these parts, a multiple of AW_CELL. */
size_t aw_record_length(size_t delivery_id_len, size_t body_len);

/* Writes a record at `at` (aw_record_length() bytes are there); the commit word is stored last, with release. */
void aw_record_write(void *at, const struct aw_delivery *delivery, uint64_t seq, uint64_t position,
                     uint32_t seed);
/* Writes a filler of `length` bytes (a multiple of AW_CELL). */
void aw_record_write_filler(void *at, size_t length, uint64_t seq, uint64_t position,
                            uint32_t seed);

/* Checks the record at `at`, of which `room` bytes may be read. True: *head points to it and every length in
 * it holds. `position` AW_ANY_POSITION accepts any. Never reads past `room`. */
#define AW_ANY_POSITION UINT64_MAX
AW_MUST_CHECK bool aw_record_check(const void *at, size_t room, uint64_t position, uint32_t seed,
                                   const struct aw_record_head **head);

const char *aw_record_delivery_id(const struct aw_record_head *head); /* head->delivery_len bytes */
const uint8_t *aw_record_body(const struct aw_record_head *head);     /* head->body_len bytes */
size_t aw_record_company_len(const struct aw_record_head *head);

#endif
