#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/log.h"

const char *aw_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < AW_COUNT(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "";
}

void aw_reply_row(struct aw_reply *r, const struct aw_schema *schema, const void *row,
                  int64_t version)
{
    struct aw_json json;
    aw_json_init(&json, &r->body);
    aw_json_row(&json, schema, row, false);
    r->version = version;
}

void aw_reply_joined(struct aw_reply *r, const struct aw_schema *schema, const void *row,
                     const struct aw_schema *more_schema, const void *more)
{
    struct aw_json json;
    aw_json_init(&json, &r->body);
    aw_json_open(&json, '{');
    aw_json_members(&json, schema, row, false);
    aw_json_members(&json, more_schema, more, false);
    aw_json_close(&json, '}');
}

static void add_errors(struct aw_json *json, const struct aw_req *q, const struct aw_err *err)
{
    if (q->problems.n == 0 && !err->field[0]) {
        return;
    }
    struct aw_problem one = {0};
    memcpy(one.pointer, err->field, sizeof(one.pointer));
    snprintf(one.detail, sizeof(one.detail), "%.*s", (int)sizeof(one.detail) - 1, err->msg);
    size_t n = q->problems.n ? q->problems.n : 1;
    const struct aw_problem *problems = q->problems.n ? q->problems.v : &one;
    aw_json_key(json, "errors");
    aw_json_open(json, '[');
    for (size_t i = 0; i < n; i++) {
        aw_json_open(json, '{');
        aw_json_key(json, "pointer");
        aw_json_str(json, problems[i].pointer);
        aw_json_key(json, "detail");
        aw_json_str(json, problems[i].detail);
        aw_json_close(json, '}');
    }
    aw_json_close(json, ']');
}

/* What the caller is told: nothing of the inside, and nothing that tells a foreign row from a missing one. */
static struct aw_err outward(const struct aw_err *err)
{
    static const struct {
        enum aw_err_kind kind;
        const char *code, *text;
    } faces[] = {
        {AW_ERR_NOT_FOUND, "not_found", "Not Found"},
        {AW_ERR_INTERNAL, "internal", "Internal Server Error"},
        {AW_ERR_UNAVAILABLE, "unavailable", "The store cannot be reached just now; try again"},
        {AW_ERR_FENCED, "unavailable", "This worker has been replaced; try again"},
    };
    struct aw_err out = *err;
    for (size_t i = 0; i < AW_COUNT(faces); i++) {
        if (faces[i].kind == err->kind) {
            aw_fail(&out, err->kind, faces[i].code, "%s", faces[i].text);
        }
    }
    return out;
}

void aw_reply_problem(struct aw_reply *r, const struct aw_req *q, const struct aw_err *inner)
{
    const struct aw_err err = outward(inner);
    r->status = aw_err_status(err.kind);
    if (r->status >= 500 && inner->kind != AW_ERR_BUSY) {
        aw_log(AW_LOG_ERROR, "api.failed", AW_E(inner), AW_S("request_id", q->request_id),
               AW_S("path", q->path));
    }
    r->media = "application/problem+json";
    r->version = -1;
    r->link = NULL;
    if (aw_err_retry(err.kind) && r->retry_s == 0) {
        r->retry_s = 1;
    }
    aw_str_clear(&r->body);
    struct aw_json json;
    aw_json_init(&json, &r->body);
    aw_json_open(&json, '{');
    aw_json_key(&json, "type");
    aw_json_str(&json, "about:blank");
    aw_json_key(&json, "title");
    aw_json_str(&json, aw_reason(r->status));
    aw_json_key(&json, "status");
    aw_json_i64(&json, r->status);
    aw_json_key(&json, "detail");
    aw_json_str(&json, err.msg);
    aw_json_key(&json, "code");
    aw_json_str(&json, err.code);
    add_errors(&json, q, &err);
    aw_json_key(&json, "request_id");
    aw_json_str(&json, q->request_id);
    aw_json_close(&json, '}');
}

bool aw_req_if_match(const struct aw_req *q, int64_t *version, struct aw_err *err)
{
    *version = -1;
    if (!q->if_match || strcmp(q->if_match, "*") == 0) {
        return true;
    }
    char *end;
    *version = q->if_match[0] == '"' ? strtoll(q->if_match + 1, &end, 10) : -1;
    if (*version < 0 || strcmp(end, "\"") != 0) {
        return aw_fail(err, AW_ERR_PRECONDITION, "api.if_match",
                       "If-Match is not an ETag of this resource");
    }
    return true;
}
