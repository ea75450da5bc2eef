#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/model/model.h"
#include "worker/store/store_core.h"

bool aw_migrate_check(const char *value, struct aw_err *err)
{
    if (value == NULL) {
        return true;
    }
    char *end;
    long version = strtol(value, &end, 10);
    if (*end != '\0' || version < 1) {
        return aw_fail(err, AW_ERR_INTERNAL, "store.version",
                       "the schema version in the store is not a number");
    }
    if (version > AW_STORE_VERSION) {
        return aw_fail(err, AW_ERR_INTERNAL, "store.newer",
                       "the store has schema version %ld, this program knows %d: use the newer one",
                       version, AW_STORE_VERSION);
    }
    return true;
}

static bool read_version(const struct aw_driver *driver, void *self, struct aw_arena *arena,
                         struct aw_meta **row, struct aw_err *err)
{
    const char *id = AW_STORE_VERSION_ID;
    void *reader, *found = NULL;
    if (!driver->read_begin(self, &reader, err)) {
        return false;
    }
    bool ok = driver->get_many(reader, &aw_meta_schema, &id, 1, arena, &found, err);
    driver->read_end(self, reader);
    *row = found;
    return ok && aw_migrate_check(*row != NULL ? (*row)->value : NULL, err);
}

static bool write_version(const struct aw_driver *driver, void *self, const struct aw_meta *stored,
                          struct aw_err *err)
{
    char value[16];
    snprintf(value, sizeof(value), "%d", AW_STORE_VERSION);
    if (stored != NULL && strcmp(stored->value, value) == 0) {
        return true;
    }
    struct aw_meta row = {.id = AW_STORE_VERSION_ID,
                          .version = stored != NULL ? stored->version + 1 : 1,
                          .value = value};
    struct aw_write write = {.kind = stored != NULL ? AW_WRITE_REPLACE : AW_WRITE_INSERT,
                             .schema = &aw_meta_schema,
                             .row = &row,
                             .id = row.id,
                             .expect = row.version - 1};
    return driver->commit(self, &write, 1, err);
}

bool aw_migrate(const struct aw_driver *driver, void *self, bool read_only, struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_meta *stored;
    bool ok = read_version(driver, self, arena, &stored, err) &&
              (read_only || write_version(driver, self, stored, err));
    aw_arena_destroy(&arena);
    return ok;
}
