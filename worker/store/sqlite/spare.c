#include "worker/store/sqlite/spare.h"

#include <string.h>

#include "worker/store/sqlite/arrival.h"

static bool is_of(const struct aw_index *index, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (index->fields[i] == NULL || strcmp(index->fields[i], names[i]) != 0) {
            return false;
        }
    }
    return index->fields[n] == NULL;
}

const struct aw_field *aw_spare_words(const struct aw_schema *schema, const struct aw_index *index)
{
    if (aw_arrival_is(schema) || index->unique || index->fields[1] == NULL ||
        index->fields[2] != NULL) {
        return NULL;
    }
    for (size_t i = 0; i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        const char *const longer[] = {index->fields[0], field->name, index->fields[1]};
        for (size_t k = 0; field->type == AW_T_ENUM && k < schema->index_count; k++) {
            if (is_of(&schema->indexes[k], longer, AW_COUNT(longer))) {
                return field;
            }
        }
    }
    return NULL;
}

static bool is_asked(const struct aw_match *match, const char *name, bool for_values)
{
    for (size_t i = 0; i < match->query->n; i++) {
        enum aw_op op = match->query->conds[i].op;
        if (strcmp(match->fields[i]->name, name) == 0 &&
            (!for_values || op == AW_OP_EQ || op == AW_OP_IN)) {
            return true;
        }
    }
    return false;
}

const struct aw_field *aw_spare_words_of(const struct aw_match *match)
{
    const struct aw_schema *schema = match->query->schema;
    for (size_t i = 0; i < schema->index_count; i++) {
        const struct aw_index *index = &schema->indexes[i];
        const struct aw_field *words = aw_spare_words(schema, index);
        if (words != NULL && strcmp(match->sort->name, index->fields[1]) == 0 &&
            is_asked(match, index->fields[0], true) && !is_asked(match, words->name, false)) {
            return words;
        }
    }
    return NULL;
}
