
/*
 * Alert Whisperer: method, size, media type and the headers of a delivery.
 */


#include "ngx_http_alertwhisper.h"


typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 offset;
} ngx_http_alertwhisper_header_t;


static ngx_uint_t ngx_http_alertwhisper_is_json(ngx_str_t *type);
static ngx_int_t ngx_http_alertwhisper_walk_headers(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
static ngx_uint_t ngx_http_alertwhisper_bearer(ngx_str_t *value,
    ngx_str_t *key);


/* the values that matter, by the lower case of their names */

static ngx_http_alertwhisper_header_t  ngx_http_alertwhisper_headers[] = {
    { ngx_string("x-api-key"),
      offsetof(ngx_http_alertwhisper_ctx_t, key) },
    { ngx_string("x-timestamp"),
      offsetof(ngx_http_alertwhisper_ctx_t, timestamp) },
    { ngx_string("x-signature"),
      offsetof(ngx_http_alertwhisper_ctx_t, signature) },
    { ngx_string("x-delivery-id"),
      offsetof(ngx_http_alertwhisper_ctx_t, delivery_id) },
    { ngx_null_string, 0 }
};


void
ngx_http_alertwhisper_check_headers(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    u_char      ch;
    ngx_uint_t  i;

    if (r->method != NGX_HTTP_POST) {
        ctx->verdict = NGX_HTTP_AW_METHOD;
        return;
    }

    if (r->headers_in.content_length_n > AW_BODY_MAX) {
        ctx->verdict = NGX_HTTP_AW_SIZE;
        return;
    }

    if (r->headers_in.content_type
        && !ngx_http_alertwhisper_is_json(&r->headers_in.content_type->value))
    {
        ctx->verdict = NGX_HTTP_AW_MEDIA_TYPE;
        return;
    }

    if (ngx_http_alertwhisper_walk_headers(r, ctx) != NGX_OK) {
        ctx->verdict = NGX_HTTP_AW_HEADER_TWICE;
        return;
    }

    if (ctx->delivery_id.len > AW_DELIVERY_ID_MAX) {
        goto malformed;
    }

    for (i = 0; i < ctx->delivery_id.len; i++) {
        ch = ctx->delivery_id.data[i];

        if (ch <= 0x20 || ch >= 0x7f) {
            goto malformed;
        }
    }

    return;

malformed:

    ctx->verdict = NGX_HTTP_AW_HEADER_BAD;
    ngx_str_set(&ctx->field, "X-Delivery-ID");
    ngx_str_set(&ctx->reason, "X-Delivery-ID must have 1 to 128 printable "
                              "ASCII characters without spaces");
}


/* "application/json", "application/NAME+json", with or without parameters */

static ngx_uint_t
ngx_http_alertwhisper_is_json(ngx_str_t *type)
{
    u_char  *p, *last;

    if (type->len == sizeof("application/json") - 1
        && ngx_memcmp(type->data, "application/json",
                      sizeof("application/json") - 1)
           == 0)
    {
        return 1;
    }

    last = ngx_strlchr(type->data, type->data + type->len, ';');
    if (last == NULL) {
        last = type->data + type->len;
    }

    while (last > type->data && *(last - 1) == ' ') {
        last--;
    }

    if (last - type->data < (ssize_t) sizeof("application/json") - 1
        || ngx_strncasecmp(type->data, (u_char *) "application/",
                           sizeof("application/") - 1)
           != 0)
    {
        return 0;
    }

    p = last - (sizeof("/json") - 1);

    return (*p == '+' || p == type->data + sizeof("application") - 1)
           && ngx_strncasecmp(p + 1, (u_char *) "json", 4) == 0;
}


static ngx_int_t
ngx_http_alertwhisper_walk_headers(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_list_part_t                  *part;
    ngx_table_elt_t                  *h;
    ngx_http_alertwhisper_header_t   *header;
    ngx_http_alertwhisper_loc_conf_t *alcf;

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

        if (h[i].key.len < sizeof("x-api-key") - 1
            || h[i].lowcase_key[0] != 'x')
        {
            continue;
        }

        for (header = ngx_http_alertwhisper_headers;
             header->name.len;
             header++)
        {
            if (header->name.len != h[i].key.len
                || ngx_memcmp(header->name.data, h[i].lowcase_key,
                              header->name.len)
                   != 0)
            {
                continue;
            }

            value = (ngx_str_t *) ((u_char *) ctx + header->offset);

            if (value->data) {
                ctx->field = h[i].key;
                return NGX_DECLINED;
            }

            *value = h[i].value;
            break;
        }
    }

    if (ctx->key.len) {
        return NGX_OK;
    }

    if (r->headers_in.authorization
        && ngx_http_alertwhisper_bearer(&r->headers_in.authorization->value,
                                        &ctx->key))
    {
        return NGX_OK;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_alertwhisper_module);

    if (alcf->query_key) {
        ctx->key = ctx->query_key;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_alertwhisper_bearer(ngx_str_t *value, ngx_str_t *key)
{
    u_char  *p, *last;

    if (value->len < sizeof("Bearer ")
        || ngx_strncasecmp(value->data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        return 0;
    }

    p = value->data + sizeof("Bearer ") - 1;
    last = value->data + value->len;

    while (p < last && *p == ' ') {
        p++;
    }

    key->data = p;
    key->len = last - p;

    return key->len != 0;
}
