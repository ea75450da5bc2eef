/* Bodies of alerts. An accepted body obeys the limits; written anew from what was read, it is
 * accepted again and reads the same. Every body gets the same verdict twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/aw_alert_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct blocks {
    void *block[512];
    size_t count;
};

static void *block_alloc(void *ctx, size_t size)
{
    struct blocks *blocks = ctx;
    if (blocks->count == AW_COUNT(blocks->block)) {
        return NULL;
    }
    return blocks->block[blocks->count++] = malloc(size);
}

static void blocks_free(struct blocks *blocks)
{
    while (blocks->count > 0) {
        free(blocks->block[--blocks->count]);
    }
}

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_text(struct aw_slice text, size_t min, size_t max)
{
    size_t characters;
    require(aw_utf8_check(text.ptr, text.len, &characters) && characters >= min &&
            characters <= max);
}

static size_t write_member(char *to, const char *name, struct aw_slice value)
{
    size_t len = (size_t)sprintf(to, "%s\"%s\":\"", to[-1] == '{' ? "" : ",", name);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        len += (size_t)sprintf(to + len, c < 0x20 || c == '"' || c == '\\' ? "\\u%04x" : "%c", c);
    }
    to[len++] = '"';
    return len;
}

static bool same(struct aw_slice a, struct aw_slice b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static void write_and_read_again(const struct aw_alert_body *alert)
{
    static char text[6 * 4 * 9000];
    struct blocks blocks = {.count = 0};
    struct aw_json_memory memory = {block_alloc, &blocks};
    struct aw_alert_body again;
    struct aw_json_problem problem;
    const char *word = aw_severity_names[alert->severity];
    size_t len = 1;
    text[0] = '{';
    len += write_member(text + len, "tool_source", alert->tool_source);
    len += write_member(text + len, "message", alert->message);
    len += write_member(text + len, "severity", (struct aw_slice){word, strlen(word)});
    len += write_member(text + len, "signature", alert->signature);
    len += write_member(text + len, "asset_name", alert->asset_name);
    text[len++] = '}';
    require(aw_alert_json_parse((uint8_t *)text, len, &memory, &again, &problem) == AW_JSON_OK);
    require(same(again.asset_name, alert->asset_name) && same(again.signature, alert->signature) &&
            same(again.message, alert->message) && same(again.tool_source, alert->tool_source) &&
            again.severity == alert->severity);
    blocks_free(&blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blocks blocks = {.count = 0};
    struct aw_json_memory memory = {block_alloc, &blocks};
    struct aw_alert_body alert, second;
    struct aw_json_problem problem, second_problem;
    uint8_t *body = malloc(size > 0 ? size : 1);
    memcpy(body, data, size);

    enum aw_json_verdict verdict = aw_alert_json_parse(body, size, &memory, &alert, &problem);
    require(aw_alert_json_parse(body, size, &memory, &second, &second_problem) == verdict);
    if (verdict == AW_JSON_OK) {
        check_text(alert.asset_name, 1, AW_ASSET_NAME_MAX);
        check_text(alert.signature, 1, AW_SIGNATURE_MAX);
        check_text(alert.message, 0, AW_MESSAGE_MAX);
        check_text(alert.tool_source, 1, AW_SOURCE_MAX);
        require(alert.severity < AW_SEVERITIES);
        write_and_read_again(&alert);
    } else {
        require(problem.detail == second_problem.detail && problem.detail[0] != '\0');
        require((problem.field[0] == '\0') == (verdict == AW_JSON_MALFORMED));
    }
    free(body);
    blocks_free(&blocks);
    return 0;
}
