#include "server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch.h"
#include "exchange.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"

#define CONNECTION_MEMORY  (32u << 10) /* request line and headers */
#define CONNECTION_TIMEOUT 75u /* s; longer than nginx keeps an idle upstream connection (60) */

/* --- from the library --- */

static enum MHD_Result answer(struct aw_exchange *ex)
{
    aw_exchange_count(ex);
    return aw_exchange_send(ex);
}

/* The request is whole: hand it to a pool, unless the answer is known already. */
static enum MHD_Result received(struct aw_exchange *ex)
{
    struct aw_api *api = ex->q.api;
    struct aw_err err = {0};
    if (ex->state == AW_EXCHANGE_ANSWERED) {
        return answer(ex);
    }
    ex->q.body = ex->body.ptr;
    ex->q.body_len = ex->body.len;
    ex->state = AW_EXCHANGE_ANSWERED;
    if (ex->q.route->pool == AW_POOL_INLINE) {
        aw_dispatch_run(&ex->q, &ex->r);
        return answer(ex);
    }
    ex->queued_ms = aw_clock_mono_ms();
    MHD_suspend_connection(ex->connection);
    if (!aw_pool_push(api->pools[ex->q.route->pool], ex)) {
        bool login = ex->q.route->pool == AW_POOL_AUTH;
        aw_fail(&err, login ? AW_ERR_RATE : AW_ERR_BUSY, login ? "auth.busy" : "api.busy",
                login ? "Too many logins at once: try again"
                      : "Too many requests at once: try again");
        aw_reply_problem(&ex->r, &ex->q, &err);
        MHD_resume_connection(ex->connection);
    }
    return MHD_YES;
}

void aw_server_work(void *job)
{
    struct aw_exchange *ex = job;
    struct aw_err err = {0};
    if (aw_clock_mono_ms() - ex->queued_ms > ex->q.api->conf.wait_ms) {
        aw_fail(&err, AW_ERR_BUSY, "api.late", "The request waited too long: try again");
        aw_reply_problem(&ex->r, &ex->q, &err);
    } else {
        aw_dispatch_run(&ex->q, &ex->r);
    }
    MHD_resume_connection(ex->connection);
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload,
                                      size_t *upload_size, void **own)
{
    struct aw_exchange *ex = *own;
    (void)cls;
    (void)connection;
    (void)url;
    (void)version;
    if (ex->state == AW_EXCHANGE_NEW) {
        bool go_on = aw_exchange_begin(ex, method);
        return go_on ? MHD_YES : answer(ex);
    }
    if (*upload_size > 0) {
        aw_exchange_upload(ex, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    return received(ex);
}

static void *begun(void *cls, const char *target, struct MHD_Connection *connection)
{
    return aw_exchange_create(cls, target, connection);
}

static void completed(void *cls, struct MHD_Connection *connection, void **own,
                      enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)connection;
    (void)code;
    aw_exchange_destroy((struct aw_exchange **)own);
}

/* The path is decoded by match.c, once. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* --- life --- */

bool aw_server_start(struct aw_api *api, struct aw_err *err)
{
    api->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0,
                         NULL, NULL, access_handler, api, MHD_OPTION_LISTEN_SOCKET, api->listen_fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)api->conf.connections,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                         MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT,
                         MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
                         leave_escaped, NULL, MHD_OPTION_URI_LOG_CALLBACK, begun, api,
                         MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    return api->daemon ||
           aw_fail(err, AW_ERR_INTERNAL, "api.start", "the HTTP library does not start");
}

void aw_server_quiesce(struct aw_api *api)
{
    atomic_store(&api->stopping, true);
    unlink(api->conf.socket);
    MHD_quiesce_daemon(api->daemon);
}

void aw_server_stop(struct aw_api *api)
{
    MHD_stop_daemon(api->daemon);
    api->daemon = NULL;
    /* not before: the network thread may still take it out of its epoll set */
    close(api->listen_fd);
    api->listen_fd = -1;
}
