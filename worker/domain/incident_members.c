#include "incident_members.h"

#include <stdio.h>
#include <string.h>

#include "save.h"

/* One page of alerts behind the place gets the status. *more: there is another page. */
static bool set_page(struct aw_tx *tx, const struct aw_member_change *change,
                     struct aw_place *place, size_t *changed, bool *more, struct aw_err *err)
{
    struct aw_rows rows;
    size_t bytes = 0, i = 0;
    struct aw_query query = {.schema = &aw_alert_schema,
                             .n = 2,
                             .sort = "created_at",
                             .limit = AW_MEMBERS_ROWS};
    query.conds[0] = (struct aw_cond){.field = "incident_id", .op = AW_OP_EQ, .text = change->id};
    query.conds[1] =
        (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = change->company_id};
    if (place->id[0] != '\0') {
        query.after_id = place->id;
        query.after_number = place->number;
    }
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    for (*changed = 0; i < rows.n && bytes < AW_MEMBERS_BYTES; i++) {
        struct aw_alert *alert = aw_arena_copy(aw_tx_arena(tx), rows.v[i], sizeof(*alert));
        place->number = alert->created_at;
        snprintf(place->id, sizeof(place->id), "%s", alert->id);
        if (alert->status != change->status) {
            alert->status = change->status;
            alert->updated_at = change->created_at;
            aw_tx_replace(tx, &aw_alert_schema, alert);
            bytes += alert->raw != NULL ? strlen(alert->raw) : 0;
            ++*changed;
        }
    }
    *more = i < rows.n || rows.n == AW_MEMBERS_ROWS;
    return true;
}

bool aw_members_set(struct aw_tx *tx, const struct aw_incident *incident, int status,
                    int64_t now_ms, struct aw_err *err)
{
    struct aw_place place = {.number = 0};
    void *former = NULL;
    size_t changed;
    bool more;
    struct aw_member_change *change = AW_NEW(aw_tx_arena(tx), struct aw_member_change);
    *change = (struct aw_member_change){.id = incident->id,
                                        .company_id = incident->company_id,
                                        .status = status,
                                        .created_at = now_ms};
    if (!aw_tx_peek(tx, &aw_member_change_schema, incident->id, &former, err) ||
        !set_page(tx, change, &place, &changed, &more, err)) {
        return false;
    }
    if (former != NULL) {
        change->version = ((const struct aw_member_change *)former)->version;
    }
    if (more && former == NULL) {
        aw_tx_insert(tx, &aw_member_change_schema, change);
    } else if (more) {
        aw_tx_replace(tx, &aw_member_change_schema, change);
    } else if (former != NULL) {
        aw_tx_delete(tx, &aw_member_change_schema, change->id, change->version);
    }
    return true;
}

bool aw_members_next(struct aw_reader *reader, struct aw_arena *arena,
                     struct aw_member_change **change, struct aw_err *err)
{
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_member_change_schema, .limit = 1};
    if (!aw_store_find(reader, &aw_scope_all, &query, arena, &rows, err)) {
        return false;
    }
    *change = rows.n > 0 ? rows.v[0] : NULL;
    return true;
}

bool aw_members_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_members_page *page = arg;
    void *row = NULL;
    bool more;
    page->next = page->place;
    page->rows = 0;
    if (!aw_tx_peek(tx, &aw_member_change_schema, page->change->id, &row, err)) {
        return false;
    }
    const struct aw_member_change *change = row;
    if (change == NULL || change->version != page->change->version) {
        return true; /* the incident has changed once more */
    }
    if (!set_page(tx, change, &page->next, &page->rows, &more, err)) {
        return false;
    }
    if (!more) {
        aw_tx_delete(tx, &aw_member_change_schema, change->id, change->version);
    }
    return true;
}
