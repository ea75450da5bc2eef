#include "api.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch.h"
#include "listen.h"
#include "server.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"

static const struct aw_field conf_fields[] = {
    AW_FIELD(aw_api_conf, socket, STR, .dflt = "\"/run/alertwhisper/api.sock\"", .min = 1,
             .max = 107, .doc = "unix socket on which nginx reaches the REST API"),
    AW_FIELD(aw_api_conf, threads, I64, .dflt = "8", .min = 1, .max = 64,
             .doc = "threads that read and write the store"),
    AW_FIELD(aw_api_conf, queue, I64, .dflt = "64", .min = 1, .max = 4096,
             .doc = "requests that may wait for a thread; more are answered 503"),
    AW_FIELD(aw_api_conf, auth_threads, I64, .dflt = "1", .min = 1, .max = 16,
             .doc = "threads that check passwords"),
    AW_FIELD(aw_api_conf, auth_queue, I64, .dflt = "16", .min = 1, .max = 1024,
             .doc = "logins that may wait for a thread; more are answered 429"),
    AW_FIELD(aw_api_conf, connections, I64, .dflt = "512", .min = 8, .max = 65536,
             .doc = "connections at once"),
    AW_FIELD(aw_api_conf, max_body, I64, .dflt = "1048576", .min = 1024, .max = 1048576,
             .doc = "largest body of a request, bytes"),
    AW_FIELD(aw_api_conf, wait_ms, I64, .dflt = "10000", .min = 100, .max = 60000,
             .doc = "a request that waited longer for a thread is answered 503, ms"),
    AW_FIELD(aw_api_conf, grace_ms, I64, .dflt = "5000", .min = 0, .max = 60000,
             .doc = "time for requests in flight when stopping, ms"),
};
const struct aw_schema aw_api_conf_schema =
    AW_SCHEMA(aw_api_conf, "api", conf_fields, .doc = "the REST API");

struct aw_sessions *aw_api_sessions(struct aw_api *api)
{
    return api->sessions;
}

const uint8_t *aw_api_cursor_key(const struct aw_api *api)
{
    return api->cursor_key;
}

static bool start_pools(struct aw_api *api, struct aw_err *err)
{
    const struct aw_api_conf *conf = &api->conf;
    return aw_pool_start("api", (size_t)conf->threads, (size_t)conf->queue, aw_server_work,
                         &api->pools[AW_POOL_STORE], err) &&
           aw_pool_start("auth", (size_t)conf->auth_threads, (size_t)conf->auth_queue,
                         aw_server_work, &api->pools[AW_POOL_AUTH], err);
}

static void wait_for_requests(struct aw_api *api)
{
    int64_t until_ms = aw_clock_mono_ms() + api->conf.grace_ms;
    while (atomic_load(&api->in_flight) > 0 && aw_clock_mono_ms() < until_ms) {
        aw_clock_sleep_ms(2);
    }
    int left = atomic_load(&api->in_flight);
    if (left > 0) {
        aw_log(AW_LOG_WARN, "api.cut", AW_I("requests", left));
    }
}

void aw_api_stop(struct aw_api **api)
{
    struct aw_api *gone = *api;
    if (!gone) {
        return;
    }
    if (gone->daemon) {
        aw_server_quiesce(gone);
        wait_for_requests(gone);
    }
    /* the pools first: they resume every connection that is suspended */
    aw_pool_stop(&gone->pools[AW_POOL_STORE]);
    aw_pool_stop(&gone->pools[AW_POOL_AUTH]);
    if (gone->daemon) {
        aw_server_stop(gone);
    }
    if (gone->listen_fd >= 0) {
        close(gone->listen_fd);
        unlink(gone->conf.socket);
    }
    aw_sessions_destroy(&gone->sessions);
    aw_wipe(gone->cursor_key, sizeof(gone->cursor_key));
    free((void *)(uintptr_t)gone->conf.socket);
    free(gone);
    *api = NULL;
}

bool aw_api_start(const struct aw_api_conf *conf, const struct aw_api_deps *deps,
                  struct aw_api **api, struct aw_err *err)
{
    if (!aw_routes_check(aw_route_tables, aw_route_table_count, err)) {
        return false;
    }
    struct aw_api *made = calloc(1, sizeof(*made));
    char *socket = strdup(conf->socket);
    if (!made || !socket) {
        free(made);
        free(socket);
        return aw_fail_errno(err, "api.memory", "no memory for the API");
    }
    made->conf = *conf;
    made->conf.socket = socket;
    made->deps = *deps;
    made->listen_fd = -1;
    aw_sealer_derive(deps->sealer, "cursor", made->cursor_key);
    aw_server_metrics();
    if (!aw_sessions_create(deps->store, deps->writer, deps->sealer, &made->sessions, err) ||
        !start_pools(made, err) || !aw_unix_listen(socket, &made->listen_fd, err) ||
        !aw_server_start(made, err)) {
        aw_api_stop(&made);
        return false;
    }
    aw_log(AW_LOG_INFO, "api.started", AW_S("socket", socket));
    *api = made;
    return true;
}
