#include "list.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/crypto.h"
#include "worker/domain/events.h"

#define MAC_LEN 16

/* --- cursors: base64url of (first 16 bytes of HMAC-SHA256 over path and payload, payload = id LF sort value) --- */

static void sign(const struct aw_req *q, const char *payload, size_t len, uint8_t mac[32])
{
    struct aw_str text;
    aw_str_init(&text, q->arena);
    aw_str_printf(&text, "%s\n", q->path);
    aw_str_addn(&text, payload, len);
    unsigned mac_len;
    HMAC(EVP_sha256(), aw_api_cursor_key(q->api), 32, (const uint8_t *)text.ptr, text.len, mac,
         &mac_len);
}

static const char *make_cursor(const struct aw_req *q, const struct aw_list *list, const void *row)
{
    struct aw_str payload, cursor;
    aw_str_init(&payload, q->arena);
    aw_str_init(&cursor, q->arena);
    aw_str_printf(&payload, "%s\n",
                  *(const char *const *)aw_field_at(&list->schema->fields[0], row));
    if (list->sort) {
        const struct aw_field *field =
            aw_schema_field(list->schema, list->sort, strlen(list->sort));
        const void *at = aw_field_at(field, row);
        if (field->type == AW_T_STR) {
            const char *text = *(const char *const *)at;
            aw_str_add(&payload, text ? text : "");
        } else {
            aw_str_printf(&payload, "%lld", (long long)*(const int64_t *)at);
        }
    }
    uint8_t mac[32];
    sign(q, payload.ptr, payload.len, mac);
    aw_str_addn(&cursor, mac, MAC_LEN);
    aw_str_addn(&cursor, payload.ptr, payload.len);
    return aw_base64url(q->arena, cursor.ptr, cursor.len);
}

static bool read_cursor(const struct aw_req *q, struct aw_query *query, struct aw_err *err)
{
    uint8_t *bytes, mac[32];
    size_t len;
    if (!q->cursor) {
        return true;
    }
    char *payload = NULL, *line = NULL;
    if (aw_unbase64url(q->arena, q->cursor, strlen(q->cursor), &bytes, &len) && len > MAC_LEN) {
        payload = aw_arena_strn(q->arena, (char *)bytes + MAC_LEN, len - MAC_LEN);
        sign(q, payload, len - MAC_LEN, mac);
        line = aw_equal_secret(mac, bytes, MAC_LEN) ? strchr(payload, '\n') : NULL;
    }
    if (!line) {
        return aw_fail(err, AW_ERR_INVALID, "list.cursor", "The cursor is not one of this list");
    }
    *line = '\0';
    query->after_id = payload;
    query->after_text = line + 1;
    query->after_number = strtoll(line + 1, NULL, 10);
    return true;
}

/* --- the query --- */

static void add_cond(struct aw_query *query, struct aw_cond cond)
{
    query->conds[query->n++] = cond;
}

static struct aw_query build(const struct aw_req *q, const struct aw_list *list, size_t limit)
{
    struct aw_query query = {
        .schema = list->schema,
        .sort = list->sort,
        .descending = list->descending,
        .limit = limit + 1, /* one more, to see whether there is a next page */
    };
    if (list->fixed.field) {
        add_cond(&query, list->fixed);
    }
    for (const struct aw_param *param = q->route->params; param && param->name; param++) {
        const struct aw_value *value = &q->values[param - q->route->params];
        if (param->field && value->present) {
            add_cond(&query, (struct aw_cond){
                                 .field = param->field,
                                 .op = param->op,
                                 .text = value->text,
                                 .number = value->number,
                             });
        }
    }
    return query;
}

/* --- the answer --- */

static const char *next_link(const struct aw_req *q, size_t limit, const char *cursor)
{
    struct aw_str link;
    aw_str_init(&link, q->arena);
    size_t path_len = strcspn(q->target, "?");
    aw_str_add(&link, "<");
    aw_str_addn(&link, q->target, path_len);
    aw_str_add(&link, "?");
    const char *query = q->target + path_len + (q->target[path_len] == '?');
    while (*query) {
        size_t len = strcspn(query, "&");
        if (len > 0 && strncmp(query, "limit=", 6) != 0 && strncmp(query, "cursor=", 7) != 0) {
            aw_str_addn(&link, query, len);
            aw_str_add(&link, "&");
        }
        query += len;
        query += *query == '&';
    }
    aw_str_printf(&link, "limit=%zu&cursor=%s>; rel=\"next\"", limit, cursor);
    return link.ptr;
}

static void write_rows(struct aw_json *json, const struct aw_schema *schema,
                       const struct aw_rows *rows)
{
    aw_json_open(json, '[');
    for (size_t i = 0; i < rows->n; i++) {
        aw_json_row(json, schema, rows->v[i], false);
    }
    aw_json_close(json, ']');
}

bool aw_list_reply(struct aw_req *q, struct aw_reply *r, const struct aw_list *list,
                   struct aw_err *err)
{
    bool paged = q->limit > 0 || q->cursor;
    size_t limit = q->limit > 0 ? (size_t)q->limit : AW_LIST_DEFAULT;
    struct aw_query query = build(q, list, limit);
    char head[AW_EVENT_ID_TEXT + 1];
    struct aw_rows rows;
    /* the head first: what happens between the two reads is in the list, and comes again as an event */
    if (!read_cursor(q, &query, err) || !aw_events_head(q->reader, head, err) ||
        !aw_store_find(q->reader, &q->actor.scope, &query, q->arena, &rows, err)) {
        return false;
    }
    const char *next = NULL;
    if (rows.n > limit) {
        rows.n = limit;
        next = make_cursor(q, list, rows.v[limit - 1]);
        r->link = next_link(q, limit, next);
    }
    if (list->finish) {
        list->finish(&rows, q->now_ms);
    }
    struct aw_json json;
    aw_json_init(&json, &r->body);
    if (!paged) {
        write_rows(&json, list->schema, &rows);
        return true;
    }
    aw_json_open(&json, '{');
    aw_json_key(&json, "items");
    write_rows(&json, list->schema, &rows);
    aw_json_key(&json, "next_cursor");
    aw_json_str(&json, next);
    aw_json_key(&json, "last_event_id");
    aw_json_str(&json, head);
    aw_json_close(&json, '}');
    return true;
}
