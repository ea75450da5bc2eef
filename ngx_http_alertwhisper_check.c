
/*
 * Alert Whisperer: the checks of a delivery.
 *
 * Order: method, size, media type and headers, key, timestamp, signature,
 * rate, JSON, asset.  None of them leaves a trace that would stop the sender's
 * retry, but for the token of the rate limit.
 */


#include "ngx_http_alertwhisper.h"


/* the edge table may be published anew between two looks into it */
#define NGX_HTTP_ALERTWHISPER_LOOKS     8


static ngx_http_alertwhisper_verdict_e ngx_http_alertwhisper_find_company(
    ngx_http_request_t *r, ngx_http_alertwhisper_ctx_t *ctx);
static ngx_http_alertwhisper_verdict_e ngx_http_alertwhisper_check_asset(
    ngx_http_request_t *r, ngx_http_alertwhisper_ctx_t *ctx,
    struct aw_slice *asset);
static ngx_uint_t ngx_http_alertwhisper_verify(
    ngx_http_alertwhisper_ctx_t *ctx);
static void ngx_http_alertwhisper_identify(ngx_http_alertwhisper_ctx_t *ctx);
static void *ngx_http_alertwhisper_alloc(void *pool, size_t size);


/* key, timestamp, and the form of the signature: what needs no body */

void
ngx_http_alertwhisper_check_key(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    ngx_http_alertwhisper_main_conf_t  *amcf;

    ctx->verdict = ngx_http_alertwhisper_find_company(r, ctx);

    if (ctx->verdict != NGX_HTTP_AW_PENDING || !ctx->company.hmac) {
        return;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);

    if (!aw_mac_parse_timestamp((char *) ctx->timestamp.data,
                                ctx->timestamp.len, &ctx->sig_timestamp)
        || !aw_mac_in_window(ctx->sig_timestamp, ngx_time(),
                             amcf->clock_skew))
    {
        ctx->verdict = NGX_HTTP_AW_TIMESTAMP;
        return;
    }

    if (!aw_mac_parse_signature((char *) ctx->signature.data,
                                ctx->signature.len, ctx->claimed))
    {
        ctx->verdict = NGX_HTTP_AW_SIGNATURE;
        return;
    }

    ctx->signed_body = 1;
}


static ngx_http_alertwhisper_verdict_e
ngx_http_alertwhisper_find_company(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    size_t                              len;
    uint8_t                             sha[AW_SHA256_LEN];
    const uint8_t                      *client;
    struct sockaddr                    *sa;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);

    ctx->found = 0;

    if (ctx->key.len == 0 || ctx->key.len > AW_API_KEY_MAX) {
        return aw_edge_generation(&amcf->files->edge) ? NGX_HTTP_AW_KEY
                                                      : NGX_HTTP_AW_NOT_READY;
    }

    aw_mac_sha256(ctx->key.data, ctx->key.len, sha);

    sa = r->connection->sockaddr;

    switch (sa->sa_family) {

    case AF_INET:
        client = (uint8_t *) &((struct sockaddr_in *) sa)->sin_addr;
        len = 4;
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        client = (uint8_t *) &((struct sockaddr_in6 *) sa)->sin6_addr;
        len = 16;
        break;
#endif

    default: /* AF_UNIX */
        client = NULL;
        len = 0;
    }

    switch (aw_edge_find(&amcf->files->edge, sha, client, len, ngx_time(),
                         &ctx->company))
    {
    case AW_EDGE_OK:
        ctx->found = 1;
        return NGX_HTTP_AW_PENDING;

    case AW_EDGE_NO_KEY:
        return NGX_HTTP_AW_KEY;

    default:
        return NGX_HTTP_AW_NOT_READY;
    }
}


/*
 * Also called for an unknown key: then the dummy key that the edge table gave
 * is used, so that the time of the answer does not tell which keys exist
 */

void
ngx_http_alertwhisper_check_body(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx)
{
    struct aw_alert_body                alert;
    struct aw_json_memory               memory;
    struct aw_json_problem              problem;
    struct aw_edge_company             *company;
    ngx_http_alertwhisper_loc_conf_t   *alcf;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_alertwhisper_module);

    company = &ctx->company;

    ngx_http_alertwhisper_identify(ctx);

    if (alcf->ack == NGX_HTTP_ALERTWHISPER_MEMORY) {

        /*
         * what the names lead to arrives while the signature is verified; that
         * of a parked request is not needed before its batch
         */

        aw_intake_prefetch(&amcf->intake, &ctx->item);
    }

    if (ctx->verdict == NGX_HTTP_AW_KEY) {
        if (ctx->key.len && ctx->key.len <= AW_API_KEY_MAX) {
            (void) ngx_http_alertwhisper_verify(ctx);
        }

        return;
    }

    if (ctx->signed_body && !ngx_http_alertwhisper_verify(ctx)) {
        ctx->verdict = NGX_HTTP_AW_SIGNATURE;
        return;
    }

    if (company->limited && !alcf->dry_run) {
        ctx->retry_after = aw_rate_take(
                            &amcf->files->state.rates[company->rate_slot],
                            company->hash, company->per_minute, company->burst,
                            aw_rate_now());

        if (ctx->retry_after) {
            ctx->verdict = NGX_HTTP_AW_RATE;
            return;
        }
    }

    memory.alloc = ngx_http_alertwhisper_alloc;
    memory.ctx = r->pool;

    switch (aw_alert_json_parse(ctx->body.data, ctx->body.len, &memory, &alert,
                                &problem))
    {
    case AW_JSON_OK:
        ctx->verdict = ngx_http_alertwhisper_check_asset(r, ctx,
                                                         &alert.asset_name);
        return;

    case AW_JSON_MALFORMED:
        ctx->verdict = NGX_HTTP_AW_JSON;
        break;

    case AW_JSON_INVALID:
        ctx->verdict = NGX_HTTP_AW_FIELD;
        break;
    }

    ctx->field.data = (u_char *) problem.field;
    ctx->field.len = ngx_strlen(problem.field);
    ctx->reason.data = (u_char *) problem.detail;
    ctx->reason.len = ngx_strlen(problem.detail);
}


static ngx_http_alertwhisper_verdict_e
ngx_http_alertwhisper_check_asset(ngx_http_request_t *r,
    ngx_http_alertwhisper_ctx_t *ctx, struct aw_slice *asset)
{
    uint64_t                            hash;
    ngx_uint_t                          i;
    ngx_http_alertwhisper_verdict_e     verdict;
    ngx_http_alertwhisper_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_alertwhisper_module);

    hash = ctx->company.hash;

    for (i = 0; i < NGX_HTTP_ALERTWHISPER_LOOKS; i++) {

        switch (aw_edge_asset(&amcf->files->edge, &ctx->company, asset->ptr,
                              asset->len))
        {
        case AW_EDGE_OK:
            return NGX_HTTP_AW_PENDING;

        case AW_EDGE_STALE:
            verdict = ngx_http_alertwhisper_find_company(r, ctx);

            if (verdict != NGX_HTTP_AW_PENDING) {
                return verdict;
            }

            /* the key has just moved to another company: judge all anew */

            if (ctx->company.hash != hash) {
                return NGX_HTTP_AW_NOT_READY;
            }

            break;

        case AW_EDGE_NO_ASSET:
            return NGX_HTTP_AW_ASSET;

        default:
            return NGX_HTTP_AW_NOT_READY;
        }
    }

    return NGX_HTTP_AW_NOT_READY;
}


static ngx_uint_t
ngx_http_alertwhisper_verify(ngx_http_alertwhisper_ctx_t *ctx)
{
    ngx_uint_t      i, genuine;
    struct aw_mac   mac;

    genuine = 0;

    for (i = 0; i < ctx->company.mac_key_count && !genuine; i++) {
        aw_mac_start(&mac, &ctx->company.mac_keys[i],
                     (char *) ctx->timestamp.data, ctx->timestamp.len);
        aw_mac_update(&mac, ctx->body.data, ctx->body.len);

        genuine = aw_mac_finish(&mac, &ctx->company.mac_keys[i], ctx->claimed);
    }

    return genuine;
}


/* the names under which this delivery would be known again, and its record */

static void
ngx_http_alertwhisper_identify(ngx_http_alertwhisper_ctx_t *ctx)
{
    SHA256_CTX           sha;
    ngx_time_t          *tp;
    const char          *company;
    struct aw_delivery  *delivery;

    tp = ngx_timeofday();

    company = ctx->company.id;
    delivery = &ctx->item.delivery;

    delivery->kind = AW_RECORD_ALERT;
    delivery->received_ms = (uint64_t) tp->sec * 1000 + tp->msec;
    delivery->company = company;
    delivery->company_len = ctx->company.id_len;
    delivery->body = ctx->body.data;
    delivery->body_len = ctx->body.len;

    aw_id_make(delivery->alert_id, delivery->received_ms);

    if (ctx->signed_body) {
        delivery->flags = AW_RECORD_SIGNED;
        delivery->sig_timestamp = ctx->sig_timestamp;

        aw_mac_identity_signature(company, ctx->company.id_len, ctx->claimed,
                                  delivery->signature);
    }

    if (ctx->delivery_id.len) {
        delivery->flags |= AW_RECORD_DELIVERY_ID;
        delivery->delivery_id = (char *) ctx->delivery_id.data;
        delivery->delivery_id_len = ctx->delivery_id.len;

        aw_mac_identity_delivery(company, ctx->company.id_len,
                                 delivery->delivery_id,
                                 delivery->delivery_id_len,
                                 delivery->identity);
        return;
    }

    aw_mac_content_start(&sha, company, ctx->company.id_len,
                         (char *) ctx->timestamp.data,
                         ctx->signed_body ? ctx->timestamp.len : 0);
    aw_mac_content_update(&sha, ctx->body.data, ctx->body.len);
    aw_mac_content_finish(&sha, delivery->identity);
}


static void *
ngx_http_alertwhisper_alloc(void *pool, size_t size)
{
    return ngx_palloc(pool, size);
}
