#include "dispatch.h"

#include <string.h>

static int hex_of(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 'a' - 'A' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

const char *aw_url_decode(struct aw_arena *arena, const char *text, size_t len, bool path)
{
    char *out = aw_arena_alloc(arena, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_of(text[i + 1]) : -1;
            int low = high >= 0 ? hex_of(text[i + 2]) : -1;
            if (low < 0) {
                return NULL;
            }
            c = (char)(high << 4 | low);
            if (c == '\0' || (path && c == '/')) {
                return NULL;
            }
            i += 2;
        } else if (c == '+' && !path) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

static bool split_query(struct aw_req *q, const char *query, struct aw_err *err)
{
    while (*query) {
        size_t len = strcspn(query, "&");
        const char *equals = memchr(query, '=', len);
        size_t name_len = equals ? (size_t)(equals - query) : len;
        if (len > 0) {
            if (q->pair_count == AW_QUERY_PAIRS) {
                return aw_fail(err, AW_ERR_MALFORMED, "api.target",
                               "The query has too many parameters");
            }
            struct aw_pair *pair = &q->pairs[q->pair_count++];
            pair->name = aw_url_decode(q->arena, query, name_len, false);
            pair->value =
                equals ? aw_url_decode(q->arena, equals + 1, len - name_len - 1, false) : "";
            if (!pair->name || !pair->value) {
                return aw_fail(err, AW_ERR_MALFORMED, "api.target", "The query has a bad escape");
            }
        }
        query += len;
        query += *query == '&';
    }
    return true;
}

/* Compares a template with a decoded path; a hole takes one segment that is not empty. */
static bool matches(const struct aw_route *route, struct aw_arena *arena, const char *path,
                    const char *holes[AW_HOLES])
{
    const char *at = route->path;
    for (size_t n = 0; *at; path++, at++) {
        if (*at == '{') {
            size_t len = strcspn(path, "/");
            if (len == 0) {
                return false;
            }
            holes[n++] = aw_arena_strn(arena, path, len);
            path += len - 1;
            at = strchr(at, '}');
        } else if (*at != *path) {
            return false;
        }
    }
    return *path == '\0';
}

static bool is_method(const struct aw_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* A path that stands in the table as it is belongs to no template: "correlate" is no id of an incident. */
static bool is_literal(const char *path)
{
    const struct aw_route *route;
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        if (strcmp(route->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool find_route(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct aw_str allow;
    aw_str_init(&allow, q->arena);
    const struct aw_route *route;
    bool literal = is_literal(q->path);
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        const char *holes[AW_HOLES] = {NULL};
        if (!matches(route, q->arena, q->path, holes) || (literal && holes[0])) {
            continue;
        }
        aw_str_printf(&allow, "%s%s", allow.len ? ", " : "",
                      strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method);
        if (is_method(route, q->method)) {
            q->route = route;
            q->id = holes[1] ? holes[1] : holes[0];
            q->outer = holes[1] ? holes[0] : NULL;
        }
    }
    if (q->route) {
        return true;
    }
    if (allow.len == 0) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "api.route", "Not Found");
    }
    aw_str_add(&allow, ", OPTIONS");
    r->allow = allow.ptr;
    if (strcmp(q->method, "OPTIONS") == 0) {
        r->status = 204;
        return true;
    }
    return aw_fail(err, AW_ERR_METHOD, "api.method", "Method Not Allowed");
}

bool aw_dispatch_match(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    size_t len = strcspn(q->target, "?");
    q->path = q->target[0] == '/' ? aw_url_decode(q->arena, q->target, len, true) : NULL;
    if (!q->path) {
        return aw_fail(err, AW_ERR_MALFORMED, "api.target", "The path cannot be read");
    }
    return split_query(q, q->target + len + (q->target[len] == '?'), err) && find_route(q, r, err);
}
