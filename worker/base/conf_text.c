#include <string.h>

#include "worker/base/conf.h"

bool aw_duration_parse(const char *text, int64_t *seconds)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    int64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n)) {
            return false;
        }
    }
    for (size_t i = 0; at != text && i < AW_COUNT(units); i++) {
        if (strcmp(at, units[i].unit) == 0) {
            return !__builtin_mul_overflow(n, units[i].seconds, seconds);
        }
    }
    return false;
}

enum { WORD_MAX = 64 };

/* Levenshtein distance by one row of the table at a time. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MAX + 1];
    for (size_t k = 0; k <= b_len; k++) {
        row[k] = k;
    }
    for (size_t i = 0; i < a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < b_len; k++) {
            size_t changed = diagonal + (a[i] != b[k]);
            size_t shorter = (row[k] < row[k + 1] ? row[k] : row[k + 1]) + 1;
            diagonal = row[k + 1];
            row[k + 1] = changed < shorter ? changed : shorter;
        }
    }
    return row[b_len];
}

const char *aw_nearest(const char *text, const char *const *words, size_t n)
{
    size_t len = strlen(text),
           best = len / 3 + 2; /* a third of the letters and one more may differ */
    const char *nearest = NULL;
    for (size_t i = 0; i < n && len <= WORD_MAX; i++) {
        size_t word_len = strlen(words[i]);
        size_t apart = word_len <= WORD_MAX ? distance(text, len, words[i], word_len) : best;
        if (apart < best && apart < word_len) {
            best = apart;
            nearest = words[i];
        }
    }
    return nearest;
}
