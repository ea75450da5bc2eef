#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "worker/base/clock.h"
#include "worker/base/metrics.h"

#define REQUEST_ID_MAX 64

static struct aw_metric requests[] = {
    {.name = "aw_api_requests_total",
     .labels = "code=\"2xx\"",
     .help = "Requests of the REST API by status."},
    {.name = "aw_api_requests_total",
     .labels = "code=\"4xx\"",
     .help = "Requests of the REST API by status."},
    {.name = "aw_api_requests_total",
     .labels = "code=\"5xx\"",
     .help = "Requests of the REST API by status."},
};
static struct aw_metric seconds = {
    .name = "aw_api_request_seconds",
    .help = "Time from the first line of a request to its answer.",
    .type = AW_METRIC_HISTOGRAM,
    .scale = 1e-6,
    .bounds = {1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000},
};

void aw_server_metrics(void)
{
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&done)) {
        aw_metric_register(requests, AW_COUNT(requests));
        aw_metric_register(&seconds, 1);
    }
}

void aw_exchange_count(const struct aw_exchange *ex)
{
    int status = ex->r.status;
    aw_metric_add(&requests[status < 400 ? 0 : status < 500 ? 1 : 2], 1);
    aw_metric_observe(&seconds, aw_clock_mono_us() - ex->begun_us);
}

struct aw_exchange *aw_exchange_create(struct aw_api *api, const char *target,
                                       struct MHD_Connection *connection)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_exchange *ex = AW_NEW(arena, struct aw_exchange);
    ex->connection = connection;
    ex->begun_us = aw_clock_mono_us();
    ex->q.api = api;
    ex->q.deps = &api->deps;
    ex->q.arena = arena;
    ex->q.now_ms = aw_clock_wall_ms();
    ex->q.target = aw_arena_str(arena, target);
    ex->r.status = 200;
    ex->r.version = -1;
    aw_str_init(&ex->r.body, arena);
    aw_str_init(&ex->body, NULL);
    atomic_fetch_add(&api->in_flight, 1);
    return ex;
}

void aw_exchange_destroy(struct aw_exchange **own)
{
    struct aw_exchange *ex = *own;
    if (!ex) {
        return;
    }
    *own = NULL;
    struct aw_api *api = ex->q.api;
    struct aw_arena *arena = ex->q.arena;
    aw_str_fini(&ex->body);
    aw_arena_destroy(&arena);
    atomic_fetch_sub(&api->in_flight, 1);
}

static const char *header(const struct aw_exchange *ex, const char *name)
{
    const char *value = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, name);
    return aw_arena_str(ex->q.arena, value);
}

/* The sender's own id where it is a plain one, else a new one. */
static const char *request_id(const struct aw_exchange *ex)
{
    const char *given = header(ex, "X-Request-ID");
    size_t len = given ? strlen(given) : 0;
    if (len >= 1 && len <= REQUEST_ID_MAX &&
        strspn(given, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len) {
        return given;
    }
    return aw_new_id(ex->q.arena, ex->q.now_ms);
}

static bool check_length(const struct aw_exchange *ex, struct aw_err *err)
{
    const char *length = header(ex, "Content-Length");
    if (length && header(ex, "Transfer-Encoding")) {
        return aw_fail(err, AW_ERR_MALFORMED, "api.framing",
                       "Content-Length and Transfer-Encoding exclude each other");
    }
    if (length && strtoull(length, NULL, 10) > (unsigned long long)ex->q.api->conf.max_body) {
        return aw_fail(err, AW_ERR_TOO_LARGE, "api.too_large", "The body may have %lld bytes",
                       (long long)ex->q.api->conf.max_body);
    }
    return true;
}

static void fail(struct aw_exchange *ex, const struct aw_err *err)
{
    aw_reply_problem(&ex->r, &ex->q, err);
    ex->state = AW_EXCHANGE_ANSWERED;
}

bool aw_exchange_begin(struct aw_exchange *ex, const char *method)
{
    struct aw_req *q = &ex->q;
    struct aw_err err = {0};
    ex->state = AW_EXCHANGE_READING;
    q->method = aw_arena_str(q->arena, method);
    q->authorization = header(ex, "Authorization");
    q->content_type = header(ex, "Content-Type");
    q->if_match = header(ex, "If-Match");
    q->idempotency_key = header(ex, "Idempotency-Key");
    q->request_id = request_id(ex);
    if (!check_length(ex, &err)) {
        fail(ex, &err);
        return false;
    }
    /* a wrong path or method is told when the body is in, so that the connection lives on */
    if (!aw_dispatch_match(q, &ex->r, &err)) {
        fail(ex, &err);
    } else if (!q->route) {
        ex->state = AW_EXCHANGE_ANSWERED;
    }
    return true;
}

void aw_exchange_upload(struct aw_exchange *ex, const void *data, size_t len)
{
    struct aw_err err = {0};
    if (ex->state == AW_EXCHANGE_ANSWERED) {
        return;
    }
    if (ex->body.len + len > (size_t)ex->q.api->conf.max_body) {
        aw_fail(&err, AW_ERR_TOO_LARGE, "api.too_large", "The body may have %lld bytes",
                (long long)ex->q.api->conf.max_body);
        fail(ex, &err);
        return;
    }
    aw_str_addn(&ex->body, data, len);
}

static void add_headers(const struct aw_exchange *ex, struct MHD_Response *response)
{
    const struct aw_reply *r = &ex->r;
    char etag[32], retry[24];
    snprintf(etag, sizeof(etag), "\"%lld\"", (long long)r->version);
    snprintf(retry, sizeof(retry), "%lld", (long long)r->retry_s);
    const struct {
        const char *name, *value;
    } headers[] = {
        {"Content-Type", r->body.len == 0 ? NULL
                         : r->media       ? r->media
                                          : "application/json"},
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Request-ID", ex->q.request_id},
        {"ETag", r->version >= 0 ? etag : NULL},
        {"Retry-After", r->retry_s > 0 ? retry : NULL},
        {"Link", r->link},
        {"Allow", r->allow},
        {"WWW-Authenticate", r->status == 401 ? "Bearer" : NULL},
        {"Connection", atomic_load(&ex->q.api->stopping) ? "close" : NULL},
    };
    for (size_t i = 0; i < AW_COUNT(headers); i++) {
        if (headers[i].value) {
            MHD_add_response_header(response, headers[i].name, headers[i].value);
        }
    }
}

enum MHD_Result aw_exchange_send(struct aw_exchange *ex)
{
    /* the text is in the arena, which lives until the exchange is completed */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(ex->r.body.len, ex->r.body.ptr, MHD_RESPMEM_PERSISTENT);
    if (!response) {
        return MHD_NO;
    }
    add_headers(ex, response);
    enum MHD_Result sent = MHD_queue_response(ex->connection, (unsigned)ex->r.status, response);
    MHD_destroy_response(response);
    return sent;
}
