/* aw_id.h - UUID version 7 (RFC 9562): 48 bits of ms, then random bits, monotonic inside one
 * process. Threads: per-thread state; after fork() the random pool is drawn afresh. */
#ifndef AW_ID_H
#define AW_ID_H

#include "aw_defs.h"

void aw_id_make(uint8_t id[AW_ID_LEN], uint64_t now_ms);
/* Lower-case text with hyphens; text has AW_ID_TEXT + 1 bytes. */
void aw_id_format(const uint8_t id[AW_ID_LEN], char *text);
AW_MUST_CHECK bool aw_id_parse(const char *text, size_t len, uint8_t id[AW_ID_LEN]);

#endif
