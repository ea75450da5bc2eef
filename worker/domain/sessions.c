#include "sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "users.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/map.h"
#include "worker/base/str.h"

#define FREE_FAILURES 4 /* in a row, without a wait */
#define WAIT_MAX_S    900
#define FORGET_MS     (3600 * 1000) /* after the last failure */
#define ACCOUNTS      10000         /* remembered at once */

struct account {
    unsigned failures;
    int64_t failed_ms, until_ms; /* monotonic */
};

struct aw_sessions {
    struct aw_store *store;
    struct aw_writer *writer;
    struct aw_token_key key;
    pthread_mutex_t lock;
    struct aw_map *accounts; /* e-mail as given, in lower case -> struct account; under the lock */
};

bool aw_sessions_create(struct aw_store *store, struct aw_writer *writer, struct aw_sealer *sealer,
                        struct aw_sessions **sessions, struct aw_err *err)
{
    struct aw_sessions *made = calloc(1, sizeof(*made));
    if (!made) {
        return aw_fail_errno(err, "auth.memory", "no memory for sessions");
    }
    made->store = store;
    made->writer = writer;
    made->accounts = aw_map_create();
    pthread_mutex_init(&made->lock, NULL);
    aw_token_key_init(&made->key, sealer);
    *sessions = made;
    return true;
}

void aw_sessions_destroy(struct aw_sessions **sessions)
{
    struct aw_sessions *gone = *sessions;
    if (!gone) {
        return;
    }
    aw_map_destroy(&gone->accounts, free);
    pthread_mutex_destroy(&gone->lock);
    aw_wipe(&gone->key, sizeof(gone->key));
    free(gone);
    *sessions = NULL;
}

/* --- waits --- */

static int64_t wait_of(struct aw_sessions *sessions, const char *email)
{
    pthread_mutex_lock(&sessions->lock);
    const struct account *account = aw_map_get(sessions->accounts, email, strlen(email));
    int64_t left_ms = account ? account->until_ms - aw_clock_mono_ms() : 0;
    pthread_mutex_unlock(&sessions->lock);
    return left_ms > 0 ? (left_ms + 999) / 1000 : 0;
}

static void succeeded(struct aw_sessions *sessions, const char *email)
{
    pthread_mutex_lock(&sessions->lock);
    free(aw_map_remove(sessions->accounts, email, strlen(email)));
    pthread_mutex_unlock(&sessions->lock);
}

/* Forgets what is old; if nothing is, the account that failed longest ago. */
static void make_room(struct aw_map *accounts, int64_t now_ms)
{
    struct aw_str oldest;
    aw_str_init(&oldest, NULL);
    int64_t oldest_ms = INT64_MAX;
    const void *key;
    size_t len, it = 0;
    void *value;
    while (aw_map_next(accounts, &it, &key, &len, &value)) {
        const struct account *account = value;
        if (now_ms - account->failed_ms > FORGET_MS) {
            aw_map_remove(accounts, key, len);
            free(value);
        } else if (account->failed_ms < oldest_ms) {
            oldest_ms = account->failed_ms;
            aw_str_clear(&oldest);
            aw_str_addn(&oldest, key, len);
        }
    }
    if (aw_map_count(accounts) >= ACCOUNTS) {
        free(aw_map_remove(accounts, oldest.ptr, oldest.len));
    }
    aw_str_fini(&oldest);
}

static void failed(struct aw_sessions *sessions, const char *email)
{
    int64_t now_ms = aw_clock_mono_ms();
    pthread_mutex_lock(&sessions->lock);
    struct account *account = aw_map_get(sessions->accounts, email, strlen(email));
    if (!account && aw_map_count(sessions->accounts) >= ACCOUNTS) {
        make_room(sessions->accounts, now_ms);
    }
    if (!account && (account = calloc(1, sizeof(*account)))) {
        aw_map_put(sessions->accounts, email, strlen(email), account);
    }
    if (account) {
        account->failures = now_ms - account->failed_ms > FORGET_MS ? 1 : account->failures + 1;
        account->failed_ms = now_ms;
        unsigned doublings =
            account->failures > FREE_FAILURES ? account->failures - FREE_FAILURES - 1 : 0;
        int64_t wait_s = account->failures <= FREE_FAILURES ? 0
                         : doublings < 10                   ? 1 << doublings
                                                            : WAIT_MAX_S;
        account->until_ms = now_ms + (wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S) * 1000;
    }
    pthread_mutex_unlock(&sessions->lock);
}

/* --- login --- */

static bool write_audit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    return aw_audit_add(tx, arg, err);
}

static bool audit(struct aw_sessions *sessions, const struct aw_user *user, bool refused,
                  struct aw_err *err)
{
    struct aw_audit_act act = {
        .user_id = user ? user->id : NULL,
        .action = refused ? "user.login_refused" : "user.login",
        .object = user ? aw_user_schema.name : NULL,
        .object_id = user ? user->id : NULL,
        .refused = refused,
        .now_ms = aw_clock_wall_ms(),
    };
    return aw_writer_run(sessions->writer, "session.audit", write_audit, &act, AW_ONCE, err);
}

static bool find(struct aw_sessions *sessions, const char *email, struct aw_arena *arena,
                 struct aw_user **user, struct aw_err *err)
{
    struct aw_reader *reader;
    if (!aw_store_read_begin(sessions->store, &reader, err)) {
        return false;
    }
    bool ok = aw_user_find(reader, email, arena, user, err);
    aw_store_read_end(&reader);
    return ok;
}

bool aw_sessions_login(struct aw_sessions *sessions, const char *email, const char *password,
                       struct aw_arena *arena, struct aw_user **user, const char **token,
                       int64_t *retry_s, struct aw_err *err)
{
    const char *name = aw_user_email(email, arena);
    name = name ? name : "";
    *retry_s = wait_of(sessions, name);
    if (*retry_s > 0) {
        return aw_fail(err, AW_ERR_RATE, "auth.wait", "Too many failed logins: try again in %lld s",
                       (long long)*retry_s);
    }
    *user = NULL;
    if (*name && !find(sessions, name, arena, user, err)) {
        return false;
    }
    const struct aw_user *found = *user;
    bool right = aw_password_verify(password, found ? found->password_hash : NULL);
    if (!right || !found || found->disabled) {
        failed(sessions, name);
        if (!audit(sessions, found, true, err)) {
            aw_log(AW_LOG_WARN, "session.audit_failed", AW_E(err));
        }
        return aw_fail(err, AW_ERR_UNAUTHENTICATED, "auth.credentials",
                       "Invalid email or password");
    }
    succeeded(sessions, name);
    return aw_token_issue(&sessions->key, found, aw_clock_wall_ms(), arena, token, err) &&
           audit(sessions, found, false, err);
}

bool aw_sessions_user(struct aw_sessions *sessions, struct aw_reader *reader, const char *token,
                      size_t len, struct aw_arena *arena, struct aw_user **user, struct aw_err *err)
{
    struct aw_claims claims;
    void *row;
    if (!aw_token_verify(&sessions->key, token, len, aw_clock_wall_ms(), arena, &claims, err) ||
        !aw_store_peek(reader, &aw_user_schema, claims.user_id, arena, &row, err)) {
        return false;
    }
    *user = row;
    if (!*user || (*user)->disabled) {
        return aw_fail(err, AW_ERR_UNAUTHENTICATED, "auth.token", "Not authenticated");
    }
    return true;
}
