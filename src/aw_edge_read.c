#include "aw_edge_layout.h"

#include "aw_state.h"

/* A writer that publishes all the time may overtake a reader; that often in a row it is no
 * accident. */
#define TRIES 16

struct view {
    const uint8_t *base;
    uint64_t size;
    uint32_t seed;
};

static struct view view_of(const struct aw_edge *edge, uint64_t generation)
{
    return (struct view){aw_edge_buffer(edge, generation), aw_edge_buffer_size(edge),
                         aw_edge_seed(generation)};
}

/* Copies an object out; its CRC is its last word. */
static bool take(const struct view *view, uint64_t at, void *out, size_t size)
{
    if (at % 8 != 0 || at > view->size || size > view->size - at) {
        return false;
    }
    aw_edge_load(out, view->base + at, size);
    uint32_t crc;
    memcpy(&crc, (uint8_t *)out + size - sizeof(crc), sizeof(crc));
    return aw_edge_same_crc(crc, aw_crc32c(view->seed, out, size - sizeof(crc)));
}

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* Was the buffer of this generation left alone up to now? */
static bool is_untouched(const struct aw_edge *edge, uint64_t generation)
{
    return atomic_load_explicit(&aw_edge_live(edge)->filling, memory_order_acquire) <
           generation + 2;
}

/* --- keys --- */

/* OK, NO_KEY, or NOT_READY on damage. */
static enum aw_edge_rc find_key(const struct view *view, const struct aw_edge_buffer_head *head,
                                const uint8_t sha256[AW_SHA256_LEN], struct aw_edge_key *out)
{
    uint64_t start = aw_edge_key_start(sha256);
    for (uint32_t i = 0; i < head->key_slots; i++) {
        uint64_t slot = (start + i) & (head->key_slots - 1);
        if (!take(view, head->keys_at + slot * sizeof(*out), out, sizeof(*out))) {
            return AW_EDGE_NOT_READY;
        }
        if (!out->used) {
            return AW_EDGE_NO_KEY;
        }
        if (aw_mac_same(out->sha256, sha256)) {
            return AW_EDGE_OK;
        }
    }
    return AW_EDGE_NOT_READY; /* a table without a free slot was never written */
}

static bool map_client(const uint8_t *client, size_t len, uint8_t out[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (client == NULL || (len != 4 && len != 16)) {
        return false;
    }
    memcpy(out, mapped, sizeof(mapped));
    memcpy(out + 16 - len, client, len);
    return true;
}

static enum aw_edge_rc check_networks(const struct view *view, const struct aw_edge_key *key,
                                      const uint8_t *client, size_t client_len)
{
    if (key->network_count == 0) {
        return AW_EDGE_OK;
    }
    uint8_t address[16];
    if (key->network_count > AW_EDGE_NETWORKS) {
        return AW_EDGE_NOT_READY;
    }
    if (!map_client(client, client_len, address)) {
        return AW_EDGE_NO_KEY;
    }
    for (uint32_t i = 0; i < key->network_count; i++) {
        struct aw_edge_net net;
        if (!take(view, key->networks_at + (uint64_t)i * sizeof(net), &net, sizeof(net))) {
            return AW_EDGE_NOT_READY;
        }
        if (aw_edge_network_holds(net.address, net.prefix, address)) {
            return AW_EDGE_OK;
        }
    }
    return AW_EDGE_NO_KEY;
}

/* --- companies --- */

static bool copy_company(const struct aw_edge_block *block, struct aw_edge_company *out)
{
    bool sane = block->id_len >= 1 && block->id_len <= AW_COMPANY_ID_MAX &&
                block->rate_slot < AW_RATE_SLOTS && block->mac_key_count <= AW_EDGE_MAC_KEYS &&
                block->unknown_assets <= AW_ASSETS_REGISTER &&
                is_power_of_two(block->asset_buckets) &&
                (!block->limited || (block->per_minute >= 1 && block->burst >= 1));
    if (!sane) {
        return false;
    }
    memcpy(out->id, block->id, sizeof(out->id));
    out->id_len = block->id_len;
    out->hash = block->hash;
    out->rate_slot = block->rate_slot;
    out->hmac = block->hmac != 0;
    out->mac_key_count = block->mac_key_count;
    memcpy(out->mac_keys, block->mac_keys, sizeof(out->mac_keys));
    out->limited = block->limited != 0;
    out->per_minute = block->per_minute;
    out->burst = block->burst;
    out->unknown_assets = (enum aw_unknown_assets)block->unknown_assets;
    out->assets_at = block->assets_at;
    out->asset_buckets = block->asset_buckets;
    return true;
}

static enum aw_edge_rc find_in(const struct view *view, uint64_t generation,
                               const uint8_t sha256[AW_SHA256_LEN], const uint8_t *client,
                               size_t client_len, uint64_t now_s, struct aw_edge_company *out)
{
    struct aw_edge_buffer_head head;
    struct aw_edge_key key;
    struct aw_edge_block block;
    if (!take(view, 0, &head, sizeof(head)) || head.generation != generation ||
        !is_power_of_two(head.key_slots)) {
        return AW_EDGE_NOT_READY;
    }
    enum aw_edge_rc rc = find_key(view, &head, sha256, &key);
    if (rc == AW_EDGE_NOT_READY || head.company_count == 0) {
        return rc == AW_EDGE_NO_KEY ? AW_EDGE_NO_KEY : AW_EDGE_NOT_READY;
    }
    /* For an unknown key the first company is read in vain, so that the time does not tell. */
    uint32_t index = rc == AW_EDGE_OK ? key.company : 0;
    if (index >= head.company_count ||
        !take(view, head.companies_at + (uint64_t)index * sizeof(block), &block, sizeof(block)) ||
        !copy_company(&block, out)) {
        return AW_EDGE_NOT_READY;
    }
    out->generation = generation;
    out->index = index;
    out->asset_seed = head.asset_seed;
    if (rc == AW_EDGE_OK && key.expires_s != 0 && now_s >= key.expires_s) {
        return AW_EDGE_NO_KEY;
    }
    return rc == AW_EDGE_OK ? check_networks(view, &key, client, client_len) : rc;
}

enum aw_edge_rc aw_edge_find(const struct aw_edge *edge, const uint8_t key_sha256[AW_SHA256_LEN],
                             const uint8_t *client, size_t client_len, uint64_t now_s,
                             struct aw_edge_company *out)
{
    enum aw_edge_rc rc = AW_EDGE_NOT_READY;
    for (int i = 0; i < TRIES; i++) {
        uint64_t generation = aw_edge_generation(edge);
        if (generation == 0) {
            break;
        }
        struct view view = view_of(edge, generation);
        rc = find_in(&view, generation, key_sha256, client, client_len, now_s, out);
        if (is_untouched(edge, generation)) {
            break;
        }
        rc = AW_EDGE_NOT_READY;
    }
    if (rc != AW_EDGE_OK) {
        *out = (struct aw_edge_company){.hmac = true, .mac_key_count = 1};
    }
    return rc;
}

/* --- assets --- */

/* OK = the same name, NO_ASSET = another one, NOT_READY = damage. */
static enum aw_edge_rc compare_name(const struct view *view, uint64_t at, const char *name,
                                    size_t len)
{
    struct {
        struct aw_edge_name head;
        char text[AW_EDGE_NAME_MAX];
    } stored;
    if (at % 8 != 0 || at > view->size || sizeof(stored.head) > view->size - at) {
        return AW_EDGE_NOT_READY;
    }
    aw_edge_load(&stored.head, view->base + at, sizeof(stored.head));
    at += sizeof(stored.head);
    size_t padded = aw_edge_padded(stored.head.len);
    if (stored.head.len > sizeof(stored.text) || padded > view->size - at) {
        return AW_EDGE_NOT_READY;
    }
    aw_edge_load(stored.text, view->base + at, padded);
    uint32_t crc = aw_crc32c(view->seed, &stored.head.len, sizeof(stored.head.len));
    if (!aw_edge_same_crc(stored.head.crc, aw_crc32c(crc, stored.text, stored.head.len))) {
        return AW_EDGE_NOT_READY;
    }
    bool same = stored.head.len == len && memcmp(stored.text, name, len) == 0;
    return same ? AW_EDGE_OK : AW_EDGE_NO_ASSET;
}

static enum aw_edge_rc find_asset(const struct view *view, const struct aw_edge_company *company,
                                  const char *name, size_t len)
{
    uint64_t hash = aw_edge_hash(company->asset_seed, name, len);
    for (uint32_t i = 0; i < company->asset_buckets; i++) {
        struct aw_edge_bucket bucket;
        uint64_t at =
            company->assets_at + ((hash + i) & (company->asset_buckets - 1)) * sizeof(bucket);
        if (!take(view, at, &bucket, sizeof(bucket)) || bucket.used > AW_EDGE_BUCKET_WAYS) {
            return AW_EDGE_NOT_READY;
        }
        for (uint32_t j = 0; j < bucket.used; j++) {
            enum aw_edge_rc rc = bucket.way[j].tag == (uint32_t)(hash >> 32)
                                     ? compare_name(view, bucket.way[j].name_at, name, len)
                                     : AW_EDGE_NO_ASSET;
            if (rc != AW_EDGE_NO_ASSET) {
                return rc;
            }
        }
        if (bucket.used < AW_EDGE_BUCKET_WAYS) {
            break;
        }
    }
    return AW_EDGE_NO_ASSET;
}

enum aw_edge_rc aw_edge_asset(const struct aw_edge *edge, const struct aw_edge_company *company,
                              const char *name, size_t len)
{
    if (company->unknown_assets != AW_ASSETS_REJECT) {
        return AW_EDGE_OK;
    }
    struct view view = view_of(edge, company->generation);
    enum aw_edge_rc rc = find_asset(&view, company, name, len);
    return is_untouched(edge, company->generation) ? rc : AW_EDGE_STALE;
}
