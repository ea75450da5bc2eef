/* aw_crc.h - CRC32C (Castagnoli polynomial, RFC 3720 appendix B.4), by SSE4.2 where the CPU has it.
 * Threads: pure. */
#ifndef AW_CRC_H
#define AW_CRC_H

#include "aw_defs.h"

/* Continues `crc` (0 to begin) over data. */
uint32_t aw_crc32c(uint32_t crc, const void *data, size_t len);
/* The same without special instructions: what other machines use, and the judge of the fast one. */
uint32_t aw_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
