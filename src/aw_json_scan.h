/* aw_json_scan.h - the tokens of JSON (RFC 8259), one after the other, without a copy.
 *
 * The text is valid UTF-8 without NUL (aw_utf8_check()): so 0 can say that it has ended, and a string needs to be
 * searched for its end alone. Strict: no comments, no other white space than the four characters of section 2, no
 * control characters in strings, no \u0000, no half of a surrogate pair.
 * Threads: pure. Errors: `problem` is set once; whoever finds false goes no further. */
#ifndef AW_JSON_SCAN_H
#define AW_JSON_SCAN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "aw_defs.h"

struct aw_json_scan {
    const uint8_t *at, *end;
    const char *problem; /* static text, NULL = none */
};

/* What stands between the quotes of a string. */
struct aw_json_text {
    const uint8_t *raw;
    size_t len;
    bool escaped; /* a backslash is in it: see aw_json_unescape() */
};

/* Sets the problem; false. */
bool aw_json_refuse(struct aw_json_scan *scan, const char *problem);
/* The same: it is no JSON. */
bool aw_json_refuse_syntax(struct aw_json_scan *scan);
/* 0 at the end. */
static inline uint8_t aw_json_here(const struct aw_json_scan *scan)
{
    return scan->at < scan->end ? *scan->at : 0;
}
/* Skips white space; the character after it, 0 at the end. */
static inline uint8_t aw_json_peek(struct aw_json_scan *scan)
{
    uint8_t c;
    while ((c = aw_json_here(scan)) == ' ' || c == '\n' || c == '\r' || c == '\t') {
        scan->at++;
    }
    return c;
}
/* Takes this character, after white space. False, without a problem: another one stands there. */
static inline bool aw_json_take(struct aw_json_scan *scan, char wanted)
{
    /* Most often there is no white space to ask about. */
    if (aw_json_here(scan) != (uint8_t)wanted && aw_json_peek(scan) != (uint8_t)wanted) {
        return false;
    }
    scan->at++;
    return true;
}
/* Takes it, or it is no JSON. */
AW_MUST_CHECK static inline bool aw_json_expect(struct aw_json_scan *scan, char wanted)
{
    return aw_json_take(scan, wanted) || aw_json_refuse_syntax(scan);
}
/* What a string does not hold as it is: quote, backslash, control characters. */
extern const bool aw_json_is_special[256];
/* The first of these, or the end. */
static inline const uint8_t *aw_json_find_special(const uint8_t *at, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i last_control = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        int marks = _mm_movemask_epi8(_mm_or_si128(control, ends));
        if (marks != 0) {
            return at + __builtin_ctz((unsigned)marks);
        }
    }
#endif
    while (at < end && !aw_json_is_special[*at]) {
        at++;
    }
    return at;
}
/* From the first of these in a string, past escapes, to its closing quote: there `at` is then. */
AW_MUST_CHECK bool aw_json_string_rest(struct aw_json_scan *scan);
/* The opening quote is taken. raw NULL = refused. */
static inline struct aw_json_text aw_json_string(struct aw_json_scan *scan)
{
    const uint8_t *raw = scan->at;
    scan->at = aw_json_find_special(raw, scan->end);
    bool escaped = aw_json_here(scan) != '"';
    if (escaped && !aw_json_string_rest(scan)) {
        return (struct aw_json_text){.raw = NULL};
    }
    return (struct aw_json_text){raw, (size_t)(scan->at++ - raw), escaped};
}
/* Writes the characters of a string that aw_json_string() gave: at most text.len bytes. Returns how many. */
size_t aw_json_unescape(struct aw_json_text text, char *out);
/* A number, true, false or null begins at `at`. Returns its bytes, 0 = refused. */
size_t aw_json_scalar(struct aw_json_scan *scan);

#endif
