#include "mongo.h"

#include <string.h>

static const struct aw_field *field_of(const struct aw_query *query, const char *name)
{
    return aw_schema_field(query->schema, name, strlen(name));
}

static void append_value(bson_t *doc, const char *key, const struct aw_field *field,
                         const char *text, int64_t number)
{
    switch (field->type) {
    case AW_T_I64:
        bson_append_int64(doc, key, -1, number);
        break;
    case AW_T_BOOL:
        bson_append_bool(doc, key, -1, number != 0);
        break;
    case AW_T_ENUM:
        bson_append_int32(doc, key, -1, (int32_t)number);
        break;
    case AW_T_TIME:
        if (number != 0) {
            bson_append_date_time(doc, key, -1, number);
        } else {
            bson_append_null(doc, key, -1);
        }
        break;
    default:
        if (text == NULL) {
            bson_append_null(doc, key, -1);
        } else if (field->type == AW_T_BYTES) {
            bson_append_binary(doc, key, -1, BSON_SUBTYPE_BINARY, (const uint8_t *)text,
                               (uint32_t)strlen(text));
        } else {
            bson_append_utf8(doc, key, -1, text, -1);
        }
        break;
    }
}

static void append_in(bson_t *doc, const struct aw_strs *in)
{
    bson_t list;
    bson_append_array_begin(doc, "$in", -1, &list);
    for (size_t i = 0; i < in->n; i++) {
        char buffer[16];
        const char *index;
        bson_uint32_to_string((uint32_t)i, &index, buffer, sizeof(buffer));
        bson_append_utf8(&list, index, -1, in->v[i], -1);
    }
    bson_append_array_end(doc, &list);
}

static const char *const operators[] = {
    [AW_OP_EQ] = "$eq",  [AW_OP_NE] = "$ne", [AW_OP_GT] = "$gt",
    [AW_OP_GE] = "$gte", [AW_OP_LT] = "$lt", [AW_OP_LE] = "$lte",
};
static const enum aw_op opposite[] = {
    [AW_OP_GT] = AW_OP_LE,
    [AW_OP_GE] = AW_OP_LT,
    [AW_OP_LT] = AW_OP_GE,
    [AW_OP_LE] = AW_OP_GT,
};

static bool holds(enum aw_op op, int64_t value, int64_t number)
{
    switch (op) {
    case AW_OP_EQ:
        return value == number;
    case AW_OP_NE:
        return value != number;
    case AW_OP_GT:
        return value > number;
    case AW_OP_GE:
        return value >= number;
    case AW_OP_LT:
        return value < number;
    case AW_OP_LE:
        return value <= number;
    case AW_OP_IN:
        break;
    }
    return false;
}

/* Any condition on a truth value says which of the two it allows. */
static void append_truths(bson_t *inner, enum aw_op op, int64_t number)
{
    static const char *const places[] = {"0", "1"};
    bson_t list;
    size_t n = 0;
    bson_append_array_begin(inner, "$in", -1, &list);
    for (int truth = 0; truth <= 1; truth++) {
        if (holds(op, truth, number)) {
            bson_append_bool(&list, places[n++], -1, truth);
        }
    }
    bson_append_array_end(inner, &list);
}

/* A time of 0 is stored as null, which no comparison of the server ever matches. */
static void append_time_order(bson_t *inner, enum aw_op op, int64_t ms)
{
    if (!holds(op, 0, ms)) {
        bson_append_date_time(inner, operators[op], -1, ms);
        return;
    }
    bson_t negated;
    bson_append_document_begin(inner, "$not", -1, &negated);
    bson_append_date_time(&negated, operators[opposite[op]], -1, ms);
    bson_append_document_end(inner, &negated);
}

/* {name: value} for equality, which every server finds by an index, {name: {operator: value}} for
 * the rest */
static void append_cond(bson_t *doc, const struct aw_query *query, const struct aw_cond *cond)
{
    const struct aw_field *field = field_of(query, cond->field);
    const char *name = aw_mongo_name(cond->field);
    if (cond->op == AW_OP_EQ && field->type != AW_T_BOOL) {
        append_value(doc, name, field, cond->text, cond->number);
        return;
    }
    bson_t inner;
    bson_append_document_begin(doc, name, -1, &inner);
    if (cond->op == AW_OP_IN) {
        append_in(&inner, &cond->in);
    } else if (field->type == AW_T_BOOL) {
        append_truths(&inner, cond->op, cond->number);
    } else if (field->type == AW_T_TIME && cond->op != AW_OP_NE) {
        append_time_order(&inner, cond->op, cond->number);
    } else {
        append_value(&inner, operators[cond->op], field, cond->text, cond->number);
    }
    bson_append_document_end(doc, &inner);
}

static void append_compare(bson_t *doc, const char *name, const char *op,
                           const struct aw_field *field, const char *text, int64_t number)
{
    bson_t inner;
    bson_append_document_begin(doc, name, -1, &inner);
    append_value(&inner, op, field, text, number);
    bson_append_document_end(doc, &inner);
}

static bool sorts_by_id(const struct aw_query *query)
{
    return query->sort == NULL || strcmp(query->sort, "id") == 0;
}

/* An arm of the $or list, begun and ended by the caller. */
static void arm_begin(bson_t *list, const char *index, bson_t *arm)
{
    bson_append_document_begin(list, index, -1, arm);
}

/* Rows behind (sort value, id) in the order of the query. Null comes before every value: rising,
 * all values follow it; falling, it follows all values. */
static void append_keyset(bson_t *doc, const struct aw_query *query)
{
    const char *beyond = query->descending ? "$lt" : "$gt";
    const struct aw_field *id = field_of(query, "id");
    if (sorts_by_id(query)) {
        append_compare(doc, "_id", beyond, id, query->after_id, 0);
        return;
    }
    const struct aw_field *field = field_of(query, query->sort);
    bool is_text = field->type == AW_T_STR || field->type == AW_T_RAW || field->type == AW_T_BYTES;
    bool is_null =
        is_text ? query->after_text == NULL : field->type == AW_T_TIME && query->after_number == 0;
    bson_t list, arm;
    bson_append_array_begin(doc, "$or", -1, &list);
    arm_begin(&list, "0", &arm);
    append_value(&arm, field->name, field, query->after_text, query->after_number);
    append_compare(&arm, "_id", beyond, id, query->after_id, 0);
    bson_append_document_end(&list, &arm);
    if (!is_null) {
        arm_begin(&list, "1", &arm);
        append_compare(&arm, field->name, beyond, field, query->after_text, query->after_number);
        bson_append_document_end(&list, &arm);
        if (query->descending) {
            arm_begin(&list, "2", &arm);
            bson_append_null(&arm, field->name, -1);
            bson_append_document_end(&list, &arm);
        }
    } else if (!query->descending) {
        arm_begin(&list, "1", &arm);
        append_compare(&arm, field->name, "$ne", field, NULL, 0);
        bson_append_document_end(&list, &arm);
    }
    bson_append_array_end(doc, &list);
}

void aw_mongo_filter(const struct aw_query *query, bson_t *filter)
{
    /* A field stands once at the top; a second condition on it goes into $and. */
    bson_t rest = BSON_INITIALIZER;
    uint32_t rest_n = 0;
    for (size_t i = 0; i <= query->n; i++) {
        bson_t one = BSON_INITIALIZER;
        if (i < query->n) {
            append_cond(&one, query, &query->conds[i]);
        } else if (query->after_id != NULL) {
            append_keyset(&one, query);
        }
        bson_iter_t it;
        if (bson_iter_init(&it, &one) && bson_iter_next(&it)) {
            if (!bson_has_field(filter, bson_iter_key(&it))) {
                bson_concat(filter, &one);
            } else {
                char buffer[16];
                const char *index;
                bson_uint32_to_string(rest_n++, &index, buffer, sizeof(buffer));
                bson_append_document(&rest, index, -1, &one);
            }
        }
        bson_destroy(&one);
    }
    if (rest_n > 0) {
        bson_append_array(filter, "$and", -1, &rest);
    }
    bson_destroy(&rest);
}

void aw_mongo_sort(const struct aw_query *query, bson_t *opts)
{
    int direction = query->descending ? -1 : 1;
    bson_t sort;
    bson_append_document_begin(opts, "sort", -1, &sort);
    if (!sorts_by_id(query)) {
        bson_append_int32(&sort, query->sort, -1, direction);
    }
    bson_append_int32(&sort, "_id", -1, direction);
    bson_append_document_end(opts, &sort);
    if (query->limit != 0) {
        bson_append_int64(opts, "limit", -1, (int64_t)query->limit);
    }
}
