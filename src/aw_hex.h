/* aw_hex.h - one hexadecimal digit.
 * Threads: pure. */
#ifndef AW_HEX_H
#define AW_HEX_H

/* 0-15, either case; -1 = no hex digit. */
static inline int aw_hex_value(char c)
{
    /* A table, because nobody can predict the branches that digits of a hash would take. */
    static const signed char values[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    return values[(unsigned char)c] - 1;
}

#endif
