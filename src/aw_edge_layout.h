/* aw_edge_layout.h - what lies where in an edge table file; private to aw_edge_*.c.
 *
 * File: one page with the header and the live words, then two buffers of the same size. Generation
 * g lies in buffer g % 2. A buffer: its head, the key slots, the networks, the companies, then for
 * each company its asset buckets and names. Offsets count from the buffer's begin; every object
 * begins on 8 bytes and ends with its CRC32C, which is seeded with the generation, so that no
 * leftover of another generation passes.
 *
 * Readers and the writer race on purpose. Every word is stored with release and loaded with
 * acquire, after and before a look at `filling`: who has read a word of a newer generation also
 * sees that it was announced. Threads: as in aw_edge.h. */
#ifndef AW_EDGE_LAYOUT_H
#define AW_EDGE_LAYOUT_H

#include <stdatomic.h>
#include <string.h>

#include "aw_crc.h"
#include "aw_edge.h"

#define AW_EDGE_MAGIC       "AWedge\0"
#define AW_EDGE_VERSION     1
#define AW_EDGE_PAGE        4096
#define AW_EDGE_SIZE_MAX    (4ull << 30) /* offsets have 32 bits */
#define AW_EDGE_BUCKET_WAYS 7
#define AW_EDGE_NAME_MAX    (4 * AW_ASSET_NAME_MAX) /* bytes of UTF-8 */

struct aw_edge_file_head {
    char magic[8];
    uint32_t version;
    uint32_t reserved;
    uint64_t file_size;
    uint32_t reserved2;
    uint32_t crc;
};

/* At byte 64 of the file. */
struct aw_edge_live {
    _Atomic uint64_t filling;    /* newest generation that was begun */
    _Atomic uint64_t generation; /* newest complete one, 0 = none yet */
};
#define AW_EDGE_LIVE_AT 64

struct aw_edge_buffer_head {
    uint64_t generation;
    uint64_t asset_seed; /* secret start of the name hash: nobody can aim names at one bucket */
    uint32_t used;       /* bytes of the buffer */
    uint32_t key_slots;  /* power of two, at least twice the keys */
    uint32_t keys_at;
    uint32_t company_count;
    uint32_t companies_at;
    uint32_t networks_at;
    uint32_t reserved[5];
    uint32_t crc;
};

/* Open addressing by the first 8 bytes of the SHA-256, step 1. */
struct aw_edge_key {
    uint8_t sha256[AW_SHA256_LEN];
    uint64_t expires_s;
    uint32_t used;
    uint32_t company;     /* its index */
    uint32_t networks_at; /* of network_count networks in a row */
    uint32_t network_count;
    uint32_t reserved;
    uint32_t crc;
};

struct aw_edge_net {
    uint8_t address[16];
    uint32_t prefix;
    uint32_t crc;
};

struct aw_edge_block {
    char id[AW_COMPANY_ID_MAX];
    uint64_t hash;
    uint32_t id_len;
    uint32_t rate_slot;
    uint32_t hmac, limited;
    uint32_t per_minute, burst;
    uint32_t unknown_assets;
    uint32_t mac_key_count;
    struct aw_mac_key mac_keys[AW_EDGE_MAC_KEYS];
    uint32_t asset_buckets; /* power of two */
    uint32_t assets_at;
    uint32_t reserved[9];
    uint32_t crc;
};

/* By the low bits of the name's hash; a full bucket goes on in the next one. */
struct aw_edge_bucket {
    struct {
        uint32_t tag; /* high half of the hash */
        uint32_t name_at;
    } way[AW_EDGE_BUCKET_WAYS];
    uint32_t used;
    uint32_t crc;
};

/* The text follows, padded with zeros to 8 bytes; the CRC covers len and text. */
struct aw_edge_name {
    uint32_t len;
    uint32_t crc;
};

_Static_assert(sizeof(struct aw_edge_file_head) == 32, "file head");
_Static_assert(sizeof(struct aw_edge_buffer_head) == 64, "one cache line");
_Static_assert(sizeof(struct aw_edge_key) == 64, "one cache line");
_Static_assert(sizeof(struct aw_edge_net) == 24, "whole words");
_Static_assert(sizeof(struct aw_edge_block) == 256, "four cache lines");
_Static_assert(sizeof(struct aw_edge_bucket) == 64, "one cache line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "readers never lock");

static inline struct aw_edge_live *aw_edge_live(const struct aw_edge *edge)
{
    return (struct aw_edge_live *)(edge->map + AW_EDGE_LIVE_AT);
}

/* Bytes of one buffer, whole cache lines. */
static inline uint64_t aw_edge_buffer_size(const struct aw_edge *edge)
{
    return (edge->map_size - AW_EDGE_PAGE) / 2 & ~(uint64_t)63;
}

static inline uint8_t *aw_edge_buffer(const struct aw_edge *edge, uint64_t generation)
{
    return edge->map + AW_EDGE_PAGE + (generation & 1) * aw_edge_buffer_size(edge);
}

/* `size` is a multiple of 8, `from` is aligned to 8. */
static inline void aw_edge_load(void *to, const uint8_t *from, size_t size)
{
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)from;
/* Nearly every object is made of whole cache lines. */
#pragma GCC unroll 8
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_acquire);
        memcpy((uint8_t *)to + 8 * i, &word, 8);
    }
}

static inline void aw_edge_store(uint8_t *to, const void *from, size_t size)
{
    _Atomic uint64_t *words = (_Atomic uint64_t *)to;
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)from + 8 * i, 8);
        atomic_store_explicit(&words[i], word, memory_order_release);
    }
}

static inline uint32_t aw_edge_seed(uint64_t generation)
{
    return aw_crc32c(0, &generation, sizeof(generation));
}

/* A fuzzer cannot guess checksums: there, every one is right. */
static inline bool aw_edge_same_crc(uint32_t stored, uint32_t computed)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)stored;
    (void)computed;
    return true;
#else
    return stored == computed;
#endif
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits; `seed` changes the offset basis. */
static inline uint64_t aw_edge_hash(uint64_t seed, const void *data, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ seed;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
    }
    return hash;
}

static inline uint64_t aw_edge_key_start(const uint8_t sha256[AW_SHA256_LEN])
{
    uint64_t start;
    memcpy(&start, sha256, sizeof(start));
    return start;
}

static inline size_t aw_edge_padded(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* Is the client's address (IPv4 mapped) in the network? prefix 0-128. */
bool aw_edge_network_holds(const uint8_t network[16], uint32_t prefix, const uint8_t client[16]);

#endif
