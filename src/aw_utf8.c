#include "aw_alert_json.h"

#include <string.h>

#define LOW_BITS  0x0101010101010101ull
#define HIGH_BITS 0x8080808080808080ull
#define WINDOW    64 /* bytes that are looked at together */

/* Lead bytes from 0xc2 on: how many bytes follow, and the range of the first of them (RFC 3629,
 * section 4). */
static const struct lead {
    uint8_t last; /* lead byte up to which this row holds */
    uint8_t follow;
    uint8_t low, high;
} leads[] = {
    {0xdf, 1, 0x80, 0xbf}, {0xe0, 2, 0xa0, 0xbf}, {0xec, 2, 0x80, 0xbf}, {0xed, 2, 0x80, 0x9f},
    {0xef, 2, 0x80, 0xbf}, {0xf0, 3, 0x90, 0xbf}, {0xf3, 3, 0x80, 0xbf}, {0xf4, 3, 0x80, 0x8f},
};

/* Length of the well-formed character at text, 0 = none. */
static size_t character_len(const uint8_t *text, size_t len)
{
    if (text[0] < 0x80) {
        return text[0] != 0;
    }
    if (text[0] < 0xc2 || text[0] > 0xf4) {
        return 0;
    }
    const struct lead *lead = leads;
    while (text[0] > lead->last) {
        lead++;
    }
    if (lead->follow >= len || text[1] < lead->low || text[1] > lead->high) {
        return 0;
    }
    for (size_t i = 2; i <= lead->follow; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return 1u + lead->follow;
}

/* Are the next 8 * words bytes ASCII without NUL? */
static inline bool is_plain(const uint8_t *text, size_t words)
{
    uint64_t marks = 0;
#pragma GCC unroll 4 /* a window becomes four vectors without a loop */
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, text + i * sizeof(word), sizeof(word));
        /* No byte is above 0x7f and, as then no borrow crosses bytes, none is 0. */
        marks |= word | (word - LOW_BITS);
    }
    return (marks & HIGH_BITS) == 0;
}

bool aw_utf8_check(const char *text, size_t len, size_t *characters)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    size_t count = len; /* less the bytes that follow another one in a character */
    while (at < end) {
        if (len >= WINDOW) {
            /* The last window ends with the text, over bytes that were seen before. */
            const uint8_t *window = end - at >= WINDOW ? at : end - WINDOW;
            if (is_plain(window, WINDOW / 8)) {
                at = window + WINDOW;
                continue;
            }
        }
        while (end - at >= 8 && is_plain(at, 1)) {
            at += 8;
        }
        size_t step = 1;
        while (at < end && step == 1) { /* past the next character of several bytes */
            step = character_len(at, (size_t)(end - at));
            if (step == 0) {
                return false;
            }
            at += step;
            count -= step - 1;
        }
    }
    if (characters != NULL) {
        *characters = count;
    }
    return true;
}
