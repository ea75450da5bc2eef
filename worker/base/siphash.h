/* siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012), a short keyed hash of byte strings.
 * Threads: pure. */
#ifndef AW_BASE_SIPHASH_H
#define AW_BASE_SIPHASH_H

#include "src/aw_defs.h"

uint64_t aw_siphash(const uint64_t key[2], const void *data, size_t len);

#endif
