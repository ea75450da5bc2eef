/* aw_err.h - the one error type: filled once where it happens, logged once at the edge of the program.
 * Threads: plain data. Owner: the caller. */
#ifndef AW_ERR_H
#define AW_ERR_H

#include "aw_defs.h"

/* kind, HTTP status, worth a retry */
#define AW_ERR_KINDS(X)                                                                            \
    X(MALFORMED, 400, false)                                                                       \
    X(UNAUTHENTICATED, 401, false)                                                                 \
    X(FORBIDDEN, 403, false)                                                                       \
    X(NOT_FOUND, 404, false)                                                                       \
    X(METHOD, 405, false)                                                                          \
    X(CONFLICT, 409, false)                                                                        \
    X(PRECONDITION, 412, false)                                                                    \
    X(TOO_LARGE, 413, false)                                                                       \
    X(MEDIA_TYPE, 415, false)                                                                      \
    X(INVALID, 422, false)                                                                         \
    X(RATE, 429, true)                                                                             \
    X(INTERNAL, 500, false)                                                                        \
    X(BUSY, 503, true)        /* a bounded queue is full */                                        \
    X(UNAVAILABLE, 503, true) /* the store (or another service) cannot be reached just now */      \
    X(FENCED, 503, false)     /* another writer has taken over: this process must stop */

enum aw_err_kind {
#define AW_X(name, status, retry) AW_ERR_##name,
    AW_ERR_KINDS(AW_X)
#undef AW_X
};

struct aw_err {
    enum aw_err_kind kind;
    char code[40];  /* stable and documented: "incident.state" */
    char field[64]; /* JSON pointer of the bad member, or "" */
    char msg[240];  /* for people; never a secret */
};

/* Fills err (never NULL) and returns false, so that a function can `return aw_fail(...)`. */
bool aw_fail(struct aw_err *err, enum aw_err_kind kind, const char *code, const char *fmt, ...)
    AW_PRINTF(4, 5);
/* The same with ": strerror(errno)" behind the text; kind INTERNAL. */
bool aw_fail_errno(struct aw_err *err, const char *code, const char *fmt, ...) AW_PRINTF(3, 4);
int aw_err_status(enum aw_err_kind kind); /* HTTP status */
bool aw_err_retry(enum aw_err_kind kind);

#endif
