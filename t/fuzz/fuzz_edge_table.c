/* An edge table with any bytes in it: opening, finding a key, finding an asset must neither crash
 * nor hang. Input: patches of 4 bytes each (offset, 3 bytes little-endian, and the new byte) upon a
 * good table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/aw_edge.h"
#include "src/aw_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE  AW_EDGE_SIZE_MIN
#define PATCH 4

static char folder[] = "/tmp/aw-fuzz-edge-XXXXXX";
static char path[64];
static struct aw_edge writer;
static uint8_t good[SIZE];

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void remove_files(void)
{
    unlink(path);
    rmdir(folder);
}

static void prepare(void)
{
    static const char *const assets[] = {"srv-1", "srv-2", "srv-3", "srv-4", "srv-5"};
    struct aw_edge reader;
    struct aw_err err;
    struct aw_edge_key_in keys[2] = {{.network_count = 1}, {.network_count = 0}};
    struct aw_edge_company_in companies[2] = {
        {.id = "acme", .keys = &keys[0], .key_count = 1, .assets = assets, .asset_count = 5},
        {.id = "other",
         .keys = &keys[1],
         .key_count = 1,
         .limited = true,
         .per_minute = 1,
         .burst = 1},
    };
    aw_mac_sha256("one", 3, keys[0].sha256);
    aw_mac_sha256("two", 3, keys[1].sha256);
    require(aw_edge_parse_network("0.0.0.0/0", &keys[0].networks[0]));
    require(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/edge", folder);
    atexit(remove_files);
    require(aw_edge_open(&reader, path, SIZE, AW_FILE_CREATE | AW_FILE_ANY_FS, NULL, &err));
    aw_edge_close(&reader);
    require(aw_edge_open(&writer, path, 0, AW_FILE_CONSUMER, NULL, &err));
    require(aw_edge_publish(&writer, companies, 2, &err));
    require(aw_edge_publish(&writer, companies, 2, &err));
    memcpy(good, writer.map, SIZE);
}

static void use(const struct aw_edge *reader)
{
    static const char *const keys[] = {"one", "two", "three"};
    static const uint8_t client[4] = {10, 0, 0, 1};
    static const char *const names[] = {"srv-1", "srv-5", "web-1", ""};
    for (size_t i = 0; i < AW_COUNT(keys); i++) {
        struct aw_edge_company company;
        uint8_t sha256[AW_SHA256_LEN];
        aw_mac_sha256(keys[i], strlen(keys[i]), sha256);
        if (aw_edge_find(reader, sha256, client, sizeof(client), 1000, &company) != AW_EDGE_OK) {
            require(company.hmac && company.mac_key_count == 1);
            continue;
        }
        require(company.id_len >= 1 && company.id_len <= AW_COMPANY_ID_MAX);
        require(company.mac_key_count <= AW_EDGE_MAC_KEYS && company.rate_slot < AW_RATE_SLOTS);
        require(!company.limited || (company.per_minute >= 1 && company.burst >= 1));
        for (size_t j = 0; j < AW_COUNT(names); j++) {
            aw_edge_asset(reader, &company, names[j], strlen(names[j]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (writer.map == NULL) {
        prepare();
    }
    for (size_t i = 0; i + PATCH <= size; i += PATCH) {
        uint32_t at = data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16;
        writer.map[at % SIZE] = data[i + 3];
    }
    struct aw_edge reader;
    struct aw_err err;
    if (aw_edge_open(&reader, path, 0, AW_FILE_INSPECT, NULL, &err)) {
        use(&reader);
        aw_edge_close(&reader);
    }
    for (size_t i = 0; i + PATCH <= size; i += PATCH) {
        uint32_t at = data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16;
        writer.map[at % SIZE] = good[at % SIZE];
    }
    return 0;
}
