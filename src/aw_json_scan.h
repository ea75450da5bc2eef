/* aw_json_scan.h - the tokens of JSON (RFC 8259), one after the other, without a copy.
 *
 * The text is valid UTF-8 without NUL (aw_utf8_check()): so 0 can say that it has ended, and a string needs to be
 * searched for its end alone. Strict: no comments, no other white space than the four characters of section 2, no
 * control characters in strings, no \u0000, no half of a surrogate pair.
 * Threads: pure. Errors: `problem` is set once; whoever finds false goes no further. */
#ifndef AW_JSON_SCAN_H
#define AW_JSON_SCAN_H

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
    bool is_there = aw_json_peek(scan) == (uint8_t)wanted;
    scan->at += is_there;
    return is_there;
}
/* Takes it, or it is no JSON. */
AW_MUST_CHECK bool aw_json_expect(struct aw_json_scan *scan, char wanted);
/* After white space. */
AW_MUST_CHECK bool aw_json_string(struct aw_json_scan *scan, struct aw_json_text *text);
/* Writes the characters of a string that aw_json_string() gave: at most text->len bytes. Returns how many. */
size_t aw_json_unescape(const struct aw_json_text *text, char *out);
/* A number, true, false or null begins at `at`. *len = its bytes. */
AW_MUST_CHECK bool aw_json_scalar(struct aw_json_scan *scan, size_t *len);

#endif
