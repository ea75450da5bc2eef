#include "worker/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "worker/base/alloc.h"

enum { FIRST_BLOCK = 16 << 10, LARGEST_STEP = 1 << 20, ALIGN = 16 };

struct block {
    struct block *older;
    size_t size, used; /* of data */
    _Alignas(ALIGN) char data[];
};

struct aw_arena {
    struct block *newest;
    size_t step; /* size of the next block */
    size_t total;
};

static struct block *block_create(size_t size, struct block *older)
{
    if (size > SIZE_MAX - sizeof(struct block)) {
        abort();
    }
    struct block *block = aw_alloc_must(malloc(sizeof(struct block) + size));
    block->older = older;
    block->size = size;
    block->used = 0;
    return block;
}

struct aw_arena *aw_arena_create(size_t first_block)
{
    struct aw_arena *arena = aw_alloc_zero(1, sizeof(*arena));
    arena->step = first_block != 0 ? first_block : FIRST_BLOCK;
    arena->newest = block_create(arena->step, NULL);
    return arena;
}

static void blocks_free(struct block *block)
{
    while (block != NULL) {
        struct block *older = block->older;
        free(block);
        block = older;
    }
}

void aw_arena_destroy(struct aw_arena **arena)
{
    if (*arena != NULL) {
        blocks_free((*arena)->newest);
        free(*arena);
        *arena = NULL;
    }
}

void aw_arena_reset(struct aw_arena *arena)
{
    struct block *keep = arena->newest, *block = keep->older;
    while (block != NULL) {
        struct block *older = block->older, *smaller = block;
        if (block->size > keep->size) {
            smaller = keep;
            keep = block;
        }
        free(smaller);
        block = older;
    }
    keep->older = NULL;
    keep->used = 0;
    arena->newest = keep;
    arena->total = 0;
}

/* A block for `size` bytes. Steps double, so that a large arena has few blocks. */
static struct block *arena_extend(struct aw_arena *arena, size_t size)
{
    if (arena->step < LARGEST_STEP) {
        arena->step *= 2;
    }
    struct block *block = block_create(size > arena->step ? size : arena->step, arena->newest);
    arena->newest = block;
    return block;
}

void *aw_arena_alloc(struct aw_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGN) {
        abort();
    }
    size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct block *block = arena->newest;
    if (block->size - block->used < rounded) {
        block = arena_extend(arena, rounded);
    }
    void *memory = block->data + block->used;
    block->used += rounded;
    arena->total += rounded;
    return memory;
}

void *aw_arena_zero(struct aw_arena *arena, size_t size)
{
    return memset(aw_arena_alloc(arena, size), 0, size);
}

void *aw_arena_copy(struct aw_arena *arena, const void *data, size_t size)
{
    void *copy = aw_arena_alloc(arena, size);
    if (size != 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

char *aw_arena_strn(struct aw_arena *arena, const char *text, size_t len)
{
    char *copy = aw_arena_alloc(arena, len + 1);
    if (len != 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

char *aw_arena_str(struct aw_arena *arena, const char *text)
{
    return text != NULL ? aw_arena_strn(arena, text, strlen(text)) : NULL;
}

char *aw_arena_printf(struct aw_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = aw_arena_alloc(arena, len < 0 ? 1 : (size_t)len + 1);
    text[0] = '\0';
    if (len > 0) {
        vsnprintf(text, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    return text;
}

size_t aw_arena_used(const struct aw_arena *arena)
{
    return arena->total;
}
