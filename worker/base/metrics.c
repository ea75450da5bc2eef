#include "worker/base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {"counter", "gauge", "histogram"};
static struct aw_metric *first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list */

/* Behind the last of the same name, else at the end: the format wants a name's rows together. A row
 * that is there already stays where it is. */
static void insert(struct aw_metric *metric)
{
    struct aw_metric **at = &first, **behind = NULL;
    for (; *at != NULL; at = &(*at)->next) {
        if (*at == metric) {
            return;
        }
        if (strcmp((*at)->name, metric->name) == 0) {
            behind = &(*at)->next;
        }
    }
    at = behind != NULL ? behind : at;
    metric->next = *at;
    *at = metric;
}

void aw_metric_register(struct aw_metric *metrics, size_t n)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n; i++) {
        insert(&metrics[i]);
    }
    pthread_mutex_unlock(&lock);
}

static size_t bounds_of(const struct aw_metric *metric)
{
    size_t n = 0;
    while (n < AW_METRIC_BUCKETS && metric->bounds[n] != 0) {
        n++;
    }
    return n;
}

void aw_metric_observe(struct aw_metric *metric, int64_t value)
{
    size_t n = bounds_of(metric), i = 0;
    while (i < n && value > metric->bounds[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&metric->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->count, 1, memory_order_relaxed);
}

static double scaled(const struct aw_metric *metric, int64_t value)
{
    return metric->scale != 0 ? (double)value * metric->scale : (double)value;
}

/* name[suffix]{labels,extra} */
static void print_name(struct aw_str *out, const struct aw_metric *metric, const char *suffix,
                       const char *extra)
{
    bool labels = metric->labels != NULL && metric->labels[0] != '\0';
    aw_str_add(out, metric->name);
    aw_str_add(out, suffix);
    if (labels || extra[0] != '\0') {
        aw_str_printf(out, "{%s%s%s}", labels ? metric->labels : "",
                      labels && extra[0] != '\0' ? "," : "", extra);
    }
}

static void print_scaled(struct aw_str *out, const struct aw_metric *metric, int64_t value)
{
    if (metric->scale != 0) {
        aw_str_printf(out, " %.12g\n", scaled(metric, value));
    } else {
        aw_str_printf(out, " %lld\n", (long long)value);
    }
}

/* Buckets are cumulative. The count is their sum, so that a row told meanwhile cannot make the two
 * differ. */
static void print_histogram(struct aw_str *out, struct aw_metric *metric)
{
    int64_t sum = atomic_load_explicit(&metric->value, memory_order_relaxed);
    long long count = 0;
    size_t n = bounds_of(metric);
    for (size_t i = 0; i <= n; i++) {
        char le[48] = "le=\"+Inf\"";
        if (i < n) {
            snprintf(le, sizeof(le), "le=\"%.12g\"", scaled(metric, metric->bounds[i]));
        }
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        print_name(out, metric, "_bucket", le);
        aw_str_printf(out, " %lld\n", count);
    }
    print_name(out, metric, "_sum", "");
    print_scaled(out, metric, sum);
    print_name(out, metric, "_count", "");
    aw_str_printf(out, " %lld\n", count);
}

void aw_metrics_print(struct aw_str *out)
{
    const char *name = "";
    pthread_mutex_lock(&lock);
    for (struct aw_metric *metric = first; metric != NULL; metric = metric->next) {
        if (strcmp(metric->name, name) != 0) {
            name = metric->name;
            aw_str_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, metric->help, name,
                          type_names[metric->type]);
        }
        if (metric->type == AW_METRIC_HISTOGRAM) {
            print_histogram(out, metric);
        } else {
            print_name(out, metric, "", "");
            print_scaled(out, metric, atomic_load_explicit(&metric->value, memory_order_relaxed));
        }
    }
    pthread_mutex_unlock(&lock);
}
