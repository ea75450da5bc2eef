#include "worker/base/conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "worker/base/json.h"
#include "worker/base/json_value.h"

/* A section of the file while it is read. */
struct part {
    const struct aw_conf_section *section;
    uint64_t seen;             /* bit i: field i was in the file */
    struct aw_node *lists[64]; /* of list field i: a node whose children are the items */
    int lines[64];             /* of list field i */
};

struct loader {
    const char *path;
    const struct aw_conf_section *sections;
    size_t n;
    struct part *parts;
    struct aw_arena *arena;
    struct aw_err *err;
    bool failed; /* err is filled: the first error counts */
};

/* libconfuse hands no argument of ours to its callbacks. */
static _Thread_local struct loader *current;

static bool fail_at(int line, const char *text, const char *detail)
{
    if (!current->failed) {
        current->failed = true;
        aw_fail(current->err, AW_ERR_INVALID, "conf.invalid", "%s:%d: %s%s%s", current->path, line,
                text, detail[0] != '\0' ? " " : "", detail);
    }
    return false;
}

static struct part *part_of(const char *name)
{
    for (size_t i = 0; i < current->n; i++) {
        if (strcmp(current->sections[i].name, name) == 0) {
            return &current->parts[i];
        }
    }
    return NULL;
}

/* Words that could have stood where `cfg` has one that is not known. */
static size_t known_words(const cfg_t *cfg, const char **words)
{
    const struct part *part = part_of(cfg->name);
    if (part == NULL) {
        for (size_t i = 0; i < current->n; i++) {
            words[i] = current->sections[i].name;
        }
        return current->n;
    }
    const struct aw_schema *schema = part->section->schema;
    for (size_t i = 0; i < schema->n; i++) {
        words[i] = schema->fields[i].name;
    }
    return schema->n;
}

static void unknown(const cfg_t *cfg, const char *name)
{
    const char *words[64];
    char detail[160] = "is not known";
    const char *nearest = aw_nearest(name, words, known_words(cfg, words));
    if (nearest != NULL) {
        snprintf(detail, sizeof(detail), "is not known; the nearest is \"%s\"", nearest);
    }
    fail_at(cfg->line, name, detail);
}

static void AW_PRINTF(2, 0) on_error(cfg_t *cfg, const char *fmt, va_list args)
{
    static const char no_such[] = "no such option '";
    char text[160];
    vsnprintf(text, sizeof(text), fmt, args);
    if (strncmp(text, no_such, sizeof(no_such) - 1) == 0) {
        char *name = text + sizeof(no_such) - 1;
        name[strcspn(name, "'")] = '\0';
        unknown(cfg, name);
    } else {
        fail_at(cfg->line, text, "");
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* "15m" for a field whose name tells its unit; other integers pass as they are. */
static const char *integer_text(const struct aw_field *field, const char *text)
{
    static const struct {
        const char *ending;
        int64_t per_second;
    } units[] = {{"_s", 1}, {"_seconds", 1}, {"_ms", 1000}};
    size_t len = strlen(text);
    int64_t n;
    bool has_unit = len > 0 && strchr("smhd", text[len - 1]) != NULL;
    for (size_t i = 0; i < AW_COUNT(units) && has_unit; i++) {
        if (ends_with(field->name, units[i].ending) && aw_duration_parse(text, &n) &&
            !__builtin_mul_overflow(n, units[i].per_second, &n)) {
            return aw_arena_printf(current->arena, "%lld", (long long)n);
        }
    }
    return text;
}

static bool truth_of(const char *text, bool *truth)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", NULL};
    int index = aw_words_find(words, text, strlen(text));
    *truth = index % 2 == 1;
    return index >= 0;
}

/* The word of the file as the value that JSON would have. */
static struct aw_node *node_of(const struct aw_field *field, const char *text)
{
    struct aw_node *node = AW_NEW(current->arena, struct aw_node);
    node->type = field->type == AW_T_I64 ? AW_NODE_NUMBER : AW_NODE_STR;
    if (field->type == AW_T_BOOL && truth_of(text, &node->truth)) {
        node->type = AW_NODE_BOOL;
    }
    node->text =
        aw_arena_str(current->arena, field->type == AW_T_I64 ? integer_text(field, text) : text);
    node->len = strlen(node->text);
    return node;
}

static bool set_value(const struct part *part, const struct aw_field *field,
                      const struct aw_node *node, int line)
{
    struct aw_json_value value = {.field = field, .node = node, .arena = current->arena};
    return aw_json_value(&value, aw_field_at(field, part->section->row)) ||
           fail_at(line, field->name, value.detail);
}

static void add_item(struct part *part, size_t index, struct aw_node *item, int line)
{
    if (part->lists[index] == NULL) {
        part->lists[index] = AW_NEW(current->arena, struct aw_node);
        part->lists[index]->type = AW_NODE_LIST;
    }
    struct aw_node **tail = &part->lists[index]->child;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = item;
    part->lines[index] = line;
}

/* libconfuse calls it for each value as it is read: the line is the value's. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    struct part *part = part_of(cfg->name);
    size_t index = (size_t)aw_schema_index_of(part->section->schema, opt->name);
    const struct aw_field *field = &part->section->schema->fields[index];
    uint64_t bit = UINT64_C(1) << index;
    struct aw_node *node = node_of(field, text);
    *(const char **)result = text;
    if (field->type == AW_T_STRS) {
        add_item(part, index, node, cfg->line);
    } else if ((part->seen & bit) != 0) {
        fail_at(cfg->line, field->name, "is given twice");
        return -1;
    } else {
        part->seen |= bit;
        return set_value(part, field, node, cfg->line) ? 0 : -1;
    }
    return 0;
}

static cfg_opt_t *options_of(const struct aw_schema *schema)
{
    cfg_opt_t *options = AW_NEW_N(current->arena, cfg_opt_t, schema->n + 1);
    for (size_t i = 0; i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        cfg_opt_t one = CFG_STR_CB(field->name, NULL, CFGF_NODEFAULT, on_value);
        cfg_opt_t list = CFG_STR_LIST_CB(field->name, NULL, CFGF_NODEFAULT, on_value);
        options[i] = field->type == AW_T_STRS ? list : one;
    }
    options[schema->n] = (cfg_opt_t)CFG_END();
    return options;
}

/* A list is judged when it is complete; one without items shows only in a flag. */
static bool finish_list(struct part *part, size_t index, const cfg_opt_t *option, int line)
{
    static const struct aw_node empty = {.type = AW_NODE_LIST};
    if (option == NULL || (option->flags & CFGF_MODIFIED) == 0) {
        return true;
    }
    const struct aw_node *list = part->lists[index];
    part->seen |= UINT64_C(1) << index;
    return set_value(part, &part->section->schema->fields[index], list != NULL ? list : &empty,
                     list != NULL ? part->lines[index] : line);
}

static bool finish_part(struct part *part, cfg_t *root)
{
    const struct aw_schema *schema = part->section->schema;
    cfg_t *section = cfg_getsec(root, part->section->name);
    int line = section->line > 0 ? section->line : root->line;
    for (size_t i = 0; i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        if (field->type == AW_T_STRS &&
            !finish_list(part, i, cfg_getopt(section, field->name), line)) {
            return false;
        }
        if ((field->flags & AW_F_REQUIRED) != 0 && (part->seen >> i & 1) == 0) {
            char detail[96];
            snprintf(detail, sizeof(detail), "is required in section \"%s\"", part->section->name);
            return fail_at(line, field->name, detail);
        }
    }
    return true;
}

static bool set_defaults(struct part *part)
{
    const struct aw_conf_section *section = part->section;
    return aw_json_decode(section->schema, AW_JSON_STORED, "{}", 2, current->arena, section->row,
                          NULL, NULL, current->err);
}

static bool parse(cfg_t *root)
{
    int rc = cfg_parse(root, current->path);
    if (rc == CFG_FILE_ERROR) {
        return aw_fail_errno(current->err, "conf.file", "cannot read configuration file %s",
                             current->path);
    }
    if (rc != CFG_SUCCESS) {
        return fail_at(root->line, "cannot be read", "");
    }
    bool good = true;
    for (size_t i = 0; i < current->n && good; i++) {
        good = finish_part(&current->parts[i], root);
    }
    return good;
}

bool aw_conf_load(const char *path, const struct aw_conf_section *sections, size_t n,
                  struct aw_arena *arena, struct aw_err *err)
{
    struct loader loader = {.path = path, .sections = sections, .n = n, .arena = arena, .err = err};
    loader.parts = AW_NEW_N(arena, struct part, n);
    cfg_opt_t *options = AW_NEW_N(arena, cfg_opt_t, n + 1);
    bool good = true;
    current = &loader;
    for (size_t i = 0; i < n && good; i++) {
        loader.parts[i].section = &sections[i];
        options[i] =
            (cfg_opt_t)CFG_SEC(sections[i].name, options_of(sections[i].schema), CFGF_NONE);
        good = set_defaults(&loader.parts[i]);
    }
    options[n] = (cfg_opt_t)CFG_END();
    if (good) {
        cfg_t *root = cfg_init(options, CFGF_NONE);
        cfg_set_error_function(root, on_error);
        good = parse(root);
        cfg_free(root);
    }
    current = NULL;
    return good;
}
