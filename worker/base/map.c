#include "worker/base/map.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "worker/base/alloc.h"
#include "worker/base/siphash.h"

enum { FIRST_SLOTS = 16 };

struct entry {
    void *value;
    size_t len;
    char key[];
};

/* Open addressing with linear probing. A removed slot keeps a mark, so that probing and an
 * iteration under way pass over it; marks vanish when the table is rebuilt. */
struct slot {
    uint64_t hash;
    struct entry *entry; /* NULL = never used */
};
static struct entry removed;

struct aw_map {
    struct slot *slots;
    size_t size; /* a power of two */
    size_t count;
    size_t taken; /* count and the marks of removed ones */
};

static uint64_t process_key[2];

static void make_process_key(void)
{
    if (getrandom(process_key, sizeof(process_key), 0) != (ssize_t)sizeof(process_key)) {
        abort();
    }
}

static void need_process_key(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_process_key);
}

uint64_t aw_map_hash(const void *key, size_t len)
{
    need_process_key();
    return aw_siphash(process_key, key, len);
}

struct aw_map *aw_map_create(void)
{
    need_process_key();
    struct aw_map *map = aw_alloc_zero(1, sizeof(*map));
    map->size = FIRST_SLOTS;
    map->slots = aw_alloc_zero(map->size, sizeof(*map->slots));
    return map;
}

void aw_map_clear(struct aw_map *map, void (*free_value)(void *value))
{
    for (size_t i = 0; i < map->size; i++) {
        struct entry *entry = map->slots[i].entry;
        if (entry == NULL || entry == &removed) {
            continue;
        }
        if (free_value != NULL) {
            free_value(entry->value);
        }
        free(entry);
    }
    memset(map->slots, 0, map->size * sizeof(*map->slots));
    map->count = map->taken = 0;
}

void aw_map_destroy(struct aw_map **map, void (*free_value)(void *value))
{
    if (*map != NULL) {
        aw_map_clear(*map, free_value);
        free((*map)->slots);
        free(*map);
        *map = NULL;
    }
}

static struct slot *map_find(const struct aw_map *map, uint64_t hash, const void *key, size_t len)
{
    for (size_t i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
        struct slot *slot = &map->slots[i];
        if (slot->entry == NULL) {
            return NULL;
        }
        if (slot->entry != &removed && slot->hash == hash && slot->entry->len == len &&
            (len == 0 || memcmp(slot->entry->key, key, len) == 0)) {
            return slot;
        }
    }
}

/* Into the first place that was never used: the caller knows that the key is absent. */
static void map_place(struct aw_map *map, uint64_t hash, struct entry *entry)
{
    size_t i = hash & (map->size - 1);
    while (map->slots[i].entry != NULL) {
        i = (i + 1) & (map->size - 1);
    }
    map->slots[i] = (struct slot){.hash = hash, .entry = entry};
    map->taken++;
    map->count++;
}

/* A third of the places stays free. The new size follows what lives, so marks alone do not make it
 * grow. */
static void map_make_room(struct aw_map *map)
{
    if ((map->taken + 1) * 3 <= map->size * 2) {
        return;
    }
    struct slot *old = map->slots;
    size_t old_size = map->size;
    while ((map->count + 1) * 2 > map->size) {
        map->size *= 2;
    }
    map->slots = aw_alloc_zero(map->size, sizeof(*map->slots));
    map->count = map->taken = 0;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].entry != NULL && old[i].entry != &removed) {
            map_place(map, old[i].hash, old[i].entry);
        }
    }
    free(old);
}

void *aw_map_get(const struct aw_map *map, const void *key, size_t len)
{
    struct slot *slot = map_find(map, aw_siphash(process_key, key, len), key, len);
    return slot != NULL ? slot->entry->value : NULL;
}

void *aw_map_put(struct aw_map *map, const void *key, size_t len, void *value)
{
    uint64_t hash = aw_siphash(process_key, key, len);
    struct slot *slot = map_find(map, hash, key, len);
    if (slot != NULL) {
        void *former = slot->entry->value;
        slot->entry->value = value;
        return former;
    }
    struct entry *entry = aw_alloc_must(malloc(sizeof(*entry) + len));
    entry->value = value;
    entry->len = len;
    if (len != 0) {
        memcpy(entry->key, key, len);
    }
    map_make_room(map);
    map_place(map, hash, entry);
    return NULL;
}

void *aw_map_remove(struct aw_map *map, const void *key, size_t len)
{
    struct slot *slot = map_find(map, aw_siphash(process_key, key, len), key, len);
    if (slot == NULL) {
        return NULL;
    }
    void *former = slot->entry->value;
    free(slot->entry);
    slot->entry = &removed;
    map->count--;
    return former;
}

size_t aw_map_count(const struct aw_map *map)
{
    return map->count;
}

bool aw_map_next(const struct aw_map *map, size_t *it, const void **key, size_t *len, void **value)
{
    while (*it < map->size) {
        struct entry *entry = map->slots[(*it)++].entry;
        if (entry != NULL && entry != &removed) {
            *key = entry->key;
            *len = entry->len;
            *value = entry->value;
            return true;
        }
    }
    return false;
}
