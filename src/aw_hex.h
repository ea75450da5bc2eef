/* aw_hex.h - one hexadecimal digit.
 * Threads: pure. */
#ifndef AW_HEX_H
#define AW_HEX_H

/* 0-15, either case; -1 = no hex digit. */
static inline int aw_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
