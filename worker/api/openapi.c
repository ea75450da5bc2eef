#include "openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "dispatch.h"
#include "keyed.h"
#include "list.h"
#include "openapi_schema.h"

/* get_api_companies_id_assets */
static void operation_id(struct aw_json *json, const struct aw_route *route)
{
    struct aw_str id;
    aw_str_init(&id, NULL);
    for (const char *c = route->method; *c; c++) {
        aw_str_printf(&id, "%c", tolower((unsigned char)*c));
    }
    for (const char *c = route->path; *c; c++) {
        if (isalnum((unsigned char)*c)) {
            aw_str_addn(&id, c, 1);
        } else if (id.ptr[id.len - 1] != '_' && c[1]) {
            aw_str_add(&id, "_");
        }
    }
    aw_json_key(json, "operationId");
    aw_json_str(json, id.ptr);
    aw_str_fini(&id);
}

static void parameter(struct aw_json *json, const char *in, const struct aw_param *param)
{
    bool text = param->type == AW_T_STR;
    const struct aw_field field = {
        .name = param->name,
        .type = param->type,
        .min = text ? 1 : param->min,
        .max = text && param->max == 0 ? AW_PARAM_TEXT_MAX : param->max,
        .arg = param->words,
    };
    aw_json_open(json, '{');
    aw_json_key(json, "name");
    aw_json_str(json, param->name);
    aw_json_key(json, "in");
    aw_json_str(json, in);
    aw_json_key(json, "required");
    aw_json_bool(json, param->required);
    aw_json_key(json, "description");
    aw_json_str(json, param->doc);
    aw_json_key(json, "schema");
    if (param->type == AW_T_TIME) {
        /* as aw_time_parse() takes it */
        static const char time[] = "{\"anyOf\":[{\"type\":\"string\",\"format\":\"date-time\"},"
                                   "{\"type\":\"integer\",\"description\":\"ms since 1970\"}]}";
        aw_json_raw(json, time, sizeof(time) - 1);
    } else {
        aw_openapi_field(json, &field);
    }
    aw_json_close(json, '}');
}

static void parameters(struct aw_json *json, const struct aw_route *route)
{
    struct aw_arena *arena = aw_arena_create(0);
    const char *holes[AW_HOLES];
    size_t n = aw_route_holes(route, arena, holes);
    const struct {
        const char *in;
        const struct aw_param *params;
    } sets[] = {{"query", route->params},
                {"query", route->list ? aw_list_params : NULL},
                {"header", aw_route_acts(route) ? aw_keyed_param : NULL}};
    aw_json_key(json, "parameters");
    aw_json_open(json, '[');
    for (size_t i = 0; i < n; i++) {
        parameter(json, "path",
                  &(struct aw_param){
                      .name = holes[i], .type = AW_T_STR, .required = true, .doc = holes[i]});
    }
    for (size_t i = 0; i < AW_COUNT(sets); i++) {
        for (const struct aw_param *param = sets[i].params; param && param->name; param++) {
            parameter(json, sets[i].in, param);
        }
    }
    aw_json_close(json, ']');
    aw_arena_destroy(&arena);
}

static void open_content(struct aw_json *json, const char *media)
{
    aw_json_key(json, "content");
    aw_json_open(json, '{');
    aw_json_key(json, media);
    aw_json_open(json, '{');
    aw_json_key(json, "schema");
}

static void close_content(struct aw_json *json)
{
    aw_json_close(json, '}');
    aw_json_close(json, '}');
}

static void reply_schema(struct aw_json *json, const struct aw_route *route)
{
    if (!route->reply) {
        aw_json_open(json, '{');
        aw_json_close(json, '}');
    } else if (route->list) {
        aw_openapi_list(json, route->reply);
    } else if (route->more) {
        aw_openapi_joined(json, route->reply, route->more);
    } else {
        aw_openapi_ref(json, route->reply);
    }
}

static void good_reply(struct aw_json *json, const struct aw_route *route, int status)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", status);
    aw_json_key(json, text);
    aw_json_open(json, '{');
    aw_json_key(json, "description");
    aw_json_str(json, route->summary);
    open_content(json, route->media ? route->media : "application/json");
    reply_schema(json, route);
    close_content(json);
    aw_json_close(json, '}');
}

static void replies(struct aw_json *json, const struct aw_route *route)
{
    aw_json_key(json, "responses");
    aw_json_open(json, '{');
    good_reply(json, route, 200);
    if (route->also) {
        good_reply(json, route, route->also);
    }
    aw_json_key(json, "default");
    aw_json_open(json, '{');
    aw_json_key(json, "description");
    aw_json_str(json, "What went wrong (RFC 9457)");
    open_content(json, "application/problem+json");
    aw_openapi_problem_ref(json);
    close_content(json);
    aw_json_close(json, '}');
    aw_json_close(json, '}');
}

static void operation(struct aw_json *json, const struct aw_route *route)
{
    aw_json_key(json, strcmp(route->method, "GET") == 0   ? "get"
                      : strcmp(route->method, "PUT") == 0 ? "put"
                                                          : "post");
    aw_json_open(json, '{');
    operation_id(json, route);
    aw_json_key(json, "summary");
    aw_json_str(json, route->summary);
    if (route->permission == AW_PUBLIC) {
        aw_json_key(json, "security");
        aw_json_raw(json, "[]", 2);
    } else {
        aw_json_key(json, "x-permission");
        aw_json_str(json, aw_permission_word(route->permission));
    }
    parameters(json, route);
    if (route->body && route->body != &aw_no_body) {
        aw_json_key(json, "requestBody");
        aw_json_open(json, '{');
        aw_json_key(json, "required");
        aw_json_bool(json, true);
        open_content(json, "application/json");
        aw_openapi_input_ref(json, route->body);
        close_content(json);
        aw_json_close(json, '}');
    }
    replies(json, route);
    aw_json_close(json, '}');
}

/* Routes of one path stand together in the document, wherever their rows are. */
static bool is_first_of_path(size_t at, const char *path)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(aw_routes_at(i)->path, path) == 0) {
            return false;
        }
    }
    return true;
}

static void paths(struct aw_json *json)
{
    const struct aw_route *first, *route;
    aw_json_key(json, "paths");
    aw_json_open(json, '{');
    for (size_t i = 0; (first = aw_routes_at(i)); i++) {
        if (!is_first_of_path(i, first->path)) {
            continue;
        }
        aw_json_key(json, first->path);
        aw_json_open(json, '{');
        for (size_t k = i; (route = aw_routes_at(k)); k++) {
            if (strcmp(route->path, first->path) == 0) {
                operation(json, route);
            }
        }
        aw_json_close(json, '}');
    }
    aw_json_close(json, '}');
}

void aw_openapi_print(struct aw_str *out)
{
    static const struct {
        const char *key, *value;
    } head[] = {
        {"openapi", "\"3.1.0\""},
        {"info", "{\"title\":\"Alert Whisperer\",\"version\":\"" AW_VERSION
                 "\",\"description\":\"Alerts, incidents and their remedies.\","
                 "\"license\":{\"name\":\"Apache License 2.0\",\"identifier\":\"Apache-2.0\"}}"},
        {"servers", "[{\"url\":\"/\"}]"},
        {"security", "[{\"bearer\":[]}]"},
    };
    struct aw_json json;
    aw_json_init(&json, out);
    aw_json_open(&json, '{');
    for (size_t i = 0; i < AW_COUNT(head); i++) {
        aw_json_key(&json, head[i].key);
        aw_json_raw(&json, head[i].value, strlen(head[i].value));
    }
    paths(&json);
    aw_openapi_components(&json);
    aw_json_close(&json, '}');
}
