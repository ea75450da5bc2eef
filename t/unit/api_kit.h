/* api_kit.h - a whole worker without the pipeline, in a temporary folder: SQLite store, writer, master key, companies
 * "acme" and "globex" with users of every role, the REST API on a unix socket, and a small HTTP client.
 * Threads: one test at a time. */
#ifndef AW_T_API_KIT_H
#define AW_T_API_KIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/api/api.h"
#include "worker/base/clock.h"
#include "worker/base/json.h"
#include "worker/base/log.h"
#include "worker/domain/apply.h"
#include "worker/domain/tokens.h"
#include "worker/domain/users.h"

#define KIT_PASSWORD "correct-horse-1"

struct kit {
    char dir[64], db[96], key[96], socket[96];
    struct aw_arena *arena;
    struct aw_store *store;
    struct aw_writer *writer;
    struct aw_sealer *sealer;
    struct aw_api *api;
    struct aw_api_conf conf;
    struct aw_api_deps deps;
};

#define KIT_OK(call, err)                                                                          \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            fail_msg("%s: %s (%s)", (err).code, (err).msg, (err).field);                           \
        }                                                                                          \
    } while (0)

static const char kit_companies[] =
    "{\"companies\":["
    "{\"id\":\"acme\",\"name\":\"Acme\",\"assets\":[{\"name\":\"srv-1\",\"critical\":true},{"
    "\"name\":\"srv-2\"}],"
    "\"api_keys\":[{\"name\":\"tools\",\"key\":\"acme-key-0123456789\"}],"
    "\"runbooks\":[{\"name\":\"Restart\",\"signature\":\"down:nginx\",\"risk_level\":\"low\"}]},"
    "{\"id\":\"globex\",\"name\":\"Globex\",\"assets\":[{\"name\":\"srv-9\"}],"
    "\"api_keys\":[{\"name\":\"tools\",\"key\":\"globex-key-0123456789\"}]}]}";

/* One password is known, the others are made; each costs a bcrypt. */
static const char kit_users[] =
    "{"
    "\"users\":["
    "{\"email\":\"admin@msp.test\",\"name\":\"A\",\"role\":\"admin\",\"password\":\"" KIT_PASSWORD
    "\"},"
    "{\"email\":\"boss@acme.test\",\"name\":\"B\",\"role\":\"company_admin\",\"company_ids\":["
    "\"acme\"]},"
    "{\"email\":\"tech@acme.test\",\"name\":\"T\",\"role\":\"technician\",\"company_ids\":["
    "\"acme\"]},"
    "{\"email\":\"view@acme.test\",\"name\":\"V\",\"role\":\"viewer\",\"company_ids\":[\"acme\"]},"
    "{\"email\":\"boss@globex.test\",\"name\":\"G\",\"role\":\"company_admin\",\"company_ids\":["
    "\"globex\"]},"
    "{\"email\":\"gone@acme.test\",\"name\":\"X\",\"role\":\"admin\",\"disabled\":true}]}";

/* Runs an apply text; returns the result document. */
static inline const struct aw_node *kit_apply(struct kit *kit, const char *text)
{
    const struct aw_apply_deps deps = {kit->store, kit->writer, kit->sealer};
    struct aw_str result;
    struct aw_node *root;
    struct aw_err err = {0};
    aw_str_init(&result, kit->arena);
    KIT_OK(aw_apply(&deps, text, strlen(text), kit->arena, &result, &err), err);
    KIT_OK(aw_json_parse(result.ptr, result.len, kit->arena, &root, &err), err);
    return root;
}

static inline void kit_open(struct kit *kit)
{
    struct aw_err err = {0};
    memset(kit, 0, sizeof(*kit));
    aw_log_level = AW_LOG_ERROR;
    strcpy(kit->dir, "/tmp/aw-kit-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    snprintf(kit->db, sizeof(kit->db), "%s/db", kit->dir);
    snprintf(kit->key, sizeof(kit->key), "%s/key", kit->dir);
    snprintf(kit->socket, sizeof(kit->socket), "%s/api.sock", kit->dir);
    kit->arena = aw_arena_create(0);
    const struct aw_store_conf conf = {.driver = "sqlite",
                                       .path = kit->db,
                                       .synchronous = "normal",
                                       .cache_mib = 8};
    KIT_OK(aw_store_open(&conf, false, &kit->store, &err), err);
    KIT_OK(aw_writer_start(kit->store, 64, &kit->writer, &err), err);
    KIT_OK(aw_sealer_open(kit->key, true, &kit->sealer, &err), err);
}

static inline void kit_serve(struct kit *kit)
{
    struct aw_err err = {0};
    kit->conf = (struct aw_api_conf){.socket = kit->socket,
                                     .threads = 4,
                                     .queue = 32,
                                     .auth_threads = 2,
                                     .auth_queue = 8,
                                     .connections = 64,
                                     .max_body = 4096,
                                     .wait_ms = 10000,
                                     .grace_ms = 2000};
    kit->deps.store = kit->store;
    kit->deps.writer = kit->writer;
    kit->deps.sealer = kit->sealer;
    KIT_OK(aw_api_start(&kit->conf, &kit->deps, &kit->api, &err), err);
}

/* With the companies and users of this file, and the API. */
static inline void kit_open_served(struct kit *kit)
{
    kit_open(kit);
    kit_apply(kit, kit_companies);
    kit_apply(kit, kit_users);
    kit_serve(kit);
}

static inline void kit_close(struct kit *kit)
{
    char command[128];
    aw_api_stop(&kit->api);
    if (kit->writer) {
        aw_writer_stop(&kit->writer, 1000);
    }
    aw_store_close(&kit->store);
    aw_sealer_close(&kit->sealer);
    aw_arena_destroy(&kit->arena);
    snprintf(command, sizeof(command), "rm -rf '%s'", kit->dir);
    assert_int_equal(system(command), 0);
}

/* --- HTTP --- */

struct answer {
    int status;
    const char *head, *body; /* head: header lines as they came */
    size_t len;
};

static inline int kit_connect(const struct kit *kit)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", kit->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fail_msg("connect %s: %s", kit->socket, strerror(errno));
    }
    return fd;
}

/* Sends bytes as they are and reads until the server closes. */
static inline struct answer kit_raw(struct kit *kit, const char *request, size_t len)
{
    struct aw_str text;
    char piece[8192];
    ssize_t n;
    int fd = kit_connect(kit);
    for (size_t sent = 0; sent < len; sent += (size_t)n) {
        n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0) {
            break; /* it may answer, and close, before it has read all */
        }
    }
    aw_str_init(&text, kit->arena);
    while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
        aw_str_addn(&text, piece, (size_t)n);
    }
    close(fd);
    char *end = strstr(text.ptr, "\r\n\r\n");
    if (!end) {
        fail_msg("no HTTP answer: %s", text.ptr);
    }
    *end = '\0';
    return (struct answer){.status = (int)strtol(text.ptr + 9, NULL, 10),
                           .head = text.ptr,
                           .body = end + 4,
                           .len = text.len - (size_t)(end + 4 - text.ptr)};
}

struct ask {
    const char *method, *path, *token, *body;
    const char *headers; /* further lines, each with CRLF */
};

static inline struct answer kit_ask(struct kit *kit, struct ask ask)
{
    struct aw_str text;
    aw_str_init(&text, kit->arena);
    aw_str_printf(&text, "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n", ask.method,
                  ask.path);
    if (ask.token) {
        aw_str_printf(&text, "Authorization: Bearer %s\r\n", ask.token);
    }
    if (ask.body) {
        aw_str_printf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                      strlen(ask.body));
    }
    aw_str_add(&text, ask.headers ? ask.headers : "");
    aw_str_add(&text, "\r\n");
    aw_str_add(&text, ask.body ? ask.body : "");
    return kit_raw(kit, text.ptr, text.len);
}

static inline struct answer kit_get(struct kit *kit, const char *path, const char *token)
{
    return kit_ask(kit, (struct ask){.method = "GET", .path = path, .token = token});
}

/* Value of a header of the answer, or NULL. */
static inline const char *kit_header(struct kit *kit, const struct answer *answer, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *value = line + 2 + len + 1;
            value += strspn(value, " ");
            return aw_arena_strn(kit->arena, value, strcspn(value, "\r"));
        }
    }
    return NULL;
}

static inline const struct aw_node *kit_json(struct kit *kit, const struct answer *answer)
{
    struct aw_node *root;
    struct aw_err err = {0};
    if (!aw_json_parse(answer->body, answer->len, kit->arena, &root, &err)) {
        fail_msg("%s in: %.*s", err.msg, (int)answer->len, answer->body);
    }
    return root;
}

/* Text of a member at the end of a way of names, or "" when there is none. */
static inline const char *kit_text(const struct aw_node *node, const char *way)
{
    char copy[128];
    snprintf(copy, sizeof(copy), "%s", way);
    for (char *save, *name = strtok_r(copy, "/", &save); name && node;
         name = strtok_r(NULL, "/", &save)) {
        if (node->type == AW_NODE_LIST) {
            size_t at = strtoul(name, NULL, 10);
            for (node = node->child; node && at > 0; at--) {
                node = node->next;
            }
        } else {
            node = aw_node_get(node, name);
        }
    }
    return !node                        ? ""
           : node->type == AW_NODE_BOOL ? (node->truth ? "true" : "false")
           : node->text                 ? node->text
                                        : "";
}

static inline size_t kit_count(const struct aw_node *list)
{
    size_t n = 0;
    assert_non_null(list);
    for (const struct aw_node *item = list->child; item; item = item->next) {
        n++;
    }
    return n;
}

/* --- who asks --- */

/* A token as the login gives it, without its bcrypt. */
static inline const char *kit_token(struct kit *kit, const char *email)
{
    struct aw_err err = {0};
    struct aw_reader *reader;
    struct aw_user *user;
    struct aw_token_key key;
    const char *token;
    KIT_OK(aw_store_read_begin(kit->store, &reader, &err), err);
    KIT_OK(aw_user_find(reader, email, kit->arena, &user, &err), err);
    aw_store_read_end(&reader);
    assert_non_null(user);
    aw_token_key_init(&key, kit->sealer);
    KIT_OK(aw_token_issue(&key, user, aw_clock_wall_ms(), kit->arena, &token, &err), err);
    return token;
}

#endif
