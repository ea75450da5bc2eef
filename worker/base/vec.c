#include "worker/base/vec.h"

#include "worker/base/alloc.h"

void *aw_vec_grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n <= *cap) {
        return array;
    }
    size_t larger = *cap != 0 ? *cap * 2 : 8;
    array = aw_alloc_grow(array, larger, size);
    *cap = larger;
    return array;
}

void aw_vec_release(void *array)
{
    free(array);
}
