
/*
 * Alert Whisperer: variables, and API keys that must not reach the logs.
 *
 * A key in the query shows up in $request, $request_uri, $args and in the
 * request line that nginx adds to lines of the error log.  The arguments stay
 * as they are while a request is worked on: another location may hand them to
 * an upstream.  So the request line, which is only ever logged, is masked
 * before anything may write to the error log, and all the rest when the
 * request is logged, in front of the access log.
 */


#include "ngx_http_alertwhisper.h"


#define NGX_HTTP_ALERTWHISPER_KEY       "api_key="
#define NGX_HTTP_ALERTWHISPER_KEY_LEN   (sizeof("api_key=") - 1)

#define NGX_HTTP_ALERTWHISPER_VERDICT   0
#define NGX_HTTP_ALERTWHISPER_COMPANY   1
#define NGX_HTTP_ALERTWHISPER_ALERT_ID  2
#define NGX_HTTP_ALERTWHISPER_REASON    3


static ngx_int_t ngx_http_alertwhisper_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_alertwhisper_post_read_handler(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_alertwhisper_query_key(ngx_http_request_t *r,
    ngx_str_t *key);
static ngx_int_t ngx_http_alertwhisper_log_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_alertwhisper_mask(ngx_pool_t *pool, ngx_str_t *s);
static u_char *ngx_http_alertwhisper_find_key(u_char *p, u_char *last);


static ngx_http_variable_t  ngx_http_alertwhisper_vars[] = {

    { ngx_string("alertwhisper_verdict"), NULL, ngx_http_alertwhisper_variable,
      NGX_HTTP_ALERTWHISPER_VERDICT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("alertwhisper_company"), NULL, ngx_http_alertwhisper_variable,
      NGX_HTTP_ALERTWHISPER_COMPANY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("alertwhisper_alert_id"), NULL,
      ngx_http_alertwhisper_variable,
      NGX_HTTP_ALERTWHISPER_ALERT_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("alertwhisper_reason"), NULL, ngx_http_alertwhisper_variable,
      NGX_HTTP_ALERTWHISPER_REASON, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_alertwhisper_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_alertwhisper_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_alertwhisper_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                     s;
    ngx_http_alertwhisper_ctx_t  *ctx;

    ctx = ngx_http_alertwhisper_get_ctx(r->main);

    ngx_str_null(&s);

    if (ctx && ctx->verdict != NGX_HTTP_AW_PENDING) {

        switch (data) {

        case NGX_HTTP_ALERTWHISPER_VERDICT:
            s = *ngx_http_alertwhisper_verdict_name(ctx->verdict);
            break;

        case NGX_HTTP_ALERTWHISPER_COMPANY:
            if (ctx->found) {
                s.data = (u_char *) ctx->company.id;
                s.len = ctx->company.id_len;
            }

            break;

        case NGX_HTTP_ALERTWHISPER_ALERT_ID:
            if (ctx->alert_id[0]) {
                s.data = ctx->alert_id;
                s.len = AW_ID_TEXT;
            }

            break;

        default: /* NGX_HTTP_ALERTWHISPER_REASON */
            s = ctx->field;
        }
    }

    if (s.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s.data;
    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_alertwhisper_mask_init(ngx_conf_t *cf)
{
    ngx_array_t                        *handlers;
    ngx_http_handler_pt                *h;
    ngx_http_core_main_conf_t          *cmcf;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_alertwhisper_module);

    if (!amcf->ingest) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_alertwhisper_post_read_handler;

    /* log handlers run in their order here: ours goes to the front */

    handlers = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;

    if (ngx_array_push(handlers) == NULL) {
        return NGX_ERROR;
    }

    h = handlers->elts;

    ngx_memmove(&h[1], &h[0],
                (handlers->nelts - 1) * sizeof(ngx_http_handler_pt));

    h[0] = ngx_http_alertwhisper_log_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_alertwhisper_post_read_handler(ngx_http_request_t *r)
{
    ngx_str_t                     key;
    ngx_http_alertwhisper_ctx_t  *ctx;

    if (r->args.len == 0
        || ngx_http_alertwhisper_find_key(r->args.data,
                                          r->args.data + r->args.len)
           == NULL)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_alertwhisper_mask(r->pool, &r->request_line) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_alertwhisper_query_key(r, &key) != NGX_OK) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_alertwhisper_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->query_key = key;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_alertwhisper_query_key(ngx_http_request_t *r, ngx_str_t *key)
{
    u_char  *dst, *src;

    if (ngx_http_arg(r, (u_char *) "api_key", sizeof("api_key") - 1, key)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_strlchr(key->data, key->data + key->len, '%') == NULL) {
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, key->len);
    if (dst == NULL) {
        return NGX_DECLINED;
    }

    src = key->data;
    key->data = dst;

    ngx_unescape_uri(&dst, &src, key->len, 0);

    key->len = dst - key->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_alertwhisper_log_handler(ngx_http_request_t *r)
{
    (void) ngx_http_alertwhisper_mask(r->pool, &r->request_line);
    (void) ngx_http_alertwhisper_mask(r->pool, &r->unparsed_uri);
    (void) ngx_http_alertwhisper_mask(r->pool, &r->args);

    return NGX_OK;
}


/*
 * Every value behind "api_key=" in a copy of the string.  Not in place: the
 * arguments may lie in the configuration, and where there is no memory for
 * the copy, nothing is logged rather than the key.
 */

static ngx_int_t
ngx_http_alertwhisper_mask(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p, *last;

    /* most have no argument at all, and memchr() is the faster to see it */

    if (s->len == 0
        || memchr(s->data, '=', s->len) == NULL
        || ngx_http_alertwhisper_find_key(s->data, s->data + s->len) == NULL)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, s->len + 1);
    if (p == NULL) {
        s->len = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(p, s->data, s->len);

    s->data = p;

    last = p + s->len;
    *last = '\0';

    while ((p = ngx_http_alertwhisper_find_key(p, last)) != NULL) {

        for (p += NGX_HTTP_ALERTWHISPER_KEY_LEN; p < last; p++) {

            if (*p == '&' || *p == ' ' || *p == '#') {
                break;
            }

            *p = '*';
        }
    }

    return NGX_OK;
}


static u_char *
ngx_http_alertwhisper_find_key(u_char *p, u_char *last)
{
    if (last - p < (ssize_t) NGX_HTTP_ALERTWHISPER_KEY_LEN) {
        return NULL;
    }

    return ngx_strlcasestrn(p, last,
                            (u_char *) NGX_HTTP_ALERTWHISPER_KEY,
                            NGX_HTTP_ALERTWHISPER_KEY_LEN - 1);
}
