/* vec.h - growing array of any element, as macros over malloc.
 * Use: AW_VEC(struct thing) things = {0}; *aw_vec_push(&things) = x; aw_vec_free(&things); */
#ifndef AW_BASE_VEC_H
#define AW_BASE_VEC_H

#include "src/aw_defs.h"

#define AW_VEC(type)                                                                               \
    struct {                                                                                       \
        type *v;                                                                                   \
        size_t n, cap;                                                                             \
    }
/* Pointer to a new, uninitialised last element. Aborts without memory. */
#define aw_vec_push(vec)                                                                           \
    ((vec)->v = aw_vec_grow((vec)->v, (vec)->n + 1, &(vec)->cap, sizeof(*(vec)->v)),               \
     &(vec)->v[(vec)->n++])
#define aw_vec_free(vec) (aw_vec_release((vec)->v), (vec)->v = NULL, (vec)->n = (vec)->cap = 0)

void *aw_vec_grow(void *array, size_t n, size_t *cap, size_t size);
void aw_vec_release(void *array);

#endif
