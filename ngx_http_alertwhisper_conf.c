
/*
 * Alert Whisperer: configuration structures, their defaults, and what can only
 * be judged when all directives are known.
 */


#include "ngx_http_alertwhisper.h"


static char *ngx_http_alertwhisper_state_path(ngx_conf_t *cf,
    ngx_http_alertwhisper_main_conf_t *amcf);
static char *ngx_http_alertwhisper_check_ingest(ngx_conf_t *cf,
    ngx_http_alertwhisper_loc_conf_t *conf);


void *
ngx_http_alertwhisper_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_alertwhisper_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     amcf->queue_path = { 0, NULL };
     *     amcf->edge_path = { 0, NULL };
     *     amcf->state_path = { 0, NULL };
     *     amcf->ingest = 0;
     *     amcf->disk = 0;
     *     amcf->files = NULL;
     *     amcf->nbatch = 0;
     */

    amcf->ids = AW_IDS_DEFAULT;
    amcf->clock_skew = NGX_CONF_UNSET;
    amcf->delivery_memory = NGX_CONF_UNSET;

    return amcf;
}


char *
ngx_http_alertwhisper_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_alertwhisper_main_conf_t *amcf = conf;

    ngx_conf_init_value(amcf->clock_skew, 300);
    ngx_conf_init_value(amcf->delivery_memory, 86400);

    amcf->intake.clock_skew_s = amcf->clock_skew;
    amcf->intake.delivery_memory_s = amcf->delivery_memory;
    amcf->intake.content_memory_s = NGX_HTTP_ALERTWHISPER_CONTENT_MEMORY;

    if (amcf->queue_path.data == NULL && amcf->edge_path.data == NULL) {
        return NGX_CONF_OK;
    }

    if (amcf->queue_path.data == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"alertwhisper_edge_table\" needs "
                      "\"alertwhisper_queue PATH SIZE\" beside it in %V:%ui",
                      &amcf->edge_place.file, amcf->edge_place.line);
        return NGX_CONF_ERROR;
    }

    if (amcf->edge_path.data == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"alertwhisper_queue\" needs "
                      "\"alertwhisper_edge_table PATH SIZE\" beside it in "
                      "%V:%ui", &amcf->queue_place.file,
                      amcf->queue_place.line);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_alertwhisper_state_path(cf, amcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_alertwhisper_add_zone(cf, amcf);
}


/* the directory of the edge table, the name of the queue, ".state" */

static char *
ngx_http_alertwhisper_state_path(ngx_conf_t *cf,
    ngx_http_alertwhisper_main_conf_t *amcf)
{
    u_char  *name, *p;
    size_t   dir, len;

    if (amcf->queue_path.len == amcf->edge_path.len
        && ngx_strncmp(amcf->queue_path.data, amcf->edge_path.data,
                       amcf->edge_path.len) == 0)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"alertwhisper_edge_table\" names the file of "
                      "\"alertwhisper_queue\": each needs its own in %V:%ui",
                      &amcf->edge_place.file, amcf->edge_place.line);
        return NGX_CONF_ERROR;
    }

    dir = amcf->edge_path.len;

    while (amcf->edge_path.data[dir - 1] != '/') {
        dir--;
    }

    len = 0;
    name = amcf->queue_path.data + amcf->queue_path.len;

    while (*(name - 1) != '/') {
        name--;
        len++;
    }

    p = ngx_pnalloc(cf->pool, dir + len + sizeof(".state"));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    amcf->state_path.data = p;

    p = ngx_cpymem(p, amcf->edge_path.data, dir);
    p = ngx_cpymem(p, name, len);
    p = ngx_cpymem(p, ".state", sizeof(".state"));

    amcf->state_path.len = p - amcf->state_path.data - 1;

    return NGX_CONF_OK;
}


void *
ngx_http_alertwhisper_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_alertwhisper_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_alertwhisper_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->ingest = 0;
     *     conf->place = { { 0, NULL }, 0 };
     */

    conf->ack = NGX_CONF_UNSET_UINT;
    conf->query_key = NGX_CONF_UNSET;
    conf->dry_run = NGX_CONF_UNSET;

    return conf;
}


char *
ngx_http_alertwhisper_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_alertwhisper_loc_conf_t *prev = parent;
    ngx_http_alertwhisper_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_uint_value(conf->ack, prev->ack,
                              NGX_HTTP_ALERTWHISPER_DISK);
    ngx_conf_merge_value(conf->query_key, prev->query_key, 1);
    ngx_conf_merge_value(conf->dry_run, prev->dry_run, 0);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" inside of a location keep its handler */

    if (prev->ingest && clcf->noname && clcf->handler == NULL) {
        clcf->handler = ngx_http_alertwhisper_handler;
        conf->ingest = 1;
        conf->place = prev->place;
    }

    if (!conf->ingest) {
        return NGX_CONF_OK;
    }

    return ngx_http_alertwhisper_check_ingest(cf, conf);
}


static char *
ngx_http_alertwhisper_check_ingest(ngx_conf_t *cf,
    ngx_http_alertwhisper_loc_conf_t *conf)
{
    char                               *text;
    ngx_http_core_loc_conf_t           *clcf;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_alertwhisper_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    text = NULL;

    if (amcf->queue_path.data == NULL) {
        text = "needs \"alertwhisper_queue PATH SIZE\" and "
               "\"alertwhisper_edge_table PATH SIZE\" at http level";

    } else if (clcf->handler != ngx_http_alertwhisper_handler) {
        text = "stands beside another directive that answers the requests of "
               "this location: give each a location of its own";

    } else if (clcf->client_max_body_size == 0) {
        text = "needs a limit of the body: set \"client_max_body_size 128k\" "
               "in its location";
    }

#if !(NGX_THREADS)
    if (text == NULL && conf->ack == NGX_HTTP_ALERTWHISPER_DISK) {
        text = "with \"alertwhisper_ack disk\" (the default) needs an nginx "
               "that is built --with-threads; or set "
               "\"alertwhisper_ack memory\"";
    }
#endif

    if (text) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"alertwhisper_ingest\" %s in %V:%ui", text,
                      &conf->place.file, conf->place.line);
        return NGX_CONF_ERROR;
    }

    amcf->ingest = 1;

    if (conf->ack == NGX_HTTP_ALERTWHISPER_DISK && !conf->dry_run) {
        amcf->disk = 1;

#if (NGX_THREADS)
        if (amcf->pool == NULL) {
            amcf->pool = ngx_thread_pool_add(cf, NULL);
            if (amcf->pool == NULL) {
                return NGX_CONF_ERROR;
            }
        }
#endif
    }

    return NGX_CONF_OK;
}
