#include "dispatch.h"

#include <string.h>

const struct aw_schema aw_no_body = {.name = "no_body", .size = 1, .doc = "no members"};

const struct aw_route *const aw_route_tables[] = {
    aw_status_routes,       aw_auth_routes,  aw_company_routes,  aw_api_key_routes,
    aw_config_routes,       aw_alert_routes, aw_incident_routes, aw_dead_letter_routes,
    aw_notification_routes, aw_event_routes, aw_audit_routes,
};
const size_t aw_route_table_count = AW_COUNT(aw_route_tables);

const struct aw_route *aw_routes_at(size_t at)
{
    for (size_t i = 0; i < aw_route_table_count; i++) {
        for (const struct aw_route *route = aw_route_tables[i]; route->method; route++) {
            if (at-- == 0) {
                return route;
            }
        }
    }
    return NULL;
}

static bool writes(const struct aw_route *route)
{
    return strcmp(route->method, "GET") != 0;
}

bool aw_route_acts(const struct aw_route *route)
{
    return writes(route) && route->permission != AW_PUBLIC;
}

size_t aw_route_holes(const struct aw_route *route, struct aw_arena *arena,
                      const char *names[AW_HOLES])
{
    size_t n = 0;
    for (const char *at = strchr(route->path, '{'); at; at = strchr(at + 1, '{'), n++) {
        if (n < AW_HOLES && names) {
            names[n] = aw_arena_strn(arena, at + 1, strcspn(at + 1, "}"));
        }
    }
    return n;
}

static size_t param_count(const struct aw_route *route)
{
    size_t n = 0;
    while (route->params && route->params[n].name) {
        n++;
    }
    return n;
}

static bool has_param(const struct aw_route *route, const char *name)
{
    for (size_t i = 0; i < param_count(route); i++) {
        if (strcmp(route->params[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL = nothing is wrong with the row by itself. */
static const char *fault_of(const struct aw_route *route)
{
    static const size_t holes[] = {
        [AW_SCOPE_COMPANY] = 1, [AW_SCOPE_ROW] = 1, [AW_SCOPE_INNER] = 2};
    const struct {
        bool bad;
        const char *fault;
    } rules[] = {
        {!route->run, "no handler"},
        {!route->summary, "no summary"},
        {route->permission == 0, "no permission"},
        {route->permission != AW_PUBLIC &&
             (route->permission < 0 || route->permission >= AW_PERMISSIONS),
         "unknown permission"},
        {route->scope == AW_SCOPE_MISSING, "no scope"},
        {route->permission == AW_PUBLIC && route->scope != AW_SCOPE_NONE,
         "public, but with a scope"},
        {aw_route_holes(route, NULL, NULL) != holes[route->scope],
         "the path and the scope disagree about {id}"},
        {route->scope >= AW_SCOPE_ROW && !route->object, "the scope needs an object"},
        {route->scope == AW_SCOPE_QUERY && !has_param(route, "company_id"),
         "the scope needs company_id"},
        {writes(route) && !route->body, "no body schema"},
        {writes(route) && !route->audit, "no audit name"},
        {!route->reply && !route->media, "no reply"},
        {param_count(route) > AW_PARAMS, "too many parameters"},
        {route->pool == AW_POOL_INLINE && (route->permission != AW_PUBLIC || writes(route)),
         "only public reads may run inline"},
    };
    for (size_t i = 0; i < AW_COUNT(rules); i++) {
        if (rules[i].bad) {
            return rules[i].fault;
        }
    }
    return NULL;
}

static bool is_twice(const struct aw_route *const *tables, size_t n, const struct aw_route *row)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        for (const struct aw_route *other = tables[i]; other->method; other++) {
            found += strcmp(other->method, row->method) == 0 && strcmp(other->path, row->path) == 0;
        }
    }
    return found > 1;
}

bool aw_routes_check(const struct aw_route *const *tables, size_t n, struct aw_err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (const struct aw_route *row = tables[i]; row->method; row++) {
            const char *fault = is_twice(tables, n, row) ? "there are two of them" : fault_of(row);
            if (fault) {
                return aw_fail(err, AW_ERR_INTERNAL, "api.routes", "route %s %s: %s", row->method,
                               row->path, fault);
            }
        }
    }
    return true;
}
