#include <string.h>

#include "worker/base/str.h"

char *aw_hex(struct aw_arena *arena, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    char *text = aw_arena_alloc(arena, 2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool aw_unhex(const char *text, size_t len, uint8_t *out)
{
    if (len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Returns the end of what was written. */
static char *encode(char *at, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (k < have ? bytes[i + k] : 0);
        }
        for (size_t k = 0; k <= have; k++) {
            *at++ = alphabet[group >> (18 - 6 * k) & 63];
        }
    }
    return at;
}

char *aw_base64url(struct aw_arena *arena, const void *data, size_t len)
{
    char *text = aw_arena_alloc(arena, len / 3 * 4 + 5);
    *encode(text, data, len) = '\0';
    return text;
}

void aw_str_add_base64url(struct aw_str *str, const void *data, size_t len)
{
    enum { CHUNK = 192 }; /* a multiple of 3: no bits are left over between chunks */
    const uint8_t *bytes = data;
    char text[CHUNK / 3 * 4];
    for (size_t done = 0; done < len; done += CHUNK) {
        size_t n = len - done < CHUNK ? len - done : CHUNK;
        aw_str_addn(str, text, (size_t)(encode(text, bytes + done, n) - text));
    }
}

static int base64_value(char c)
{
    const char *found = c != '\0' ? memchr(alphabet, c, sizeof(alphabet) - 1) : NULL;
    return found != NULL ? (int)(found - alphabet) : -1;
}

bool aw_unbase64url(struct aw_arena *arena, const char *text, size_t len, uint8_t **out,
                    size_t *out_len)
{
    if (len % 4 == 1) {
        return false;
    }
    uint8_t *bytes = aw_arena_alloc(arena, len / 4 * 3 + 3);
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[n++] = (uint8_t)(bits >> have);
        }
    }
    /* One text per value: the bits left over must be zero. */
    if ((bits & ((1u << have) - 1)) != 0) {
        return false;
    }
    *out = bytes;
    *out_len = n;
    return true;
}
