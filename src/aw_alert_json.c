#include "aw_alert_json.h"

#include <string.h>

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

struct reader {
    struct aw_json_scan scan;
    const struct aw_json_memory *memory;

    unsigned depth;
    unsigned members; /* seen in the whole body */
    unsigned open;    /* of them, those of objects that are not closed yet: members_of[] */
    struct aw_slice value[FIELDS]; /* ptr NULL = not given, or no string */

    struct aw_slice members_of[MEMBERS_MAX];
};

static bool refuse(struct reader *reader, const char *problem)
{
    return aw_json_refuse(&reader->scan, problem);
}

static struct aw_slice decode(struct reader *reader, struct aw_json_text text)
{
    char *copy = reader->memory->alloc(reader->memory->ctx, text.len);
    if (copy == NULL) {
        refuse(reader, "out of memory");
        return (struct aw_slice){NULL, 0};
    }
    return (struct aw_slice){copy, aw_json_unescape(text, copy)};
}

/* The text as it stays: in the body, or decoded into memory of the caller. ptr NULL = refused. */
static inline struct aw_slice keep(struct reader *reader, struct aw_json_text text)
{
    return text.escaped ? decode(reader, text)
                        : (struct aw_slice){(const char *)text.raw, text.len};
}

/* Where the field of this name is kept, NULL = there is no such field. */
static inline struct aw_slice *place_of(struct reader *reader, struct aw_slice name)
{
#pragma GCC unroll 8 /* so each name is compared as a constant, without a call */
    for (int i = 0; i < FIELDS; i++) {
        if (name.len == fields[i].name_len &&
            memcmp(name.ptr, fields[i].name, fields[i].name_len) == 0) {
            return &reader->value[i];
        }
    }
    return NULL;
}

/* The last bytes first: there most names of one length differ, and need no call. */
static inline bool is_same(struct aw_slice a, struct aw_slice b)
{
    return a.len == b.len && (a.len == 0 || (a.ptr[a.len - 1] == b.ptr[a.len - 1] &&
                                             memcmp(a.ptr, b.ptr, a.len) == 0));
}

/* `first`: where the members of this object begin. */
static bool read_name(struct reader *reader, unsigned first, struct aw_slice *name)
{
    if (!aw_json_expect(&reader->scan, '"')) {
        return false;
    }
    *name = keep(reader, aw_json_string(&reader->scan));
    if (name->ptr == NULL) {
        return false;
    }
    if (name->len > KEY_MAX) {
        return refuse(reader, "a member name is longer than " TEXT(KEY_MAX) " bytes");
    }
    if (++reader->members > MEMBERS_MAX) {
        return refuse(reader, "the body has more than " TEXT(MEMBERS_MAX) " members");
    }
    struct aw_slice *end = reader->members_of + reader->open++;
    for (const struct aw_slice *other = reader->members_of + first; other < end; other++) {
        if (is_same(*other, *name)) {
            return refuse(reader, "a member name appears twice in one object");
        }
    }
    *end = *name;
    return true;
}

static inline bool read_string(struct reader *reader, struct aw_slice *place)
{
    struct aw_json_text text = aw_json_string(&reader->scan);
    if (text.raw == NULL) {
        return false;
    }
    if (text.len > STRING_MAX) {
        return refuse(reader, "a string is longer than " TEXT(STRING_MAX) " bytes");
    }
    if (place == NULL) {
        return true;
    }
    *place = keep(reader, text);
    return place->ptr != NULL;
}

static bool read_scalar(struct reader *reader)
{
    size_t len = aw_json_scalar(&reader->scan);
    if (len > NUMBER_MAX) {
        return refuse(reader, "a number is longer than " TEXT(NUMBER_MAX) " characters");
    }
    return len > 0;
}

static bool read_object(struct reader *reader);
static bool read_list(struct reader *reader);

/* place: where it is kept if it is a string, NULL = nowhere. */
static inline bool read_value(struct reader *reader, struct aw_slice *place)
{
    switch (aw_json_peek(&reader->scan)) {
    case '"':
        reader->scan.at++;
        return read_string(reader, place);
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
    if (*more) {
        return true;
    }
    reader->depth--;
    return aw_json_expect(&reader->scan, close);
}

static bool read_list(struct reader *reader)
{
    bool more = false;
    bool ok = enter(reader, ']', &more);
    while (ok && more) {
        ok = read_value(reader, NULL) && leave_or_go_on(reader, ']', &more);
    }
    return ok;
}

static bool read_member(struct reader *reader, unsigned first)
{
    struct aw_slice name;
    return read_name(reader, first, &name) && aw_json_expect(&reader->scan, ':') &&
           read_value(reader, reader->depth == 1 ? place_of(reader, name) : NULL);
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
        const char *name = aw_severity_names[i];
        if (strncmp(name, value.ptr, value.len) == 0 && name[value.len] == '\0') {
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
#pragma GCC unroll 8 /* so the limits are constants */
    for (int i = 0; i < FIELDS; i++) {
        if (reader.value[i].ptr == NULL ||
            !length_is_allowed((enum alert_field)i, reader.value[i]) ||
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
