#include "worker/base/json_value.h"

#include <stdio.h>
#include <string.h>

#include "src/aw_alert_json.h"
#include "worker/base/clock.h"

static bool refuse(struct aw_json_value *value, const char *what)
{
    snprintf(value->detail, sizeof(value->detail), "must be %s", what);
    return false;
}

static bool in_range(struct aw_json_value *value, int64_t n, const char *unit)
{
    const struct aw_field *field = value->field;
    bool bounded = field->max >= field->min;
    if (value->trusted || (field->min == 0 && field->max == 0) ||
        (n >= field->min && (!bounded || n <= field->max))) {
        return true;
    }
    if (bounded) {
        snprintf(value->detail, sizeof(value->detail), "must be %lld to %lld%s",
                 (long long)field->min, (long long)field->max, unit);
    } else {
        snprintf(value->detail, sizeof(value->detail), "must be at least %lld%s",
                 (long long)field->min, unit);
    }
    return false;
}

static bool read_str(struct aw_json_value *value, void *at)
{
    const struct aw_node *node = value->node;
    size_t characters = 0;
    if (node->type != AW_NODE_STR) {
        return refuse(value, "a string");
    }
    if (!value->trusted && !aw_utf8_check(node->text, node->len, &characters)) {
        return refuse(value, "UTF-8");
    }
    if (!in_range(value, (int64_t)characters, " characters long")) {
        return false;
    }
    *(const char **)at = node->text;
    return true;
}

/* Digits with an optional minus; RFC 8259 has seen to leading zeros already. */
static bool integer_of(const struct aw_node *node, int64_t *out)
{
    bool negative = node->len > 0 && node->text[0] == '-';
    int64_t n = 0;
    for (size_t i = negative; i < node->len; i++) {
        int digit = node->text[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, digit, &n)) { /* downwards: INT64_MIN has no positive */
            return false;
        }
    }
    if (!negative && n == INT64_MIN) {
        return false;
    }
    *out = negative ? n : -n;
    return true;
}

static bool read_i64(struct aw_json_value *value, void *at)
{
    int64_t n;
    if (value->node->type != AW_NODE_NUMBER || !integer_of(value->node, &n)) {
        return refuse(value, "a 64-bit integer");
    }
    if (!in_range(value, n, "")) {
        return false;
    }
    *(int64_t *)at = n;
    return true;
}

static bool read_bool(struct aw_json_value *value, void *at)
{
    if (value->node->type != AW_NODE_BOOL) {
        return refuse(value, "true or false");
    }
    *(bool *)at = value->node->truth;
    return true;
}

/* "must be one of a, b, c" */
static bool refuse_word(struct aw_json_value *value)
{
    const char *const *words = value->field->arg;
    size_t len = (size_t)snprintf(value->detail, sizeof(value->detail), "must be one of");
    for (size_t i = 0; words[i] != NULL && len < sizeof(value->detail); i++) {
        len += (size_t)snprintf(value->detail + len, sizeof(value->detail) - len, "%s %s",
                                i > 0 ? "," : "", words[i]);
    }
    return false;
}

static bool read_enum(struct aw_json_value *value, void *at)
{
    const struct aw_node *node = value->node;
    int index =
        node->type == AW_NODE_STR ? aw_words_find(value->field->arg, node->text, node->len) : -1;
    if (index < 0) {
        return refuse_word(value);
    }
    *(int *)at = index;
    return true;
}

static bool read_time(struct aw_json_value *value, void *at)
{
    enum { SHORTEST = sizeof("2026-11-21T06:50:10Z") - 1 };
    const struct aw_node *node = value->node;
    int64_t ms;
    if (node->type != AW_NODE_STR || node->len < SHORTEST ||
        !aw_time_parse(node->text, node->len, &ms)) {
        return refuse(value, "a time as in RFC 3339: 2026-11-21T06:50:10Z");
    }
    *(int64_t *)at = ms;
    return true;
}

static bool read_bytes(struct aw_json_value *value, void *at)
{
    const struct aw_node *node = value->node;
    uint8_t *bytes;
    size_t len;
    if (node->type != AW_NODE_STR ||
        !aw_unbase64url(value->arena, node->text, node->len, &bytes, &len)) {
        return refuse(value, "bytes in base64url without padding");
    }
    if (!in_range(value, (int64_t)len, " bytes long")) {
        return false;
    }
    *(struct aw_bytes *)at = (struct aw_bytes){.ptr = bytes, .len = len};
    return true;
}

static bool read_strs(struct aw_json_value *value, void *at)
{
    const struct aw_node *node = value->node;
    size_t n = 0, i = 0;
    if (node->type != AW_NODE_LIST) {
        return refuse(value, "a list of strings");
    }
    for (const struct aw_node *item = node->child; item != NULL; item = item->next) {
        n++;
    }
    if (!in_range(value, (int64_t)n, " items long")) {
        return false;
    }
    const char **list = AW_NEW_N(value->arena, const char *, n);
    for (const struct aw_node *item = node->child; item != NULL; item = item->next, i++) {
        value->bad_item = i;
        if (item->type != AW_NODE_STR) {
            return refuse(value, "a string");
        }
        if (value->field->arg != NULL &&
            aw_words_find(value->field->arg, item->text, item->len) < 0) {
            return refuse_word(value);
        }
        list[i] = item->text;
    }
    *(struct aw_strs *)at = (struct aw_strs){.v = list, .n = n};
    return true;
}

static bool read_raw(struct aw_json_value *value, void *at)
{
    if (!in_range(value, (int64_t)value->node->raw_len, " bytes of JSON")) {
        return false;
    }
    *(const char **)at = aw_arena_strn(value->arena, value->node->raw, value->node->raw_len);
    return true;
}

bool aw_json_value(struct aw_json_value *value, void *at)
{
    static bool (*const readers[])(struct aw_json_value *, void *) = {
        [AW_T_STR] = read_str,   [AW_T_I64] = read_i64,   [AW_T_BOOL] = read_bool,
        [AW_T_ENUM] = read_enum, [AW_T_TIME] = read_time, [AW_T_BYTES] = read_bytes,
        [AW_T_STRS] = read_strs, [AW_T_RAW] = read_raw};
    value->bad_item = AW_JSON_NO_ITEM;
    return readers[value->field->type](value, at);
}
