#include "dispatch.h"

#include "keyed.h"
#include "worker/domain/audit.h"

static bool act(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    return aw_params_read(q, err) && aw_guard_scope(q, err) && aw_body_read(q, err) &&
           q->route->run(q, r, err);
}

void aw_dispatch_run(struct aw_req *q, struct aw_reply *r)
{
    struct aw_err err = {0};
    bool known = false;
    r->media = q->route->media;
    bool ok = aw_guard_caller(q, &err) && aw_keyed_answered(q, r, &known, &err) &&
              (known || act(q, r, &err));
    if (q->reader) {
        aw_store_read_end(&q->reader);
    }
    if (!ok) {
        aw_reply_problem(r, q, &err);
    }
}

/* The body, as it was understood, says best what was asked for; secret members are never encoded. */
static const char *details_of(const struct aw_req *q)
{
    if (q->details || !q->in || q->route->body->n == 0) {
        return q->details;
    }
    struct aw_str text;
    struct aw_json json;
    aw_str_init(&text, q->arena);
    aw_json_init(&json, &text);
    aw_json_row(&json, q->route->body, q->in, false);
    return text.ptr;
}

/* --- a change: the handler's unit and its audit row, committed together --- */

struct commit {
    struct aw_req *q;
    struct aw_reply *r;
    aw_unit_fn *unit;
    void *arg;
};

static bool unit_with_audit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct commit *commit = arg;
    struct aw_req *q = commit->q;
    struct aw_reply *r = commit->r;
    bool known;
    aw_str_clear(&r->body); /* a unit may be run again */
    if (!aw_keyed_found(tx, q, r, &known, err) || (!known && !commit->unit(tx, commit->arg, err))) {
        return false;
    }
    if (known) {
        return true;
    }
    const struct aw_audit_act act = {
        .company_id = q->company_id,
        .user_id = q->act.user_id,
        .action = q->route->audit,
        .object = q->route->object ? q->route->object->name : NULL,
        .object_id = q->id,
        .details = details_of(q),
        .now_ms = q->now_ms,
    };
    return aw_audit_add(tx, &act, err) && aw_keyed_keep(tx, q, r, err);
}

bool aw_req_commit(struct aw_req *q, struct aw_reply *r, aw_unit_fn *unit, void *arg,
                   struct aw_err *err)
{
    if (q->reader) {
        aw_store_read_end(&q->reader);
    }
    struct commit commit = {q, r, unit, arg};
    return aw_writer_run(q->deps->writer, q->route->audit, unit_with_audit, &commit, AW_ONCE, err);
}
