#include "aw_json_scan.h"

#include <string.h>

#include "aw_hex.h"

bool aw_json_refuse(struct aw_json_scan *scan, const char *problem)
{
    scan->problem = problem;
    return false;
}

bool aw_json_refuse_syntax(struct aw_json_scan *scan)
{
    return aw_json_refuse(scan, "the body is not valid JSON");
}

/* --- strings --- */

const bool aw_json_is_special[256] = {[0 ... 0x1f] = true, ['"'] = true, ['\\'] = true};

/* The code unit of \uXXXX, -1 = it is none. */
static int code_unit(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return -1;
    }
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = aw_hex_value((char)at[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The character of an escape with one letter, 0 = there is no such. */
static char short_escape(uint8_t letter)
{
    static const char meanings[256] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
    };
    return meanings[letter];
}

static bool take_escape(struct aw_json_scan *scan)
{
    if (scan->end - scan->at >= 2 && short_escape(scan->at[1]) != 0) {
        scan->at += 2;
        return true;
    }
    int unit = code_unit(scan->at, scan->end);
    if (unit < 0) {
        return aw_json_refuse_syntax(scan);
    }
    scan->at += 6;
    bool is_character = unit != 0 && (unit & 0xfc00) != 0xdc00;
    if ((unit & 0xfc00) == 0xd800) {
        is_character = (code_unit(scan->at, scan->end) & 0xfffffc00) == 0xdc00;
        scan->at += is_character ? 6 : 0;
    }
    return is_character || aw_json_refuse(scan, "a \\u escape is \\u0000 or half a surrogate pair");
}

bool aw_json_string_rest(struct aw_json_scan *scan)
{
    while (aw_json_here(scan) == '\\') {
        if (!take_escape(scan)) {
            return false;
        }
        scan->at = aw_json_find_special(scan->at, scan->end);
    }
    return aw_json_here(scan) == '"' || aw_json_refuse_syntax(scan);
}

static size_t put_utf8(unsigned c, char *out)
{
    size_t follow = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(leads[follow] | c >> 6 * follow);
    for (size_t i = 1; i <= follow; i++) {
        out[i] = (char)(0x80 | (c >> 6 * (follow - i) & 0x3f));
    }
    return follow + 1;
}

size_t aw_json_unescape(struct aw_json_text text, char *out)
{
    const uint8_t *at = text.raw, *end = at + text.len;
    size_t n = 0;
    while (at < end) {
        if (*at != '\\') {
            out[n++] = (char)*at++;
        } else if (at[1] != 'u') {
            out[n++] = short_escape(at[1]);
            at += 2;
        } else {
            unsigned unit = (unsigned)code_unit(at, end);
            at += 6;
            if ((unit & 0xfc00) == 0xd800) {
                unsigned low = (unsigned)code_unit(at, end);
                unit = 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
                at += 6;
            }
            n += put_utf8(unit, out + n);
        }
    }
    return n;
}

/* --- numbers and words --- */

static bool take_digits(struct aw_json_scan *scan)
{
    const uint8_t *start = scan->at;
    while (aw_json_here(scan) >= '0' && aw_json_here(scan) <= '9') {
        scan->at++;
    }
    return scan->at > start;
}

static bool take_here(struct aw_json_scan *scan, char wanted)
{
    bool is_there = aw_json_here(scan) == (uint8_t)wanted;
    scan->at += is_there;
    return is_there;
}

static bool take_number(struct aw_json_scan *scan)
{
    take_here(scan, '-');
    bool good = take_here(scan, '0') || take_digits(scan);
    if (good && take_here(scan, '.')) {
        good = take_digits(scan);
    }
    if (good && (take_here(scan, 'e') || take_here(scan, 'E'))) {
        (void)(take_here(scan, '-') || take_here(scan, '+'));
        good = take_digits(scan);
    }
    return good;
}

static bool take_word(struct aw_json_scan *scan, const char *word)
{
    size_t len = strlen(word);
    bool is_there = (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, word, len) == 0;
    scan->at += is_there ? len : 0;
    return is_there;
}

size_t aw_json_scalar(struct aw_json_scan *scan)
{
    const uint8_t *start = scan->at;
    bool good = take_word(scan, "true") || take_word(scan, "false") || take_word(scan, "null") ||
                take_number(scan);
    return good || aw_json_refuse_syntax(scan) ? (size_t)(scan->at - start) : 0;
}
