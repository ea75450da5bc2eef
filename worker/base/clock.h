/* clock.h - wall and monotonic time, fakeable in tests; RFC 3339 text.
 * Threads: any. */
#ifndef AW_BASE_CLOCK_H
#define AW_BASE_CLOCK_H

#include "src/aw_defs.h"

int64_t aw_clock_wall_ms(void); /* ms since 1970 UTC */
int64_t aw_clock_mono_ms(void); /* ms of CLOCK_MONOTONIC */
int64_t aw_clock_mono_us(void);
/* Tests: wall clock stands still at ms; 0 = real again. */
void aw_clock_fake(int64_t wall_ms);
void aw_clock_sleep_ms(int64_t ms);

#define AW_TIME_TEXT 24                      /* "2026-11-21T06:50:10.123Z" without the NUL */
void aw_time_format(int64_t ms, char *text); /* text has AW_TIME_TEXT + 1 bytes */
/* RFC 3339 with any offset, fraction optional; or whole milliseconds since 1970 as digits. */
AW_MUST_CHECK bool aw_time_parse(const char *text, size_t len, int64_t *ms);

#endif
