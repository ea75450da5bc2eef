/* server.h - the network side: libmicrohttpd on a listening socket, requests to pools, replies back.
 * Threads: one epoll thread of the library; pool threads run the handlers. */
#ifndef AW_API_SERVER_H
#define AW_API_SERVER_H

#include <stdatomic.h>

#include "pool.h"
#include "route.h"

struct MHD_Daemon;

struct aw_api {
    struct aw_api_conf conf;
    struct aw_api_deps deps;
    struct aw_sessions *sessions;
    uint8_t cursor_key[32];
    struct MHD_Daemon *daemon;
    int listen_fd;
    struct aw_pool *pools[2]; /* AW_POOL_STORE, AW_POOL_AUTH */
    atomic_int in_flight;     /* requests between their first line and the end of their answer */
    atomic_bool stopping;
};

/* Takes over api->listen_fd. */
AW_MUST_CHECK bool aw_server_start(struct aw_api *api, struct aw_err *err);
/* No new connections from here on; answers say `Connection: close`. */
void aw_server_quiesce(struct aw_api *api);
void aw_server_stop(struct aw_api *api); /* after the pools */
void aw_server_work(void *job);          /* what a pool thread does with a request */
void aw_server_metrics(void);            /* registers the metrics, once per process */

#endif
