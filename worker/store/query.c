#include "worker/store/query.h"

#include <string.h>

bool aw_field_is_number(const struct aw_field *field)
{
    return field->type == AW_T_I64 || field->type == AW_T_BOOL || field->type == AW_T_ENUM ||
           field->type == AW_T_TIME;
}

int64_t aw_field_number(const struct aw_field *field, const void *row)
{
    const void *at = aw_field_at(field, row);
    switch (field->type) {
    case AW_T_BOOL:
        return *(const bool *)at;
    case AW_T_ENUM:
        return *(const int *)at;
    default:
        return *(const int64_t *)at;
    }
}

/* Of STR, RAW, OBJ and BYTES, which all begin with the pointer. */
static const char *pointer_of(const struct aw_field *field, const void *row)
{
    return *(const char *const *)aw_field_at(field, row);
}

static bool cond_fits(const struct aw_cond *cond, const struct aw_field *field)
{
    bool null_test = cond->text == NULL && (cond->op == AW_OP_EQ || cond->op == AW_OP_NE);
    if (aw_field_is_number(field)) {
        return cond->op != AW_OP_IN;
    }
    if (field->type == AW_T_STR) {
        return cond->op == AW_OP_IN || null_test || cond->text != NULL;
    }
    if (field->type == AW_T_STRS) {
        return cond->op == AW_OP_EQ && cond->text != NULL;
    }
    return null_test;
}

bool aw_match_init(struct aw_match *match, const struct aw_query *query, struct aw_err *err)
{
    const struct aw_schema *schema = query->schema;
    *match = (struct aw_match){.query = query, .id = &schema->fields[0]};
    if (query->n > AW_QUERY_CONDS) {
        return aw_fail(err, AW_ERR_INTERNAL, "store.query", "%zu conditions on %s", query->n,
                       schema->name);
    }
    for (size_t i = 0; i < query->n; i++) {
        const struct aw_cond *cond = &query->conds[i];
        const struct aw_field *field = aw_schema_field(schema, cond->field, strlen(cond->field));
        if (field == NULL || !cond_fits(cond, field)) {
            return aw_fail(err, AW_ERR_INTERNAL, "store.query", "condition on %s.%s", schema->name,
                           cond->field);
        }
        match->fields[i] = field;
    }
    match->sort =
        query->sort == NULL ? match->id : aw_schema_field(schema, query->sort, strlen(query->sort));
    if (match->sort == NULL ||
        (match->sort->type != AW_T_STR && !aw_field_is_number(match->sort))) {
        return aw_fail(err, AW_ERR_INTERNAL, "store.query", "sort by %s.%s", schema->name,
                       query->sort);
    }
    return true;
}

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int order_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? order_of(a != NULL, b != NULL) : order_of(strcmp(a, b), 0);
}

static bool op_holds(enum aw_op op, int order)
{
    switch (op) {
    case AW_OP_EQ:
        return order == 0;
    case AW_OP_NE:
        return order != 0;
    case AW_OP_GT:
        return order > 0;
    case AW_OP_GE:
        return order >= 0;
    case AW_OP_LT:
        return order < 0;
    case AW_OP_LE:
        return order <= 0;
    case AW_OP_IN:
        break;
    }
    return false;
}

static bool text_in(const char *text, const struct aw_strs *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(text, list->v[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool cond_holds(const struct aw_cond *cond, const struct aw_field *field, const void *row)
{
    if (aw_field_is_number(field)) {
        return op_holds(cond->op, order_of(aw_field_number(field, row), cond->number));
    }
    if (field->type == AW_T_STRS) {
        return text_in(cond->text, aw_field_at(field, row));
    }
    const char *have = pointer_of(field, row);
    if (cond->op == AW_OP_IN) {
        return have != NULL && text_in(have, &cond->in);
    }
    if (cond->text == NULL || have == NULL) {
        bool same = cond->text == NULL && have == NULL;
        return cond->op == AW_OP_EQ ? same : cond->op == AW_OP_NE && !same;
    }
    return op_holds(cond->op, order_text(have, cond->text));
}

/* The order of a row and the place that the query continues from. */
static int order_after(const struct aw_match *match, const void *row)
{
    const struct aw_query *query = match->query;
    int order = 0;
    if (match->sort != match->id) {
        order = aw_field_is_number(match->sort)
                    ? order_of(aw_field_number(match->sort, row), query->after_number)
                    : order_text(pointer_of(match->sort, row), query->after_text);
    }
    if (order == 0) {
        order = order_text(pointer_of(match->id, row), query->after_id);
    }
    return query->descending ? -order : order;
}

bool aw_match_row(const struct aw_match *match, const void *row)
{
    const struct aw_query *query = match->query;
    for (size_t i = 0; i < query->n; i++) {
        if (!cond_holds(&query->conds[i], match->fields[i], row)) {
            return false;
        }
    }
    return query->after_id == NULL || order_after(match, row) > 0;
}

int aw_match_order(const struct aw_match *match, const void *a, const void *b)
{
    int order = aw_field_compare(match->sort, a, b);
    if (order == 0) {
        order = aw_field_compare(match->id, a, b);
    }
    return match->query->descending ? -order : order;
}

bool aw_query_scoped(const struct aw_query *query, const struct aw_scope *scope,
                     struct aw_query *scoped, struct aw_err *err)
{
    static const char company_id[] = "company_id";
    *scoped = *query;
    if (scope->all || aw_schema_index_of(query->schema, company_id) < 0) {
        return true;
    }
    if (query->n >= AW_QUERY_CONDS) {
        return aw_fail(err, AW_ERR_INTERNAL, "store.query", "no room for the scope on %s",
                       query->schema->name);
    }
    struct aw_cond *cond = &scoped->conds[scoped->n++];
    *cond = (struct aw_cond){.field = company_id,
                             .op = AW_OP_IN,
                             .in = {.v = scope->companies, .n = scope->n}};
    if (scope->n == 1) {
        cond->op = AW_OP_EQ;
        cond->text = scope->companies[0];
    }
    return true;
}
