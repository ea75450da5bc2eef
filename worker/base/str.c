#include "worker/base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "worker/base/alloc.h"

enum { FIRST_CAPACITY = 64 };
static char empty[1]; /* never written: cap 0 says so */

void aw_str_init(struct aw_str *str, struct aw_arena *arena)
{
    *str = (struct aw_str){.ptr = empty, .arena = arena};
}

void aw_str_fini(struct aw_str *str)
{
    if (str->arena == NULL && str->cap != 0) {
        free(str->ptr);
    }
    aw_str_init(str, str->arena);
}

void aw_str_clear(struct aw_str *str)
{
    str->len = 0;
    if (str->cap != 0) {
        str->ptr[0] = '\0';
    }
}

void aw_str_grow(struct aw_str *str, size_t more)
{
    if (more > SIZE_MAX / 2 - str->len - 1) {
        abort();
    }
    size_t cap = str->cap != 0 ? str->cap : FIRST_CAPACITY;
    while (cap <= str->len + more) {
        cap *= 2;
    }
    if (str->arena == NULL) {
        str->ptr = aw_alloc_grow(str->cap != 0 ? str->ptr : NULL, cap, 1);
    } else {
        char *larger = aw_arena_alloc(str->arena, cap);
        memcpy(larger, str->ptr, str->len);
        str->ptr = larger;
    }
    str->cap = cap;
}

void aw_str_add(struct aw_str *str, const char *text)
{
    aw_str_addn(str, text, strlen(text));
}

void aw_str_printf(struct aw_str *str, const char *fmt, ...)
{
    char *text;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        abort();
    }
    aw_str_addn(str, text, (size_t)len);
    free(text);
}
