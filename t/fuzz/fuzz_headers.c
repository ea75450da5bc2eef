/* What senders and configurations write into short texts: X-Signature, X-Timestamp, allowed
 * networks. The first byte chooses the parser. Whatever is accepted, written anew, must be the same
 * text or value. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/aw_edge.h"
#include "src/aw_mac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void try_signature(const char *text, size_t len)
{
    uint8_t bytes[AW_SHA256_LEN];
    char again[80] = "sha256=";
    if (!aw_mac_parse_signature(text, len, bytes)) {
        return;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(again + 7 + 2 * i, 3, "%02x", bytes[i]);
    }
    require(len == strlen(again));
    for (size_t i = 0; i < len; i++) {
        require(again[i] == (i < 7 ? text[i] : tolower((unsigned char)text[i])));
    }
}

static void try_timestamp(const char *text, size_t len)
{
    uint64_t seconds;
    char again[32];
    if (aw_mac_parse_timestamp(text, len, &seconds)) {
        snprintf(again, sizeof(again), "%0*llu", (int)len, (unsigned long long)seconds);
        require(strlen(again) == len && memcmp(text, again, len) == 0);
        require(aw_mac_in_window(seconds, seconds, 1) && !aw_mac_in_window(seconds, seconds, 0));
    }
}

static void try_network(const char *text)
{
    struct aw_edge_network network, same;
    char address[INET6_ADDRSTRLEN], again[64];
    if (aw_edge_parse_network(text, &network)) {
        require(network.prefix <= 128);
        inet_ntop(AF_INET6, network.address, address, sizeof(address));
        snprintf(again, sizeof(again), "%s/%u", address, network.prefix);
        require(aw_edge_parse_network(again, &same) && same.prefix == network.prefix &&
                memcmp(same.address, network.address, sizeof(same.address)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t len = size - 1;
    /* Exactly its size (a network is a C string), so that one byte too far is seen. */
    char *text = malloc(len + 1);
    char *exact = malloc(len > 0 ? len : 1);
    memcpy(text, data + 1, len);
    memcpy(exact, data + 1, len);
    text[len] = '\0';
    switch (data[0] % 3) {
    case 0:
        try_signature(exact, len);
        break;
    case 1:
        try_timestamp(exact, len);
        break;
    default:
        try_network(text);
    }
    free(exact);
    free(text);
    return 0;
}
