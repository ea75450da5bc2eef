#include "alerts.h"

static bool read_alert(struct aw_reader *reader, const struct aw_scope *scope, const char *id,
                       struct aw_arena *arena, struct aw_alert **alert, struct aw_err *err)
{
    void *row = NULL;
    if (!aw_store_get_many(reader, scope, &aw_alert_schema, &id, 1, arena, &row, err)) {
        return false;
    }
    *alert = row;
    return true;
}

bool aw_alert_get(struct aw_reader *reader, const struct aw_scope *scope, const char *id,
                  struct aw_arena *arena, struct aw_alert **alert, struct aw_err *err)
{
    if (!read_alert(reader, scope, id, arena, alert, err)) {
        return false;
    }
    if (*alert == NULL) {
        void *row = NULL;
        if (!aw_store_get_many(reader, scope, &aw_alias_schema, &id, 1, arena, &row, err)) {
            return false;
        }
        const struct aw_alias *alias = row;
        if (alias != NULL && !read_alert(reader, scope, alias->alert_id, arena, alert, err)) {
            return false;
        }
    }
    return *alert != NULL ||
           aw_fail(err, AW_ERR_NOT_FOUND, "alert.absent", "There is no such alert");
}
