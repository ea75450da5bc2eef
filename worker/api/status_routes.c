#include "route.h"

#include <string.h>

#include "openapi.h"
#include "worker/base/clock.h"
#include "worker/base/metrics.h"
#include "worker/domain/edge_publish.h"

struct health_out {
    const char *status, *version;
};
static const struct aw_field health_fields[] = {
    AW_FIELD(health_out, status, STR, .doc = "always ok: the process answers"),
    AW_FIELD(health_out, version, STR, .doc = "version of the product"),
};
static const struct aw_schema health_schema =
    AW_SCHEMA(health_out, "health", health_fields, .doc = "the process lives");

static bool healthz(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)q;
    (void)err;
    const struct health_out out = {.status = "ok", .version = AW_VERSION};
    aw_reply_row(r, &health_schema, &out, -1);
    return true;
}

/* --- readiness: each check says its own sentence --- */

struct check_out {
    const char *name;
    bool ok;
    const char *detail;
};
static const struct aw_field check_fields[] = {
    AW_FIELD(check_out, name, STR, .doc = "what was looked at"),
    AW_FIELD(check_out, ok, BOOL, .doc = "it does not stand in the way"),
    AW_FIELD(check_out, detail, STR, .doc = "what was found"),
};
static const struct aw_schema check_schema =
    AW_SCHEMA(check_out, "check", check_fields, .doc = "one check");

struct ready_out {
    const char *status;
    const char *checks;
};
static const struct aw_field ready_fields[] = {
    AW_FIELD(ready_out, status, STR, .doc = "ready or not_ready"),
    AW_FIELD(ready_out, checks, RAW, .arg = &check_schema, .doc = "every check"),
};
static const struct aw_schema ready_schema =
    AW_SCHEMA(ready_out, "readiness", ready_fields, .doc = "whether work is done just now");

struct checks {
    struct aw_json json;
    bool ready;
};

static void add_check(struct checks *checks, const char *name, bool ok, const char *detail)
{
    const struct check_out out = {.name = name, .ok = ok, .detail = detail};
    aw_json_row(&checks->json, &check_schema, &out, false);
    checks->ready = checks->ready && ok;
}

static void check_store(struct aw_req *q, struct checks *checks)
{
    struct aw_err err;
    bool up = aw_store_ping(q->deps->store, &err) && aw_writer_down_since(q->deps->writer) == 0;
    bool fenced = aw_writer_is_fenced(q->deps->writer);
    add_check(checks, "store", up && !fenced,
              fenced ? "another worker has taken over"
              : up   ? "can be reached"
                     : "cannot be reached");
}

static void check_queues(struct aw_req *q, struct checks *checks)
{
    struct aw_api_queue queues[AW_API_QUEUES];
    size_t n = q->deps->queues ? q->deps->queues(q->deps->app, queues) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct aw_api_queue *queue = &queues[i];
        const char *name = aw_arena_printf(q->arena, "queue %s", queue->name);
        const char *detail =
            aw_arena_printf(q->arena, "%s%llu bytes wait to be drained",
                            queue->retired ? "retired; " : "", (unsigned long long)queue->bytes);
        add_check(checks, name, queue->attached,
                  queue->attached ? detail : "the file is not there yet");
    }
}

static void check_edge(struct aw_req *q, struct checks *checks)
{
    struct aw_edge_status status;
    if (!q->deps->edge) {
        return;
    }
    aw_edge_publisher_status(q->deps->edge, &status);
    add_check(checks, "edge table", status.generation > 0,
              status.generation == 0 ? aw_arena_printf(q->arena, "not published yet%s%s",
                                                       status.code[0] ? ": " : "", status.code)
              : status.current       ? "published"
                                     : "an older state is published");
}

static bool readyz(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)err;
    struct aw_str text;
    struct checks checks = {.ready = true};
    aw_str_init(&text, q->arena);
    aw_json_init(&checks.json, &text);
    aw_json_open(&checks.json, '[');
    check_store(q, &checks);
    check_queues(q, &checks);
    check_edge(q, &checks);
    if (q->deps->draining && q->deps->draining(q->deps->app)) {
        add_check(&checks, "worker", false, "is stopping");
    }
    aw_json_close(&checks.json, ']');
    const struct ready_out out = {.status = checks.ready ? "ready" : "not_ready",
                                  .checks = text.ptr};
    r->status = checks.ready ? 200 : 503;
    aw_reply_row(r, &ready_schema, &out, -1);
    return true;
}

/* --- metrics --- */

static void print_queues(const struct aw_req *q, struct aw_str *out)
{
    struct aw_api_queue queues[AW_API_QUEUES];
    size_t n = q->deps->queues ? q->deps->queues(q->deps->app, queues) : 0;
    aw_str_add(
        out, "# HELP aw_queue_bytes Bytes that wait to be drained.\n# TYPE aw_queue_bytes gauge\n");
    for (size_t i = 0; i < n; i++) {
        aw_str_printf(out, "aw_queue_bytes{queue=\"%s\"} %llu\n", queues[i].name,
                      (unsigned long long)queues[i].bytes);
    }
    aw_str_add(out, "# HELP aw_queue_oldest_seconds Age of the oldest record that waits.\n"
                    "# TYPE aw_queue_oldest_seconds gauge\n");
    for (size_t i = 0; i < n; i++) {
        int64_t age_ms = queues[i].oldest_ms > 0 ? q->now_ms - queues[i].oldest_ms : 0;
        aw_str_printf(out, "aw_queue_oldest_seconds{queue=\"%s\"} %.3f\n", queues[i].name,
                      age_ms > 0 ? (double)age_ms / 1000 : 0.0);
    }
}

static bool metrics(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)err;
    aw_metrics_print(&r->body);
    print_queues(q, &r->body);
    if (q->deps->edge) {
        struct aw_edge_status status;
        aw_edge_publisher_status(q->deps->edge, &status);
        aw_str_printf(
            &r->body,
            "# HELP aw_edge_generation Generation of the edge table that was published last.\n"
            "# TYPE aw_edge_generation gauge\naw_edge_generation %llu\n",
            (unsigned long long)status.generation);
    }
    aw_str_printf(&r->body,
                  "# HELP aw_store_down 1 while the store cannot be written.\n"
                  "# TYPE aw_store_down gauge\naw_store_down %d\n",
                  aw_writer_down_since(q->deps->writer) != 0);
    aw_str_printf(&r->body,
                  "# HELP aw_build_info Version of the worker.\n# TYPE aw_build_info gauge\n"
                  "aw_build_info{version=\"%s\",store=\"%s\"} 1\n",
                  AW_VERSION, aw_store_name(q->deps->store));
    if (q->deps->metrics) {
        q->deps->metrics(q->deps->app, &r->body);
    }
    return true;
}

static bool openapi(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)q;
    (void)err;
    aw_openapi_print(&r->body);
    return true;
}

const struct aw_route aw_status_routes[] = {
    {
        .method = "GET",
        .path = "/healthz",
        .permission = AW_PUBLIC,
        .scope = AW_SCOPE_NONE,
        .pool = AW_POOL_INLINE,
        .summary = "The process lives",
        .reply = &health_schema,
        .run = healthz,
    },
    {
        .method = "GET",
        .path = "/readyz",
        .permission = AW_PUBLIC,
        .scope = AW_SCOPE_NONE,
        .summary = "Work is done just now; 503 if it is not",
        .reply = &ready_schema,
        .also = 503,
        .run = readyz,
    },
    {
        .method = "GET",
        .path = "/metrics",
        .permission = AW_PUBLIC,
        .scope = AW_SCOPE_NONE,
        .summary = "Figures for Prometheus",
        .media = "text/plain; version=0.0.4; charset=utf-8",
        .run = metrics,
    },
    {
        .method = "GET",
        .path = "/api/openapi.json",
        .permission = AW_PUBLIC,
        .scope = AW_SCOPE_NONE,
        .summary = "This description",
        .media = "application/json",
        .run = openapi,
    },
    {.method = NULL},
};
