
/*
 * Alert Whisperer: the content handler of alertwhisper_ingest.
 *
 * The body is read before any answer, refusals included: an early answer would
 * leave the body on the connection, where it could be taken for the next
 * request, and HTTP/2 clients lose answers that are followed by a reset.  Two
 * exceptions, of HTTP/1 alone, close the connection instead: a client that
 * waits for "100 Continue" and is refused for its headers, and a
 * Content-Length over the limit.
 */


#include "ngx_http_alertwhisper.h"


static ngx_int_t ngx_http_alertwhisper_answer_unread(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
static void ngx_http_alertwhisper_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_alertwhisper_collect_body(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
static void ngx_http_alertwhisper_cleanup(void *data);


ngx_int_t
ngx_http_alertwhisper_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_alertwhisper_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx = ngx_http_alertwhisper_get_ctx(r);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_alertwhisper_ctx_t));
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ctx->request = r;
    ctx->verdict = NGX_HTTP_AW_PENDING;

    ngx_http_set_ctx(r, ctx, ngx_http_alertwhisper_module);

    ngx_http_alertwhisper_check_headers(r, ctx);

    if (ctx->verdict == NGX_HTTP_AW_SIZE
        && r->http_version <= NGX_HTTP_VERSION_11)
    {
        return ngx_http_alertwhisper_answer_unread(r, ctx);
    }

    if (r->headers_in.expect && r->http_version == NGX_HTTP_VERSION_11) {

        if (ctx->verdict == NGX_HTTP_AW_PENDING) {
            ngx_http_alertwhisper_check_key(r, ctx);
        }

        if (ctx->verdict != NGX_HTTP_AW_PENDING) {
            return ngx_http_alertwhisper_answer_unread(r, ctx);
        }
    }

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_alertwhisper_body_handler);

    /* neither r nor ctx may be touched here: the request may be finished */

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_alertwhisper_answer_unread(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    ngx_int_t  rc;

    /* no "100 Continue", and what may still come is not the next request */

    r->expect_tested = 1;
    r->keepalive = 0;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_alertwhisper_answer(r, ctx);
}


/* each path ends in one finalization; that of a parked request comes later */

static void
ngx_http_alertwhisper_body_handler(ngx_http_request_t *r)
{
    ngx_http_alertwhisper_ctx_t        *ctx;
    ngx_http_alertwhisper_loc_conf_t   *alcf;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_alertwhisper_module);

    if (ctx->verdict == NGX_HTTP_AW_PENDING) {

        if (ngx_http_alertwhisper_collect_body(r, ctx) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }
    }

    if (ctx->verdict == NGX_HTTP_AW_PENDING) {
        ngx_http_alertwhisper_check_key(r, ctx);

        if (ctx->verdict == NGX_HTTP_AW_PENDING
            || ctx->verdict == NGX_HTTP_AW_KEY)
        {
            ngx_http_alertwhisper_check_body(r, ctx);
        }
    }

    if (ctx->verdict == NGX_HTTP_AW_PENDING) {

        alcf = ngx_http_get_module_loc_conf(r, ngx_http_alertwhisper_module);
        amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);

        if (alcf->dry_run) {
            ctx->verdict = NGX_HTTP_AW_DRY_RUN;

        } else if (alcf->ack == NGX_HTTP_ALERTWHISPER_MEMORY) {
            if (ngx_http_alertwhisper_ack_memory(amcf, ctx) == NGX_AGAIN) {
                return;
            }

        } else {
#if (NGX_THREADS)
            ngx_http_alertwhisper_ack_disk(amcf, ctx);
            return;
#endif
        }
    }

    ngx_http_finalize_request(r, ngx_http_alertwhisper_answer(r, ctx));
}


/* one piece of memory with the whole body: mostly the buffer that is there */

static ngx_int_t
ngx_http_alertwhisper_collect_body(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    u_char       *p;
    off_t         len;
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *in;

    in = r->request_body ? r->request_body->bufs : NULL;

    if (in == NULL) {
        ngx_str_set(&ctx->body, "");
        return NGX_OK;
    }

    b = in->buf;

    if (in->next == NULL && ngx_buf_in_memory(b)) {
        ctx->body.data = b->pos;
        ctx->body.len = b->last - b->pos;

        if (ctx->body.len > AW_BODY_MAX) {
            ctx->verdict = NGX_HTTP_AW_SIZE;
        }

        return NGX_OK;
    }

    len = 0;

    for (cl = in; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > AW_BODY_MAX) {
        ctx->verdict = NGX_HTTP_AW_SIZE;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, (size_t) len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->body.data = p;
    ctx->body.len = (size_t) len;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        /* bounded by AW_BODY_MAX and just written: it is in the page cache */

        size = (size_t) (b->file_last - b->file_pos);

        if (ngx_read_file(b->file, p, size, b->file_pos) != (ssize_t) size) {
            return NGX_ERROR;
        }

        p += size;
    }

    return NGX_OK;
}


/*
 * The context that holds a key taken out of the query has to survive internal
 * redirects, which reset contexts: it can be found in the cleanup handler
 */

ngx_http_alertwhisper_ctx_t *
ngx_http_alertwhisper_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_alertwhisper_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_alertwhisper_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_alertwhisper_cleanup) {
                return cln->data;
            }
        }
    }

    return ctx;
}


ngx_http_alertwhisper_ctx_t *
ngx_http_alertwhisper_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_alertwhisper_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_alertwhisper_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_alertwhisper_ctx_t));

    cln->handler = ngx_http_alertwhisper_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_alertwhisper_module);

    return ctx;
}


static void
ngx_http_alertwhisper_cleanup(void *data)
{
    return;
}
