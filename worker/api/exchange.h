/* exchange.h - one HTTP request and its reply, between the library's callbacks and the pools.
 * Threads: the network thread; a pool thread alone while the connection is suspended. */
#ifndef AW_API_EXCHANGE_H
#define AW_API_EXCHANGE_H

#include <microhttpd.h>

#include "server.h"

enum aw_exchange_state {
    AW_EXCHANGE_NEW,     /* only the first line is known */
    AW_EXCHANGE_READING, /* headers are read, the body comes */
    AW_EXCHANGE_ANSWERED /* a pool fills the reply, or it is there */
};

struct aw_exchange {
    struct aw_req q;
    struct aw_reply r;
    struct aw_str body;
    struct MHD_Connection *connection;
    enum aw_exchange_state state;
    int64_t begun_us, queued_ms; /* monotonic */
};

struct aw_exchange *aw_exchange_create(struct aw_api *api, const char *target,
                                       struct MHD_Connection *connection);
void aw_exchange_destroy(struct aw_exchange **ex);
/* Reads the headers. false: answer at once, without the body. */
bool aw_exchange_begin(struct aw_exchange *ex, const char *method);
void aw_exchange_upload(struct aw_exchange *ex, const void *data, size_t len);
enum MHD_Result aw_exchange_send(struct aw_exchange *ex);
void aw_exchange_count(const struct aw_exchange *ex); /* into the metrics */

#endif
