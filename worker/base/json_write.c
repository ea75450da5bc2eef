#include "worker/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/clock.h"

void aw_json_init(struct aw_json *json, struct aw_str *out)
{
    *json = (struct aw_json){.out = out, .first = 1};
}

/* The comma before a value or key, unless it is the first of its list or follows its key. */
static void separate(struct aw_json *json)
{
    uint32_t bit = 1u << json->depth;
    if ((json->first & bit) == 0) {
        aw_str_addn(json->out, ",", 1);
    }
    json->first &= ~bit;
}

void aw_json_open(struct aw_json *json, char bracket)
{
    separate(json);
    aw_str_addn(json->out, &bracket, 1);
    json->depth++;
    json->first |= 1u << json->depth;
}

void aw_json_close(struct aw_json *json, char bracket)
{
    aw_str_addn(json->out, &bracket, 1);
    json->depth--;
}

/* RFC 8259 section 7: quotation mark, reverse solidus and the control characters are escaped,
 * nothing else. */
static void add_quoted(struct aw_str *out, const char *text, size_t len)
{
    static const char shorts[] = "btn.fr"; /* U+0008 to U+000D; U+000B has none */
    const char *from = text, *end = text + len;
    aw_str_addn(out, "\"", 1);
    for (const char *at = text; at < end; at++) {
        uint8_t c = (uint8_t)*at;
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        aw_str_addn(out, from, (size_t)(at - from));
        from = at + 1;
        if (c >= 0x20) {
            aw_str_addn(out, (char[]){'\\', (char)c}, 2);
        } else if (c >= 8 && c <= 13 && c != 11) {
            aw_str_addn(out, (char[]){'\\', shorts[c - 8]}, 2);
        } else {
            aw_str_printf(out, "\\u%04x", c);
        }
    }
    aw_str_addn(out, from, (size_t)(end - from));
    aw_str_addn(out, "\"", 1);
}

void aw_json_key(struct aw_json *json, const char *key)
{
    separate(json);
    add_quoted(json->out, key, strlen(key));
    aw_str_addn(json->out, ":", 1);
    json->first |= 1u << json->depth;
}

void aw_json_raw(struct aw_json *json, const char *text, size_t len)
{
    separate(json);
    aw_str_addn(json->out, text, len);
}

void aw_json_null(struct aw_json *json)
{
    aw_json_raw(json, "null", 4);
}

void aw_json_strn(struct aw_json *json, const char *text, size_t len)
{
    separate(json);
    add_quoted(json->out, text, len);
}

void aw_json_str(struct aw_json *json, const char *text)
{
    if (text != NULL) {
        aw_json_strn(json, text, strlen(text));
    } else {
        aw_json_null(json);
    }
}

void aw_json_i64(struct aw_json *json, int64_t value)
{
    enum { DIGITS = 20 };
    char text[DIGITS], *at = text + DIGITS;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (value < 0) {
        *--at = '-';
    }
    aw_json_raw(json, at, (size_t)(text + DIGITS - at));
}

void aw_json_f64(struct aw_json *json, double value)
{
    enum {
        SHORT = 15,
        EXACT = 17
    }; /* significant digits of a double that always survive; that always suffice */
    char text[40];
    if (!isfinite(value)) {
        aw_json_null(json);
        return;
    }
    int len = 0;
    for (int digits = SHORT; digits <= EXACT; digits++) {
        len = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    aw_json_raw(json, text, (size_t)len);
}

void aw_json_bool(struct aw_json *json, bool value)
{
    aw_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void aw_json_time(struct aw_json *json, int64_t ms)
{
    if (ms == 0) {
        aw_json_null(json);
        return;
    }
    char text[AW_TIME_TEXT + 1];
    aw_time_format(ms, text);
    aw_json_strn(json, text, AW_TIME_TEXT);
}

static void write_bytes(struct aw_json *json, const struct aw_bytes *bytes)
{
    if (bytes->ptr == NULL) {
        aw_json_null(json);
        return;
    }
    separate(json);
    aw_str_addn(json->out, "\"", 1);
    aw_str_add_base64url(json->out, bytes->ptr, bytes->len);
    aw_str_addn(json->out, "\"", 1);
}

static void write_strs(struct aw_json *json, const struct aw_strs *list)
{
    aw_json_open(json, '[');
    for (size_t i = 0; i < list->n; i++) {
        aw_json_str(json, list->v[i]);
    }
    aw_json_close(json, ']');
}

static void write_obj(struct aw_json *json, const struct aw_schema *schema, const void *row,
                      bool stored)
{
    if (row != NULL) {
        aw_json_row(json, schema, row, stored);
    } else {
        aw_json_null(json);
    }
}

static void write_raw(struct aw_json *json, const char *text)
{
    if (text != NULL) {
        aw_json_raw(json, text, strlen(text));
    } else {
        aw_json_null(json);
    }
}

static void write_value(struct aw_json *json, const struct aw_field *field, const void *row,
                        bool stored)
{
    const void *at = aw_field_at(field, row);
    switch (field->type) {
    case AW_T_STR:
        aw_json_str(json, *(const char *const *)at);
        break;
    case AW_T_I64:
        aw_json_i64(json, *(const int64_t *)at);
        break;
    case AW_T_BOOL:
        aw_json_bool(json, *(const bool *)at);
        break;
    case AW_T_ENUM:
        aw_json_str(json, aw_words_get(field->arg, *(const int *)at));
        break;
    case AW_T_TIME:
        aw_json_time(json, *(const int64_t *)at);
        break;
    case AW_T_BYTES:
        write_bytes(json, at);
        break;
    case AW_T_STRS:
        write_strs(json, at);
        break;
    case AW_T_OBJ:
        write_obj(json, field->arg, *(const void *const *)at, stored);
        break;
    case AW_T_RAW:
        write_raw(json, *(const char *const *)at);
        break;
    }
}

void aw_json_field(struct aw_json *json, const struct aw_field *field, const void *row)
{
    write_value(json, field, row, false);
}

void aw_json_members(struct aw_json *json, const struct aw_schema *schema, const void *row,
                     bool stored)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        if (stored || (field->flags & (AW_F_SECRET | AW_F_INTERNAL)) == 0) {
            aw_json_key(json, field->name);
            write_value(json, field, row, stored);
        }
    }
}

void aw_json_row(struct aw_json *json, const struct aw_schema *schema, const void *row, bool stored)
{
    aw_json_open(json, '{');
    aw_json_members(json, schema, row, stored);
    aw_json_close(json, '}');
}
