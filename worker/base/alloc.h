/* alloc.h - small allocations that cannot fail: no memory ends the process.
 * Sizes from outside are limited before they get here.
 * Threads: any. Owner: the caller, by free(3). */
#ifndef AW_BASE_ALLOC_H
#define AW_BASE_ALLOC_H

#include <stdlib.h>

#include "src/aw_defs.h"

static inline void *aw_alloc_must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* n * size bytes, zeroed; the product is checked. */
static inline void *aw_alloc_zero(size_t n, size_t size)
{
    return aw_alloc_must(calloc(n, size));
}

/* realloc(3) to n * size bytes; the product is checked. */
static inline void *aw_alloc_grow(void *memory, size_t n, size_t size)
{
    return aw_alloc_must(reallocarray(memory, n, size));
}

#endif
