/* aw_edge_table - publishes an edge table from a text, so that tests of the edge need no worker.
 *
 * usage: aw_edge_table PATH < text
 * One word per line says what the line is; keys and assets belong to the company above them:
 *   company ID [hmac=SECRET[,SECRET]] [rate=PER_MINUTE/BURST] [slot=N]
 * [assets=reject|accept|register] key KEY [expires=SECONDS] [net=ADDRESS[/BITS]]... asset NAME (to
 * the end of the line) Exit status: 0 published, 1 not (the reason is on standard error). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/aw_edge.h"

#define COMPANIES 256
#define KEYS      16
#define ASSETS    4096
#define LINE      1024

struct company {
    struct aw_edge_company_in in;
    struct aw_edge_key_in keys[KEYS];
    const char *assets[ASSETS];
};

static struct company companies[COMPANIES];
static struct aw_edge_company_in inputs[COMPANIES];
static size_t count;

static void die(const char *what, const char *line)
{
    fprintf(stderr, "aw_edge_table: %s: %s\n", what, line);
    exit(1);
}

static char *copy(const char *text)
{
    char *at = strdup(text);
    if (at == NULL) {
        die("out of memory", text);
    }
    return at;
}

/* The value behind NAME= in a word, or NULL. */
static char *value_of(char *word, const char *name)
{
    size_t len = strlen(name);
    return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static void add_secrets(struct aw_edge_company_in *in, char *value)
{
    char *save = NULL;
    in->hmac = true;
    for (char *secret = strtok_r(value, ",", &save); secret != NULL;
         secret = strtok_r(NULL, ",", &save)) {
        if (in->mac_key_count == AW_EDGE_MAC_KEYS) {
            die("too many secrets", secret);
        }
        aw_mac_key_init(&in->mac_keys[in->mac_key_count++], secret, strlen(secret));
    }
}

static enum aw_unknown_assets unknown_assets(const char *value)
{
    static const char *const names[] = {"reject", "accept", "register"};
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        if (strcmp(names[i], value) == 0) {
            return (enum aw_unknown_assets)i;
        }
    }
    die("not reject, accept or register", value);
    return AW_ASSETS_REJECT;
}

static void add_company(char **words)
{
    if (count == COMPANIES || words[0] == NULL) {
        die("too many companies, or one without an id", "company");
    }
    struct aw_edge_company_in *in = &companies[count].in;
    in->id = copy(words[0]);
    in->rate_slot = (uint32_t)count;
    for (char **word = words + 1; *word != NULL; word++) {
        char *value;
        if ((value = value_of(*word, "hmac")) != NULL) {
            add_secrets(in, value);
        } else if ((value = value_of(*word, "rate")) != NULL) {
            in->limited = sscanf(value, "%u/%u", &in->per_minute, &in->burst) == 2;
            if (!in->limited) {
                die("rate is not PER_MINUTE/BURST", value);
            }
        } else if ((value = value_of(*word, "slot")) != NULL) {
            in->rate_slot = (uint32_t)strtoul(value, NULL, 10);
        } else if ((value = value_of(*word, "assets")) != NULL) {
            in->unknown_assets = unknown_assets(value);
        } else {
            die("unknown word", *word);
        }
    }
    count++;
}

static void add_key(struct company *company, char **words)
{
    if (company->in.key_count == KEYS || words[0] == NULL) {
        die("too many keys, or an empty one", company->in.id);
    }
    struct aw_edge_key_in *key = &company->keys[company->in.key_count++];
    aw_mac_sha256(words[0], strlen(words[0]), key->sha256);
    for (char **word = words + 1; *word != NULL; word++) {
        char *value;
        if ((value = value_of(*word, "expires")) != NULL) {
            key->expires_s = strtoull(value, NULL, 10);
        } else if ((value = value_of(*word, "net")) == NULL ||
                   key->network_count == AW_EDGE_NETWORKS ||
                   !aw_edge_parse_network(value, &key->networks[key->network_count++])) {
            die("wrong word of a key", *word);
        }
    }
}

static void read_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#') {
        return;
    }
    if (strncmp(line, "asset ", 6) == 0 && count > 0) {
        struct company *company = &companies[count - 1];
        if (company->in.asset_count == ASSETS) {
            die("too many assets", line);
        }
        company->assets[company->in.asset_count++] = copy(line + 6);
        return;
    }

    char *words[16] = {NULL};
    char *save = NULL;
    size_t n = 0;
    for (char *word = strtok_r(line, " ", &save); word != NULL && n < AW_COUNT(words) - 1;
         word = strtok_r(NULL, " ", &save)) {
        words[n++] = word;
    }
    if (strcmp(words[0], "company") == 0) {
        add_company(words + 1);
    } else if (strcmp(words[0], "key") == 0 && count > 0) {
        add_key(&companies[count - 1], words + 1);
    } else {
        die("unknown line", words[0]);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        die("usage", "aw_edge_table PATH < text");
    }
    char line[LINE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        read_line(line);
    }
    for (size_t i = 0; i < count; i++) {
        inputs[i] = companies[i].in;
        inputs[i].keys = companies[i].keys;
        inputs[i].assets = companies[i].assets;
    }

    struct aw_edge edge;
    struct aw_err err;
    if (!aw_edge_open(&edge, argv[1], 0, AW_FILE_CONSUMER, NULL, &err)) {
        die(err.msg, argv[1]);
    }
    if (!aw_edge_publish(&edge, inputs, count, &err)) {
        die(err.msg, argv[1]);
    }
    printf("%llu\n", (unsigned long long)aw_edge_generation(&edge));
    aw_edge_close(&edge);
    return 0;
}
