/* aw_edge.h - the edge table: what the worker tells the module. Readers never lock.
 *
 * Two buffers and a generation: the worker fills the buffer that nobody reads, then publishes it. A
 * reader accepts what it copied only if that buffer was not touched meanwhile; every object in it
 * has a CRC32C, and damage gives AW_EDGE_NOT_READY, never another company. A writer that dies while
 * it publishes leaves the former generation as it was. Design: E2-E4, E20-E23.
 * Threads: readers any, any process; one writer thread of one process (it holds an OFD lock).
 * Owner: the caller's storage; aw_edge_close() unmaps. */
#ifndef AW_EDGE_H
#define AW_EDGE_H

#include <netinet/in.h>

#include "aw_err.h"
#include "aw_file.h"
#include "aw_mac.h"

#define AW_EDGE_SIZE_MIN (256u << 10)
#define AW_EDGE_NETWORKS 8 /* allowed networks of one key */
#define AW_EDGE_MAC_KEYS 2

struct aw_edge {
    int fd;
    uint8_t *map;
    size_t map_size;
    bool writer;
};

/* AW_FILE_CREATE: nginx master makes it, `size` bytes (0 = whatever it has); AW_FILE_CONSUMER: the
 * worker, as writer; AW_FILE_INSPECT: changes nothing. Only the writer's mapping can be written.
 * `owner` is for AW_FILE_CREATE, else ignored.
 * Codes edge.absent (NOT_FOUND, also while it is being made), edge.size, edge.format, edge.owner,
 * edge.busy (a second writer, CONFLICT), edge.space, edge.io. */
AW_MUST_CHECK bool aw_edge_open(struct aw_edge *edge, const char *path, uint64_t size, unsigned how,
                                const struct aw_file_owner *owner, struct aw_err *err);
void aw_edge_close(struct aw_edge *edge);

enum aw_unknown_assets { AW_ASSETS_REJECT, AW_ASSETS_ACCEPT, AW_ASSETS_REGISTER };

/* The fixed part of a company, copied out for one request. */
struct aw_edge_company {
    uint64_t generation;
    uint32_t index; /* of the block in this generation */
    char id[AW_COMPANY_ID_MAX];
    uint32_t id_len;
    uint64_t hash;      /* of the id, for the rate word */
    uint32_t rate_slot; /* < AW_RATE_SLOTS */
    bool hmac;          /* signatures are required */
    uint32_t mac_key_count;
    struct aw_mac_key mac_keys[AW_EDGE_MAC_KEYS];
    bool limited;
    uint32_t per_minute, burst;
    enum aw_unknown_assets unknown_assets;
    uint32_t assets_at, asset_buckets; /* where aw_edge_asset() looks */
    uint64_t asset_seed;
};

enum aw_edge_rc {
    AW_EDGE_OK,
    AW_EDGE_NOT_READY, /* no valid generation: 503 */
    AW_EDGE_NO_KEY,    /* unknown, expired or not from this network */
    AW_EDGE_NO_ASSET,
    AW_EDGE_STALE /* the table has moved on: ask for the company again */
};

/* Finds the company of an API key by its SHA-256 (constant time in the key). client: 4 or 16 bytes
 * of the sender's address, or NULL (then a key with networks fits nobody). Unless it answers OK,
 * *out is empty but for a dummy MAC key and `hmac`, so that an unknown key costs what a known one
 * costs. */
enum aw_edge_rc aw_edge_find(const struct aw_edge *edge, const uint8_t key_sha256[AW_SHA256_LEN],
                             const uint8_t *client, size_t client_len, uint64_t now_s,
                             struct aw_edge_company *out);
/* Is the asset there (or does the company accept unknown ones)? OK, NO_ASSET, STALE, or NOT_READY
 * when the table is damaged. A company found before one publication is still good after it. */
enum aw_edge_rc aw_edge_asset(const struct aw_edge *edge, const struct aw_edge_company *company,
                              const char *name, size_t len);
uint64_t aw_edge_generation(const struct aw_edge *edge); /* 0 = none yet */

/* --- writer: a whole new generation --- */
struct aw_edge_network {
    uint8_t address[16]; /* IPv6, or IPv4 mapped (::ffff:a.b.c.d) */
    uint8_t prefix;      /* 0-128 */
};
struct aw_edge_key_in {
    uint8_t sha256[AW_SHA256_LEN];
    uint64_t expires_s; /* 0 = never */
    struct aw_edge_network networks[AW_EDGE_NETWORKS];
    size_t network_count; /* 0 = from anywhere */
};
struct aw_edge_company_in {
    const char *id;
    bool hmac;
    struct aw_mac_key mac_keys[AW_EDGE_MAC_KEYS];
    uint32_t mac_key_count;
    bool limited;
    uint32_t per_minute, burst;
    uint32_t rate_slot; /* modulo AW_RATE_SLOTS; companies that share one reset each other's word */
    enum aw_unknown_assets unknown_assets;
    const struct aw_edge_key_in *keys;
    size_t key_count;
    const char *const *assets; /* names, unique */
    size_t asset_count;
};
/* Publishes companies[0..n), all or nothing. Codes: edge.full (TOO_LARGE: they do not fit half of
 * the file), edge.company (INVALID: a limit above, named in the text), edge.key (CONFLICT: a key
 * twice), edge.busy (not the writer), edge.io. */
AW_MUST_CHECK bool aw_edge_publish(struct aw_edge *edge, const struct aw_edge_company_in *companies,
                                   size_t n, struct aw_err *err);

/* "10.0.0.0/8", "::1", "192.0.2.7"; bits behind the prefix are cleared. "::/0" is everybody,
 * "0.0.0.0/0" everybody with an IPv4 address. */
AW_MUST_CHECK bool aw_edge_parse_network(const char *text, struct aw_edge_network *out);

#endif
