#include <stdlib.h>
#include <string.h>

#include "id_index.h"
#include "incident_rows.h"
#include "ingest_run.h"
#include "open_keys.h"
#include "src/aw_id.h"
#include "worker/base/vec.h"

struct touched {
    struct aw_correlate_id id;
    const char *text;
    struct aw_company_view *view;
    struct aw_incident *row; /* NULL until it is read */
};

/* A member that an earlier batch has stored. */
struct older {
    const char *id;
    uint32_t incident;
};

struct decisions {
    struct aw_ingest_run *run;
    struct aw_id_index alerts, incidents;
    struct touched *touched;
    size_t touched_count;
    struct touched **sorted; /* by id: neighbours share pages of the store */
    AW_VEC(struct older) older;
    struct aw_correlate_ids members; /* of the decision in hand */
};

static bool fail_stale(struct aw_err *err)
{
    return aw_fail(err, AW_ERR_CONFLICT, "ingest.stale",
                   "What was remembered of the company does not fit the store");
}

/* --- what the engine must know first --- */

struct question {
    const char *id; /* of the open_keys row */
    const struct aw_ingest_alert *alert;
};

static int order_questions(const void *a, const void *b)
{
    return strcmp(((const struct question *)a)->id, ((const struct question *)b)->id);
}

static bool answer_question(const struct question *question, const struct aw_open_key *row,
                            struct aw_err *err)
{
    struct aw_correlate *keys = question->alert->view->keys;
    struct aw_correlate_id id;
    if (row == NULL) {
        aw_correlate_know(keys, question->alert->engine.key, NULL);
        return true;
    }
    if (!aw_id_parse(row->incident_id, strlen(row->incident_id), id.v)) {
        return aw_fail(err, AW_ERR_INTERNAL, "ingest.incident_id", "An incident's id is no UUID");
    }
    aw_correlate_know(keys, question->alert->engine.key, &id);
    return true;
}

static unsigned needs_of(const struct aw_ingest_alert *alert, int64_t *from, int64_t *until)
{
    const struct aw_company_view *view = alert->view;
    return view->rules.automatic ? aw_correlate_needs(view->keys, &view->rules, alert->engine.key,
                                                      alert->engine.at_ms, from, until)
                                 : 0;
}

static void prefetch(const struct aw_ingest_run *run, size_t i)
{
    if (i < run->alert_count && run->alerts[i].view->rules.automatic) {
        aw_correlate_prefetch_group(run->alerts[i].view->keys, run->alerts[i].engine.key);
    }
}

static bool tell_open_incidents(struct aw_ingest_run *run, struct aw_err *err)
{
    int64_t from, until;
    size_t n = 0, asked = 0;
    struct question *questions = AW_NEW_N(run->arena, struct question, run->alert_count);
    for (size_t i = 0; i < run->alert_count; i++) {
        const struct aw_ingest_alert *alert = &run->alerts[i];
        prefetch(run, i + AW_CORRELATE_AHEAD);
        if (needs_of(alert, &from, &until) & AW_CORRELATE_NEED_INCIDENT) {
            questions[n++] =
                (struct question){.id = aw_open_key_id(alert->view->id, alert->row->asset_name,
                                                       alert->row->signature, run->arena),
                                  .alert = alert};
        }
    }
    if (n == 0) {
        return true;
    }
    qsort(questions, n, sizeof(*questions), order_questions);
    const char **ids = AW_NEW_N(run->arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        if (asked == 0 || strcmp(questions[i].id, ids[asked - 1]) != 0) {
            questions[asked] = questions[i];
            ids[asked++] = questions[i].id;
        }
    }
    void **rows = AW_NEW_N(run->arena, void *, asked);
    bool ok = aw_tx_get_many(run->tx, &aw_scope_all, &aw_open_key_schema, ids, asked, rows, err);
    for (size_t i = 0; ok && i < asked; i++) {
        ok = answer_question(&questions[i], rows[i], err);
    }
    return ok;
}

static bool tell_older(struct aw_ingest_run *run, const struct aw_ingest_alert *alert, int64_t from,
                       int64_t until, struct aw_err *err)
{
    struct aw_rows rows;
    struct aw_query query = {.schema = &aw_alert_schema, .sort = "created_at", .n = 6};
    query.conds[0] =
        (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = alert->row->company_id};
    query.conds[1] = (struct aw_cond){.field = "status", .op = AW_OP_EQ, .number = AW_ALERT_ACTIVE};
    query.conds[2] =
        (struct aw_cond){.field = "asset_name", .op = AW_OP_EQ, .text = alert->row->asset_name};
    query.conds[3] =
        (struct aw_cond){.field = "signature", .op = AW_OP_EQ, .text = alert->row->signature};
    query.conds[4] = (struct aw_cond){.field = "created_at", .op = AW_OP_GE, .number = from};
    query.conds[5] = (struct aw_cond){.field = "created_at", .op = AW_OP_LT, .number = until};
    if (!aw_tx_find(run->tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    aw_correlate_older(alert->view->keys, alert->engine.key, from, until);
    for (size_t i = 0; i < rows.n; i++) {
        struct aw_correlate_alert older;
        if (aw_correlate_alert_of(rows.v[i], alert->engine.runbook, &older)) {
            aw_correlate_add(alert->view->keys, &older);
        }
    }
    return true;
}

static bool tell_engine(struct aw_ingest_run *run, struct aw_err *err)
{
    if (!tell_open_incidents(run, err)) {
        return false;
    }
    for (size_t i = 0; i < run->alert_count; i++) {
        int64_t from, until;
        if ((needs_of(&run->alerts[i], &from, &until) & AW_CORRELATE_NEED_OLDER) &&
            !tell_older(run, &run->alerts[i], from, until, err)) {
            return false;
        }
    }
    return true;
}

/* --- decisions --- */

static uint32_t touch(struct decisions *decisions, const struct aw_correlate_id *id,
                      const char *text, struct aw_company_view *view)
{
    uint32_t number = aw_id_index_get(&decisions->incidents, id->v);
    if (number == AW_ID_INDEX_NONE) {
        number = (uint32_t)decisions->touched_count++;
        if (text == NULL) {
            char buffer[AW_ID_TEXT + 1];
            aw_id_format(id->v, buffer);
            text = aw_arena_str(decisions->run->arena, buffer);
        }
        decisions->touched[number] = (struct touched){.id = *id, .text = text, .view = view};
        aw_id_index_put(&decisions->incidents, id->v, number);
    }
    return number;
}

static void open_one(struct decisions *decisions, const struct aw_ingest_alert *alert)
{
    struct aw_arena *arena = decisions->run->arena;
    struct aw_incident *row = aw_incident_open(arena, alert->row, alert->engine.at_ms);
    struct aw_correlate_id id;
    if (!aw_id_parse(row->id, strlen(row->id), id.v)) {
        abort(); /* it was made a moment ago */
    }
    uint32_t number = touch(decisions, &id, row->id, alert->view);
    decisions->touched[number].row = row;
    for (size_t i = 0; i < decisions->members.n; i++) {
        const uint8_t *member = decisions->members.v[i].v;
        uint32_t here = aw_id_index_get(&decisions->alerts, member);
        if (here != AW_ID_INDEX_NONE) {
            decisions->run->alerts[here].incident = number;
        } else {
            char text[AW_ID_TEXT + 1];
            aw_id_format(member, text);
            *aw_vec_push(&decisions->older) =
                (struct older){.id = aw_arena_str(arena, text), .incident = number};
        }
    }
    aw_correlate_opened(alert->view->keys, alert->engine.key, &id);
    decisions->run->counts->incidents_opened++;
}

static void decide(struct decisions *decisions)
{
    struct aw_ingest_run *run = decisions->run;
    for (size_t i = 0; i < run->alert_count; i++) {
        struct aw_ingest_alert *alert = &run->alerts[i];
        struct aw_company_view *view = alert->view;
        struct aw_correlate_id incident;
        view->newest_ms =
            alert->engine.at_ms > view->newest_ms ? alert->engine.at_ms : view->newest_ms;
        aw_id_index_put(&decisions->alerts, alert->engine.id.v, (uint32_t)i);
        if (!view->rules.automatic) {
            continue;
        }
        switch (aw_correlate_alert(view->keys, &view->rules, &alert->engine, &incident,
                                   &decisions->members)) {
        case AW_CORRELATE_ALONE:
            break;
        case AW_CORRELATE_JOIN:
            alert->incident = touch(decisions, &incident, NULL, view);
            break;
        case AW_CORRELATE_OPEN:
            open_one(decisions, alert);
            break;
        }
    }
}

/* --- rows --- */

static int order_touched(const void *a, const void *b)
{
    const struct touched *x = *(const struct touched *const *)a;
    const struct touched *y = *(const struct touched *const *)b;
    return memcmp(x->id.v, y->id.v, sizeof(x->id.v));
}

static void sort_touched(struct decisions *decisions)
{
    size_t n = decisions->touched_count;
    decisions->sorted = AW_NEW_N(decisions->run->arena, struct touched *, n + 1);
    for (size_t i = 0; i < n; i++) {
        decisions->sorted[i] = &decisions->touched[i];
    }
    qsort(decisions->sorted, n, sizeof(*decisions->sorted), order_touched);
}

static bool read_incidents(struct decisions *decisions, struct aw_err *err)
{
    struct aw_ingest_run *run = decisions->run;
    size_t n = 0;
    const char **ids = AW_NEW_N(run->arena, const char *, decisions->touched_count + 1);
    struct touched **asked = AW_NEW_N(run->arena, struct touched *, decisions->touched_count + 1);
    void **rows = AW_NEW_N(run->arena, void *, decisions->touched_count + 1);
    for (size_t i = 0; i < decisions->touched_count; i++) {
        if (decisions->sorted[i]->row == NULL) {
            asked[n] = decisions->sorted[i];
            ids[n++] = decisions->sorted[i]->text;
        }
    }
    if (n > 0 && !aw_tx_get_many(run->tx, &aw_scope_all, &aw_incident_schema, ids, n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct aw_incident *row = rows[i];
        if (row == NULL || row->status == AW_INCIDENT_RESOLVED ||
            strcmp(row->company_id, asked[i]->view->id) != 0) {
            return fail_stale(err);
        }
        asked[i]->row = aw_arena_copy(run->arena, row, sizeof(*row));
    }
    run->counts->incidents_updated += (int64_t)n;
    return true;
}

static bool take_older(struct decisions *decisions, struct aw_err *err)
{
    struct aw_ingest_run *run = decisions->run;
    size_t n = decisions->older.n;
    const char **ids = AW_NEW_N(run->arena, const char *, n + 1);
    void **rows = AW_NEW_N(run->arena, void *, n + 1);
    for (size_t i = 0; i < n; i++) {
        ids[i] = decisions->older.v[i].id;
    }
    if (n > 0 && !aw_tx_get_many(run->tx, &aw_scope_all, &aw_alert_schema, ids, n, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct aw_incident *incident = decisions->touched[decisions->older.v[i].incident].row;
        const struct aw_alert *stored = rows[i];
        if (stored == NULL || stored->status != AW_ALERT_ACTIVE ||
            strcmp(stored->company_id, incident->company_id) != 0) {
            return fail_stale(err);
        }
        struct aw_alert *row = aw_arena_copy(run->arena, stored, sizeof(*stored));
        aw_incident_take(run->arena, incident, row, incident->created_at);
        aw_tx_replace(run->tx, &aw_alert_schema, row);
        aw_alert_news(&run->news, row, "alert_updated", NULL, row->updated_at);
        run->counts->correlated++;
    }
    return true;
}

static void write_rows(struct decisions *decisions)
{
    struct aw_ingest_run *run = decisions->run;
    for (size_t i = 0; i < run->alert_count; i++) {
        struct aw_ingest_alert *alert = &run->alerts[i];
        if (alert->incident != AW_ID_INDEX_NONE) {
            aw_incident_take(run->arena, decisions->touched[alert->incident].row, alert->row,
                             alert->engine.at_ms);
            run->counts->correlated++;
        }
        aw_tx_insert(run->tx, &aw_alert_schema, alert->row);
        aw_alert_news(&run->news, alert->row, "alert_received", NULL, alert->engine.at_ms);
    }
    for (size_t i = 0; i < decisions->touched_count; i++) {
        struct touched *touched = decisions->sorted[i];
        const struct aw_asset_view *asset =
            aw_company_view_asset(touched->view, touched->row->asset_name);
        touched->row->critical_asset = asset != NULL && asset->critical;
        aw_incident_store(run->tx, touched->row, NULL, touched->row->updated_at, &run->news);
    }
}

bool aw_ingest_correlate(struct aw_ingest_run *run, struct aw_err *err)
{
    struct decisions decisions = {.run = run,
                                  .touched =
                                      AW_NEW_N(run->arena, struct touched, run->alert_count + 1)};
    aw_id_index_init(&decisions.alerts, run->alert_count, run->arena);
    aw_id_index_init(&decisions.incidents, run->alert_count, run->arena);
    bool ok = tell_engine(run, err);
    if (ok) {
        decide(&decisions);
        sort_touched(&decisions);
        ok = read_incidents(&decisions, err) && take_older(&decisions, err);
    }
    if (ok) {
        write_rows(&decisions);
    }
    aw_vec_free(&decisions.older);
    aw_vec_free(&decisions.members);
    return ok;
}
