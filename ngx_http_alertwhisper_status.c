
/*
 * Alert Whisperer: alertwhisper_status, the state of the edge as JSON or as
 * Prometheus text.  Both come from one table of gauges and one of counters.
 */


#include "ngx_http_alertwhisper.h"


#define NGX_HTTP_ALERTWHISPER_LINE      512
#define NGX_HTTP_ALERTWHISPER_PREFIX    "alertwhisper_edge_"


typedef struct {
    char                       *group;   /* object in JSON */
    char                       *member;
    char                       *metric;
    char                       *type;
    char                       *help;
    ngx_uint_t                  micro;   /* value in us, shown in s */
} ngx_http_alertwhisper_gauge_t;


static ngx_int_t ngx_http_alertwhisper_wants_text(ngx_http_request_t *r,
    ngx_uint_t *text);
static void ngx_http_alertwhisper_figures(
    ngx_http_alertwhisper_main_conf_t *amcf, uint64_t *figures);
static u_char *ngx_http_alertwhisper_status_json(u_char *p,
    ngx_http_alertwhisper_main_conf_t *amcf, uint64_t *figures);
static u_char *ngx_http_alertwhisper_status_text(u_char *p,
    ngx_http_alertwhisper_main_conf_t *amcf, uint64_t *figures);
static u_char *ngx_http_alertwhisper_figure(u_char *p,
    ngx_http_alertwhisper_gauge_t *gauge, uint64_t value);


/* in the order in which ngx_http_alertwhisper_figures() fills its array */

static ngx_http_alertwhisper_gauge_t  ngx_http_alertwhisper_gauges[] = {

    { "table", "generation", "table_generation", "gauge",
      "Generation of the edge table; 0: the worker has published none", 0 },

    { "queue", "size_bytes", "queue_size_bytes", "gauge",
      "Size of the data area of the queue file", 0 },

    { "queue", "used_bytes", "queue_used_bytes", "gauge",
      "Bytes that wait in the queue file for the worker", 0 },

    { "queue", "oldest_seconds", "queue_oldest_seconds", "gauge",
      "Age of the oldest record that waits; 0: none waits", 0 },

    { "sync", "broken", "sync_broken", "gauge",
      "1: a sync has failed and disk acks are refused until it is mended", 0 },

    { "sync", "count", "syncs_total", "counter",
      "Syncs of the queue file", 0 },

    { "sync", "seconds", "sync_seconds_total", "counter",
      "Time spent in syncs", 1 },

    { "sync", "longest_seconds", "sync_longest_seconds", "gauge",
      "Longest sync", 1 },

    { "sync", "failures", "sync_failures_total", "counter",
      "Syncs that failed", 0 },

    { "ids", "used", "ids_used", "gauge",
      "Occupied entries of the ids table, estimated", 0 },

    { "ids", "size", "ids_size", "gauge",
      "Entries of the ids table", 0 }
};


#define NGX_HTTP_ALERTWHISPER_FIGURES                                         \
    (sizeof(ngx_http_alertwhisper_gauges)                                     \
     / sizeof(ngx_http_alertwhisper_gauge_t))


static ngx_str_t  ngx_http_alertwhisper_type_json =
    ngx_string("application/json");

static ngx_str_t  ngx_http_alertwhisper_type_text =
    ngx_string("text/plain; version=0.0.4; charset=utf-8");


ngx_int_t
ngx_http_alertwhisper_status_handler(ngx_http_request_t *r)
{
    uint64_t                            figures[NGX_HTTP_ALERTWHISPER_FIGURES];
    ngx_int_t                           rc;
    ngx_buf_t                          *b;
    ngx_uint_t                          text;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    if (ngx_http_alertwhisper_wants_text(r, &text) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);

    if (amcf->files == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    b = ngx_create_temp_buf(r->pool, (NGX_HTTP_ALERTWHISPER_FIGURES
                                      + AW_COUNTER_COUNT + 2)
                                     * NGX_HTTP_ALERTWHISPER_LINE);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_alertwhisper_figures(amcf, figures);

    b->last = text
              ? ngx_http_alertwhisper_status_text(b->last, amcf, figures)
              : ngx_http_alertwhisper_status_json(b->last, amcf, figures);

    return ngx_http_alertwhisper_send(r, b, NGX_HTTP_OK,
                                      text ? &ngx_http_alertwhisper_type_text
                                           : &ngx_http_alertwhisper_type_json);
}


/* ?format=json|prometheus decides, else the Accept header */

static ngx_int_t
ngx_http_alertwhisper_wants_text(ngx_http_request_t *r, ngx_uint_t *text)
{
    ngx_str_t         format;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    *text = 0;

    if (ngx_http_arg(r, (u_char *) "format", sizeof("format") - 1, &format)
        == NGX_OK)
    {
        if (format.len == sizeof("prometheus") - 1
            && ngx_strncmp(format.data, "prometheus", format.len) == 0)
        {
            *text = 1;
            return NGX_OK;
        }

        if (format.len == sizeof("json") - 1
            && ngx_strncmp(format.data, "json", format.len) == 0)
        {
            return NGX_OK;
        }

        return NGX_DECLINED;
    }

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == sizeof("accept") - 1
            && ngx_strncmp(h[i].lowcase_key, "accept", h[i].key.len) == 0)
        {
            *text = ngx_strcasestrn(h[i].value.data, "text/plain", 10 - 1)
                    || ngx_strcasestrn(h[i].value.data,
                                       "application/openmetrics-text", 28 - 1);
            break;
        }
    }

    return NGX_OK;
}


static void
ngx_http_alertwhisper_figures(ngx_http_alertwhisper_main_conf_t *amcf,
    uint64_t *figures)
{
    uint64_t                         now, bytes, oldest, used, total;
    ngx_time_t                      *tp;
    struct aw_queue                 *queue;
    struct aw_queue_sync_stats       stats;
    ngx_http_alertwhisper_files_t   *files;

    files = amcf->files;
    queue = &files->queue;

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    aw_queue_depth(queue, &bytes, &oldest);
    aw_queue_sync_stats(queue, &stats);
    aw_ids_fill(&files->state, &used, &total);

    *figures++ = aw_edge_generation(&files->edge);
    *figures++ = queue->data_size;
    *figures++ = bytes;
    *figures++ = (oldest && now > oldest) ? (now - oldest) / 1000 : 0;
    *figures++ = aw_queue_sync_broken(queue);
    *figures++ = stats.syncs;
    *figures++ = stats.total_us;
    *figures++ = stats.max_us;
    *figures++ = stats.failures;
    *figures++ = used;
    *figures++ = total;
}


static u_char *
ngx_http_alertwhisper_status_json(u_char *p,
    ngx_http_alertwhisper_main_conf_t *amcf, uint64_t *figures)
{
    char                           *group;
    ngx_uint_t                      i;
    ngx_http_alertwhisper_gauge_t  *gauge;

    p = ngx_sprintf(p, "{\"version\":\"%s\",\"status\":\"%s\"", AW_VERSION,
                    figures[0] ? "ready" : "not_ready");

    group = "";

    for (i = 0; i < NGX_HTTP_ALERTWHISPER_FIGURES; i++) {
        gauge = &ngx_http_alertwhisper_gauges[i];

        if (ngx_strcmp(group, gauge->group) != 0) {
            p = ngx_sprintf(p, "%s,\"%s\":{", i ? "}" : "", gauge->group);
            group = gauge->group;

        } else {
            *p++ = ',';
        }

        p = ngx_sprintf(p, "\"%s\":", gauge->member);
        p = ngx_http_alertwhisper_figure(p, gauge, figures[i]);
    }

    p = ngx_sprintf(p, "},\"counters\":{");

    for (i = 0; i < AW_COUNTER_COUNT; i++) {
        p = ngx_sprintf(p, "%s\"%s\":%uL", i ? "," : "",
                        aw_counter_docs[i].name,
                        (uint64_t) amcf->files->state.counters->value[i]);
    }

    return ngx_cpymem(p, "}}\n", sizeof("}}\n") - 1);
}


static u_char *
ngx_http_alertwhisper_status_text(u_char *p,
    ngx_http_alertwhisper_main_conf_t *amcf, uint64_t *figures)
{
    ngx_uint_t                      i;
    ngx_http_alertwhisper_gauge_t  *gauge;

    for (i = 0; i < NGX_HTTP_ALERTWHISPER_FIGURES; i++) {
        gauge = &ngx_http_alertwhisper_gauges[i];

        p = ngx_sprintf(p, "# HELP " NGX_HTTP_ALERTWHISPER_PREFIX "%s %s\n"
                        "# TYPE " NGX_HTTP_ALERTWHISPER_PREFIX "%s %s\n"
                        NGX_HTTP_ALERTWHISPER_PREFIX "%s ",
                        gauge->metric, gauge->help, gauge->metric,
                        gauge->type, gauge->metric);
        p = ngx_http_alertwhisper_figure(p, gauge, figures[i]);
        *p++ = LF;
    }

    for (i = 0; i < AW_COUNTER_COUNT; i++) {
        p = ngx_sprintf(p, "# HELP " NGX_HTTP_ALERTWHISPER_PREFIX
                        "%s_total %s\n"
                        "# TYPE " NGX_HTTP_ALERTWHISPER_PREFIX
                        "%s_total counter\n"
                        NGX_HTTP_ALERTWHISPER_PREFIX "%s_total %uL\n",
                        aw_counter_docs[i].name, aw_counter_docs[i].help,
                        aw_counter_docs[i].name, aw_counter_docs[i].name,
                        (uint64_t) amcf->files->state.counters->value[i]);
    }

    return p;
}


static u_char *
ngx_http_alertwhisper_figure(u_char *p, ngx_http_alertwhisper_gauge_t *gauge,
    uint64_t value)
{
    if (gauge->micro) {
        return ngx_sprintf(p, "%uL.%06uL", value / 1000000, value % 1000000);
    }

    return ngx_sprintf(p, "%uL", value);
}
