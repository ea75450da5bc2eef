#include "dispatch.h"

#include <string.h>
#include <strings.h>

static bool is_json(const char *media)
{
    static const char name[] = "application/json";
    if (strncasecmp(media, name, sizeof(name) - 1) != 0) {
        return false;
    }
    const char *rest = media + sizeof(name) - 1;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

bool aw_body_read(struct aw_req *q, struct aw_err *err)
{
    const struct aw_route *route = q->route;
    if (!route->body || (route->body == &aw_no_body && q->body_len == 0)) {
        return true;
    }
    if (q->content_type && !is_json(q->content_type)) {
        return aw_fail(err, AW_ERR_MEDIA_TYPE, "api.media_type",
                       "The body must be application/json");
    }
    q->in = aw_arena_zero(q->arena, route->body->size);
    return (!route->base || route->base(q, &q->in, err)) &&
           aw_json_decode(route->body, AW_JSON_CREATE, q->body, q->body_len, q->arena, q->in,
                          &q->present, &q->problems, err);
}
