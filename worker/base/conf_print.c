#include <stdio.h>
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

static void add_note(struct aw_str *notes, const char *separator, const char *text)
{
    aw_str_add(notes, notes->len == 0 ? " (" : separator);
    aw_str_add(notes, text);
}

/* " (1 to 16 items; one of a, b; SIGHUP changes it)", as far as there is something to say. */
static void collect_notes(struct aw_str *notes, const struct aw_field *field)
{
    const char *const *words =
        field->type == AW_T_ENUM || field->type == AW_T_STRS ? field->arg : NULL;
    char range[64];
    if (field->type != AW_T_STR && field->max > field->min) {
        snprintf(range, sizeof(range), "%lld to %lld%s", (long long)field->min,
                 (long long)field->max, field->type == AW_T_STRS ? " items" : "");
        add_note(notes, "; ", range);
    }
    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        if (i == 0) {
            add_note(notes, "; ", field->type == AW_T_ENUM ? "one of " : "out of ");
        }
        aw_str_add(notes, i == 0 ? "" : ", ");
        aw_str_add(notes, words[i]);
    }
    if ((field->flags & AW_F_RELOAD) != 0) {
        add_note(notes, "; ", "SIGHUP changes it");
    }
    if (notes->len > 0) {
        aw_str_add(notes, ")");
    }
}

/* Comment lines of at most COLUMNS characters, broken at spaces. */
static void print_comment(struct aw_str *out, const char *indent, const char *text)
{
    enum { COLUMNS = 100 };
    while (*text != '\0') {
        size_t room = COLUMNS - strlen(indent) - 2, len = strlen(text);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ') {
                len--;
            }
            len = len > 0 ? len : strcspn(text, " ");
        }
        aw_str_printf(out, "%s# %.*s\n", indent, (int)len, text);
        text += len + (text[len] == ' ');
    }
}

static void print_field(struct aw_str *out, const struct aw_field *field, const void *row,
                        struct aw_arena *arena)
{
    bool secret = (field->flags & AW_F_SECRET) != 0;
    bool given = !secret && (field->dflt != NULL || (field->flags & AW_F_REQUIRED) != 0);
    struct aw_str comment, notes;
    aw_str_init(&comment, arena);
    aw_str_init(&notes, arena);
    collect_notes(&notes, field);
    aw_str_add(&comment, field->doc != NULL ? field->doc : field->name);
    aw_str_add(&comment, notes.ptr);
    print_comment(out, "    ", comment.ptr);
    aw_str_printf(out, "    %s%s = ", given ? "" : "# ", field->name);
    if (secret) {
        aw_str_add(out, "\"\"");
    } else {
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
        aw_str_add(out, i > 0 ? "\n" : "");
        print_comment(out, "", schema->doc != NULL ? schema->doc : schema->name);
        aw_str_printf(out, "%s {\n", sections[i].name);
        for (size_t k = 0; k < schema->n; k++) {
            print_field(out, &schema->fields[k], row, arena);
        }
        aw_str_add(out, "}\n");
    }
    aw_arena_destroy(&arena);
}
