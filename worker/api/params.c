#include "dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "worker/base/clock.h"
#include "worker/base/conf.h"

const struct aw_param aw_list_params[] = {
    {.name = "limit",
     .type = AW_T_I64,
     .min = 1,
     .max = AW_LIST_MAX,
     .doc = "items of a page; the reply is a page then"},
    {.name = "cursor", .type = AW_T_STR, .doc = "next_cursor of the page before"},
    {.name = NULL},
};

static void problem(struct aw_req *q, const char *name, const char *detail)
{
    if (q->problems.n < AW_JSON_PROBLEMS) {
        struct aw_problem *to = &q->problems.v[q->problems.n++];
        snprintf(to->pointer, sizeof(to->pointer), "?%s", name);
        snprintf(to->detail, sizeof(to->detail), "%s", detail);
    }
}

static const char *read_number(const struct aw_req *q, const struct aw_param *param,
                               const char *text, struct aw_value *value)
{
    char *end;
    errno = 0;
    value->number = strtoll(text, &end, 10);
    bool digits =
        strchr("-0123456789", *text) && *text && end != text && *end == '\0' && errno == 0;
    return digits && value->number >= param->min && value->number <= param->max
               ? NULL
               : aw_arena_printf(q->arena, "must be a whole number from %lld to %lld",
                                 (long long)param->min, (long long)param->max);
}

static const char *read_word(const struct aw_req *q, const struct aw_param *param, const char *text,
                             struct aw_value *value)
{
    int index = aw_words_find(param->words, text, strlen(text));
    value->number = index;
    if (index >= 0) {
        return NULL;
    }
    struct aw_str words;
    aw_str_init(&words, q->arena);
    for (size_t i = 0; param->words[i]; i++) {
        aw_str_printf(&words, "%s%s", i ? ", " : "", param->words[i]);
    }
    return aw_arena_printf(q->arena, "must be one of %s", words.ptr);
}

/* NULL, or what is wrong with the text. */
static const char *read_value(const struct aw_req *q, const struct aw_param *param,
                              const char *text, struct aw_value *value)
{
    value->present = true;
    value->text = text;
    if (param->type == AW_T_I64) {
        return read_number(q, param, text, value);
    }
    if (param->type == AW_T_ENUM) {
        return read_word(q, param, text, value);
    }
    if (param->type == AW_T_TIME) {
        return aw_time_parse(text, strlen(text), &value->number) ? NULL
                                                                 : "must be a time (RFC 3339)";
    }
    size_t len = strlen(text), max = param->max ? (size_t)param->max : AW_PARAM_TEXT_MAX;
    return len >= 1 && len <= max ? NULL
                                  : aw_arena_printf(q->arena, "must have 1 to %zu bytes", max);
}

static const struct aw_param *find_param(const struct aw_param *params, const char *name)
{
    for (; params && params->name; params++) {
        if (strcmp(params->name, name) == 0) {
            return params;
        }
    }
    return NULL;
}

static void unknown(struct aw_req *q, const char *name)
{
    const char *words[AW_PARAMS + 2];
    size_t n = 0;
    const struct aw_param *sets[] = {q->route->params, q->route->list ? aw_list_params : NULL};
    for (size_t i = 0; i < AW_COUNT(sets); i++) {
        for (const struct aw_param *param = sets[i]; param && param->name; param++) {
            words[n++] = param->name;
        }
    }
    const char *near = n > 0 ? aw_nearest(name, words, n) : NULL;
    problem(q, name,
            near ? aw_arena_printf(q->arena, "is not known here; did you mean \"%s\"?", near)
                 : "is not known here");
}

static void read_pair(struct aw_req *q, const struct aw_pair *pair)
{
    const struct aw_param *param = find_param(q->route->params, pair->name);
    struct aw_value scratch = {0}, *value = param ? &q->values[param - q->route->params] : &scratch;
    const char *fault = NULL;
    if (param) {
        fault = value->present ? "stands there twice" : read_value(q, param, pair->value, value);
    } else if (q->route->list && (param = find_param(aw_list_params, pair->name))) {
        fault = read_value(q, param, pair->value, value);
        q->limit = param == &aw_list_params[0] ? value->number : q->limit;
        q->cursor = param == &aw_list_params[1] ? value->text : q->cursor;
    } else {
        unknown(q, pair->name);
    }
    if (fault) {
        problem(q, pair->name, fault);
    }
}

bool aw_params_read(struct aw_req *q, struct aw_err *err)
{
    for (size_t i = 0; i < q->pair_count; i++) {
        read_pair(q, &q->pairs[i]);
    }
    for (const struct aw_param *param = q->route->params; param && param->name; param++) {
        if (param->required && !q->values[param - q->route->params].present) {
            problem(q, param->name, "is needed");
        }
    }
    if (q->problems.n == 0) {
        return true;
    }
    const struct aw_problem *first = &q->problems.v[0];
    return aw_fail(err, AW_ERR_INVALID, "api.query", "The parameter \"%s\" %s", first->pointer + 1,
                   first->detail);
}

const struct aw_value *aw_req_value(const struct aw_req *q, const char *name)
{
    return &q->values[find_param(q->route->params, name) - q->route->params];
}
