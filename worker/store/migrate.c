#include "worker/store/driver.h"

#include <stdlib.h>

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
