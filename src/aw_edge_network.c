#include "aw_edge_layout.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96, before the IPv4 address (RFC 4291, section 2.5.5.2) */

bool aw_edge_network_holds(const uint8_t network[16], uint32_t prefix, const uint8_t client[16])
{
    size_t whole = prefix / 8;
    unsigned rest = prefix % 8;
    if (whole > 16 || memcmp(network, client, whole) != 0) {
        return false;
    }
    return rest == 0 || (whole < 16 && ((network[whole] ^ client[whole]) >> (8 - rest)) == 0);
}

/* 1-3 digits without a leading zero, up to `max`; -1 = something else. */
static int parse_prefix(const char *text, int max)
{
    int value = 0;
    size_t len = 0;
    for (; text[len] >= '0' && text[len] <= '9' && len < 3; len++) {
        value = value * 10 + (text[len] - '0');
    }
    bool plain = len > 0 && text[len] == '\0' && (len == 1 || text[0] != '0');
    return plain && value <= max ? value : -1;
}

static void clear_host_bits(struct aw_edge_network *network)
{
    for (int bit = network->prefix; bit < 128; bit++) {
        network->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    }
}

bool aw_edge_parse_network(const char *text, struct aw_edge_network *out)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (len >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';

    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    int base = MAPPED_BITS;
    memcpy(out->address, mapped, sizeof(mapped));
    if (inet_pton(AF_INET, address, out->address + sizeof(mapped)) != 1) {
        base = 0;
        if (inet_pton(AF_INET6, address, out->address) != 1) {
            return false;
        }
    }
    int prefix = slash == NULL ? 128 - base : parse_prefix(slash + 1, 128 - base);
    if (prefix < 0) {
        return false;
    }
    out->prefix = (uint8_t)(base + prefix);
    clear_host_bits(out);
    return true;
}
