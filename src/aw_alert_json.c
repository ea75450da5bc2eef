#include "aw_alert_json.h"

#include <setjmp.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "aw_crc.h"
#include "aw_hex.h"

#define DEPTH_MAX     32
#define MEMBERS_MAX   256
#define KEY_MAX       128
#define STRING_MAX    65536
#define NUMBER_MAX    32
#define SCRATCH       6144 /* yajl's own state; more only for long strings with escapes */

#define TEXT(number)  TEXT_(number)
#define TEXT_(number) #number

enum alert_field { ASSET_NAME, SIGNATURE, SEVERITY, MESSAGE, TOOL_SOURCE, FIELDS };

static const struct {
    const char *name;
    size_t name_len;
    size_t min, max; /* characters */
    const char *allowed;
} fields[FIELDS] = {
#define FIELD(name, min, max, allowed)                                                             \
    {                                                                                              \
        name, sizeof(name) - 1, min, max, allowed                                                  \
    }
    [ASSET_NAME] =
        FIELD("asset_name", 1, AW_ASSET_NAME_MAX,
              "asset_name is required: a string of 1 to " TEXT(AW_ASSET_NAME_MAX) " characters"),
    [SIGNATURE] =
        FIELD("signature", 1, AW_SIGNATURE_MAX,
              "signature is required: a string of 1 to " TEXT(AW_SIGNATURE_MAX) " characters"),
    [SEVERITY] =
        FIELD("severity", 1, 16, "severity is required: one of critical, high, medium, low"),
    [MESSAGE] =
        FIELD("message", 0, AW_MESSAGE_MAX,
              "message is required: a string of at most " TEXT(AW_MESSAGE_MAX) " characters"),
    [TOOL_SOURCE] =
        FIELD("tool_source", 1, AW_SOURCE_MAX,
              "tool_source is required: a string of 1 to " TEXT(AW_SOURCE_MAX) " characters"),
#undef FIELD
};

struct member {
    struct aw_slice name;
    uint32_t hash;
};

struct reader {
    const uint8_t *body;
    size_t len;
    const struct aw_json_memory *memory;
    const char *problem; /* why it is malformed */
    jmp_buf no_memory;

    unsigned depth;
    unsigned members;          /* seen in the whole body */
    unsigned open;             /* of them, those of objects that are not closed yet: members_of[] */
    unsigned first[DEPTH_MAX]; /* where the members of the object at each depth begin */
    struct member members_of[MEMBERS_MAX];

    int field;          /* whose value comes next, FIELDS = of none that we know */
    bool given[FIELDS]; /* and it is a string */
    struct aw_slice value[FIELDS];

    size_t scratch_used;
    _Alignas(16) uint8_t scratch[SCRATCH];
};

/* --- memory: yajl does not check its allocations, so that a failed one must not return to it ---
 */

static void *take(struct reader *reader, size_t size)
{
    void *memory = reader->memory->alloc(reader->memory->ctx, size);
    if (memory == NULL) {
        longjmp(reader->no_memory, 1);
    }
    return memory;
}

/* Every block has its size before it, for the sake of realloc. */
#define BLOCK_HEAD 16

static void *on_malloc(void *ctx, size_t size)
{
    struct reader *reader = ctx;
    size_t need = BLOCK_HEAD + ((size + 15) & ~(size_t)15);
    uint8_t *block;
    if (need <= SCRATCH - reader->scratch_used) {
        block = reader->scratch + reader->scratch_used;
        reader->scratch_used += need;
    } else {
        block = take(reader, need);
    }
    memcpy(block, &size, sizeof(size));
    return block + BLOCK_HEAD;
}

static void *on_realloc(void *ctx, void *old, size_t size)
{
    void *grown = on_malloc(ctx, size);
    if (old != NULL) {
        size_t had;
        memcpy(&had, (uint8_t *)old - BLOCK_HEAD, sizeof(had));
        memcpy(grown, old, had < size ? had : size);
    }
    return grown;
}

static void on_free(void *ctx, void *old)
{
    (void)ctx;
    (void)old;
}

/* The text as it stays: in the body, or copied out of yajl's buffer for decoded escapes. */
static struct aw_slice keep(struct reader *reader, const unsigned char *text, size_t len)
{
    uintptr_t at = (uintptr_t)text;
    uintptr_t body = (uintptr_t)reader->body;
    if (at >= body && at < body + reader->len) {
        return (struct aw_slice){(const char *)text, len};
    }
    char *copy = take(reader, len + 1);
    memcpy(copy, text, len);
    return (struct aw_slice){copy, len};
}

/* --- what yajl reports; returning 0 stops it --- */

static int refuse(struct reader *reader, const char *problem)
{
    reader->problem = problem;
    return 0;
}

/* Each value passes here: outside the object there is none, and it ends the wait of its member. */
static int on_value(struct reader *reader)
{
    reader->field = FIELDS;
    return reader->depth > 0 ? 1 : refuse(reader, "the body must be one JSON object");
}

static int on_null(void *ctx)
{
    return on_value(ctx);
}

static int on_boolean(void *ctx, int value)
{
    (void)value;
    return on_value(ctx);
}

static int on_number(void *ctx, const char *text, size_t len)
{
    (void)text;
    return len <= NUMBER_MAX
               ? on_value(ctx)
               : refuse(ctx, "a number is longer than " TEXT(NUMBER_MAX) " characters");
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    struct reader *reader = ctx;
    if (len > STRING_MAX) {
        return refuse(reader, "a string is longer than " TEXT(STRING_MAX) " bytes");
    }
    if (reader->field != FIELDS) {
        reader->given[reader->field] = true;
        reader->value[reader->field] = keep(reader, text, len);
    }
    return on_value(reader);
}

static int open_level(struct reader *reader)
{
    if (reader->depth == DEPTH_MAX) {
        return refuse(reader, "the body is nested deeper than " TEXT(DEPTH_MAX) " levels");
    }
    reader->field = FIELDS;
    reader->first[reader->depth++] = reader->open;
    return 1;
}

static int close_level(void *ctx)
{
    struct reader *reader = ctx;
    reader->open = reader->first[--reader->depth];
    return 1;
}

static int on_start_map(void *ctx)
{
    return open_level(ctx);
}

static int on_start_array(void *ctx)
{
    return on_value(ctx) && open_level(ctx);
}

static int field_of(const unsigned char *name, size_t len)
{
    int field = 0;
    while (field < FIELDS &&
           (fields[field].name_len != len || memcmp(fields[field].name, name, len) != 0)) {
        field++;
    }
    return field;
}

static int on_map_key(void *ctx, const unsigned char *name, size_t len)
{
    struct reader *reader = ctx;
    if (len > KEY_MAX) {
        return refuse(reader, "a member name is longer than " TEXT(KEY_MAX) " bytes");
    }
    if (++reader->members > MEMBERS_MAX) {
        return refuse(reader, "the body has more than " TEXT(MEMBERS_MAX) " members");
    }
    uint32_t hash = aw_crc32c(0, name, len);
    for (unsigned i = reader->first[reader->depth - 1]; i < reader->open; i++) {
        const struct member *other = &reader->members_of[i];
        if (other->hash == hash && other->name.len == len &&
            memcmp(other->name.ptr, name, len) == 0) {
            return refuse(reader, "a member name appears twice in one object");
        }
    }
    reader->members_of[reader->open++] = (struct member){keep(reader, name, len), hash};
    reader->field = reader->depth == 1 ? field_of(name, len) : FIELDS;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_map_key,
    .yajl_end_map = close_level,
    .yajl_start_array = on_start_array,
    .yajl_end_array = close_level,
};

/* --- before yajl: what it would let pass --- */

/* The code unit of a \u escape, -1 = not four hex digits. */
static int code_unit(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return -1;
    }
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = aw_hex_value((char)at[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

/* yajl decodes half a surrogate pair to something else, so the escapes are judged in the raw text.
 * A backslash outside a string is no JSON anyway. */
static bool escapes_are_characters(const uint8_t *body, size_t len)
{
    const uint8_t *end = body + len;
    const uint8_t *at = body;
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        int unit = code_unit(at, end);
        if (unit < 0) {
            at += end - at < 2 ? 1 : 2; /* another escape, or a bad one that yajl refuses */
            continue;
        }
        at += 6;
        if ((unit & 0xfc00) == 0xd800) {
            int low = code_unit(at, end);
            if (low < 0 || (low & 0xfc00) != 0xdc00) {
                return false;
            }
            at += 6;
        } else if (unit == 0 || (unit & 0xfc00) == 0xdc00) {
            return false;
        }
    }
    return true;
}

static bool parse_json(struct reader *reader)
{
    if (!aw_utf8_check((const char *)reader->body, reader->len, NULL)) {
        return refuse(reader, "the body is not valid UTF-8, or holds a NUL");
    }
    if (!escapes_are_characters(reader->body, reader->len)) {
        return refuse(reader, "a \\u escape is \\u0000 or half a surrogate pair");
    }
    if (setjmp(reader->no_memory) != 0) {
        return refuse(reader, "out of memory");
    }
    yajl_alloc_funcs memory = {on_malloc, on_realloc, on_free, reader};
    yajl_handle yajl = yajl_alloc(&callbacks, &memory, reader);
    yajl_config(yajl, yajl_dont_validate_strings, 1); /* all of the body was checked above */
    reader->problem = "the body is not valid JSON";
    return yajl_parse(yajl, reader->body, reader->len) == yajl_status_ok &&
           yajl_complete_parse(yajl) == yajl_status_ok;
}

/* --- the fields --- */

static bool length_is_allowed(enum alert_field field, struct aw_slice value)
{
    size_t characters = value.len;
    /* There are never more characters than bytes: the short ones need no count. */
    if (characters > fields[field].max && !aw_utf8_check(value.ptr, value.len, &characters)) {
        return false;
    }
    return characters >= fields[field].min && characters <= fields[field].max;
}

static bool read_severity(struct aw_slice value, enum aw_severity *out)
{
    for (int i = 0; i < AW_SEVERITIES; i++) {
        if (strlen(aw_severity_names[i]) == value.len &&
            memcmp(aw_severity_names[i], value.ptr, value.len) == 0) {
            *out = (enum aw_severity)i;
            return true;
        }
    }
    return false;
}

enum aw_json_verdict aw_alert_json_parse(const uint8_t *body, size_t len,
                                         const struct aw_json_memory *memory,
                                         struct aw_alert_body *out, struct aw_json_problem *problem)
{
    struct reader reader;
    memset(&reader, 0, offsetof(struct reader, members_of));
    memset(reader.given, 0, sizeof(reader.given));
    reader.body = body;
    reader.len = len;
    reader.memory = memory;
    reader.field = FIELDS;
    reader.scratch_used = 0;

    if (!parse_json(&reader)) {
        *problem = (struct aw_json_problem){"", reader.problem};
        return AW_JSON_MALFORMED;
    }
    for (int i = 0; i < FIELDS; i++) {
        if (!reader.given[i] || !length_is_allowed((enum alert_field)i, reader.value[i]) ||
            (i == SEVERITY && !read_severity(reader.value[i], &out->severity))) {
            *problem = (struct aw_json_problem){fields[i].name, fields[i].allowed};
            return AW_JSON_INVALID;
        }
    }
    out->asset_name = reader.value[ASSET_NAME];
    out->signature = reader.value[SIGNATURE];
    out->message = reader.value[MESSAGE];
    out->tool_source = reader.value[TOOL_SOURCE];
    return AW_JSON_OK;
}
