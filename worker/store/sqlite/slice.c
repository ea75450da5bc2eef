#include "worker/store/sqlite/slice.h"

#include "worker/model/model.h"
#include "worker/store/sqlite/arrival.h"

/* Entries of 30 bytes then fill up to 200 pages, of which a large batch changes most: with more there were more pages
 * to write, with fewer more slices to ask. */
int aw_slice_bits = 15;

bool aw_slice_is_in(const struct aw_schema *schema, const struct aw_index *index)
{
    const struct aw_field *first =
        &schema->fields[aw_schema_index_of(schema, index->fields[0] + (*index->fields[0] == '-'))];
    return (first->flags & AW_F_SCATTERED) != 0 && !aw_arrival_is(schema);
}

bool aw_slice_is(const struct aw_schema *schema)
{
    for (size_t i = 0; i < schema->index_count; i++) {
        if (aw_slice_is_in(schema, &schema->indexes[i])) {
            return true;
        }
    }
    return false;
}

void aw_slice_newest_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "(SELECT coalesce(max(rowid),0)>>%d FROM \"%s\")", aw_slice_bits,
                  schema->name);
}

void aw_slice_all_text(const struct aw_schema *schema, const char *name, struct aw_str *sql)
{
    aw_str_printf(sql,
                  "WITH RECURSIVE slices(n) AS (SELECT min(" AW_SLICE_COLUMN ") FROM \"%s\" UNION "
                  "ALL SELECT n+1 FROM slices WHERE n<(SELECT max(" AW_SLICE_COLUMN
                  ") FROM \"%s\")) SELECT n AS %s FROM slices",
                  schema->name, schema->name, name);
}
