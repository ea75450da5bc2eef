#include "aw_crc.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *at,
                                                            size_t len)
{
    uint64_t wide = ~crc;
/* Else three of four instructions would be the loop's own. */
#pragma GCC unroll 4
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    if (len >= 4) {
        uint32_t half;
        memcpy(&half, at, sizeof(half));
        crc = _mm_crc32_u32(crc, half);
        at += 4;
        len -= 4;
    }
    for (; len > 0; at++, len--) {
        crc = _mm_crc32_u8(crc, *at);
    }
    return ~crc;
}
#endif

/* Remainders of the 16 half-bytes for the reversed polynomial 0x82f63b78. */
static const uint32_t half_bytes[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                        0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t aw_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    crc = ~crc;
    for (const uint8_t *at = data; len > 0; at++, len--) {
        crc ^= *at;
        crc = (crc >> 4) ^ half_bytes[crc & 15];
        crc = (crc >> 4) ^ half_bytes[crc & 15];
    }
    return ~crc;
}

uint32_t aw_crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return crc_sse42(crc, data, len);
    }
#endif
    return aw_crc32c_portable(crc, data, len);
}
