/* The drain on a real queue file and a real writer: everything arrives once, nothing is released before its commit, and
 * a bad record does not hold up the others. */
#include "domain_kit.h"

#include "worker/base/clock.h"
#include "worker/base/metrics.h"
#include "worker/domain/dead_letters.h"
#include "worker/pipeline/drain.h"

enum { QUEUES = 2, QUEUE_SIZE = 2 << 20, WAIT_MS = 20000 };

struct line {
    struct kit *kit;
    struct aw_writer *writer;
    struct aw_queue queues[QUEUES];
    struct aw_drain_queue named[QUEUES];
    char paths[QUEUES][128];
    size_t sent; /* alerts */
    struct aw_drain *drain;
};

static void open_queue(struct line *line, size_t i)
{
    struct aw_err err;
    snprintf(line->paths[i], sizeof(line->paths[i]), "%s/queue%zu", line->kit->folder, i);
    if (!aw_queue_open(&line->queues[i], line->paths[i], QUEUE_SIZE,
                       AW_FILE_CREATE | AW_FILE_CONSUMER | AW_FILE_ANY_FS, NULL, &err)) {
        fail_msg("queue: %s %s", err.code, err.msg);
    }
    line->named[i] = (struct aw_drain_queue){.name = line->paths[i], .queue = &line->queues[i]};
}

static void start_writer(struct line *line)
{
    struct aw_err err;
    assert_true(aw_writer_start(line->kit->store, 64, &line->writer, &err));
}

static int setup(void **state)
{
    struct line *line = calloc(1, sizeof(*line));
    *state = line;
    assert_int_equal(kit_setup((void **)&line->kit), 0);
    kit_company(line->kit, "acme", 1);
    for (size_t i = 0; i < QUEUES; i++) {
        open_queue(line, i);
    }
    start_writer(line);
    return 0;
}

static int teardown(void **state)
{
    struct line *line = *state;
    aw_writer_stop(&line->writer, 1000);
    for (size_t i = 0; i < QUEUES; i++) {
        aw_queue_close(&line->queues[i]);
        unlink(line->paths[i]);
    }
    assert_int_equal(kit_teardown((void **)&line->kit), 0);
    free(line);
    return 0;
}

static void start_drain(struct line *line, size_t queues, size_t batch_records)
{
    struct aw_err err;
    struct aw_drain_conf conf = {.writer = line->writer,
                                 .queues = line->named,
                                 .queue_count = queues,
                                 .batch_records = batch_records};
    assert_true(aw_drain_start(&conf, &line->drain, &err));
}

static uint64_t send_body(struct line *line, size_t queue, const char *body,
                          uint8_t alert_id[AW_ID_LEN])
{
    struct aw_delivery delivery = {.kind = AW_RECORD_ALERT,
                                   .received_ms = (uint64_t)KIT_NOW + line->sent,
                                   .company = "acme",
                                   .company_len = 4,
                                   .body = (const uint8_t *)body,
                                   .body_len = strlen(body)};
    char identity[64];
    snprintf(identity, sizeof(identity), "%zu", line->sent++);
    aw_sha256(identity, strlen(identity), delivery.identity);
    aw_id_make(delivery.alert_id, delivery.received_ms);
    if (alert_id != NULL) {
        memcpy(alert_id, delivery.alert_id, AW_ID_LEN);
    }
    struct aw_queue *to = &line->queues[queue];
    assert_true(aw_queue_lock(to, 1000000) == AW_QUEUE_OK);
    uint64_t seq = aw_queue_append(to, &delivery);
    aw_queue_unlock(to);
    assert_true(seq != 0);
    (void)aw_queue_wake(to);
    return seq;
}

static void send_alert(struct line *line, size_t queue, const char *asset, const char *message)
{
    char body[512];
    snprintf(body, sizeof(body),
             "{\"asset_name\":\"%s\",\"signature\":\"s\",\"severity\":\"low\",\"message\":\"%s\","
             "\"tool_source\":\"t\"}",
             asset, message);
    (void)send_body(line, queue, body, NULL);
}

static void wait_released(struct line *line, uint64_t n)
{
    int64_t until = aw_clock_mono_ms() + WAIT_MS;
    while (aw_drain_released(line->drain) < n) {
        assert_true(aw_clock_mono_ms() < until);
        aw_clock_sleep_ms(1);
    }
}

static bool is_empty(struct line *line, size_t queue)
{
    uint64_t bytes, oldest_ms;
    aw_queue_depth(&line->queues[queue], &bytes, &oldest_ms);
    return bytes == 0;
}

static void everything_arrives_once(void **state)
{
    struct line *line = *state;
    char asset[16];
    start_drain(line, QUEUES, 0);
    for (size_t i = 0; i < 3000; i++) {
        snprintf(asset, sizeof(asset), "a%zu", i % 50);
        send_alert(line, i % QUEUES, asset, "m");
        if (i % 1000 == 999) {
            wait_released(line, i + 1);
        }
    }
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
    assert_null(line->drain);
    assert_true(is_empty(line, 0) && is_empty(line, 1));
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 3000);
    assert_int_equal(kit_count(line->kit, &aw_incident_schema), 50);
    struct aw_rows rows = kit_all(line->kit, &aw_incident_schema);
    for (size_t i = 0; i < rows.n; i++) {
        assert_int_equal(((struct aw_incident *)rows.v[i])->alert_count, 60);
    }
}

static void a_stop_drains_what_is_there(void **state)
{
    struct line *line = *state;
    for (size_t i = 0; i < 500; i++) {
        send_alert(line, 0, "a", "m");
    }
    start_drain(line, 1, 10);
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
    assert_true(is_empty(line, 0));
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 500);
}

static void nothing_is_released_before_its_commit(void **state)
{
    struct line *line = *state;
    for (size_t i = 0; i < 20; i++) {
        send_alert(line, 0, "a", "m");
    }
    uint64_t head = aw_queue_head(&line->queues[0]);
    kit_held = true;
    start_drain(line, 1, 0);
    int64_t until = aw_clock_mono_ms() + WAIT_MS;
    while (aw_writer_down_since(line->writer) == 0) {
        assert_true(aw_clock_mono_ms() < until);
        aw_clock_sleep_ms(1);
    }
    assert_int_equal(aw_queue_head(&line->queues[0]), head);
    assert_int_equal(aw_drain_released(line->drain), 0);
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 0);
    kit_held = false;
    wait_released(line, 20);
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 20);
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
}

static void a_stop_while_the_store_is_down(void **state)
{
    struct line *line = *state;
    send_alert(line, 0, "a", "m");
    kit_held = true;
    start_drain(line, 1, 0);
    int64_t until = aw_clock_mono_ms() + WAIT_MS;
    while (aw_writer_down_since(line->writer) == 0) {
        assert_true(aw_clock_mono_ms() < until);
        aw_clock_sleep_ms(1);
    }
    assert_false(aw_drain_stop(&line->drain, 10));
    assert_non_null(line->drain);
    aw_writer_stop(&line->writer, 10);
    assert_false(aw_drain_stop(&line->drain, 1000));
    assert_null(line->drain);
    kit_held = false;
    assert_false(is_empty(line, 0));
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 0);
    start_writer(line);
    start_drain(line, 1, 0);
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 1);
}

static void a_record_that_cannot_be_read_is_put_away(void **state)
{
    struct line *line = *state;
    uint8_t id[AW_ID_LEN];
    char text[AW_ID_TEXT + 1];
    send_alert(line, 0, "a", "m");
    (void)send_body(line, 0, "{\"asset_name\":\"\"}", id);
    send_alert(line, 0, "b", "m");
    start_drain(line, 1, 0);
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), 2);
    aw_id_format(id, text);
    const struct aw_dead_letter *letter = kit_get(line->kit, &aw_dead_letter_schema, text);
    assert_int_equal(letter->tries, 0);
    assert_non_null(strstr(letter->reason, "asset_name"));
}

/* The store takes every document but one: it is found alone, tried five times and put away; the others pass. */
static void a_refused_record_stands_alone(void **state)
{
    enum { N = 300, BAD = 177 };
    struct line *line = *state;
    char asset[16];
    kit_refused_word = "poison";
    for (size_t i = 0; i < N; i++) {
        snprintf(asset, sizeof(asset), "a%zu", i);
        send_alert(line, 0, asset, i == BAD ? "poison" : "m");
    }
    start_drain(line, 1, 0);
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
    assert_true(is_empty(line, 0));
    assert_int_equal(kit_count(line->kit, &aw_alert_schema), N - 1);
    struct aw_rows letters = kit_all(line->kit, &aw_dead_letter_schema);
    assert_int_equal(letters.n, 1);
    const struct aw_dead_letter *letter = letters.v[0];
    assert_int_equal(letter->tries, AW_DEAD_LETTER_TRIES);
    assert_string_equal(letter->reason, "it broke the worker");
    assert_int_equal(letter->received_at, KIT_NOW + BAD);
}

static void figures_tell_what_was_done(void **state)
{
    struct line *line = *state;
    struct aw_str text;
    send_alert(line, 0, "a", "m");
    start_drain(line, 1, 0);
    assert_true(aw_drain_stop(&line->drain, WAIT_MS));
    aw_str_init(&text, NULL);
    aw_metrics_print(&text);
    static const char *const names[] = {"aw_pipeline_records_total ",
                                        "aw_pipeline_batch_records_count ",
                                        "aw_pipeline_seconds_sum ",
                                        "aw_alerts_total{severity=\"low\"} ",
                                        "aw_duplicates_total ",
                                        "aw_incidents_opened_total ",
                                        "aw_dead_letters_total "};
    for (size_t i = 0; i < AW_COUNT(names); i++) {
        if (strstr(text.ptr, names[i]) == NULL) {
            fail_msg("%s is missing", names[i]);
        }
    }
    aw_str_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_arrives_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_drains_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_released_before_its_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_while_the_store_is_down, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_cannot_be_read_is_put_away, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_record_stands_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(figures_tell_what_was_done, setup, teardown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
