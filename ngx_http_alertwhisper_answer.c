
/*
 * Alert Whisperer: what a delivery is answered.
 */


#include "ngx_http_alertwhisper.h"


#define NGX_HTTP_ALERTWHISPER_UNCOUNTED  AW_COUNTER_COUNT
#define NGX_HTTP_ALERTWHISPER_ESCAPED    6


typedef struct {
    ngx_uint_t                  status;
    ngx_str_t                   name;
    ngx_str_t                   detail;
    ngx_uint_t                  counter;
    ngx_uint_t                  retry_after;
    ngx_uint_t                  level;
} ngx_http_alertwhisper_answer_t;


static ngx_int_t ngx_http_alertwhisper_answer_taken(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx);
static ngx_int_t ngx_http_alertwhisper_answer_headers(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx, ngx_http_alertwhisper_answer_t *answer);
static ngx_int_t ngx_http_alertwhisper_add_header(ngx_http_request_t *r,
    char *name, size_t len, ngx_str_t *value);
static void ngx_http_alertwhisper_log_answer(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx, ngx_http_alertwhisper_answer_t *answer);
static u_char *ngx_http_alertwhisper_escape(u_char *p, ngx_str_t *text);


/*
 * By verdict.  The aw_intake_* functions count what they judge themselves;
 * Retry-After of a rate limit is computed.
 */

static ngx_http_alertwhisper_answer_t  ngx_http_alertwhisper_answers[] = {

    { 0, ngx_string("pending"), ngx_null_string,
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 0, NGX_LOG_INFO },

    { NGX_HTTP_OK, ngx_string("accepted"), ngx_null_string,
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 0, NGX_LOG_DEBUG },

    { NGX_HTTP_OK, ngx_string("duplicate"), ngx_null_string,
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 0, NGX_LOG_DEBUG },

    { NGX_HTTP_OK, ngx_string("dry_run"), ngx_null_string,
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 0, NGX_LOG_DEBUG },

    { NGX_HTTP_NOT_ALLOWED, ngx_string("method_not_allowed"),
      ngx_string("Method Not Allowed: use POST"),
      AW_COUNT_refused_method, 0, NGX_LOG_INFO },

    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, ngx_string("body_too_large"),
      ngx_string("Body Too Large: at most 65536 bytes"),
      AW_COUNT_refused_size, 0, NGX_LOG_INFO },

    { NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, ngx_string("unsupported_media_type"),
      ngx_string("Unsupported Media Type: use application/json"),
      AW_COUNT_refused_media_type, 0, NGX_LOG_INFO },

    { NGX_HTTP_BAD_REQUEST, ngx_string("header_repeated"),
      ngx_string("Header Repeated"),
      AW_COUNT_refused_header, 0, NGX_LOG_INFO },

    { NGX_HTTP_BAD_REQUEST, ngx_string("header_malformed"),
      ngx_string("Header Malformed"),
      AW_COUNT_refused_header, 0, NGX_LOG_INFO },

    { NGX_HTTP_SERVICE_UNAVAILABLE, ngx_string("not_ready"),
      ngx_string("Not Ready: the worker has not published its companies yet"),
      AW_COUNT_unavailable_table, 5, NGX_LOG_ERR },

    { NGX_HTTP_UNAUTHORIZED, ngx_string("invalid_api_key"),
      ngx_string("Invalid API Key"),
      AW_COUNT_refused_key, 0, NGX_LOG_INFO },

    { NGX_HTTP_UNAUTHORIZED, ngx_string("timestamp_expired"),
      ngx_string("Timestamp Expired"),
      AW_COUNT_refused_timestamp, 0, NGX_LOG_INFO },

    { NGX_HTTP_UNAUTHORIZED, ngx_string("invalid_signature"),
      ngx_string("Invalid Signature"),
      AW_COUNT_refused_signature, 0, NGX_LOG_INFO },

    { NGX_HTTP_TOO_MANY_REQUESTS, ngx_string("rate_limit_exceeded"),
      ngx_string("Rate Limit Exceeded"),
      AW_COUNT_refused_rate, 0, NGX_LOG_INFO },

    { NGX_HTTP_BAD_REQUEST, ngx_string("invalid_json"),
      ngx_string("Body is not a JSON object"),
      AW_COUNT_refused_json, 0, NGX_LOG_INFO },

    { 422, ngx_string("invalid_field"),
      ngx_string("A field is missing or wrong"),
      AW_COUNT_refused_field, 0, NGX_LOG_INFO },

    { NGX_HTTP_NOT_FOUND, ngx_string("asset_not_found"),
      ngx_string("Asset Not Found"),
      AW_COUNT_refused_asset, 0, NGX_LOG_INFO },

    { NGX_HTTP_SERVICE_UNAVAILABLE, ngx_string("queue_full"),
      ngx_string("Queue Full"),
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 10, NGX_LOG_ERR },

    { NGX_HTTP_SERVICE_UNAVAILABLE, ngx_string("ids_full"),
      ngx_string("Ids Table Full"),
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 10, NGX_LOG_ERR },

    { NGX_HTTP_SERVICE_UNAVAILABLE, ngx_string("busy"),
      ngx_string("Busy"),
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 1, NGX_LOG_ERR },

    { NGX_HTTP_SERVICE_UNAVAILABLE, ngx_string("queue_broken"),
      ngx_string("Queue Unusable"),
      NGX_HTTP_ALERTWHISPER_UNCOUNTED, 5, NGX_LOG_CRIT }
};


static ngx_str_t  ngx_http_alertwhisper_json =
    ngx_string("application/json");


ngx_str_t *
ngx_http_alertwhisper_verdict_name(ngx_http_alertwhisper_verdict_e verdict)
{
    return &ngx_http_alertwhisper_answers[verdict].name;
}


ngx_int_t
ngx_http_alertwhisper_answer(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    u_char                             *p;
    size_t                              len;
    ngx_buf_t                          *b;
    ngx_str_t                          *detail;
    ngx_http_alertwhisper_answer_t     *answer;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    answer = &ngx_http_alertwhisper_answers[ctx->verdict];

    if (answer->counter != NGX_HTTP_ALERTWHISPER_UNCOUNTED) {
        amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);
        aw_counters_add(amcf->files->state.counters, answer->counter, 1);
    }

    ngx_http_alertwhisper_log_answer(r, ctx, answer);

    if (answer->status == NGX_HTTP_OK) {
        return ngx_http_alertwhisper_answer_taken(r, ctx);
    }

    if (ngx_http_alertwhisper_answer_headers(r, ctx, answer) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    detail = ctx->reason.len ? &ctx->reason : &answer->detail;

    len = sizeof("{\"detail\":\"\",\"code\":\"\",\"field\":\"\"}\n")
          + NGX_HTTP_ALERTWHISPER_ESCAPED * (detail->len + ctx->field.len)
          + answer->name.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = &ctx->out;
    b->pos = p;

    p = ngx_cpymem(p, "{\"detail\":\"", sizeof("{\"detail\":\"") - 1);
    p = ngx_http_alertwhisper_escape(p, detail);
    p = ngx_sprintf(p, "\",\"code\":\"%V\"", &answer->name);

    if (ctx->field.len) {
        p = ngx_cpymem(p, ",\"field\":\"", sizeof(",\"field\":\"") - 1);
        p = ngx_http_alertwhisper_escape(p, &ctx->field);
        *p++ = '"';
    }

    *p++ = '}';
    *p++ = LF;

    b->last = p;

    return ngx_http_alertwhisper_send(r, b, answer->status,
                                      &ngx_http_alertwhisper_json);
}


/* 200: new, known, or only tried */

static ngx_int_t
ngx_http_alertwhisper_answer_taken(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    u_char                            *p;
    ngx_buf_t                         *b;
    ngx_http_alertwhisper_loc_conf_t  *alcf;

#define NGX_HTTP_AW_RECEIVED   "{\"message\":\"Alert received\","
#define NGX_HTTP_AW_DRY        "{\"message\":\"Dry run: nothing was queued\","\
                               "\"dry_run\":true}\n"

    p = ngx_pnalloc(r->pool,
                    sizeof(NGX_HTTP_AW_RECEIVED)
                    + sizeof("\"duplicate\":true,\"alert_id\":\"\",")
                    + AW_ID_TEXT
                    + sizeof("\"durability\":\"memory\"}\n")
                    + sizeof(NGX_HTTP_AW_DRY));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = &ctx->out;
    b->pos = p;

    if (ctx->verdict == NGX_HTTP_AW_DRY_RUN) {
        b->last = ngx_cpymem(p, NGX_HTTP_AW_DRY, sizeof(NGX_HTTP_AW_DRY) - 1);

        return ngx_http_alertwhisper_send(r, b, NGX_HTTP_OK,
                                          &ngx_http_alertwhisper_json);
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_alertwhisper_module);

    aw_id_format(ctx->item.alert_id, (char *) ctx->alert_id);

    p = ngx_cpymem(p, NGX_HTTP_AW_RECEIVED, sizeof(NGX_HTTP_AW_RECEIVED) - 1);

    if (ctx->verdict == NGX_HTTP_AW_DUPLICATE) {
        p = ngx_cpymem(p, "\"duplicate\":true,",
                       sizeof("\"duplicate\":true,") - 1);
    }

    p = ngx_cpymem(p, "\"alert_id\":\"", sizeof("\"alert_id\":\"") - 1);
    p = ngx_cpymem(p, ctx->alert_id, AW_ID_TEXT);

    if (alcf->ack == NGX_HTTP_ALERTWHISPER_DISK) {
        p = ngx_cpymem(p, "\",\"durability\":\"disk\"}\n",
                       sizeof("\",\"durability\":\"disk\"}\n") - 1);
    } else {
        p = ngx_cpymem(p, "\",\"durability\":\"memory\"}\n",
                       sizeof("\",\"durability\":\"memory\"}\n") - 1);
    }

    b->last = p;

    return ngx_http_alertwhisper_send(r, b, NGX_HTTP_OK,
                                      &ngx_http_alertwhisper_json);
}


static ngx_int_t
ngx_http_alertwhisper_answer_headers(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx, ngx_http_alertwhisper_answer_t *answer)
{
    u_char      *p;
    ngx_str_t    value;
    ngx_uint_t   seconds;

    if (answer->status == NGX_HTTP_NOT_ALLOWED) {
        ngx_str_set(&value, "POST");

        return ngx_http_alertwhisper_add_header(r, "Allow",
                                                sizeof("Allow") - 1, &value);
    }

    if (ctx->verdict == NGX_HTTP_AW_KEY) {
        ngx_str_set(&value, "Bearer");

        return ngx_http_alertwhisper_add_header(r, "WWW-Authenticate",
                                                sizeof("WWW-Authenticate") - 1,
                                                &value);
    }

    if (answer->status == 422) {
        /* nginx has no words for it */
        ngx_str_set(&r->headers_out.status_line, "422 Unprocessable Entity");
        return NGX_OK;
    }

    seconds = (ctx->verdict == NGX_HTTP_AW_RATE) ? ctx->retry_after
                                                 : answer->retry_after;

    if (seconds == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%ui", seconds) - p;

    return ngx_http_alertwhisper_add_header(r, "Retry-After",
                                            sizeof("Retry-After") - 1, &value);
}


static ngx_int_t
ngx_http_alertwhisper_add_header(ngx_http_request_t *r, char *name, size_t len,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = len;
    h->value = *value;
    h->lowcase_key = NULL;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


ngx_int_t
ngx_http_alertwhisper_send(ngx_http_request_t *r, ngx_buf_t *b,
    ngx_uint_t status, ngx_str_t *type)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    b->temporary = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/*
 * A refusal is the sender's fault and is logged at "info"; one by ours at
 * "error" or "crit", but once a second, as each request would bring a line
 */

static void
ngx_http_alertwhisper_log_answer(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx, ngx_http_alertwhisper_answer_t *answer)
{
    ngx_str_t          company;

    static time_t      last;
    static ngx_uint_t  more;

    if (answer->level == NGX_LOG_DEBUG) {
        return;
    }

    if (answer->level < NGX_LOG_WARN) {

        if (last == ngx_time()) {
            more++;
            return;
        }

        ngx_log_error(answer->level, r->connection->log, 0,
                      "alertwhisper: delivery refused, %V (and %ui more since "
                      "the last such line)", &answer->name, more);

        last = ngx_time();
        more = 0;
        return;
    }

    ngx_str_set(&company, "-");

    if (ctx->found) {
        company.data = (u_char *) ctx->company.id;
        company.len = ctx->company.id_len;
    }

    ngx_log_error(answer->level, r->connection->log, 0,
                  "alertwhisper: delivery refused, %V, company %V",
                  &answer->name, &company);
}


static u_char *
ngx_http_alertwhisper_escape(u_char *p, ngx_str_t *text)
{
    return (u_char *) ngx_escape_json(p, text->data, text->len);
}
