/* load_conn.h - one keep-alive HTTP/1.1 connection of the load tool: send a request, read its
 * answer. Threads: one. Owner: init/fini by the caller. */
#ifndef AW_LOAD_CONN_H
#define AW_LOAD_CONN_H

#include <netinet/in.h>

#include "worker/base/str.h"

enum load_state { LOAD_CLOSED, LOAD_CONNECTING, LOAD_IDLE, LOAD_SENDING, LOAD_READING };

struct load_conn {
    int fd, epoll;
    enum load_state state;
    struct aw_str out;
    size_t sent;
    char *
        in; /* head and body of one answer; not in here, so that a walk over thousands of connections is short */
    size_t in_len;
    size_t answer_len; /* head + body, 0 = not known yet */
    void *task;        /* what is being sent, for the caller */
    int64_t retry_at;  /* mono us: not before */
};

/* The answer of a request; body points into the connection and is NUL-terminated. */
struct load_answer {
    int status; /* 0 = none: refused, reset, timed out */
    const char *body;
};

/* False: out of memory. */
bool load_conn_init(struct load_conn *conn, int epoll);
void load_conn_fini(struct load_conn *conn);
/* Starts to connect; false when that fails at once. */
bool load_conn_open(struct load_conn *conn, const struct sockaddr_in *to);
void load_conn_close(struct load_conn *conn);
/* Sends what is in conn->out. The state must be IDLE. */
void load_conn_send(struct load_conn *conn);
/* Goes on after an epoll event. True: the request has ended and *answer tells how. */
bool load_conn_event(struct load_conn *conn, uint32_t events, struct load_answer *answer);

#endif
