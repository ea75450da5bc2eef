#include "save.h"

#include <string.h>

#include "events.h"
#include "src/aw_id.h"

const char *const aw_saved_words[] = {"unchanged", "created", "updated", NULL};

const char *aw_new_id(struct aw_arena *arena, int64_t now_ms)
{
    uint8_t id[AW_ID_LEN];
    char text[AW_ID_TEXT + 1];
    aw_id_make(id, (uint64_t)now_ms);
    aw_id_format(id, text);
    return aw_arena_str(arena, text);
}

/* Member of this name in a row, or NULL. */
static int64_t *number_at(const struct aw_schema *schema, const char *name, void *row)
{
    const struct aw_field *field = aw_schema_field(schema, name, strlen(name));
    return field ? aw_field_at(field, row) : NULL;
}

static void carry(const struct aw_schema *schema, const char *name, const void *old, void *row,
                  int64_t otherwise)
{
    int64_t *to = number_at(schema, name, row);
    if (to) {
        *to = old ? *number_at(schema, name, (void *)(uintptr_t)old) : otherwise;
    }
}

static bool tell(struct aw_tx *tx, const struct aw_saving *saving, const void *row,
                 const struct aw_act *act, enum aw_saved saved, struct aw_err *err)
{
    /* every stored schema begins with id and version */
    const struct aw_event_news news = {
        .company_id = saving->company_id ? saving->company_id : "-",
        .permission = saving->permission,
        .object = saving->schema->name,
        .object_id = *(const char **)aw_field_at(&saving->schema->fields[0], row),
        .object_version = *(int64_t *)aw_field_at(&saving->schema->fields[1], row),
        .type = aw_arena_printf(aw_tx_arena(tx), "%s_%s", saving->noun, aw_saved_words[saved]),
        .actor = act->user_id,
        .now_ms = act->now_ms,
    };
    return aw_event_add(tx, &news, err);
}

bool aw_save(struct aw_tx *tx, const struct aw_saving *saving, const void *old, void *row,
             const struct aw_act *act, enum aw_saved *saved, struct aw_err *err)
{
    const struct aw_schema *schema = saving->schema;
    carry(schema, "version", old, row, 0);
    carry(schema, "created_at", old, row, act->now_ms);
    carry(schema, "updated_at", old, row, act->now_ms);
    if (old && aw_row_equal(schema, old, row)) {
        *saved = AW_UNCHANGED;
        return true;
    }
    carry(schema, "updated_at", NULL, row, act->now_ms);
    if (old) {
        aw_tx_replace(tx, schema, row);
    } else {
        aw_tx_insert(tx, schema, row);
    }
    *saved = old ? AW_UPDATED : AW_CREATED;
    return tell(tx, saving, row, act, *saved, err);
}

bool aw_find_named(struct aw_tx *tx, const struct aw_schema *schema, const char *company_id,
                   const char *field, const char *value, void **row, struct aw_err *err)
{
    const struct aw_query query = {
        .schema = schema,
        .conds = {{.field = "company_id", .op = AW_OP_EQ, .text = company_id},
                  {.field = field, .op = AW_OP_EQ, .text = value}},
        .n = 2,
        .limit = 1,
    };
    struct aw_rows rows;
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    *row = rows.n > 0 ? rows.v[0] : NULL;
    return true;
}

static bool absent_is_null(bool ok, void **row, const struct aw_err *err)
{
    if (ok) {
        return true;
    }
    *row = NULL;
    return err->kind == AW_ERR_NOT_FOUND;
}

bool aw_tx_peek(struct aw_tx *tx, const struct aw_schema *schema, const char *id, void **row,
                struct aw_err *err)
{
    return absent_is_null(aw_tx_get(tx, &aw_scope_all, schema, id, row, err), row, err);
}

bool aw_store_peek(struct aw_reader *reader, const struct aw_schema *schema, const char *id,
                   struct aw_arena *arena, void **row, struct aw_err *err)
{
    return absent_is_null(aw_store_get(reader, &aw_scope_all, schema, id, arena, row, err), row,
                          err);
}
