#include "aw_edge_layout.h"

#include <sys/random.h>

#include "aw_state.h"

#define BUCKET_FILL 4 /* names to a bucket of 7, on average at most: few buckets overflow */

/* Where everything will lie; measured before anything is written. */
struct plan {
    uint8_t *base;
    uint64_t generation;
    uint32_t seed;
    uint64_t asset_seed;
    uint32_t key_slots;
    uint64_t keys_at, networks_at, companies_at, assets_at, end;
};

/* --- what is refused before anything is touched --- */

static bool refuse(struct aw_err *err, const struct aw_edge_company_in *company, const char *why)
{
    return aw_fail(err, AW_ERR_INVALID, "edge.company", "company %.*s: %s", AW_COMPANY_ID_MAX,
                   company->id, why);
}

static bool check_keys(const struct aw_edge_company_in *company, struct aw_err *err)
{
    for (size_t i = 0; i < company->key_count; i++) {
        const struct aw_edge_key_in *key = &company->keys[i];
        if (key->network_count > AW_EDGE_NETWORKS) {
            return refuse(err, company, "too many networks of one key");
        }
        for (size_t j = 0; j < key->network_count; j++) {
            if (key->networks[j].prefix > 128) {
                return refuse(err, company, "a network prefix is over 128");
            }
        }
    }
    return true;
}

static bool check_company(const struct aw_edge_company_in *company, struct aw_err *err)
{
    size_t id_len = strlen(company->id);
    if (id_len == 0 || id_len > AW_COMPANY_ID_MAX) {
        return refuse(err, company, "its id must have 1 to 40 bytes");
    }
    if (company->mac_key_count > AW_EDGE_MAC_KEYS) {
        return refuse(err, company, "too many signature secrets");
    }
    if (company->limited && (company->per_minute == 0 || company->burst == 0)) {
        return refuse(err, company, "rate and burst must be at least 1");
    }
    for (size_t i = 0; i < company->asset_count; i++) {
        size_t len = strlen(company->assets[i]);
        if (len == 0 || len > AW_EDGE_NAME_MAX) {
            return refuse(err, company, "an asset name must have 1 to 100 characters");
        }
    }
    return check_keys(company, err);
}

/* --- measuring --- */

static uint64_t power_of_two(uint64_t at_least)
{
    uint64_t n = 1;
    while (n < at_least) {
        n *= 2;
    }
    return n;
}

static uint64_t bucket_count(size_t assets)
{
    return power_of_two((assets + BUCKET_FILL - 1) / BUCKET_FILL);
}

static uint64_t names_size(const struct aw_edge_company_in *company)
{
    uint64_t size = 0;
    for (size_t i = 0; i < company->asset_count; i++) {
        size += sizeof(struct aw_edge_name) + aw_edge_padded(strlen(company->assets[i]));
    }
    return size;
}

static void measure(struct plan *plan, const struct aw_edge_company_in *companies, size_t n)
{
    uint64_t keys = 0, networks = 0, assets = 0;
    for (size_t i = 0; i < n; i++) {
        keys += companies[i].key_count;
        for (size_t j = 0; j < companies[i].key_count; j++) {
            networks += companies[i].keys[j].network_count;
        }
        assets += bucket_count(companies[i].asset_count) * sizeof(struct aw_edge_bucket);
        assets += names_size(&companies[i]);
    }
    plan->key_slots = (uint32_t)power_of_two(2 * keys + 1);
    plan->keys_at = sizeof(struct aw_edge_buffer_head);
    plan->companies_at = plan->keys_at + plan->key_slots * sizeof(struct aw_edge_key);
    plan->networks_at = plan->companies_at + n * sizeof(struct aw_edge_block);
    plan->assets_at = plan->networks_at + networks * sizeof(struct aw_edge_net);
    plan->end = plan->assets_at + assets;
}

/* --- filling --- */

/* Stores an object whose last word is its CRC. */
static void put(const struct plan *plan, uint64_t at, void *object, size_t size)
{
    uint32_t crc = aw_crc32c(plan->seed, object, size - sizeof(crc));
    memcpy((uint8_t *)object + size - sizeof(crc), &crc, sizeof(crc));
    aw_edge_store(plan->base + at, object, size);
}

static void put_empty_keys(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->key_slots; i++) {
        struct aw_edge_key empty = {.used = 0};
        put(plan, plan->keys_at + i * sizeof(empty), &empty, sizeof(empty));
    }
}

/* False = the same key is there already. */
static bool put_key(const struct plan *plan, struct aw_edge_key *key)
{
    for (uint64_t slot = aw_edge_key_start(key->sha256);; slot++) {
        uint64_t at = plan->keys_at + (slot & (plan->key_slots - 1)) * sizeof(*key);
        struct aw_edge_key there;
        memcpy(&there, plan->base + at, sizeof(there));
        if (!there.used) {
            put(plan, at, key, sizeof(*key));
            return true;
        }
        if (memcmp(there.sha256, key->sha256, sizeof(there.sha256)) == 0) {
            return false;
        }
    }
}

static bool put_keys(struct plan *plan, const struct aw_edge_company_in *company, uint32_t index)
{
    for (size_t i = 0; i < company->key_count; i++) {
        const struct aw_edge_key_in *in = &company->keys[i];
        struct aw_edge_key key = {
            .expires_s = in->expires_s,
            .used = 1,
            .company = index,
            .networks_at = (uint32_t)plan->networks_at,
            .network_count = (uint32_t)in->network_count,
        };
        memcpy(key.sha256, in->sha256, sizeof(key.sha256));
        for (size_t j = 0; j < in->network_count; j++) {
            struct aw_edge_net net = {.prefix = in->networks[j].prefix};
            memcpy(net.address, in->networks[j].address, sizeof(net.address));
            put(plan, plan->networks_at, &net, sizeof(net));
            plan->networks_at += sizeof(net);
        }
        if (!put_key(plan, &key)) {
            return false;
        }
    }
    return true;
}

static void put_name(const struct plan *plan, uint64_t at, const char *name, size_t len)
{
    struct {
        struct aw_edge_name head;
        char text[AW_EDGE_NAME_MAX];
    } stored = {.head.len = (uint32_t)len};
    memcpy(stored.text, name, len);
    uint32_t crc = aw_crc32c(plan->seed, &stored.head.len, sizeof(stored.head.len));
    stored.head.crc = aw_crc32c(crc, name, len);
    aw_edge_store(plan->base + at, &stored, sizeof(stored.head) + aw_edge_padded(len));
}

static void put_way(const struct plan *plan, uint64_t buckets_at, uint64_t buckets, uint64_t hash,
                    uint32_t name_at)
{
    for (uint64_t i = hash;; i++) {
        struct aw_edge_bucket bucket;
        uint64_t at = buckets_at + (i & (buckets - 1)) * sizeof(bucket);
        memcpy(&bucket, plan->base + at, sizeof(bucket));
        if (bucket.used < AW_EDGE_BUCKET_WAYS) {
            bucket.way[bucket.used].tag = (uint32_t)(hash >> 32);
            bucket.way[bucket.used].name_at = name_at;
            bucket.used++;
            put(plan, at, &bucket, sizeof(bucket));
            return;
        }
    }
}

static void put_assets(struct plan *plan, const struct aw_edge_company_in *company)
{
    uint64_t buckets = bucket_count(company->asset_count);
    uint64_t buckets_at = plan->assets_at;
    uint64_t names_at = buckets_at + buckets * sizeof(struct aw_edge_bucket);
    for (uint64_t i = 0; i < buckets; i++) {
        struct aw_edge_bucket empty = {.used = 0};
        put(plan, buckets_at + i * sizeof(empty), &empty, sizeof(empty));
    }
    for (size_t i = 0; i < company->asset_count; i++) {
        const char *name = company->assets[i];
        size_t len = strlen(name);
        put_name(plan, names_at, name, len);
        put_way(plan, buckets_at, buckets, aw_edge_hash(plan->asset_seed, name, len),
                (uint32_t)names_at);
        names_at += sizeof(struct aw_edge_name) + aw_edge_padded(len);
    }
    plan->assets_at = names_at;
}

static void put_company(struct plan *plan, const struct aw_edge_company_in *company, size_t index)
{
    struct aw_edge_block block = {
        .hash = aw_edge_hash(0, company->id, strlen(company->id)),
        .id_len = (uint32_t)strlen(company->id),
        .rate_slot = company->rate_slot % AW_RATE_SLOTS,
        .hmac = company->hmac,
        .limited = company->limited,
        .per_minute = company->per_minute,
        .burst = company->burst,
        .unknown_assets = company->unknown_assets,
        .mac_key_count = company->mac_key_count,
        .asset_buckets = (uint32_t)bucket_count(company->asset_count),
        .assets_at = (uint32_t)plan->assets_at,
    };
    memcpy(block.id, company->id, block.id_len);
    memcpy(block.mac_keys, company->mac_keys, company->mac_key_count * sizeof(block.mac_keys[0]));
    put(plan, plan->companies_at + index * sizeof(block), &block, sizeof(block));
    put_assets(plan, company);
}

static bool fill(struct plan *plan, const struct aw_edge_company_in *companies, size_t n,
                 struct aw_err *err)
{
    struct aw_edge_buffer_head head = {
        .generation = plan->generation,
        .asset_seed = plan->asset_seed,
        .used = (uint32_t)plan->end,
        .key_slots = plan->key_slots,
        .keys_at = (uint32_t)plan->keys_at,
        .company_count = (uint32_t)n,
        .companies_at = (uint32_t)plan->companies_at,
        .networks_at = (uint32_t)plan->networks_at,
    };
    put(plan, 0, &head, sizeof(head));
    put_empty_keys(plan);
    for (size_t i = 0; i < n; i++) {
        put_company(plan, &companies[i], i);
        if (!put_keys(plan, &companies[i], (uint32_t)i)) {
            return aw_fail(err, AW_ERR_CONFLICT, "edge.key",
                           "company %s: one of its keys is there twice", companies[i].id);
        }
        AW_CRASH("edge.publish.filling");
    }
    return true;
}

bool aw_edge_publish(struct aw_edge *edge, const struct aw_edge_company_in *companies, size_t n,
                     struct aw_err *err)
{
    if (!edge->writer) {
        return aw_fail(err, AW_ERR_INTERNAL, "edge.busy", "the edge table is not open for writing");
    }
    for (size_t i = 0; i < n; i++) {
        if (!check_company(&companies[i], err)) {
            return false;
        }
    }
    struct plan plan = {.generation = aw_edge_generation(edge) + 1};
    plan.base = aw_edge_buffer(edge, plan.generation);
    plan.seed = aw_edge_seed(plan.generation);
    measure(&plan, companies, n);
    if (plan.end > aw_edge_buffer_size(edge)) {
        return aw_fail(err, AW_ERR_TOO_LARGE, "edge.full",
                       "the edge table needs 2 x %llu bytes and has 2 x %llu",
                       (unsigned long long)plan.end, (unsigned long long)aw_edge_buffer_size(edge));
    }
    if (getrandom(&plan.asset_seed, sizeof(plan.asset_seed), 0) != sizeof(plan.asset_seed)) {
        return aw_fail_errno(err, "edge.io", "drawing random bytes");
    }
    /* Announced first: whoever still reads the generation that lay here must notice. */
    struct aw_edge_live *live = aw_edge_live(edge);
    atomic_store_explicit(&live->filling, plan.generation, memory_order_release);
    if (!fill(&plan, companies, n, err)) {
        return false;
    }
    AW_CRASH("edge.publish.filled");
    atomic_store_explicit(&live->generation, plan.generation, memory_order_release);
    return true;
}
