#include <stdio.h>
#include <string.h>

#include "worker/base/json.h"
#include "worker/base/json_tree.h"
#include "worker/base/json_value.h"

/* The way from the root to a member, for JSON pointers; names nest on the stack. */
struct place {
    const struct place *up; /* NULL = root */
    const char *name;
};

struct decoder {
    struct aw_arena *arena, *scratch;
    struct aw_problems *problems;
};

/* RFC 6901: "~" and "/" in a name are escaped. Returns the new length; what does not fit is cut. */
static size_t pointer_add(char *pointer, size_t size, size_t len, const char *name)
{
    len += (size_t)snprintf(pointer + len, size - len, "/");
    for (; *name != '\0' && len + 3 < size; name++) {
        if (*name == '~' || *name == '/') {
            pointer[len++] = '~';
            pointer[len++] = *name == '~' ? '0' : '1';
        } else {
            pointer[len++] = *name;
        }
    }
    if (((uint8_t)*name & 0xc0) == 0x80) { /* cut inside a character: leave it out */
        do {
            len--;
        } while (((uint8_t)pointer[len] & 0xc0) == 0x80);
    }
    pointer[len] = '\0';
    return len;
}

static size_t pointer_of(const struct place *place, char *pointer, size_t size)
{
    size_t len = place->up != NULL ? pointer_of(place->up, pointer, size) : 0;
    return place->name != NULL && len + 4 < size ? pointer_add(pointer, size, len, place->name)
                                                 : len;
}

static void problem(struct decoder *decoder, const struct place *place, const char *detail)
{
    struct aw_problems *all = decoder->problems;
    if (all->n == AW_JSON_PROBLEMS) {
        return;
    }
    struct aw_problem *new = &all->v[all->n++];
    new->pointer[0] = '\0';
    pointer_of(place, new->pointer, sizeof(new->pointer));
    snprintf(new->detail, sizeof(new->detail), "%s", detail);
}

static void decode_object(struct decoder *decoder, const struct aw_schema *schema,
                          enum aw_json_how how, const struct place *place,
                          const struct aw_node *node, void *row, uint64_t *present);

/* A nested object starts from the one that is there (RFC 7396); without one, a patch of it makes
 * it. */
static void decode_nested(struct decoder *decoder, const struct aw_field *field,
                          enum aw_json_how how, const struct place *place,
                          const struct aw_node *node, void *row)
{
    const struct aw_schema *schema = field->arg;
    const void **at = aw_field_at(field, row);
    uint64_t present;
    if (node->type != AW_NODE_MAP) {
        problem(decoder, place, "must be an object");
        return;
    }
    if (how == AW_JSON_PATCH && *at == NULL) {
        how = AW_JSON_CREATE;
    }
    void *nested = *at != NULL ? aw_row_copy(schema, *at, decoder->arena)
                               : aw_arena_zero(decoder->arena, schema->size);
    decode_object(decoder, schema, how, place, node, nested, &present);
    *at = nested;
}

/* Null is the zero of every type. */
static void set_null(const struct aw_field *field, void *row)
{
    static const size_t sizes[] = {
        [AW_T_STR] = sizeof(AW_C_STR),   [AW_T_I64] = sizeof(AW_C_I64),
        [AW_T_BOOL] = sizeof(AW_C_BOOL), [AW_T_ENUM] = sizeof(AW_C_ENUM),
        [AW_T_TIME] = sizeof(AW_C_TIME), [AW_T_BYTES] = sizeof(AW_C_BYTES),
        [AW_T_STRS] = sizeof(AW_C_STRS), [AW_T_OBJ] = sizeof(const void *),
        [AW_T_RAW] = sizeof(AW_C_RAW)};
    memset(aw_field_at(field, row), 0, sizes[field->type]);
}

static void decode_member(struct decoder *decoder, const struct aw_field *field,
                          enum aw_json_how how, const struct place *place,
                          const struct aw_node *node, void *row)
{
    if (node->type == AW_NODE_NULL) {
        if (how == AW_JSON_STORED || (field->flags & AW_F_NULLABLE) != 0) {
            set_null(field, row);
        } else {
            problem(decoder, place, "must not be null");
        }
        return;
    }
    if (field->type == AW_T_OBJ) {
        decode_nested(decoder, field, how, place, node, row);
        return;
    }
    struct aw_json_value value = {.field = field,
                                  .node = node,
                                  .arena = decoder->arena,
                                  .trusted = how == AW_JSON_STORED};
    if (!aw_json_value(&value, aw_field_at(field, row))) {
        char index[24];
        snprintf(index, sizeof(index), "%zu", value.bad_item);
        struct place item = {.up = place, .name = index};
        problem(decoder, value.bad_item != AW_JSON_NO_ITEM ? &item : place, value.detail);
    }
}

/* A read-only member may be sent back as it is: a client edits what it was given. */
static void check_unchanged(struct decoder *decoder, const struct aw_schema *schema,
                            const struct aw_field *field, const struct place *place,
                            const struct aw_node *node, const void *row)
{
    struct aw_problems ignored = {.n = 0};
    struct decoder trial = {.arena = decoder->scratch,
                            .scratch = decoder->scratch,
                            .problems = &ignored};
    void *other = aw_arena_zero(decoder->scratch, schema->size);
    decode_member(&trial, field, AW_JSON_STORED, place, node, other);
    if (ignored.n > 0 || aw_field_compare(field, row, other) != 0) {
        problem(decoder, place, "is read-only");
    }
}

/* Of STR and BYTES, the types of secrets: both begin with the pointer. */
static bool has_value(const struct aw_field *field, const void *row)
{
    const void *const null = NULL;
    return memcmp(aw_field_at(field, row), &null, sizeof(null)) != 0;
}

static void set_default(struct decoder *decoder, const struct aw_field *field,
                        const struct place *place, void *row)
{
    struct aw_node *node;
    struct aw_err err;
    set_null(field, row);
    if (field->dflt == NULL) {
        return;
    }
    if (!aw_json_tree(field->dflt, strlen(field->dflt), decoder->scratch, decoder->arena, &node,
                      &err)) {
        problem(decoder, place, "has a default that is not JSON");
        return;
    }
    decode_member(decoder, field, AW_JSON_STORED, place, node, row);
}

/* What a client never sends, or never sees again, stays as the base of the row has it. */
static void complete_member(struct decoder *decoder, const struct aw_field *field,
                            enum aw_json_how how, const struct place *place, void *row)
{
    if (how == AW_JSON_CREATE) {
        bool kept = (field->flags & AW_F_SECRET) != 0 && has_value(field, row);
        if (kept || (field->flags & (AW_F_READONLY | AW_F_INTERNAL)) != 0) {
            return;
        }
        if ((field->flags & AW_F_REQUIRED) != 0) {
            problem(decoder, place, "is required");
            return;
        }
    }
    set_default(decoder, field, place, row);
}

/* Members mostly come in the order of the table: the guess is the field behind the last one. */
static const struct aw_field *field_of(const struct aw_schema *schema, size_t guess,
                                       const char *name)
{
    if (guess < schema->n && strcmp(schema->fields[guess].name, name) == 0) {
        return &schema->fields[guess];
    }
    return aw_schema_field(schema, name, strlen(name));
}

static void decode_object(struct decoder *decoder, const struct aw_schema *schema,
                          enum aw_json_how how, const struct place *place,
                          const struct aw_node *node, void *row, uint64_t *present)
{
    size_t guess = 0;
    *present = 0;
    for (const struct aw_node *member = node->child; member != NULL; member = member->next) {
        struct place at = {.up = place, .name = member->key};
        const struct aw_field *field = field_of(schema, guess, member->key);
        if (how == AW_JSON_STORED) {
            if (field == NULL) {
                continue; /* of an older or newer version of the table */
            }
        } else if (field == NULL || (field->flags & AW_F_INTERNAL) != 0) {
            problem(decoder, &at, "is not known");
            continue;
        }
        guess = (size_t)(field - schema->fields) + 1;
        *present |= UINT64_C(1) << (guess - 1);
        if (how != AW_JSON_STORED && (field->flags & AW_F_READONLY) != 0) {
            check_unchanged(decoder, schema, field, &at, member, row);
        } else {
            decode_member(decoder, field, how, &at, member, row);
        }
    }
    for (size_t i = 0; i < schema->n && how != AW_JSON_PATCH; i++) {
        if ((*present >> i & 1) == 0) {
            struct place at = {.up = place, .name = schema->fields[i].name};
            complete_member(decoder, &schema->fields[i], how, &at, row);
        }
    }
}

static bool decode(struct decoder *decoder, const struct aw_schema *schema, enum aw_json_how how,
                   const char *text, size_t len, void *row, uint64_t *present, struct aw_err *err)
{
    struct aw_node *root;
    if (how != AW_JSON_STORED && len > AW_JSON_TEXT_MAX) {
        return aw_fail(err, AW_ERR_MALFORMED, "json.syntax", "the text is longer than 1 MiB");
    }
    if (!aw_json_tree(text, len, decoder->scratch, decoder->arena, &root, err)) {
        return false;
    }
    if (root->type != AW_NODE_MAP) {
        return aw_fail(err, AW_ERR_MALFORMED, "json.syntax", "the text is not a JSON object");
    }
    if (how == AW_JSON_STORED) {
        memset(row, 0, schema->size);
    }
    struct place place = {.name = NULL};
    decode_object(decoder, schema, how, &place, root, row, present);
    if (decoder->problems->n == 0) {
        return true;
    }
    const struct aw_problem *first = &decoder->problems->v[0];
    aw_fail(err, AW_ERR_INVALID, "json.fields", "%s %s", first->pointer, first->detail);
    snprintf(err->field, sizeof(err->field), "%s", first->pointer);
    return false;
}

bool aw_json_decode(const struct aw_schema *schema, enum aw_json_how how, const char *text,
                    size_t len, struct aw_arena *arena, void *row, uint64_t *present,
                    struct aw_problems *problems, struct aw_err *err)
{
    struct aw_problems own;
    uint64_t own_present;
    struct decoder decoder = {.arena = arena,
                              .scratch = aw_arena_create(0),
                              .problems = problems != NULL ? problems : &own};
    decoder.problems->n = 0;
    bool good = decode(&decoder, schema, how, text, len, row,
                       present != NULL ? present : &own_present, err);
    aw_arena_destroy(&decoder.scratch);
    return good;
}
