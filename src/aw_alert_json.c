#include "aw_alert_json.h"

#include <string.h>

#include "aw_crc.h"
#include "aw_json_scan.h"

#define DEPTH_MAX     32
#define MEMBERS_MAX   256
#define KEY_MAX       128
#define STRING_MAX    65536
#define NUMBER_MAX    32

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
    struct aw_json_scan scan;
    const struct aw_json_memory *memory;

    unsigned depth;
    unsigned members;   /* seen in the whole body */
    unsigned open;      /* of them, those of objects that are not closed yet: members_of[] */
    bool given[FIELDS]; /* and it is a string */
    struct aw_slice value[FIELDS];

    struct member members_of[MEMBERS_MAX];
};

static bool refuse(struct reader *reader, const char *problem)
{
    return aw_json_refuse(&reader->scan, problem);
}

/* The text as it stays: in the body, or decoded into memory of the caller. */
static bool keep(struct reader *reader, const struct aw_json_text *text, struct aw_slice *slice)
{
    *slice = (struct aw_slice){(const char *)text->raw, text->len};
    if (!text->escaped) {
        return true;
    }
    char *copy = reader->memory->alloc(reader->memory->ctx, text->len);
    if (copy == NULL) {
        return refuse(reader, "out of memory");
    }
    *slice = (struct aw_slice){copy, aw_json_unescape(text, copy)};
    return true;
}

static int field_of(struct aw_slice name)
{
    int field = 0;
    while (field < FIELDS && (fields[field].name_len != name.len ||
                              memcmp(fields[field].name, name.ptr, name.len) != 0)) {
        field++;
    }
    return field;
}

/* `first`: where the members of this object begin. */
static bool read_name(struct reader *reader, unsigned first, struct aw_slice *name)
{
    struct aw_json_text text;
    if (!aw_json_string(&reader->scan, &text) || !keep(reader, &text, name)) {
        return false;
    }
    if (name->len > KEY_MAX) {
        return refuse(reader, "a member name is longer than " TEXT(KEY_MAX) " bytes");
    }
    if (++reader->members > MEMBERS_MAX) {
        return refuse(reader, "the body has more than " TEXT(MEMBERS_MAX) " members");
    }
    uint32_t hash = aw_crc32c(0, name->ptr, name->len);
    for (unsigned i = first; i < reader->open; i++) {
        const struct member *other = &reader->members_of[i];
        if (other->hash == hash && other->name.len == name->len &&
            memcmp(other->name.ptr, name->ptr, name->len) == 0) {
            return refuse(reader, "a member name appears twice in one object");
        }
    }
    reader->members_of[reader->open++] = (struct member){*name, hash};
    return true;
}

static bool read_string(struct reader *reader, int field)
{
    struct aw_json_text text;
    if (!aw_json_string(&reader->scan, &text)) {
        return false;
    }
    if (text.len > STRING_MAX) {
        return refuse(reader, "a string is longer than " TEXT(STRING_MAX) " bytes");
    }
    if (field == FIELDS) {
        return true;
    }
    reader->given[field] = true;
    return keep(reader, &text, &reader->value[field]);
}

static bool read_scalar(struct reader *reader)
{
    size_t len;
    return aw_json_scalar(&reader->scan, &len) &&
           (len <= NUMBER_MAX ||
            refuse(reader, "a number is longer than " TEXT(NUMBER_MAX) " characters"));
}

static bool read_object(struct reader *reader);
static bool read_list(struct reader *reader);

/* field: the one whose value it is, FIELDS = of none that we know. */
static bool read_value(struct reader *reader, int field)
{
    switch (aw_json_peek(&reader->scan)) {
    case '"':
        return read_string(reader, field);
    case '{':
        return read_object(reader);
    case '[':
        return read_list(reader);
    default:
        return read_scalar(reader);
    }
}

/* The bracket stands at `at`. *more = a value or member follows. */
static bool enter(struct reader *reader, char close, bool *more)
{
    reader->scan.at++;
    if (reader->depth == DEPTH_MAX) {
        return refuse(reader, "the body is nested deeper than " TEXT(DEPTH_MAX) " levels");
    }
    *more = !aw_json_take(&reader->scan, close);
    reader->depth += *more;
    return true;
}

/* After a value: *more = another one follows. */
static bool leave_or_go_on(struct reader *reader, char close, bool *more)
{
    *more = aw_json_take(&reader->scan, ',');
    reader->depth -= !*more;
    return *more || aw_json_expect(&reader->scan, close);
}

static bool read_list(struct reader *reader)
{
    bool more = false;
    bool ok = enter(reader, ']', &more);
    while (ok && more) {
        ok = read_value(reader, FIELDS) && leave_or_go_on(reader, ']', &more);
    }
    return ok;
}

static bool read_member(struct reader *reader, unsigned first)
{
    struct aw_slice name;
    return read_name(reader, first, &name) && aw_json_expect(&reader->scan, ':') &&
           read_value(reader, reader->depth == 1 ? field_of(name) : FIELDS);
}

static bool read_object(struct reader *reader)
{
    unsigned first = reader->open;
    bool more = false;
    bool ok = enter(reader, '}', &more);
    while (ok && more) {
        ok = read_member(reader, first) && leave_or_go_on(reader, '}', &more);
    }
    reader->open = first;
    return ok;
}

static bool read_body(struct reader *reader)
{
    struct aw_json_scan *scan = &reader->scan;
    if (!aw_utf8_check((const char *)scan->at, (size_t)(scan->end - scan->at), NULL)) {
        return refuse(reader, "the body is not valid UTF-8, or holds a NUL");
    }
    if (aw_json_peek(scan) != '{') {
        return refuse(reader, "the body is not one JSON object");
    }
    return read_object(reader) &&
           (aw_json_peek(scan) == 0 || refuse(reader, "the body goes on after its JSON object"));
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
    reader.scan = (struct aw_json_scan){.at = body, .end = body + len};
    reader.memory = memory;

    if (!read_body(&reader)) {
        *problem = (struct aw_json_problem){"", reader.scan.problem};
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
