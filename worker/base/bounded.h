/* bounded.h - bounded first-in first-out queue of pointers between threads.
 * Threads: any number of producers and consumers. Owner: create/destroy. */
#ifndef AW_BASE_BOUNDED_H
#define AW_BASE_BOUNDED_H

#include "src/aw_defs.h"

struct aw_bounded;

struct aw_bounded *aw_bounded_create(size_t capacity);
void aw_bounded_destroy(struct aw_bounded **queue);
bool aw_bounded_try_push(struct aw_bounded *queue, void *item); /* false: full or closed */
bool aw_bounded_push(struct aw_bounded *queue, void *item,
                     int64_t timeout_ms); /* false: still full, or closed */
/* NULL: timeout, or closed and empty. timeout -1 = for ever. */
void *aw_bounded_pop(struct aw_bounded *queue, int64_t timeout_ms);
void aw_bounded_close(
    struct aw_bounded *queue); /* no more pushes; what is in it can still be popped */
bool aw_bounded_is_closed(struct aw_bounded *queue);
size_t aw_bounded_count(struct aw_bounded *queue);

#endif
