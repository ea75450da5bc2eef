/* mongo_proxy.h - a relay between a MongoDB client and its server that spoils one message on demand.
 *
 * Messages are counted from proxy_spoil() on; greetings and pings of the client library do not count. Threads: the
 * test talks to it through these functions, the relays live in threads of their own. */
#ifndef AW_T_MONGO_PROXY_H
#define AW_T_MONGO_PROXY_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/base/clock.h"
#include "worker/base/log.h"

enum proxy_how {
    PROXY_LOSE_REQUEST, /* the server never sees it */
    PROXY_LOSE_REPLY,   /* the server has done it */
    PROXY_LATE,         /* the client has given up when the server sees it */
    PROXY_OUTAGE,       /* as LOSE_REPLY, then nobody answers for a while */
    PROXY_HOWS
};
enum { PROXY_LATE_MS = 150, PROXY_OUTAGE_MS = 1200, PROXY_MESSAGE_MAX = 48 << 20 };

struct proxy {
    struct sockaddr_in server;
    int listener;
    uint16_t port;
    pthread_t thread;
    _Atomic int64_t countdown; /* 0 = nothing is to be spoiled */
    _Atomic int how;
    _Atomic int64_t down_until; /* mono ms */
    _Atomic int64_t messages;
    _Atomic int late; /* messages that the server has still to see */
};
struct proxy_relay {
    struct proxy *proxy;
    int client, server;
};

static inline bool proxy_all(int fd, char *data, size_t len, bool is_read)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = is_read ? recv(fd, data + done, len - done, 0)
                            : send(fd, data + done, len - done, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* One message of the wire protocol, to be freed; NULL at the end. */
static inline char *proxy_read(int fd, size_t *len)
{
    int32_t size;
    if (!proxy_all(fd, (char *)&size, sizeof(size), true) || size < 16 ||
        size > PROXY_MESSAGE_MAX) {
        return NULL;
    }
    char *message = malloc((size_t)size);
    memcpy(message, &size, sizeof(size));
    *len = (size_t)size;
    if (!proxy_all(fd, message + sizeof(size), *len - sizeof(size), true)) {
        free(message);
        return NULL;
    }
    return message;
}

/* OP_MSG: 16 bytes header, 4 flags, 1 section kind, 4 length, 1 type, then the name of the command. */
static inline bool proxy_counts(const char *message, size_t len)
{
    static const char *const passed[] = {"hello", "isMaster", "ismaster", "ping", "endSessions"};
    enum { NAME = 26, OP_MSG = 2013 };
    int32_t opcode;
    memcpy(&opcode, message + 12, sizeof(opcode));
    if (opcode != OP_MSG || len <= NAME) {
        return false;
    }
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        if (strncmp(message + NAME, passed[i], len - NAME) == 0) {
            return false;
        }
    }
    return true;
}

static inline bool proxy_pass(const struct proxy_relay *relay, char *message, size_t len,
                              bool reply_too)
{
    size_t reply_len;
    if (!proxy_all(relay->server, message, len, false)) {
        return false;
    }
    char *reply = proxy_read(relay->server, &reply_len);
    bool is_good =
        reply != NULL && (!reply_too || proxy_all(relay->client, reply, reply_len, false));
    free(reply);
    return is_good;
}

static inline void proxy_spoil_this(const struct proxy_relay *relay, char *message, size_t len)
{
    switch ((enum proxy_how)atomic_load(&relay->proxy->how)) {
    case PROXY_LATE:
        atomic_fetch_add(&relay->proxy->late, 1);
        shutdown(relay->client, SHUT_RDWR);
        aw_clock_sleep_ms(PROXY_LATE_MS);
        proxy_pass(relay, message, len, false);
        atomic_fetch_sub(&relay->proxy->late, 1);
        break;
    case PROXY_OUTAGE:
        proxy_pass(relay, message, len, false);
        atomic_store(&relay->proxy->down_until, aw_clock_mono_ms() + PROXY_OUTAGE_MS);
        break;
    case PROXY_LOSE_REPLY:
        proxy_pass(relay, message, len, false);
        break;
    default:
        break;
    }
}

static inline void *proxy_relay_main(void *arg)
{
    struct proxy_relay *relay = arg;
    struct proxy *proxy = relay->proxy;
    for (bool go_on = true; go_on;) {
        size_t len;
        char *message = proxy_read(relay->client, &len);
        go_on = message != NULL && aw_clock_mono_ms() >= atomic_load(&proxy->down_until);
        if (go_on && proxy_counts(message, len)) {
            atomic_fetch_add(&proxy->messages, 1);
            if (atomic_load(&proxy->countdown) > 0 && atomic_fetch_sub(&proxy->countdown, 1) == 1) {
                proxy_spoil_this(relay, message, len);
                go_on = false;
            }
        }
        go_on = go_on && proxy_pass(relay, message, len, true);
        free(message);
    }
    close(relay->client);
    close(relay->server);
    free(relay);
    return NULL;
}

static inline void *proxy_main(void *arg)
{
    struct proxy *proxy = arg;
    int client;
    while ((client = accept(proxy->listener, NULL, NULL)) >= 0) {
        struct proxy_relay *relay = malloc(sizeof(*relay));
        pthread_t thread;
        *relay = (struct proxy_relay){proxy, client, socket(AF_INET, SOCK_STREAM, 0)};
        if (aw_clock_mono_ms() < atomic_load(&proxy->down_until) ||
            connect(relay->server, (struct sockaddr *)&proxy->server, sizeof(proxy->server)) != 0 ||
            pthread_create(&thread, NULL, proxy_relay_main, relay) != 0) {
            close(relay->server);
            close(client);
            free(relay);
        } else {
            pthread_detach(thread);
        }
    }
    return NULL;
}

/* To a server on the loopback. */
static inline void proxy_start(struct proxy *proxy, uint16_t server_port)
{
    *proxy = (struct proxy){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(here);
    proxy->server = here;
    proxy->server.sin_port = htons(server_port);
    if (bind(proxy->listener, (struct sockaddr *)&here, len) != 0 ||
        listen(proxy->listener, 64) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&here, &len) != 0 ||
        pthread_create(&proxy->thread, NULL, proxy_main, proxy) != 0) {
        abort();
    }
    proxy->port = ntohs(here.sin_port);
}

static inline void proxy_stop(struct proxy *proxy)
{
    shutdown(proxy->listener, SHUT_RDWR);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
}

/* Spoils the n-th message from now on. */
static inline void proxy_spoil(struct proxy *proxy, enum proxy_how how, int64_t n)
{
    atomic_store(&proxy->how, (int)how);
    atomic_store(&proxy->messages, 0);
    atomic_store(&proxy->countdown, n);
}
/* Has it been spoiled? Nothing is from now on, and what was late has come. */
static inline bool proxy_calm(struct proxy *proxy)
{
    bool was_spoiled = atomic_exchange(&proxy->countdown, 0) == 0;
    while (atomic_load(&proxy->late) > 0) {
        aw_clock_sleep_ms(1);
    }
    return was_spoiled;
}

/* --- the one before the server of the environment, for a group of tests --- */

static struct proxy proxy;

static int start_proxy(void **state)
{
    (void)state;
    aw_log_level = AW_LOG_ERROR;
    proxy_start(&proxy, (uint16_t)strtol(strrchr(getenv("AW_TEST_MONGO_URI"), ':') + 1, NULL, 10));
    return 0;
}
static int stop_proxy(void **state)
{
    (void)state;
    proxy_stop(&proxy);
    return 0;
}

#endif
