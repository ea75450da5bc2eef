/* aw_id.h - UUID version 7 (RFC 9562): 48 bits of ms, then random bits.
 *
 * Ids of one thread always rise: within a millisecond by random steps, and while the clock stands
 * behind the last id they stay in its millisecond.
 * Threads: per-thread state; after fork() it is drawn afresh. */
#ifndef AW_ID_H
#define AW_ID_H

#include "aw_defs.h"

/* now_ms: wall clock, milliseconds since 1970. */
void aw_id_make(uint8_t id[AW_ID_LEN], uint64_t now_ms);
/* Lower-case text with hyphens and a NUL; text has AW_ID_TEXT + 1 bytes. */
void aw_id_format(const uint8_t id[AW_ID_LEN], char *text);
/* Hyphens where they belong, hex digits of either case; any version. */
AW_MUST_CHECK bool aw_id_parse(const char *text, size_t len, uint8_t id[AW_ID_LEN]);

#endif
