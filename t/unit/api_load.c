#include "api_kit.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* A store writer that is held up stands for everything that is slow. */
static struct kit kit;
static sem_t entered, go_on;

static const char users[] =
    "{\"users\":[{\"email\":\"admin@msp.test\",\"name\":\"A\",\"role\":\"admin\",\"password\":"
    "\"" KIT_PASSWORD
    "\"},{\"email\":\"boss@acme.test\",\"name\":\"B\",\"role\":\"company_admin\",\"company_ids\":["
    "\"acme\"]}]}";

static bool hold(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    sem_post(&entered);
    sem_wait(&go_on);
    return true;
}

static void *holder(void *arg)
{
    struct aw_err err = {0};
    if (!aw_writer_run(kit.writer, "kit.hold", hold, NULL, AW_ONCE, &err)) {
        *(bool *)arg = false;
    }
    return NULL;
}

static int open_each(void **state)
{
    (void)state;
    sem_init(&entered, 0, 0);
    sem_init(&go_on, 0, 0);
    kit_open(&kit);
    kit_apply(&kit, kit_companies);
    kit_apply(&kit, users);
    kit_serve(&kit);
    /* two threads, two places: the fifth request at once finds no place */
    aw_api_stop(&kit.api);
    kit.conf.threads = 2;
    kit.conf.queue = 2;
    kit.conf.auth_threads = 1;
    kit.conf.auth_queue = 1;
    struct aw_err err = {0};
    KIT_OK(aw_api_start(&kit.conf, &kit.deps, &kit.api, &err), err);
    return 0;
}

static int close_each(void **state)
{
    (void)state;
    kit_close(&kit);
    sem_destroy(&entered);
    sem_destroy(&go_on);
    return 0;
}

#define CALLS 12
struct call {
    pthread_t thread;
    int fd;
    char text[512];
};

/* Sends a request and leaves it there; the answer is read by finish(). */
static void begin(struct call *call, const char *method, const char *path, const char *token,
                  const char *body)
{
    call->fd = kit_connect(&kit);
    int len = snprintf(call->text, sizeof(call->text),
                       "%s %s HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       method, path, token ? token : "-", strlen(body), body);
    assert_true(len < (int)sizeof(call->text));
    assert_int_equal(send(call->fd, call->text, (size_t)len, MSG_NOSIGNAL), len);
}

/* Reads the head of the answer; returns its status. */
static int finish(struct call *call)
{
    size_t got = 0;
    ssize_t n;
    while (got < sizeof(call->text) - 1 &&
           (n = recv(call->fd, call->text + got, sizeof(call->text) - 1 - got, 0)) > 0) {
        got += (size_t)n;
        call->text[got] = '\0';
        if (strstr(call->text, "\r\n\r\n")) {
            break;
        }
    }
    close(call->fd);
    return got > 9 ? (int)strtol(call->text + 9, NULL, 10) : 0;
}

static void what_finds_no_place_is_told_to_come_again(void **state)
{
    (void)state;
    pthread_t thread;
    bool held = true;
    const char *token = kit_token(&kit, "boss@acme.test");
    struct call calls[CALLS];
    assert_int_equal(pthread_create(&thread, NULL, holder, &held), 0);
    sem_wait(&entered);
    for (size_t i = 0; i < CALLS; i++) {
        begin(&calls[i], "PUT", "/api/companies/acme/rate-limit", token, "{}");
    }
    /* nothing can be done now, so the first answers are refusals */
    struct pollfd polls[CALLS];
    for (size_t i = 0; i < CALLS; i++) {
        polls[i] = (struct pollfd){.fd = calls[i].fd, .events = POLLIN};
    }
    assert_true(poll(polls, CALLS, 10000) > 0);
    /* the process still answers, and so does whatever blocks nothing */
    assert_int_equal(kit_get(&kit, "/healthz", NULL).status, 200);
    sem_post(&go_on);
    size_t done = 0, busy = 0;
    for (size_t i = 0; i < CALLS; i++) {
        int status = finish(&calls[i]);
        done += status == 200;
        busy += status == 503 && strstr(calls[i].text, "Retry-After: 1") != NULL;
    }
    pthread_join(thread, NULL);
    assert_true(held);
    assert_int_equal(done + busy, CALLS);
    assert_true(done >= 2 && busy >= 1);
    assert_int_equal(kit_get(&kit, "/api/companies/acme/rate-limit", token).status, 200);
}

static void too_many_logins_are_told_429(void **state)
{
    (void)state;
    struct call calls[CALLS];
    for (size_t i = 0; i < CALLS; i++) {
        begin(&calls[i], "POST", "/api/auth/login", NULL,
              "{\"email\":\"admin@msp.test\",\"password\":\"" KIT_PASSWORD "\"}");
    }
    size_t done = 0, busy = 0;
    for (size_t i = 0; i < CALLS; i++) {
        int status = finish(&calls[i]);
        done += status == 200;
        busy += status == 429 && strstr(calls[i].text, "Retry-After: 1") != NULL;
    }
    assert_int_equal(done + busy, CALLS);
    assert_true(done >= 1 && busy >= 1);
}

static void *stopper(void *arg)
{
    (void)arg;
    aw_api_stop(&kit.api);
    return NULL;
}

static void stopping_finishes_what_is_in_flight(void **state)
{
    (void)state;
    pthread_t thread, stop;
    bool held = true;
    struct call call;
    const char *token = kit_token(&kit, "boss@acme.test");
    assert_int_equal(pthread_create(&thread, NULL, holder, &held), 0);
    sem_wait(&entered);
    begin(&call, "PUT", "/api/companies/acme/rate-limit", token, "{\"burst_size\":77}");
    /* an idle connection must not hold the stop up */
    int idle = kit_connect(&kit);
    assert_int_equal(kit_get(&kit, "/healthz", NULL).status, 200);
    assert_int_equal(pthread_create(&stop, NULL, stopper, NULL), 0);
    while (access(kit.socket, F_OK) == 0) {
        aw_clock_sleep_ms(1);
    }
    sem_post(&go_on);
    assert_int_equal(finish(&call), 200);
    assert_non_null(strstr(call.text, "Connection: close"));
    pthread_join(thread, NULL);
    pthread_join(stop, NULL);
    close(idle);
    assert_null(kit.api);
}

static void a_client_that_leaves_is_no_harm(void **state)
{
    (void)state;
    pthread_t thread;
    bool held = true;
    const char *token = kit_token(&kit, "boss@acme.test");
    assert_int_equal(pthread_create(&thread, NULL, holder, &held), 0);
    sem_wait(&entered);
    for (int i = 0; i < 3; i++) {
        struct call call;
        begin(&call, "PUT", "/api/companies/acme/rate-limit", token, "{}");
        close(call.fd);
    }
    /* half a request, and gone */
    int fd = kit_connect(&kit);
    assert_int_equal(send(fd, "GET /healthz HT", 15, MSG_NOSIGNAL), 15);
    close(fd);
    sem_post(&go_on);
    pthread_join(thread, NULL);
    int status;
    while ((status = kit_get(&kit, "/api/companies/acme", token).status) == 503) {
        aw_clock_sleep_ms(2);
    }
    assert_int_equal(status, 200);
}

static atomic_bool draining;
static struct aw_api_queue queue;

static bool is_draining(void *app)
{
    (void)app;
    return draining;
}

static size_t one_queue(void *app, struct aw_api_queue queues[AW_API_QUEUES])
{
    (void)app;
    queues[0] = queue;
    return 1;
}

static void readiness_names_what_is_in_the_way(void **state)
{
    (void)state;
    struct aw_err err = {0};
    aw_api_stop(&kit.api);
    kit.deps.draining = is_draining;
    kit.deps.queues = one_queue;
    strcpy(queue.name, "old.q");
    queue.attached = queue.retired = true;
    queue.bytes = 640;
    queue.oldest_ms = aw_clock_wall_ms() - 5000;
    KIT_OK(aw_api_start(&kit.conf, &kit.deps, &kit.api, &err), err);
    struct answer answer = kit_get(&kit, "/readyz", NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "queue old.q"));
    assert_non_null(strstr(answer.body, "retired; 640 bytes wait to be drained"));
    answer = kit_get(&kit, "/metrics", NULL);
    assert_non_null(strstr(answer.body, "aw_queue_bytes{queue=\"old.q\"} 640\n"));
    assert_non_null(strstr(answer.body, "aw_queue_oldest_seconds{queue=\"old.q\"} 5."));
    queue.attached = false;
    answer = kit_get(&kit, "/readyz", NULL);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "the file is not there yet"));
    queue.attached = true;
    draining = true;
    answer = kit_get(&kit, "/readyz", NULL);
    assert_int_equal(answer.status, 503);
    assert_string_equal(kit_text(kit_json(&kit, &answer), "status"), "not_ready");
    draining = false;
    assert_int_equal(kit_get(&kit, "/readyz", NULL).status, 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_each, close_each)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_finds_no_place_is_told_to_come_again), TEST(too_many_logins_are_told_429),
        TEST(stopping_finishes_what_is_in_flight),       TEST(a_client_that_leaves_is_no_harm),
        TEST(readiness_names_what_is_in_the_way),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
