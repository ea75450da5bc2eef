
/*
 * Alert Whisperer: directives and configuration of the nginx module.
 */


#include "ngx_http_alertwhisper.h"


#define NGX_HTTP_ALERTWHISPER_IDS_MAX       (256 * 1024 * 1024)


static char *ngx_http_alertwhisper_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_alertwhisper_edge_table(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_alertwhisper_file(ngx_conf_t *cf, ngx_str_t *path,
    size_t *size, size_t min, ngx_http_alertwhisper_place_t *place);
static char *ngx_http_alertwhisper_ingest(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_alertwhisper_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_alertwhisper_take_location(ngx_conf_t *cf,
    ngx_http_handler_pt handler);
static char *ngx_http_alertwhisper_check_seconds(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_enum_t  ngx_http_alertwhisper_acks[] = {
    { ngx_string("disk"), NGX_HTTP_ALERTWHISPER_DISK },
    { ngx_string("memory"), NGX_HTTP_ALERTWHISPER_MEMORY },
    { ngx_null_string, 0 }
};


static ngx_conf_num_bounds_t  ngx_http_alertwhisper_skew_bounds = {
    ngx_http_alertwhisper_check_seconds, 1, 3600
};


static ngx_conf_num_bounds_t  ngx_http_alertwhisper_memory_bounds = {
    ngx_http_alertwhisper_check_seconds, NGX_HTTP_ALERTWHISPER_CONTENT_MEMORY,
    7 * 86400
};


static ngx_command_t  ngx_http_alertwhisper_commands[] = {

    { ngx_string("alertwhisper_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE23,
      ngx_http_alertwhisper_queue,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("alertwhisper_edge_table"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_alertwhisper_edge_table,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("alertwhisper_clock_skew"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_alertwhisper_main_conf_t, clock_skew),
      &ngx_http_alertwhisper_skew_bounds },

    { ngx_string("alertwhisper_delivery_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_alertwhisper_main_conf_t, delivery_memory),
      &ngx_http_alertwhisper_memory_bounds },

    { ngx_string("alertwhisper_ingest"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_alertwhisper_ingest,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("alertwhisper_ack"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_alertwhisper_loc_conf_t, ack),
      &ngx_http_alertwhisper_acks },

    { ngx_string("alertwhisper_query_key"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_alertwhisper_loc_conf_t, query_key),
      NULL },

    { ngx_string("alertwhisper_dry_run"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_alertwhisper_loc_conf_t, dry_run),
      NULL },

    { ngx_string("alertwhisper_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_alertwhisper_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_alertwhisper_module_ctx = {
    ngx_http_alertwhisper_add_variables,   /* preconfiguration */
    ngx_http_alertwhisper_mask_init,       /* postconfiguration */

    ngx_http_alertwhisper_create_main_conf, /* create main configuration */
    ngx_http_alertwhisper_init_main_conf,  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_alertwhisper_create_loc_conf, /* create location configuration */
    ngx_http_alertwhisper_merge_loc_conf   /* merge location configuration */
};


ngx_module_t  ngx_http_alertwhisper_module = {
    NGX_MODULE_V1,
    &ngx_http_alertwhisper_module_ctx,     /* module context */
    ngx_http_alertwhisper_commands,        /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_alertwhisper_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_alertwhisper_main_conf_t *amcf = conf;

    char       *rv;
    ssize_t     ids;
    ngx_str_t  *value, s;

    rv = ngx_http_alertwhisper_file(cf, &amcf->queue_path, &amcf->queue_size,
                                    AW_QUEUE_SIZE_MIN, &amcf->queue_place);

    if (rv != NGX_CONF_OK || cf->args->nelts == 3) {
        return rv;
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[3].data, "ids=", 4) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\": after path and size "
                           "only \"ids=NUMBER\" may follow", &value[3]);
        return NGX_CONF_ERROR;
    }

    s.len = value[3].len - 4;
    s.data = value[3].data + 4;

    ids = ngx_parse_size(&s);

    if (ids < (ssize_t) AW_IDS_MIN || ids > NGX_HTTP_ALERTWHISPER_IDS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of ids \"%V\": from %ud to 256m, "
                           "for example \"ids=1m\" (signed alerts per second "
                           "times 600)", &value[3], AW_IDS_MIN);
        return NGX_CONF_ERROR;
    }

    amcf->ids = ids;

    return NGX_CONF_OK;
}


static char *
ngx_http_alertwhisper_edge_table(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_alertwhisper_main_conf_t *amcf = conf;

    return ngx_http_alertwhisper_file(cf, &amcf->edge_path, &amcf->edge_size,
                                      AW_EDGE_SIZE_MIN, &amcf->edge_place);
}


/* PATH SIZE of either file */

static char *
ngx_http_alertwhisper_file(ngx_conf_t *cf, ngx_str_t *path, size_t *size,
    size_t min, ngx_http_alertwhisper_place_t *place)
{
    ssize_t     n;
    ngx_str_t  *value;

    if (path->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].data[value[1].len - 1] == '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid path \"%V\": the name of a file is needed",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    n = ngx_parse_size(&value[2]);

    if (n == NGX_ERROR || (size_t) n < min || n % 4096) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\": at least %uzk and a multiple "
                           "of 4k, for example \"64m\"", &value[2],
                           min / 1024);
        return NGX_CONF_ERROR;
    }

    *path = value[1];
    *size = n;

    place->file = cf->conf_file->file.name;
    place->line = cf->conf_file->line;

    if (ngx_conf_full_name(cf->cycle, path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_alertwhisper_ingest(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_alertwhisper_loc_conf_t *alcf = conf;

    if (alcf->ingest) {
        return "is duplicate";
    }

    alcf->ingest = 1;
    alcf->place.file = cf->conf_file->file.name;
    alcf->place.line = cf->conf_file->line;

    return ngx_http_alertwhisper_take_location(cf,
                                               ngx_http_alertwhisper_handler);
}


static char *
ngx_http_alertwhisper_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_alertwhisper_take_location(cf,
                                         ngx_http_alertwhisper_status_handler);
}


static char *
ngx_http_alertwhisper_take_location(ngx_conf_t *cf,
    ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == handler) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "stands beside another directive that answers the requests of "
               "this location: give each a location of its own";
    }

    clcf->handler = handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_alertwhisper_check_seconds(ngx_conf_t *cf, void *post, void *data)
{
    ngx_conf_num_bounds_t *bounds = post;
    time_t                *sp = data;

    if (*sp >= bounds->low && *sp <= bounds->high) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "value must be between %is and %is",
                       bounds->low, bounds->high);

    return NGX_CONF_ERROR;
}


