/* aw_alert_json.h - the generic alert body: strict JSON (RFC 8259), straight into a struct.
 *
 * Limits: depth 32, 256 members in the whole body, key 128 bytes, string 64 KiB, number text 32
 * bytes; NUL, duplicate members of an object, invalid UTF-8 (overlong, surrogates, beyond U+10FFFF)
 * and halves of surrogate pairs are refused. Unknown members are accepted and ignored: they stay in
 * the raw body. Used by the module to judge and by the worker to read: same code, same verdict.
 * Threads: pure; 5 KiB of stack; the rest from the caller's allocator, whose it stays. */
#ifndef AW_ALERT_JSON_H
#define AW_ALERT_JSON_H

#include "aw_defs.h"

struct aw_slice {
    const char *ptr; /* UTF-8, no NUL inside, not NUL-terminated */
    size_t len;
};

struct aw_alert_body {
    struct aw_slice asset_name;  /* 1-100 characters */
    struct aw_slice signature;   /* 1-200 characters */
    struct aw_slice message;     /* 0-8192 characters */
    struct aw_slice tool_source; /* 1-100 characters */
    enum aw_severity severity;
};

enum aw_json_verdict {
    AW_JSON_OK,
    AW_JSON_MALFORMED, /* 400: not JSON, or not an object, or over a limit of the parser */
    AW_JSON_INVALID    /* 422: JSON, but a field is missing or wrong */
};

struct aw_json_problem {
    const char *field;  /* static: "severity", or "" */
    const char *detail; /* static text: what is allowed */
};

/* An arena of the caller; alloc returns NULL when there is no memory (then the verdict is MALFORMED
 * with detail "out of memory"). Nothing is ever freed one by one. */
struct aw_json_memory {
    void *(*alloc)(void *ctx, size_t size);
    void *ctx;
};

/* Slices of `out` point into `body` where no escape was decoded, else into memory of `memory`. */
enum aw_json_verdict aw_alert_json_parse(const uint8_t *body, size_t len,
                                         const struct aw_json_memory *memory,
                                         struct aw_alert_body *out,
                                         struct aw_json_problem *problem);

/* Strict UTF-8 (RFC 3629), NUL refused. *characters may be NULL. */
AW_MUST_CHECK bool aw_utf8_check(const char *text, size_t len, size_t *characters);

#endif
