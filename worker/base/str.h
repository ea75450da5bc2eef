/* str.h - growing byte buffer, always NUL-terminated.
 * Threads: one at a time. Owner: init/fini by the caller, or memory of an arena (then no fini). */
#ifndef AW_BASE_STR_H
#define AW_BASE_STR_H

#include <string.h>

#include "arena.h"

struct aw_str {
    char *ptr; /* "" when empty */
    size_t len, cap;
    struct aw_arena *arena; /* NULL = malloc */
};

void aw_str_init(struct aw_str *str, struct aw_arena *arena);
void aw_str_fini(struct aw_str *str);
void aw_str_clear(struct aw_str *str);
void aw_str_add(struct aw_str *str, const char *text);
void aw_str_grow(struct aw_str *str, size_t more); /* makes room for `more` bytes and the NUL */
static inline void aw_str_addn(struct aw_str *str, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    if (str->cap - str->len <= len) {
        aw_str_grow(str, len);
    }
    memcpy(str->ptr + str->len, data, len);
    str->len += len;
    str->ptr[str->len] = '\0';
}
void aw_str_printf(struct aw_str *str, const char *fmt, ...) AW_PRINTF(2, 3);
/* base64url (RFC 4648 section 5, no padding) of data, appended. */
void aw_str_add_base64url(struct aw_str *str, const void *data, size_t len);
/* Lower-case hex and base64url (RFC 4648 section 5, no padding) into arena memory, NUL-terminated. */
char *aw_hex(struct aw_arena *arena, const void *data, size_t len);
bool aw_unhex(const char *text, size_t len, uint8_t *out); /* len even; out has len / 2 bytes */
char *aw_base64url(struct aw_arena *arena, const void *data, size_t len);
bool aw_unbase64url(struct aw_arena *arena, const char *text, size_t len, uint8_t **out,
                    size_t *out_len);

#endif
