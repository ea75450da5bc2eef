#include "load_conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SIZE 4096

static void watch(struct load_conn *conn, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    (void)epoll_ctl(conn->epoll, op, conn->fd, &event);
}

bool load_conn_init(struct load_conn *conn, int epoll)
{
    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
    conn->epoll = epoll;
    aw_str_init(&conn->out, NULL);
    conn->in = malloc(ANSWER_SIZE);
    if (conn->in != NULL) {
        memset(conn->in, 0, ANSWER_SIZE); /* no page fault while the clock runs */
    }
    return conn->in != NULL;
}

void load_conn_fini(struct load_conn *conn)
{
    load_conn_close(conn);
    aw_str_fini(&conn->out);
    free(conn->in);
}

bool load_conn_open(struct load_conn *conn, const struct sockaddr_in *to)
{
    int one = 1;

    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        return false;
    }
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(conn->fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS) {
        load_conn_close(conn);
        return false;
    }
    conn->state = LOAD_CONNECTING;
    watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
    return true;
}

void load_conn_close(struct load_conn *conn)
{
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    conn->fd = -1;
    conn->state = LOAD_CLOSED;
    conn->in_len = conn->answer_len = conn->sent = 0;
}

static bool write_out(struct load_conn *conn)
{
    while (conn->sent < conn->out.len) {
        ssize_t n =
            send(conn->fd, conn->out.ptr + conn->sent, conn->out.len - conn->sent, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN;
        }
        conn->sent += (size_t)n;
    }
    conn->state = LOAD_READING;
    return true;
}

void load_conn_send(struct load_conn *conn)
{
    conn->sent = conn->in_len = conn->answer_len = 0;
    conn->state = LOAD_SENDING;
    /* A failed write shows as an event of the connection: the answer is then "none". */
    (void)write_out(conn);
    if (conn->state == LOAD_SENDING) {
        watch(conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
}

/* Length of head and body once the head is there; 0 = more is needed, -1 = not an answer that we
 * understand. */
static ssize_t answer_length(struct load_conn *conn)
{
    conn->in[conn->in_len] = '\0';
    char *end = strstr(conn->in, "\r\n\r\n");
    if (end == NULL) {
        return conn->in_len == ANSWER_SIZE - 1 ? -1 : 0;
    }
    char *length = strcasestr(conn->in, "\r\nContent-Length:");
    if (length == NULL || length > end) {
        return -1;
    }
    return (end + 4 - conn->in) + strtol(length + 17, NULL, 10);
}

static bool failed(struct load_conn *conn, struct load_answer *answer)
{
    bool was_busy = conn->state == LOAD_SENDING || conn->state == LOAD_READING;

    load_conn_close(conn);
    answer->status = 0;
    answer->body = "";
    return was_busy;
}

static bool read_answer(struct load_conn *conn, struct load_answer *answer)
{
    ssize_t n = recv(conn->fd, conn->in + conn->in_len, ANSWER_SIZE - 1 - conn->in_len, 0);
    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    if (n <= 0 || conn->state == LOAD_IDLE) {
        return failed(conn, answer);
    }
    conn->in_len += (size_t)n;
    if (conn->answer_len == 0) {
        ssize_t whole = answer_length(conn);
        if (whole < 0 || (size_t)whole >= ANSWER_SIZE) {
            return failed(conn, answer);
        }
        conn->answer_len = (size_t)whole;
    }
    if (conn->answer_len == 0 || conn->in_len < conn->answer_len) {
        return false;
    }
    conn->in[conn->in_len] = '\0';
    answer->status = conn->in_len > 12 ? (int)strtol(conn->in + 9, NULL, 10) : 0;
    answer->body = strstr(conn->in, "\r\n\r\n") + 4;
    if (strcasestr(conn->in, "\r\nConnection: close") != NULL) {
        load_conn_close(conn);
    } else {
        conn->state = LOAD_IDLE;
    }
    return true;
}

bool load_conn_event(struct load_conn *conn, uint32_t events, struct load_answer *answer)
{
    if (conn->state == LOAD_CONNECTING) {
        if (events & (EPOLLERR | EPOLLHUP)) {
            return failed(conn, answer);
        }
        conn->state = LOAD_IDLE;
        watch(conn, EPOLL_CTL_MOD, EPOLLIN);
        return false;
    }
    if ((events & EPOLLOUT) && conn->state == LOAD_SENDING) {
        if (!write_out(conn)) {
            return failed(conn, answer);
        }
        if (conn->state == LOAD_READING) {
            watch(conn, EPOLL_CTL_MOD, EPOLLIN);
        }
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        return read_answer(conn, answer);
    }
    return false;
}
