#include <string.h>

#include "worker/base/conf.h"
#include "worker/base/json.h"

/* Strings of the file are written as in JSON; "${" would name a variable of the environment. */
static void print_text(struct aw_str *out, const char *text)
{
    aw_str_add(out, "\"");
    for (; *text != '\0'; text++) {
        if (strchr("\"\\$", *text) != NULL) {
            aw_str_add(out, "\\");
        }
        aw_str_addn(out, text, 1);
    }
    aw_str_add(out, "\"");
}

static void print_value(struct aw_str *out, const struct aw_field *field, const void *row)
{
    const void *at = aw_field_at(field, row);
    if (field->type == AW_T_STR) {
        const char *text = *(const char *const *)at;
        print_text(out, text != NULL ? text : "");
    } else if (field->type == AW_T_STRS) {
        const struct aw_strs *list = at;
        aw_str_add(out, "{");
        for (size_t i = 0; i < list->n; i++) {
            aw_str_add(out, i > 0 ? ", " : "");
            print_text(out, list->v[i]);
        }
        aw_str_add(out, "}");
    } else {
        struct aw_json json;
        aw_json_init(&json, out);
        aw_json_field(&json, field, row);
    }
}

/* "# document (low to high; one of a, b; needs a restart)" */
static void print_doc(struct aw_str *out, const struct aw_field *field)
{
    aw_str_printf(out, "    # %s (", field->doc != NULL ? field->doc : field->name);
    if (field->max > field->min) {
        aw_str_printf(out, "%lld to %lld%s; ", (long long)field->min, (long long)field->max,
                      field->type == AW_T_STR    ? " characters"
                      : field->type == AW_T_STRS ? " items"
                                                 : "");
    }
    const char *const *words =
        field->type == AW_T_ENUM || field->type == AW_T_STRS ? field->arg : NULL;
    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        aw_str_printf(out, "%s%s%s", i == 0 ? "of " : ", ", words[i],
                      words[i + 1] == NULL ? "; " : "");
    }
    aw_str_add(out, (field->flags & AW_F_RELOAD) != 0 ? "reload)\n" : "restart)\n");
}

static void print_field(struct aw_str *out, const struct aw_field *field, const void *row)
{
    bool secret = (field->flags & AW_F_SECRET) != 0;
    bool given = !secret && (field->dflt != NULL || (field->flags & AW_F_REQUIRED) != 0);
    print_doc(out, field);
    aw_str_printf(out, "    %s%s = ", given ? "" : "# ", field->name);
    if (!secret) {
        print_value(out, field, row);
    }
    aw_str_add(out, "\n");
}

void aw_conf_print(const struct aw_conf_section *sections, size_t n, struct aw_str *out)
{
    struct aw_arena *arena = aw_arena_create(0);
    for (size_t i = 0; i < n; i++) {
        const struct aw_schema *schema = sections[i].schema;
        struct aw_err err;
        void *row = aw_arena_zero(arena, schema->size);
        if (!aw_json_decode(schema, AW_JSON_STORED, "{}", 2, arena, row, NULL, NULL, &err)) {
            continue; /* a default that is not JSON: loading says so */
        }
        aw_str_printf(out, "%s# %s\n%s {\n", i > 0 ? "\n" : "",
                      schema->doc != NULL ? schema->doc : schema->name, sections[i].name);
        for (size_t k = 0; k < schema->n; k++) {
            print_field(out, &schema->fields[k], row);
        }
        aw_str_add(out, "}\n");
    }
    aw_arena_destroy(&arena);
}
