/* api.h - the REST API: one libmicrohttpd epoll thread on a unix socket, blocking handlers on bounded pools (W22).
 *
 * Start after store, writer, sealer and edge publisher; stop before all of them. Stopping drains: no new
 * connections, requests in flight are answered with `Connection: close`, then the threads end and the socket file
 * goes. The callbacks are called from API threads at any time between start and stop; they must not block.
 * Errors of start: api.routes (a row of the route table is wrong), api.busy (somebody listens on the socket),
 * api.socket, api.start. Threads: start and stop from the main thread. */
#ifndef AW_API_API_H
#define AW_API_API_H

#include "worker/base/field.h"
#include "worker/base/str.h"
#include "worker/store/writer.h"
#include "worker/base/crypto.h"

struct aw_api;
struct aw_edge_publisher;

/* Section `api` of the configuration file. */
struct aw_api_conf {
    const char *socket;   /* path of the unix socket, mode 0660 */
    int64_t threads;      /* for handlers that read or write the store */
    int64_t queue;        /* requests that may wait for them; more = 503 */
    int64_t auth_threads; /* for bcrypt */
    int64_t auth_queue;   /* logins that may wait; more = 429 */
    int64_t connections;  /* accepted at once */
    int64_t max_body;     /* bytes */
    int64_t wait_ms;      /* a request that waited longer for a thread is answered 503 */
    int64_t grace_ms;     /* for requests in flight when stopping */
};
extern const struct aw_schema aw_api_conf_schema;

/* One queue file, as /readyz and /metrics show it. */
struct aw_api_queue {
    char name[64];     /* last part of its path */
    bool attached;     /* false: the file is not there (yet), the drain waits for it */
    bool retired;      /* no longer fed by nginx */
    uint64_t bytes;    /* waiting to be drained */
    int64_t oldest_ms; /* received time of the oldest record, 0 = empty */
};
#define AW_API_QUEUES 16

struct aw_api_deps {
    struct aw_store *store;
    struct aw_writer *writer;
    struct aw_sealer *sealer;
    struct aw_edge_publisher *edge; /* NULL: no edge table is kept (tests) */
    void *app;
    size_t (*queues)(void *app, struct aw_api_queue queues[AW_API_QUEUES]); /* NULL: none */
    bool (*draining)(void *app);                                            /* NULL: never */
    void (*metrics)(void *app,
                    struct aw_str *out); /* lines behind the registered metrics; NULL: none */
};

/* conf and deps are copied; what they point to outlives the API. */
AW_MUST_CHECK bool aw_api_start(const struct aw_api_conf *conf, const struct aw_api_deps *deps,
                                struct aw_api **api, struct aw_err *err);
void aw_api_stop(struct aw_api **api);

#endif
