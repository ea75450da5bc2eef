#include <string.h>

#include "mongo.h"
#include "worker/base/map.h"
#include "worker/base/vec.h"

/* The map takes no NULL, so a version is kept as one more. */
static void *boxed(int64_t version)
{
    return (void *)(uintptr_t)(version + 1);
}

static struct aw_map *versions_of(const struct aw_mongo_known *known, const char *collection)
{
    for (size_t i = 0; i < known->n; i++) {
        if (strcmp(known->v[i].collection, collection) == 0) {
            return known->v[i].versions;
        }
    }
    return NULL;
}

void aw_mongo_known_put(struct aw_mongo_known *known, const char *collection, const char *id,
                        int64_t version)
{
    struct aw_map *versions = versions_of(known, collection);
    if (versions == NULL) {
        versions = aw_map_create();
        *aw_vec_push(known) = (struct aw_mongo_known_versions){collection, versions};
    }
    aw_map_put(versions, id, strlen(id), boxed(version));
}

bool aw_mongo_known_get(const struct aw_mongo_known *known, const char *collection, const char *id,
                        int64_t *version)
{
    struct aw_map *versions = versions_of(known, collection);
    void *found = versions != NULL ? aw_map_get(versions, id, strlen(id)) : NULL;
    *version = (int64_t)(uintptr_t)found - 1;
    return found != NULL;
}

void aw_mongo_known_forget(struct aw_mongo_known *known)
{
    for (size_t i = 0; i < known->n; i++) {
        if (aw_map_count(known->v[i].versions) > 0) {
            aw_map_clear(known->v[i].versions, NULL);
        }
    }
}

void aw_mongo_known_free(struct aw_mongo_known *known)
{
    for (size_t i = 0; i < known->n; i++) {
        aw_map_destroy(&known->v[i].versions, NULL);
    }
    aw_vec_free(known);
}
