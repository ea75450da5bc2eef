#include "openapi_schema.h"

#include <string.h>

#include "dispatch.h"
#include "list.h"

#define SCHEMAS 64

static void text(struct aw_json *json, const char *key, const char *value)
{
    aw_json_key(json, key);
    aw_json_str(json, value);
}

static void type_of(struct aw_json *json, const char *type, bool nullable)
{
    aw_json_key(json, "type");
    if (nullable) {
        aw_json_open(json, '[');
        aw_json_str(json, type);
        aw_json_str(json, "null");
        aw_json_close(json, ']');
    } else {
        aw_json_str(json, type);
    }
}

static void range(struct aw_json *json, const struct aw_field *field, const char *min,
                  const char *max)
{
    if (field->min != 0) {
        aw_json_key(json, min);
        aw_json_i64(json, field->min);
    }
    if (field->max != 0) {
        aw_json_key(json, max);
        aw_json_i64(json, field->max);
    }
}

static void words(struct aw_json *json, const char *const *list, bool nullable)
{
    aw_json_key(json, "enum");
    aw_json_open(json, '[');
    for (; *list; list++) {
        aw_json_str(json, *list);
    }
    if (nullable) {
        aw_json_null(json);
    }
    aw_json_close(json, ']');
}

static void ref(struct aw_json *json, const char *name, const char *suffix)
{
    struct aw_str target;
    aw_str_init(&target, NULL);
    aw_str_printf(&target, "#/components/schemas/%s%s", name, suffix);
    aw_json_open(json, '{');
    text(json, "$ref", target.ptr);
    aw_json_close(json, '}');
    aw_str_fini(&target);
}

static void array_of(struct aw_json *json, const struct aw_schema *schema)
{
    aw_json_open(json, '{');
    text(json, "type", "array");
    aw_json_key(json, "items");
    aw_openapi_ref(json, schema);
    aw_json_close(json, '}');
}

static void list_field(struct aw_json *json, const struct aw_field *field)
{
    type_of(json, "array", false);
    range(json, field, "minItems", "maxItems");
    aw_json_key(json, "items");
    aw_json_open(json, '{');
    text(json, "type", "string");
    if (field->arg) {
        words(json, field->arg, false);
    }
    aw_json_close(json, '}');
}

/* The members that depend on the type. */
static void typed(struct aw_json *json, const struct aw_field *field, bool nullable)
{
    switch (field->type) {
    case AW_T_I64:
        type_of(json, "integer", nullable);
        range(json, field, "minimum", "maximum");
        break;
    case AW_T_BOOL:
        type_of(json, "boolean", nullable);
        break;
    case AW_T_ENUM:
        type_of(json, "string", nullable);
        words(json, field->arg, nullable);
        break;
    case AW_T_TIME:
        type_of(json, "string", nullable);
        text(json, "format", "date-time");
        break;
    case AW_T_STRS:
        list_field(json, field);
        break;
    case AW_T_STR:
    case AW_T_BYTES:
        type_of(json, "string", nullable);
        range(json, field, "minLength", "maxLength");
        break;
    case AW_T_OBJ:
    case AW_T_RAW:
        break;
    }
}

void aw_openapi_field(struct aw_json *json, const struct aw_field *field)
{
    if (field->type == AW_T_OBJ) {
        aw_openapi_ref(json, field->arg);
        return;
    }
    if (field->type == AW_T_RAW && field->arg) {
        array_of(json, field->arg);
        return;
    }
    aw_json_open(json, '{');
    typed(json, field, (field->flags & AW_F_NULLABLE) != 0);
    if (field->doc) {
        text(json, "description", field->doc);
    }
    if (field->flags & AW_F_READONLY) {
        aw_json_key(json, "readOnly");
        aw_json_bool(json, true);
    }
    if (field->dflt) {
        aw_json_key(json, "default");
        aw_json_raw(json, field->dflt, strlen(field->dflt));
    }
    aw_json_close(json, '}');
}

void aw_openapi_ref(struct aw_json *json, const struct aw_schema *schema)
{
    ref(json, schema->name, "");
}

void aw_openapi_input_ref(struct aw_json *json, const struct aw_schema *schema)
{
    ref(json, schema->name, "_input");
}

void aw_openapi_problem_ref(struct aw_json *json)
{
    ref(json, "problem", "");
}

void aw_openapi_list(struct aw_json *json, const struct aw_schema *schema)
{
    static const char rest[] = "{\"type\":[\"string\",\"null\"]}";
    static const char id[] = "{\"type\":\"string\"}";
    static const char required[] = "[\"items\",\"next_cursor\",\"last_event_id\"]";
    aw_json_open(json, '{');
    aw_json_key(json, "oneOf");
    aw_json_open(json, '[');
    array_of(json, schema);
    aw_json_open(json, '{');
    text(json, "type", "object");
    aw_json_key(json, "properties");
    aw_json_open(json, '{');
    aw_json_key(json, "items");
    array_of(json, schema);
    aw_json_key(json, "next_cursor");
    aw_json_raw(json, rest, sizeof(rest) - 1);
    aw_json_key(json, "last_event_id");
    aw_json_raw(json, id, sizeof(id) - 1);
    aw_json_close(json, '}');
    aw_json_key(json, "required");
    aw_json_raw(json, required, sizeof(required) - 1);
    aw_json_close(json, '}');
    aw_json_close(json, ']');
    aw_json_close(json, '}');
}

void aw_openapi_joined(struct aw_json *json, const struct aw_schema *schema,
                       const struct aw_schema *more)
{
    aw_json_open(json, '{');
    aw_json_key(json, "allOf");
    aw_json_open(json, '[');
    aw_openapi_ref(json, schema);
    aw_openapi_ref(json, more);
    aw_json_close(json, ']');
    aw_json_close(json, '}');
}

/* --- components --- */

static bool is_shown(const struct aw_field *field)
{
    return (field->flags & (AW_F_SECRET | AW_F_INTERNAL)) == 0;
}

static void component(struct aw_json *json, const struct aw_schema *schema, bool input)
{
    aw_json_open(json, '{');
    text(json, "type", "object");
    if (schema->doc) {
        text(json, "description", schema->doc);
    }
    aw_json_key(json, "properties");
    aw_json_open(json, '{');
    for (size_t i = 0; i < schema->n; i++) {
        if (is_shown(&schema->fields[i])) {
            aw_json_key(json, schema->fields[i].name);
            aw_openapi_field(json, &schema->fields[i]);
        }
    }
    aw_json_close(json, '}');
    aw_json_key(json, "required");
    aw_json_open(json, '[');
    for (size_t i = 0; i < schema->n; i++) {
        if (is_shown(&schema->fields[i]) && (!input || (schema->fields[i].flags & AW_F_REQUIRED))) {
            aw_json_str(json, schema->fields[i].name);
        }
    }
    aw_json_close(json, ']');
    if (input) {
        aw_json_key(json, "additionalProperties");
        aw_json_bool(json, false);
    }
    aw_json_close(json, '}');
}

/* A set of schemas, each once. */
struct set {
    const struct aw_schema *v[SCHEMAS];
    size_t n;
};

static void collect(struct set *set, const struct aw_schema *schema)
{
    if (!schema || schema == &aw_no_body || set->n == SCHEMAS) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (set->v[i] == schema) {
            return;
        }
    }
    set->v[set->n++] = schema;
    for (size_t i = 0; i < schema->n; i++) {
        enum aw_ftype type = schema->fields[i].type;
        if (type == AW_T_OBJ || type == AW_T_RAW) {
            collect(set, schema->fields[i].arg);
        }
    }
}

void aw_openapi_components(struct aw_json *json)
{
    static const char problem[] =
        "{\"type\":\"object\",\"description\":\"RFC "
        "9457\",\"properties\":{\"type\":{\"type\":\"string\"},"
        "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":"
        "\"string\"},"
        "\"code\":{\"type\":\"string\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":"
        "\"object\",\"properties\":"
        "{\"pointer\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}},\"required\":["
        "\"pointer\",\"detail\"]}},"
        "\"request_id\":{\"type\":\"string\"}},"
        "\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\",\"request_id\"]}";
    static const char bearer[] =
        "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}}";
    struct set replies = {.n = 0}, inputs = {.n = 0};
    const struct aw_route *route;
    for (size_t i = 0; (route = aw_routes_at(i)); i++) {
        collect(&replies, route->reply);
        collect(&replies, route->more);
        collect(&inputs, route->body);
    }
    aw_json_key(json, "components");
    aw_json_open(json, '{');
    aw_json_key(json, "schemas");
    aw_json_open(json, '{');
    for (size_t i = 0; i < replies.n; i++) {
        aw_json_key(json, replies.v[i]->name);
        component(json, replies.v[i], false);
    }
    for (size_t i = 0; i < inputs.n; i++) {
        struct aw_str name;
        aw_str_init(&name, NULL);
        aw_str_printf(&name, "%s_input", inputs.v[i]->name);
        aw_json_key(json, name.ptr);
        component(json, inputs.v[i], true);
        aw_str_fini(&name);
    }
    aw_json_key(json, "problem");
    aw_json_raw(json, problem, sizeof(problem) - 1);
    aw_json_close(json, '}');
    aw_json_key(json, "securitySchemes");
    aw_json_raw(json, bearer, sizeof(bearer) - 1);
    aw_json_close(json, '}');
}
