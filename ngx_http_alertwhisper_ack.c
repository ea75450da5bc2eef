
/*
 * Alert Whisperer: acknowledgement of a delivery that passed the checks.
 *
 * memory: the record is appended in the event loop and answered at once.
 * Where another process has the lock and does not run just now, the request is
 * parked and tried again a moment later: no event loop sleeps for the lock.
 *
 * disk: the request is parked.  At the end of the turn of the event loop all
 * parked requests of this nginx worker go to a pool thread as one batch, which
 * appends and syncs them; what arrives meanwhile is the next batch.  So a sync
 * is shared by whoever waits for one, and no event loop waits for the disk.
 */


#include "ngx_http_alertwhisper.h"


#define NGX_HTTP_ALERTWHISPER_RETRY     1
#define NGX_HTTP_ALERTWHISPER_PATIENCE  1000
#define NGX_HTTP_ALERTWHISPER_WAKE_US   400
#define NGX_HTTP_ALERTWHISPER_POOL_US   1000000
#define NGX_HTTP_ALERTWHISPER_STAY      1000


static ngx_int_t ngx_http_alertwhisper_line_init(ngx_cycle_t *cycle,
    ngx_http_alertwhisper_line_t *line);
static void ngx_http_alertwhisper_park(ngx_http_alertwhisper_line_t *line,
    ngx_http_alertwhisper_ctx_t *ctx);
static ngx_uint_t ngx_http_alertwhisper_collect(
    ngx_http_alertwhisper_line_t *line);
static void ngx_http_alertwhisper_take(ngx_http_alertwhisper_line_t *line,
    ngx_queue_t *judged);
static void ngx_http_alertwhisper_answer_all(ngx_queue_t *judged);
static void ngx_http_alertwhisper_retry_handler(ngx_event_t *ev);
static void ngx_http_alertwhisper_wake_soon(
    ngx_http_alertwhisper_main_conf_t *amcf);
static void ngx_http_alertwhisper_wake_handler(ngx_event_t *ev);
static void ngx_http_alertwhisper_wake(
    ngx_http_alertwhisper_main_conf_t *amcf);
static ngx_http_alertwhisper_verdict_e ngx_http_alertwhisper_judged(
    ngx_http_alertwhisper_ctx_t *ctx);

#if (NGX_THREADS)
static void ngx_http_alertwhisper_collect_handler(ngx_event_t *ev);
static void ngx_http_alertwhisper_stay_handler(ngx_event_t *ev);
static void ngx_http_alertwhisper_thread(void *data, ngx_log_t *log);
static void ngx_http_alertwhisper_thread_done(ngx_event_t *ev);
static void ngx_http_alertwhisper_disk_answer(
    ngx_http_alertwhisper_main_conf_t *amcf);
#endif


ngx_int_t
ngx_http_alertwhisper_ack_init(ngx_cycle_t *cycle,
    ngx_http_alertwhisper_main_conf_t *amcf)
{
    amcf->wake.handler = ngx_http_alertwhisper_wake_handler;
    amcf->wake.data = amcf;
    amcf->wake.log = cycle->log;

    if (ngx_http_alertwhisper_line_init(cycle, &amcf->memory_line) != NGX_OK) {
        return NGX_ERROR;
    }

    amcf->retry.handler = ngx_http_alertwhisper_retry_handler;
    amcf->retry.data = amcf;
    amcf->retry.log = cycle->log;

#if (NGX_THREADS)

    if (!amcf->disk) {
        return NGX_OK;
    }

    if (ngx_http_alertwhisper_line_init(cycle, &amcf->disk_line) != NGX_OK) {
        return NGX_ERROR;
    }

    amcf->collect.handler = ngx_http_alertwhisper_collect_handler;
    amcf->collect.data = amcf;
    amcf->collect.log = cycle->log;

    /*
     * A worker that shuts down gracefully leaves when no timer is left, and a
     * parked request has none: this one, which is not cancelable, stays
     */

    amcf->stay.handler = ngx_http_alertwhisper_stay_handler;
    amcf->stay.data = amcf;
    amcf->stay.log = cycle->log;

    amcf->task.ctx = amcf;
    amcf->task.handler = ngx_http_alertwhisper_thread;
    amcf->task.event.handler = ngx_http_alertwhisper_thread_done;
    amcf->task.event.data = amcf;
    amcf->task.event.log = cycle->log;

#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_alertwhisper_line_init(ngx_cycle_t *cycle,
    ngx_http_alertwhisper_line_t *line)
{
    line->items = ngx_palloc(cycle->pool, NGX_HTTP_ALERTWHISPER_BATCH
                                          * sizeof(struct aw_intake_item *));
    if (line->items == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&line->requests);

    return NGX_OK;
}


static void
ngx_http_alertwhisper_park(ngx_http_alertwhisper_line_t *line,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    /* keeps the request and its pool alive, whatever its client does */

    ctx->request->blocked++;

    ngx_queue_insert_tail(&line->requests, &ctx->queue);
}


static ngx_uint_t
ngx_http_alertwhisper_collect(ngx_http_alertwhisper_line_t *line)
{
    ngx_queue_t                  *q;
    ngx_http_alertwhisper_ctx_t  *ctx;

    line->nbatch = 0;

    for (q = ngx_queue_head(&line->requests);
         q != ngx_queue_sentinel(&line->requests)
             && line->nbatch < NGX_HTTP_ALERTWHISPER_BATCH;
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_alertwhisper_ctx_t, queue);
        line->items[line->nbatch++] = &ctx->item;
    }

    return line->nbatch;
}


/* takes the batch that has been judged out of the line */

static void
ngx_http_alertwhisper_take(ngx_http_alertwhisper_line_t *line,
    ngx_queue_t *judged)
{
    ngx_queue_t  *q;

    ngx_queue_init(judged);

    for ( /* void */ ; line->nbatch; line->nbatch--) {
        q = ngx_queue_head(&line->requests);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(judged, q);
    }
}


static void
ngx_http_alertwhisper_answer_all(ngx_queue_t *judged)
{
    ngx_queue_t                  *q;
    ngx_connection_t             *c;
    ngx_http_request_t           *r;
    ngx_http_alertwhisper_ctx_t  *ctx;

    while (!ngx_queue_empty(judged)) {

        q = ngx_queue_head(judged);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_alertwhisper_ctx_t, queue);
        ctx->verdict = ngx_http_alertwhisper_judged(ctx);

        r = ctx->request;
        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        r->blocked--;

        /* where the client has gone, this fails and ends the request */

        ngx_http_finalize_request(r, ngx_http_alertwhisper_answer(r, ctx));
        ngx_http_run_posted_requests(c);
    }
}


ngx_int_t
ngx_http_alertwhisper_ack_memory(ngx_http_alertwhisper_main_conf_t *amcf,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    struct aw_intake_item         *item;
    ngx_http_alertwhisper_line_t  *line;

    item = &ctx->item;
    line = &amcf->memory_line;

    /* nobody tries for himself while others wait */

    if (!ngx_queue_empty(&line->requests)
        || !aw_intake_try(&amcf->intake, &item, 1, ngx_time()))
    {
        ngx_http_alertwhisper_park(line, ctx);

        if (!amcf->retry.timer_set) {
            amcf->since = ngx_current_msec;
            ngx_add_timer(&amcf->retry, NGX_HTTP_ALERTWHISPER_RETRY);
        }

        return NGX_AGAIN;
    }

    ngx_http_alertwhisper_wake_soon(amcf);

    ctx->verdict = ngx_http_alertwhisper_judged(ctx);

    return NGX_OK;
}


/* not cancelable: a worker that shuts down stays for those who are parked */

static void
ngx_http_alertwhisper_retry_handler(ngx_event_t *ev)
{
    ngx_queue_t                         judged;
    ngx_http_alertwhisper_line_t       *line;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ev->data;
    line = &amcf->memory_line;

    (void) ngx_http_alertwhisper_collect(line);

    if (!aw_intake_try(&amcf->intake, line->items, line->nbatch, ngx_time())) {

        if (ngx_current_msec - amcf->since < NGX_HTTP_ALERTWHISPER_PATIENCE) {
            ngx_add_timer(ev, NGX_HTTP_ALERTWHISPER_RETRY);
            return;
        }

        aw_intake_batch(&amcf->intake, line->items, line->nbatch, false, 0,
                        ngx_time());
    }

    ngx_http_alertwhisper_wake(amcf);
    ngx_http_alertwhisper_take(line, &judged);

    if (!ngx_queue_empty(&line->requests)) {
        amcf->since = ngx_current_msec;
        ngx_add_timer(ev, NGX_HTTP_ALERTWHISPER_RETRY);
    }

    ngx_http_alertwhisper_answer_all(&judged);
}


/*
 * One wake per record would cost more than all else.  So that a record does
 * not lie there until a long turn ends, the consumer is woken inside the turn
 * when the last wake is a while ago.  A consumer that does not sleep looks at
 * the queue again before it does.
 */

static void
ngx_http_alertwhisper_wake_soon(ngx_http_alertwhisper_main_conf_t *amcf)
{
    uint64_t         now;
    struct timespec  ts;

    if (!aw_queue_is_awaited(&amcf->files->queue)) {
        return;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;

    if (now - amcf->woken < NGX_HTTP_ALERTWHISPER_WAKE_US) {

        if (!amcf->wake.posted) {
            ngx_post_event(&amcf->wake, &ngx_posted_events);
        }

        return;
    }

    amcf->woken = now;

    if (amcf->wake.posted) {
        ngx_delete_posted_event(&amcf->wake);
    }

    ngx_http_alertwhisper_wake(amcf);
}


static void
ngx_http_alertwhisper_wake_handler(ngx_event_t *ev)
{
    ngx_http_alertwhisper_wake(ev->data);
}


static void
ngx_http_alertwhisper_wake(ngx_http_alertwhisper_main_conf_t *amcf)
{
    if (aw_queue_wake(&amcf->files->queue)) {
        aw_counters_add(amcf->files->state.counters, AW_COUNT_wakes, 1);
    }
}


static ngx_http_alertwhisper_verdict_e
ngx_http_alertwhisper_judged(ngx_http_alertwhisper_ctx_t *ctx)
{
    switch (ctx->item.verdict) {

    case AW_INTAKE_ACCEPTED:
        return NGX_HTTP_AW_ACCEPTED;

    case AW_INTAKE_DUPLICATE:
        return NGX_HTTP_AW_DUPLICATE;

    case AW_INTAKE_FULL:
        return NGX_HTTP_AW_FULL;

    case AW_INTAKE_IDS_FULL:
        return NGX_HTTP_AW_IDS_FULL;

    case AW_INTAKE_PENDING:
    case AW_INTAKE_BUSY:
        return NGX_HTTP_AW_BUSY;

    default: /* AW_INTAKE_BROKEN */
        return NGX_HTTP_AW_BROKEN;
    }
}


#if (NGX_THREADS)

void
ngx_http_alertwhisper_ack_disk(ngx_http_alertwhisper_main_conf_t *amcf,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    ngx_http_alertwhisper_park(&amcf->disk_line, ctx);

    if (amcf->disk_line.nbatch == 0 && !amcf->collect.posted) {
        ngx_post_event(&amcf->collect, &ngx_posted_events);
    }
}


static void
ngx_http_alertwhisper_collect_handler(ngx_event_t *ev)
{
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ev->data;

    if (ngx_http_alertwhisper_collect(&amcf->disk_line) == 0) {
        return;
    }

    if (!amcf->stay.timer_set) {
        ngx_add_timer(&amcf->stay, NGX_HTTP_ALERTWHISPER_STAY);
    }

    if (ngx_thread_task_post(amcf->pool, &amcf->task) != NGX_OK) {

        /* nothing was judged: the senders are told to come again */

        ngx_http_alertwhisper_disk_answer(amcf);
    }
}


static void
ngx_http_alertwhisper_stay_handler(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_ALERTWHISPER_STAY);
}


/* the one function here that does not run in the event loop */

static void
ngx_http_alertwhisper_thread(void *data, ngx_log_t *log)
{
    ngx_http_alertwhisper_main_conf_t *amcf = data;

    aw_intake_batch(&amcf->intake, amcf->disk_line.items,
                    amcf->disk_line.nbatch, true,
                    NGX_HTTP_ALERTWHISPER_POOL_US, time(NULL));

    ngx_http_alertwhisper_wake(amcf);
}


static void
ngx_http_alertwhisper_thread_done(ngx_event_t *ev)
{
    ngx_http_alertwhisper_disk_answer(ev->data);
}


/*
 * What has gathered meanwhile goes to the pool thread before anybody is
 * answered, so that the disk works while the answers are written
 */

static void
ngx_http_alertwhisper_disk_answer(ngx_http_alertwhisper_main_conf_t *amcf)
{
    ngx_queue_t  judged;

    ngx_http_alertwhisper_take(&amcf->disk_line, &judged);

    ngx_http_alertwhisper_collect_handler(&amcf->collect);

    ngx_http_alertwhisper_answer_all(&judged);

    if (ngx_queue_empty(&amcf->disk_line.requests) && amcf->stay.timer_set) {
        ngx_del_timer(&amcf->stay);
    }
}

#endif
