/* aw_hex.h - hexadecimal digits: one, or eight at a time, one in each byte of a word.
 * Threads: pure. */
#ifndef AW_HEX_H
#define AW_HEX_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

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

#define AW_HEX_EACH(byte) (0x0101010101010101ull * (byte))

/* The lower-case digits of eight values 0-15. */
static inline uint64_t aw_hex_digits(uint64_t values)
{
    uint64_t letters = (values + AW_HEX_EACH(6)) >> 4 & AW_HEX_EACH(1);
    return values + AW_HEX_EACH('0') + letters * ('a' - '0' - 10);
}

/* Four bytes as eight lower-case digits. */
static inline void aw_hex_write4(const uint8_t bytes[4], char text[8])
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t wide = le32toh(word);
    wide = (wide | wide << 16) & 0x0000ffff0000ffffull;
    wide = (wide | wide << 8) & 0x00ff00ff00ff00ffull;
    wide = (wide >> 4 | wide << 8) & AW_HEX_EACH(15);
    wide = htole64(aw_hex_digits(wide));
    memcpy(text, &wide, sizeof(wide));
}

/* Eight digits of either case as four bytes. 0 if all of them are digits: only then do the values, written again, give
 * the text in lower case. */
static inline uint64_t aw_hex_read4(const char text[8], uint8_t bytes[4])
{
    uint64_t wide;
    memcpy(&wide, text, sizeof(wide));
    wide = le64toh(wide);
    uint64_t letters = wide >> 6 & AW_HEX_EACH(1);
    uint64_t values = ((wide & AW_HEX_EACH(15)) + letters * 9) & AW_HEX_EACH(15);
    uint64_t differ = (wide | letters << 5) ^ aw_hex_digits(values);
    values = (values << 4 | values >> 8) & 0x00ff00ff00ff00ffull;
    values = (values | values >> 8) & 0x0000ffff0000ffffull;
    uint32_t word = htole32((uint32_t)(values | values >> 16));
    memcpy(bytes, &word, sizeof(word));
    return differ;
}

#endif
