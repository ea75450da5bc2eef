#include "load_target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/clock.h"
#include "worker/base/json.h"

void load_die(const char *what)
{
    fprintf(stderr, "aw_load: %s\n", what);
    exit(2);
}

uint64_t load_random(struct load_target *target)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = (target->seed += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void to_hex(const uint8_t *bytes, size_t n, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
}

void load_delivery_sign(struct delivery *d)
{
    uint8_t mac[32];
    size_t stamp = (size_t)snprintf(d->timestamp, sizeof(d->timestamp), "%lld",
                                    (long long)(aw_clock_wall_ms() / 1000));
    struct aw_mac inner;

    aw_mac_start(&inner, &d->company->key, d->timestamp, stamp);
    aw_mac_update(&inner, d->body, strlen(d->body));
    aw_mac_value(&inner, &d->company->key, mac);
    memcpy(d->signature, "sha256=", 7);
    to_hex(mac, sizeof(mac), d->signature + 7);
}

struct delivery *load_delivery_make(struct load_target *target)
{
    static const char *const severities[] = {"low", "medium", "high", "critical"};
    static const char *const tools[] = {"Datadog", "Zabbix", "Prometheus"};
    struct delivery *d = calloc(1, sizeof(*d));
    uint64_t r = load_random(target);
    uint8_t sha[32];

    if (d == NULL) {
        load_die("out of memory");
    }
    d->seq = target->made++;
    d->company = &target->companies[r % target->company_count];
    snprintf(d->id, sizeof(d->id), "load-%llx-%llu", (unsigned long long)load_random(target),
             (unsigned long long)d->seq);
    /* The id makes bodies of several runs differ: an equal signature would be a repeat. */
    if (asprintf(&d->body,
                 "{\"asset_name\":\"%s\",\"signature\":\"sig_%llu\",\"severity\":\"%s\","
                 "\"message\":\"load %llu: "
                 "a value has crossed its threshold for five minutes; see the dashboard of the "
                 "service\","
                 "\"tool_source\":\"%s\",\"delivery\":\"%s\"}",
                 d->company->assets[(r >> 8) % d->company->asset_count],
                 (unsigned long long)((r >> 20) % target->signatures), severities[(r >> 40) & 3],
                 (unsigned long long)d->seq, tools[(r >> 44) % 3], d->id) < 0) {
        load_die("out of memory");
    }
    aw_mac_sha256(d->body, strlen(d->body), sha);
    to_hex(sha, sizeof(sha), d->sha);
    if (d->company->secret != NULL) {
        load_delivery_sign(d);
    }
    return d;
}

void load_delivery_free(struct delivery *d)
{
    free(d->body);
    free(d);
}

static const char *text_of(const struct aw_node *node, const char *name, bool needed)
{
    const struct aw_node *value = aw_node_get(node, name);

    if (value == NULL || value->type != AW_NODE_STR) {
        if (needed) {
            load_die("the target file lacks a member (company_id, api_key, assets)");
        }
        return NULL;
    }
    return value->text;
}

static void read_companies(struct load_target *target, const struct aw_node *list,
                           struct aw_arena *arena)
{
    size_t n = 0;

    for (const struct aw_node *at = list->child; at != NULL; at = at->next) {
        target->company_count++;
    }
    target->companies = AW_NEW_N(arena, struct company, target->company_count);
    for (const struct aw_node *at = list->child; at != NULL; at = at->next) {
        struct company *company = &target->companies[n++];
        const struct aw_node *assets = aw_node_get(at, "assets");
        company->id = text_of(at, "company_id", true);
        company->api_key = text_of(at, "api_key", true);
        company->secret = text_of(at, "hmac_secret", false);
        if (company->secret != NULL) {
            aw_mac_key_init(&company->key, company->secret, strlen(company->secret));
        }
        for (const struct aw_node *a = assets ? assets->child : NULL; a != NULL; a = a->next) {
            company->asset_count++;
        }
        if (company->asset_count == 0) {
            load_die("a company has no assets");
        }
        company->assets = AW_NEW_N(arena, const char *, company->asset_count);
        size_t i = 0;
        for (const struct aw_node *a = assets->child; a != NULL; a = a->next) {
            company->assets[i++] = a->text;
        }
    }
}

void load_target_read(struct load_target *target, const char *path, struct aw_arena *arena)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t cap = 0;
    ssize_t len = file ? getdelim(&text, &cap, '\0', file) : -1;
    struct aw_node *root;
    struct aw_err err;

    if (len <= 0 ||
        !aw_json_parse(aw_arena_strn(arena, text, (size_t)len), (size_t)len, arena, &root, &err)) {
        load_die("the target file cannot be read as JSON");
    }
    fclose(file);
    free(text);
    const struct aw_node *port = aw_node_get(root, "port"), *list = aw_node_get(root, "companies");
    if (port == NULL || list == NULL || list->child == NULL) {
        load_die("the target file needs port and companies");
    }
    target->to.sin_family = AF_INET;
    target->to.sin_port = htons((uint16_t)strtol(port->text, NULL, 10));
    target->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    read_companies(target, list, arena);
}
