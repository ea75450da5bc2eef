#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "worker/base/metrics.h"

static struct aw_metric metrics[] = {
    {.name = "aw_reads_total", .labels = "driver=\"sqlite\"", .help = "Reads of the store"},
    {.name = "aw_queue_bytes", .help = "Bytes waiting", .type = AW_METRIC_GAUGE},
    {.name = "aw_reads_total", .labels = "driver=\"mongo\"", .help = "Reads of the store"},
    {.name = "aw_commit_seconds",
     .labels = "a=\"b\"",
     .help = "Time of a commit",
     .type = AW_METRIC_HISTOGRAM,
     .scale = 1e-6,
     .bounds = {500, 1000, 1000000}},
};

static void text_is_as_the_format_wants(void **state)
{
    (void)state;
    aw_metric_register(metrics, AW_COUNT(metrics));
    aw_metric_register(metrics, AW_COUNT(metrics));
    aw_metric_add(&metrics[0], 2);
    aw_metric_add(&metrics[0], 1);
    aw_metric_set(&metrics[1], -7);
    static const int64_t observed[] = {0, 500, 501, 1000000, 1000001, 9000000};
    for (size_t i = 0; i < AW_COUNT(observed); i++) {
        aw_metric_observe(&metrics[3], observed[i]);
    }
    struct aw_str out;
    aw_str_init(&out, NULL);
    aw_metrics_print(&out);
    assert_string_equal(out.ptr, "# HELP aw_reads_total Reads of the store\n"
                                 "# TYPE aw_reads_total counter\n"
                                 "aw_reads_total{driver=\"sqlite\"} 3\n"
                                 "aw_reads_total{driver=\"mongo\"} 0\n"
                                 "# HELP aw_queue_bytes Bytes waiting\n"
                                 "# TYPE aw_queue_bytes gauge\n"
                                 "aw_queue_bytes -7\n"
                                 "# HELP aw_commit_seconds Time of a commit\n"
                                 "# TYPE aw_commit_seconds histogram\n"
                                 "aw_commit_seconds_bucket{a=\"b\",le=\"0.0005\"} 2\n"
                                 "aw_commit_seconds_bucket{a=\"b\",le=\"0.001\"} 3\n"
                                 "aw_commit_seconds_bucket{a=\"b\",le=\"1\"} 4\n"
                                 "aw_commit_seconds_bucket{a=\"b\",le=\"+Inf\"} 6\n"
                                 "aw_commit_seconds_sum{a=\"b\"} 11.001002\n"
                                 "aw_commit_seconds_count{a=\"b\"} 6\n");
    aw_str_fini(&out);
}

static void prometheus_accepts_it(void **state)
{
    (void)state;
    struct aw_str out;
    aw_str_init(&out, NULL);
    aw_metrics_print(&out);
    FILE *promtool = popen("promtool check metrics >/dev/null 2>&1", "w");
    assert_int_equal(fwrite(out.ptr, 1, out.len, promtool), out.len);
    assert_int_equal(pclose(promtool), 0);
    aw_str_fini(&out);
}

static struct aw_metric shared = {.name = "x", .type = AW_METRIC_HISTOGRAM, .bounds = {10}};

static void *observe(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        aw_metric_observe(&shared, i % 20);
    }
    return NULL;
}

static void threads_add_up(void **state)
{
    (void)state;
    pthread_t threads[3];
    for (size_t i = 0; i < AW_COUNT(threads); i++) {
        pthread_create(&threads[i], NULL, observe, NULL);
    }
    for (size_t i = 0; i < AW_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(shared.count, 30000);
    assert_int_equal(shared.buckets[0], 16500);
    assert_int_equal(shared.buckets[1], 13500);
    assert_int_equal(shared.value, 285000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_as_the_format_wants),
        cmocka_unit_test(prometheus_accepts_it),
        cmocka_unit_test(threads_add_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
