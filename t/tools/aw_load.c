/* aw_load.c - sends signed alerts and writes a ledger line for each attempt, after its answer came.
 *
 * usage: aw_load TARGET.json --ledger FILE (--count N | --seconds S) [--rate R] [--connections C] [--copies M]
 *                [--signatures K] [--retry] [--seed X] [--path /P] [--times FILE] [--prepared] [--spin]
 * TARGET.json: {"port":N,"companies":[{"company_id","api_key","hmac_secret","assets":[...]}]}
 * Without --rate the loop is closed: every connection sends as soon as it has its answer. With it the loop is open
 * and latency counts from the scheduled instant. --copies sends each delivery 1..M times at once; --retry sends a
 * delivery again (signed again every second time) until it got a 2xx or a refusal that is final. --times writes
 * "delivery_id mono_us" of each 200 (CLOCK_MONOTONIC), for latency measured across processes.
 * --prepared makes and signs all --count deliveries and opens all connections before the clock starts, so that the
 * tool costs little while it measures; nothing in it may be older than the clock skew when it is sent.
 * --spin never sleeps: a server on another core then does not pay for waking this tool, as it would not for a sender
 * on another machine.
 * Ledger line: seq attempt company delivery_id sha256(body) status alert_id durability code
 * Last line on stdout: one JSON object with the figures. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "load_conn.h"
#include "load_target.h"
#include "worker/base/clock.h"
#include "worker/base/vec.h"

#define TIMEOUT_US 15000000
#define CONNECT_US 10000000
#define HISTOGRAM  2000000 /* one bucket per 10 us, 20 s */

struct task {
    struct delivery *delivery;
    unsigned attempt;
    int64_t due_us;
};

static struct {
    struct load_target target;
    const char *path;
    uint64_t count;
    int64_t seconds;
    double rate;
    unsigned connections, copies;
    bool retry, spin;
    struct delivery **prepared;
    uint64_t begun; /* deliveries */
    FILE *ledger, *times;
    struct load_conn *conns;
    AW_VEC(struct task) waiting; /* retries, by due time as they come */
    uint64_t settled, refused, answers[600], duplicates;
    uint32_t *histogram;
    uint64_t measured;
    int64_t started_us;
} load = {.connections = 16,
          .copies = 1,
          .count = UINT64_MAX,
          .path = "/api/webhooks/alerts",
          .target = {.signatures = 4, .seed = 1}};

static void send_task(struct load_conn *conn, struct task task)
{
    struct delivery *d = task.delivery;
    struct task *own = malloc(sizeof(*own));

    if (own == NULL) {
        load_die("out of memory");
    }
    *own = task;
    own->attempt = ++d->attempts;
    conn->task = own;
    d->flying++;
    aw_str_clear(&conn->out);
    aw_str_printf(&conn->out,
                  "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                  "application/json\r\n"
                  "X-API-Key: %s\r\nX-Delivery-ID: %s\r\n",
                  load.path, d->company->api_key, d->id);
    if (d->company->secret != NULL) {
        aw_str_printf(&conn->out, "X-Timestamp: %s\r\nX-Signature: %s\r\n", d->timestamp,
                      d->signature);
    }
    aw_str_printf(&conn->out, "Content-Length: %zu\r\n\r\n%s", strlen(d->body), d->body);
    load_conn_send(conn);
}

/* Value of a string member in one of our own small answers, or "-". */
static const char *member(const char *body, const char *name, char *out, size_t size)
{
    char pattern[40];
    const char *at;

    snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
    at = strstr(body, pattern);
    if (at == NULL) {
        return "-";
    }
    at += strlen(pattern);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
    return out;
}

static bool is_final(int status)
{
    return (status >= 200 && status < 300) || (status >= 400 && status < 500 && status != 429);
}

static void record(struct delivery *d, unsigned attempt, const struct load_answer *answer)
{
    char id[64], durability[16], code[48];
    bool duplicate = strstr(answer->body, "\"duplicate\":true") != NULL;

    load.answers[answer->status < 600 && answer->status >= 0 ? answer->status : 0]++;
    load.duplicates += duplicate;
    if (load.ledger != NULL) {
        fprintf(load.ledger, "%llu %u %s %s %s %d %s %s %s\n", (unsigned long long)d->seq, attempt,
                d->company->id, d->id, d->sha, answer->status,
                member(answer->body, "alert_id", id, sizeof(id)),
                member(answer->body, "durability", durability, sizeof(durability)),
                duplicate ? "duplicate" : member(answer->body, "code", code, sizeof(code)));
    }
}

static void finish(struct load_conn *conn, const struct load_answer *answer, int64_t now)
{
    struct task *task = conn->task;
    struct delivery *d = task->delivery;
    int64_t waited = (now - task->due_us) / 10;

    conn->task = NULL;
    d->flying--;
    if (answer->status == 200) {
        load.histogram[waited < 0 ? 0 : waited >= HISTOGRAM ? HISTOGRAM - 1 : waited]++;
        load.measured++;
        if (load.times != NULL) {
            fprintf(load.times, "%s %lld\n", d->id, (long long)now);
        }
    }
    record(d, task->attempt, answer);
    d->settled = d->settled || is_final(answer->status);
    if (!d->settled && load.retry && d->flying == 0) {
        if (d->company->secret != NULL && d->attempts % 2 == 0) {
            load_delivery_sign(d);
        }
        *aw_vec_push(&load.waiting) =
            (struct task){.delivery = d,
                          .due_us = now + 50000 + (int64_t)(load_random(&load.target) % 200000)};
    } else if (d->flying == 0) {
        load.settled++;
        load.refused += !d->settled;
        load_delivery_free(d);
    }
    free(task);
}

static bool more_to_make(int64_t now)
{
    return load.begun < load.count &&
           (load.seconds == 0 || now - load.started_us < load.seconds * 1000000);
}

/* The next thing to send now: a retry that is due, or a new delivery when its time has come. */
static bool next_task(struct task *task, int64_t now)
{
    for (size_t i = 0; i < load.waiting.n && i < 64; i++) {
        if (load.waiting.v[i].due_us <= now) {
            *task = load.waiting.v[i];
            load.waiting.v[i] = load.waiting.v[--load.waiting.n];
            return true;
        }
    }
    if (!more_to_make(now)) {
        return false;
    }
    int64_t due =
        load.rate > 0 ? load.started_us + (int64_t)((double)load.begun * 1e6 / load.rate) : now;
    if (due > now) {
        return false;
    }
    task->delivery =
        load.prepared != NULL ? load.prepared[load.begun] : load_delivery_make(&load.target);
    task->due_us = due;
    load.begun++;
    return true;
}

static struct load_conn *idle_conn(unsigned *from)
{
    for (unsigned i = 0; i < load.connections; i++, (*from)++) {
        struct load_conn *conn = &load.conns[*from % load.connections];
        if (conn->state == LOAD_IDLE && conn->task == NULL) {
            (*from)++;
            return conn;
        }
    }
    return NULL;
}

static void feed(int64_t now)
{
    static unsigned from;
    struct load_conn *conn;
    struct task task;

    while ((conn = idle_conn(&from)) != NULL && next_task(&task, now)) {
        unsigned copies = task.delivery->attempts == 0 && load.copies > 1
                              ? 1 + (unsigned)(load_random(&load.target) % load.copies)
                              : 1;
        do {
            send_task(conn, task);
        } while (--copies > 0 && (conn = idle_conn(&from)) != NULL);
    }
}

static void tend_connections(int64_t now)
{
    struct load_answer none = {.status = 0, .body = ""};

    for (unsigned i = 0; i < load.connections; i++) {
        struct load_conn *conn = &load.conns[i];
        struct task *task = conn->task;
        if (task != NULL && now - task->due_us > TIMEOUT_US + 60000000 * (load.rate > 0)) {
            load_conn_close(conn);
            finish(conn, &none, now);
        }
        if (conn->state == LOAD_CLOSED && conn->task == NULL && now >= conn->retry_at) {
            conn->retry_at = now + 20000;
            (void)load_conn_open(conn, &load.target.to);
        }
    }
}

/* Waits for events, not past the instant `until_us`, and handles them. */
static void turn(int epoll, int64_t until_us)
{
    struct epoll_event events[256];
    int64_t now = aw_clock_mono_us(), left = !load.spin && until_us > now ? until_us - now : 0;
    struct timespec timeout = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
    int n = epoll_pwait2(epoll, events, 256, &timeout, NULL);

    now = aw_clock_mono_us();
    for (int i = 0; i < n; i++) {
        struct load_conn *conn = events[i].data.ptr;
        struct load_answer answer;
        if (conn->state != LOAD_CLOSED && load_conn_event(conn, events[i].events, &answer)) {
            if (conn->task != NULL) {
                finish(conn, &answer, now);
            }
        }
    }
}

/* When something is to be sent that is not there yet; events come before that. */
static int64_t next_due(int64_t now)
{
    int64_t due = now + (load.waiting.n > 0 ? 1000 : 10000);
    int64_t next = load.rate > 0 && load.begun < load.count
                       ? load.started_us + (int64_t)((double)load.begun * 1e6 / load.rate)
                       : due;
    /* Past its time: no connection was free. */
    return next > now && next < due ? next : next <= now ? now + 1000 : due;
}

static void run(int epoll)
{
    int64_t tended = 0;

    load.started_us = aw_clock_mono_us();
    for (;;) {
        int64_t now = aw_clock_mono_us();
        if (now - tended > 10000) {
            tend_connections(now);
            tended = now;
        }
        feed(now);
        if (!more_to_make(now) && load.settled == load.begun) {
            return;
        }
        turn(epoll, next_due(now));
    }
}

static bool all_connected(void)
{
    for (unsigned i = 0; i < load.connections; i++) {
        if (load.conns[i].state != LOAD_IDLE) {
            return false;
        }
    }
    return true;
}

static void prepare(int epoll)
{
    int64_t began;

    load.prepared = calloc(load.count, sizeof(struct delivery *));
    if (load.prepared == NULL) {
        load_die("out of memory");
    }
    for (uint64_t i = 0; i < load.count; i++) {
        load.prepared[i] = load_delivery_make(&load.target);
    }
    began = aw_clock_mono_us();
    for (int64_t now = began; !all_connected(); now = aw_clock_mono_us()) {
        if (now - began > CONNECT_US) {
            load_die("not all connections could be opened");
        }
        tend_connections(now);
        turn(epoll, now + 10000);
    }
}

static double percentile(double share)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM; i++) {
        seen += load.histogram[i];
        if (load.measured > 0 && (double)seen >= share * (double)load.measured) {
            return (double)i * 0.01;
        }
    }
    return 0;
}

static void report(void)
{
    double seconds = (double)(aw_clock_mono_us() - load.started_us) / 1e6;

    printf("{\"deliveries\":%llu,\"acked\":%llu,\"duplicates\":%llu,\"unsettled\":%llu,\"seconds\":"
           "%.3f,"
           "\"per_second\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"answers\":{",
           (unsigned long long)load.begun, (unsigned long long)load.answers[200],
           (unsigned long long)load.duplicates, (unsigned long long)load.refused, seconds,
           (double)load.answers[200] / seconds, percentile(0.50), percentile(0.99),
           percentile(0.999));
    for (int i = 0, first = 1; i < 600; i++) {
        if (load.answers[i] > 0) {
            printf("%s\"%d\":%llu", first ? "" : ",", i, (unsigned long long)load.answers[i]);
            first = 0;
        }
    }
    printf("}}\n");
}

static bool read_options(int argc, char **argv)
{
    static const struct option options[] = {{"ledger", 1, 0, 'l'},      {"count", 1, 0, 'n'},
                                            {"seconds", 1, 0, 's'},     {"rate", 1, 0, 'r'},
                                            {"connections", 1, 0, 'c'}, {"copies", 1, 0, 'm'},
                                            {"signatures", 1, 0, 'k'},  {"retry", 0, 0, 'R'},
                                            {"seed", 1, 0, 'x'},        {"path", 1, 0, 'p'},
                                            {"times", 1, 0, 't'},       {"prepared", 0, 0, 'P'},
                                            {"spin", 0, 0, 'S'},        {0}};
    bool prepared = false;
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'l':
            load.ledger = fopen(optarg, "w");
            break;
        case 'n':
            load.count = strtoull(optarg, NULL, 10);
            break;
        case 's':
            load.seconds = strtol(optarg, NULL, 10);
            break;
        case 'r':
            load.rate = strtod(optarg, NULL);
            break;
        case 'c':
            load.connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            load.copies = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            load.target.signatures = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'R':
            load.retry = true;
            break;
        case 'x':
            load.target.seed = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            load.path = optarg;
            break;
        case 't':
            load.times = fopen(optarg, "w");
            break;
        case 'P':
            prepared = true;
            break;
        case 'S':
            load.spin = true;
            break;
        default:
            load_die("unknown option");
        }
    }
    if (optind + 1 != argc || (load.count == UINT64_MAX && load.seconds == 0)) {
        load_die("usage: aw_load TARGET.json --ledger FILE (--count N | --seconds S) [options]");
    }
    if (prepared && load.count == UINT64_MAX) {
        load_die("--prepared needs --count");
    }
    return prepared;
}

int main(int argc, char **argv)
{
    struct aw_arena *arena = aw_arena_create(0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    bool prepared = read_options(argc, argv);

    /* The kernel would let a timer sleep 50 us too long. */
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    load_target_read(&load.target, argv[optind], arena);
    load.histogram = calloc(HISTOGRAM, sizeof(*load.histogram));
    load.conns = calloc(load.connections, sizeof(*load.conns));
    if (load.histogram == NULL || load.conns == NULL) {
        load_die("out of memory");
    }
    for (unsigned i = 0; i < load.connections; i++) {
        if (!load_conn_init(&load.conns[i], epoll)) {
            load_die("out of memory");
        }
    }
    if (prepared) {
        prepare(epoll);
    }
    run(epoll);
    report();
    for (unsigned i = 0; i < load.connections; i++) {
        load_conn_fini(&load.conns[i]);
    }
    if (load.ledger != NULL) {
        fclose(load.ledger);
    }
    if (load.times != NULL) {
        fclose(load.times);
    }
    for (; load.prepared != NULL && load.begun < load.count; load.begun++) {
        load_delivery_free(load.prepared[load.begun]);
    }
    free(load.prepared);
    free(load.conns);
    free(load.histogram);
    aw_vec_free(&load.waiting);
    aw_arena_destroy(&arena);
    return load.refused == 0 ? 0 : 1;
}
