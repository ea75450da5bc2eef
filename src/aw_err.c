#include "aw_err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    bool retry;
} kinds[] = {
#define AW_X(name, http_status, again) [AW_ERR_##name] = {http_status, again},
    AW_ERR_KINDS(AW_X)
#undef AW_X
};

static void fill(struct aw_err *err, enum aw_err_kind kind, const char *code, const char *fmt,
                 va_list args)
{
    err->kind = kind;
    err->field[0] = '\0';
    snprintf(err->code, sizeof(err->code), "%s", code);
    vsnprintf(err->msg, sizeof(err->msg), fmt, args);
}

bool aw_fail(struct aw_err *err, enum aw_err_kind kind, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(err, kind, code, fmt, args);
    va_end(args);
    return false;
}

bool aw_fail_errno(struct aw_err *err, const char *code, const char *fmt, ...)
{
    int why = errno;
    va_list args;
    va_start(args, fmt);
    fill(err, AW_ERR_INTERNAL, code, fmt, args);
    va_end(args);

    char text[128];
    size_t used = strlen(err->msg);
    snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror_r(why, text, sizeof(text)));
    errno = why;
    return false;
}

int aw_err_status(enum aw_err_kind kind)
{
    return kinds[kind].status;
}

bool aw_err_retry(enum aw_err_kind kind)
{
    return kinds[kind].retry;
}
