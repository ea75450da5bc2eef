
/*
 * Alert Whisperer: what the files of the nginx module share.
 *
 * The module is one content handler (alertwhisper_ingest), one status handler,
 * and two phase handlers that keep API keys out of the logs.  All of it runs
 * in the event loop; the one thing that a pool thread does is the append and
 * sync of a batch of parked requests (ngx_http_alertwhisper_ack.c).
 */


#ifndef _NGX_HTTP_ALERTWHISPER_H_INCLUDED_
#define _NGX_HTTP_ALERTWHISPER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "src/aw_alert_json.h"
#include "src/aw_edge.h"
#include "src/aw_id.h"
#include "src/aw_intake.h"


/* requests answered after one sync; more of them wait for the next one */
#define NGX_HTTP_ALERTWHISPER_BATCH     1024

/* seconds for which an identity that comes from the content is known */
#define NGX_HTTP_ALERTWHISPER_CONTENT_MEMORY  300

#define NGX_HTTP_ALERTWHISPER_DISK      0
#define NGX_HTTP_ALERTWHISPER_MEMORY    1


/*
 * What became of a delivery; the order of the refusals is the order of the
 * checks.  One table in ngx_http_alertwhisper_answer.c says what is answered.
 */

typedef enum {
    NGX_HTTP_AW_PENDING = 0,

    NGX_HTTP_AW_ACCEPTED,
    NGX_HTTP_AW_DUPLICATE,
    NGX_HTTP_AW_DRY_RUN,

    NGX_HTTP_AW_METHOD,
    NGX_HTTP_AW_SIZE,
    NGX_HTTP_AW_MEDIA_TYPE,
    NGX_HTTP_AW_HEADER_TWICE,
    NGX_HTTP_AW_HEADER_BAD,
    NGX_HTTP_AW_NOT_READY,
    NGX_HTTP_AW_KEY,
    NGX_HTTP_AW_TIMESTAMP,
    NGX_HTTP_AW_SIGNATURE,
    NGX_HTTP_AW_RATE,
    NGX_HTTP_AW_JSON,
    NGX_HTTP_AW_FIELD,
    NGX_HTTP_AW_ASSET,

    NGX_HTTP_AW_FULL,
    NGX_HTTP_AW_IDS_FULL,
    NGX_HTTP_AW_BUSY,
    NGX_HTTP_AW_BROKEN
} ngx_http_alertwhisper_verdict_e;


/*
 * The mapped files.  They outlive a cycle: a reload that names the same files
 * takes over the mapping, so the structure is counted and not in a pool.
 */

typedef struct {
    struct aw_queue                  queue;
    struct aw_state                  state;
    struct aw_edge                   edge;

    ngx_uint_t                       refs;
    size_t                           queue_size;
    size_t                           edge_size;
    uint32_t                         ids;
    u_char                          *queue_path;
    u_char                          *edge_path;
} ngx_http_alertwhisper_files_t;


/* where a directive stands, for errors that are found after the parsing */

typedef struct {
    ngx_str_t                        file;
    ngx_uint_t                       line;
} ngx_http_alertwhisper_place_t;


/* parked requests of this nginx worker, in the order in which they came */

typedef struct {
    ngx_queue_t                      requests;
    ngx_uint_t                       nbatch;   /* of them in items */
    struct aw_intake_item          **items;
} ngx_http_alertwhisper_line_t;


typedef struct {
    ngx_str_t                        queue_path;
    ngx_str_t                        edge_path;
    ngx_str_t                        state_path;
    size_t                           queue_size;
    size_t                           edge_size;
    size_t                           ids;
    ngx_http_alertwhisper_place_t    queue_place;
    ngx_http_alertwhisper_place_t    edge_place;

    time_t                           clock_skew;
    time_t                           delivery_memory;

    unsigned                         ingest:1;
    unsigned                         disk:1;

    ngx_cycle_t                     *cycle;
    ngx_http_alertwhisper_files_t   *files;
    struct aw_intake                 intake;

    /* memory acks: the wake of the worker daemon at the end of a turn, and
     * when one was sent inside of a turn, in microseconds; those who wait for
     * the lock, and since when */
    ngx_event_t                      wake;
    uint64_t                         woken;
    ngx_http_alertwhisper_line_t     memory_line;
    ngx_event_t                      retry;
    ngx_msec_t                       since;

#if (NGX_THREADS)
    /* disk acks: those who wait for the sync of their batch */
    ngx_http_alertwhisper_line_t     disk_line;
    ngx_event_t                      collect;
    ngx_event_t                      stay;
    ngx_thread_pool_t               *pool;
    ngx_thread_task_t                task;
#endif
} ngx_http_alertwhisper_main_conf_t;


typedef struct {
    ngx_uint_t                       ack;
    ngx_flag_t                       query_key;
    ngx_flag_t                       dry_run;

    unsigned                         ingest:1;
    ngx_http_alertwhisper_place_t    place;
} ngx_http_alertwhisper_loc_conf_t;


/*
 * One delivery.  It lies in the pool of its request; a parked request is kept
 * alive by r->blocked, so a pool thread may read what `item` points to.
 */

typedef struct {
    ngx_http_request_t              *request;
    ngx_queue_t                      queue;

    ngx_http_alertwhisper_verdict_e  verdict;
    unsigned                         found:1;      /* company is valid */
    unsigned                         signed_body:1;
    ngx_uint_t                       retry_after;  /* RATE */
    ngx_str_t                        field;        /* FIELD, HEADER_* */
    ngx_str_t                        reason;

    ngx_str_t                        query_key;
    ngx_str_t                        key;
    ngx_str_t                        timestamp;
    ngx_str_t                        signature;
    ngx_str_t                        delivery_id;
    ngx_str_t                        body;

    uint64_t                         sig_timestamp;
    uint8_t                          claimed[AW_SHA256_LEN];
    struct aw_edge_company           company;
    struct aw_intake_item            item;

    ngx_buf_t                        out;
    u_char                           alert_id[AW_ID_TEXT + 1];
} ngx_http_alertwhisper_ctx_t;


/* ngx_http_alertwhisper_conf.c */

void *ngx_http_alertwhisper_create_main_conf(ngx_conf_t *cf);
char *ngx_http_alertwhisper_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_alertwhisper_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_alertwhisper_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

/* ngx_http_alertwhisper_files.c */

char *ngx_http_alertwhisper_add_zone(ngx_conf_t *cf,
    ngx_http_alertwhisper_main_conf_t *amcf);
ngx_int_t ngx_http_alertwhisper_directory(ngx_str_t *path, char *dir);
void ngx_http_alertwhisper_log_err(ngx_uint_t level, ngx_log_t *log,
    struct aw_err *err, ngx_str_t *path, ngx_http_alertwhisper_place_t *place);

/* ngx_http_alertwhisper_inspect.c */

ngx_int_t ngx_http_alertwhisper_test_files(
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_log_t *log);

/* ngx_http_alertwhisper_handler.c */

ngx_int_t ngx_http_alertwhisper_handler(ngx_http_request_t *r);
ngx_http_alertwhisper_ctx_t *ngx_http_alertwhisper_get_ctx(
    ngx_http_request_t *r);
ngx_http_alertwhisper_ctx_t *ngx_http_alertwhisper_create_ctx(
    ngx_http_request_t *r);

/*
 * ngx_http_alertwhisper_headers.c, ngx_http_alertwhisper_check.c: each sets
 * ctx->verdict when it refuses, and is called only while the verdict is
 * pending (but see _check_body())
 */

void ngx_http_alertwhisper_check_headers(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
void ngx_http_alertwhisper_check_key(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
void ngx_http_alertwhisper_check_body(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);

/* ngx_http_alertwhisper_ack.c */

ngx_int_t ngx_http_alertwhisper_ack_init(ngx_cycle_t *cycle,
    ngx_http_alertwhisper_main_conf_t *amcf);
ngx_int_t ngx_http_alertwhisper_ack_memory(
    ngx_http_alertwhisper_main_conf_t *amcf, ngx_http_alertwhisper_ctx_t *ctx);
#if (NGX_THREADS)
void ngx_http_alertwhisper_ack_disk(ngx_http_alertwhisper_main_conf_t *amcf,
    ngx_http_alertwhisper_ctx_t *ctx);
#endif

/* ngx_http_alertwhisper_answer.c */

ngx_int_t ngx_http_alertwhisper_answer(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
ngx_str_t *ngx_http_alertwhisper_verdict_name(
    ngx_http_alertwhisper_verdict_e verdict);
ngx_int_t ngx_http_alertwhisper_send(ngx_http_request_t *r, ngx_buf_t *b,
    ngx_uint_t status, ngx_str_t *type);

/* ngx_http_alertwhisper_status.c */

ngx_int_t ngx_http_alertwhisper_status_handler(ngx_http_request_t *r);

/* ngx_http_alertwhisper_log.c */

ngx_int_t ngx_http_alertwhisper_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_alertwhisper_mask_init(ngx_conf_t *cf);


extern ngx_module_t  ngx_http_alertwhisper_module;


#endif /* _NGX_HTTP_ALERTWHISPER_H_INCLUDED_ */
