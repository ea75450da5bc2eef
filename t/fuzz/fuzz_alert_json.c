/* Bodies of alerts. An accepted body obeys the limits; written anew from what was read, it is
 * accepted again and reads the same. Every body gets the same verdict twice. yajl is asked too: what is accepted is
 * JSON for it and has the same values, and what is no JSON here is none there (but it lets an unfinished token follow the object). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>
#include <yajl/yajl_tree.h>

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

static bool is_json_for_yajl(const uint8_t *body, size_t size)
{
    yajl_handle yajl = yajl_alloc(NULL, NULL, NULL);
    bool good = yajl_parse(yajl, body, size) == yajl_status_ok &&
                yajl_complete_parse(yajl) == yajl_status_ok;
    yajl_free(yajl);
    return good;
}

/* White space of RFC 8259, section 2, is what both know; yajl takes these too. */
static bool has_other_space(const uint8_t *body, size_t size)
{
    return memchr(body, '\v', size) != NULL || memchr(body, '\f', size) != NULL;
}

static void require_member(yajl_val object, const char *name, struct aw_slice value)
{
    const char *path[] = {name, NULL};
    const char *text = YAJL_GET_STRING(yajl_tree_get(object, path, yajl_t_string));
    require(text != NULL && strlen(text) == value.len && memcmp(text, value.ptr, value.len) == 0);
}

static void ask_yajl(const uint8_t *body, size_t size, enum aw_json_verdict verdict,
                     const struct aw_alert_body *alert, const struct aw_json_problem *problem)
{
    bool is_json = is_json_for_yajl(body, size);
    if (verdict == AW_JSON_MALFORMED) {
        bool is_syntax = strstr(problem->detail, "not valid JSON") != NULL;
        require(!is_syntax || !is_json || has_other_space(body, size));
        return;
    }
    require(is_json);
    if (verdict != AW_JSON_OK) {
        return;
    }
    char *text = calloc(1, size + 1);
    memcpy(text, body, size);
    yajl_val object = yajl_tree_parse(text, NULL, 0);
    require_member(object, "asset_name", alert->asset_name);
    require_member(object, "signature", alert->signature);
    require_member(object, "message", alert->message);
    require_member(object, "tool_source", alert->tool_source);
    yajl_tree_free(object);
    free(text);
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
    ask_yajl(body, size, verdict, &alert, &problem);
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
