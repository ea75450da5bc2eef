/* arena.h - bump allocator: many small allocations, one free.
 * Threads: one at a time. Owner: the creator. Aborts when the system has no memory. */
#ifndef AW_BASE_ARENA_H
#define AW_BASE_ARENA_H

#include <stdarg.h>

#include "src/aw_defs.h"

struct aw_arena;

struct aw_arena *aw_arena_create(size_t first_block); /* 0 = 16 KiB */
void aw_arena_destroy(struct aw_arena **arena);
/* Forgets everything allocated, keeps the largest block for reuse. */
void aw_arena_reset(struct aw_arena *arena);
/* 16-byte aligned, not zeroed. */
void *aw_arena_alloc(struct aw_arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
void *aw_arena_zero(struct aw_arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
void *aw_arena_copy(struct aw_arena *arena, const void *data, size_t size);
char *aw_arena_str(struct aw_arena *arena, const char *text); /* NULL stays NULL */
char *aw_arena_strn(struct aw_arena *arena, const char *text, size_t len);
char *aw_arena_printf(struct aw_arena *arena, const char *fmt, ...) AW_PRINTF(2, 3);
size_t aw_arena_used(const struct aw_arena *arena);

#define AW_NEW(arena, type)      ((type *)aw_arena_zero((arena), sizeof(type)))
#define AW_NEW_N(arena, type, n) ((type *)aw_arena_zero((arena), sizeof(type) * (n)))

#endif
