/* aw_defs.h - what every unit shares: version, limits, attributes, crash points.
 * Threads: constants only. */
#ifndef AW_DEFS_H
#define AW_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AW_VERSION          "0.1.0"

#define AW_MUST_CHECK       __attribute__((warn_unused_result))
#define AW_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define AW_COUNT(array)     (sizeof(array) / sizeof((array)[0]))
#define AW_CACHE_LINE       64

/* Limits of one webhook delivery. Lengths in bytes unless said. */
#define AW_BODY_MAX        65536 /* raw body of a delivery */
#define AW_COMPANY_ID_MAX  40    /* company id, characters [A-Za-z0-9._-] */
#define AW_DELIVERY_ID_MAX 128   /* X-Delivery-ID, printable ASCII without spaces */
#define AW_API_KEY_MAX     128   /* presented API key */
#define AW_ASSET_NAME_MAX  100   /* characters (code points) */
#define AW_SIGNATURE_MAX   200   /* characters of an alert's signature */
#define AW_MESSAGE_MAX     8192  /* characters of an alert's message */
#define AW_SOURCE_MAX      100   /* characters of tool_source */

#define AW_SHA256_LEN      32
#define AW_ID_LEN          16 /* binary UUID */
#define AW_ID_TEXT         36 /* its text, without the NUL */

/* Severities, in rising order: the numbers are stored and compared. */
enum aw_severity { AW_LOW, AW_MEDIUM, AW_HIGH, AW_CRITICAL, AW_SEVERITIES };
extern const char *const aw_severity_names[AW_SEVERITIES + 1]; /* NULL-terminated */

/* A named point at which a test build may be killed (-DAW_CRASH_POINTS, see aw_crash.h); nothing in a product
 * build. The section collects the names, so that a test can walk all of them. AW_FAULT: a named point at which it may
 * break by itself over these bytes. */
#ifdef AW_CRASH_POINTS
void aw_crash_point(const char *name);
void aw_crash_fault(const char *name, const void *bytes, size_t len);
#define AW_FAULT(name, bytes, len) aw_crash_fault(name, bytes, len)
#define AW_CRASH(name)                                                                             \
    do {                                                                                           \
        static const char *const aw_crash_here __attribute__((section("aw_crash_names"), used)) =  \
            name;                                                                                  \
        aw_crash_point(aw_crash_here);                                                             \
    } while (0)
#else
#define AW_CRASH(name)             ((void)0)
#define AW_FAULT(name, bytes, len) ((void)0)
#endif

#endif
