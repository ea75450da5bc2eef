/* map.h - hash table from byte strings to pointers. Keys are copied; values are the caller's.
 * Hash: SipHash-like keyed hash with a random per-process key, so that senders cannot aim for collisions.
 * Threads: one at a time. Owner: create/destroy. Aborts without memory. */
#ifndef AW_BASE_MAP_H
#define AW_BASE_MAP_H

#include "src/aw_defs.h"

struct aw_map;

/* The hash that maps use, for tables of another form. From any thread. */
uint64_t aw_map_hash(const void *key, size_t len);

struct aw_map *aw_map_create(void);
/* free_value may be NULL. */
void aw_map_destroy(struct aw_map **map, void (*free_value)(void *value));
void *aw_map_get(const struct aw_map *map, const void *key, size_t len); /* NULL = absent */
/* Inserts or replaces; returns the former value or NULL. value is not NULL. */
void *aw_map_put(struct aw_map *map, const void *key, size_t len, void *value);
void *aw_map_remove(struct aw_map *map, const void *key, size_t len); /* former value or NULL */
size_t aw_map_count(const struct aw_map *map);
void aw_map_clear(struct aw_map *map, void (*free_value)(void *value));
/* Iteration: size_t it = 0; while (aw_map_next(map, &it, &key, &len, &value)). Removing the current one is allowed. */
bool aw_map_next(const struct aw_map *map, size_t *it, const void **key, size_t *len, void **value);

#endif
