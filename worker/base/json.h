/* json.h - JSON to rows and back, by field tables; the only way in for request bodies.
 *
 * Reading: yajl SAX with limits (depth 16, members 256, text 1 MiB); unknown, duplicate and read-only members,
 * invalid UTF-8, lone surrogates, NUL and integers beyond int64 are refused. All errors of a body are collected,
 * at most AW_JSON_PROBLEMS. Threads: pure; memory of the given arena. */
#ifndef AW_BASE_JSON_H
#define AW_BASE_JSON_H

#include "field.h"
#include "str.h"

#define AW_JSON_PROBLEMS 32
struct aw_problem {
    char pointer[64]; /* RFC 6901: "/assets/0/name" */
    char detail[160];
};
struct aw_problems {
    struct aw_problem v[AW_JSON_PROBLEMS];
    size_t n;
};

enum aw_json_how {
    AW_JSON_CREATE, /* POST and PUT: required members must be there, defaults fill the rest */
    AW_JSON_PATCH, /* RFC 7396: only what is there is set (see *present), null clears nullable members */
    AW_JSON_STORED /* trusted text of our own: every member is accepted, unknown ones are passed over */
};
/* Decodes an object into `row` (schema->size bytes), which CREATE and PATCH find zeroed or holding a base. Of that base
 * CREATE keeps read-only and internal members, and secret ones that the text does not have; a read-only member may be
 * in the text when it equals the base's. STORED overwrites all.
 * *present (may be NULL): bit i = field i was in the text. err: MALFORMED json.syntax, or INVALID json.fields with
 * the first problem in field/msg and all of them in *problems (may be NULL). */
AW_MUST_CHECK bool aw_json_decode(const struct aw_schema *schema, enum aw_json_how how,
                                  const char *text, size_t len, struct aw_arena *arena, void *row,
                                  uint64_t *present, struct aw_problems *problems,
                                  struct aw_err *err);

/* Writer: appends to a string; commas and escaping are its business. */
struct aw_json {
    struct aw_str *out;
    unsigned depth;
    uint32_t first; /* bit per depth: nothing written yet */
};
void aw_json_init(struct aw_json *json, struct aw_str *out);
void aw_json_open(struct aw_json *json, char bracket); /* '{' or '[' */
void aw_json_close(struct aw_json *json, char bracket);
void aw_json_key(struct aw_json *json, const char *key);
void aw_json_str(struct aw_json *json, const char *text); /* NULL = null */
void aw_json_strn(struct aw_json *json, const char *text, size_t len);
void aw_json_i64(struct aw_json *json, int64_t value);
void aw_json_f64(struct aw_json *json, double value); /* shortest text that reads back the same */
void aw_json_bool(struct aw_json *json, bool value);
void aw_json_null(struct aw_json *json);
void aw_json_time(struct aw_json *json, int64_t ms); /* 0 = null */
void aw_json_raw(struct aw_json *json, const char *text, size_t len);
/* One value of a row, and a whole row as an object without secret and internal fields; `stored` writes them too. */
void aw_json_field(struct aw_json *json, const struct aw_field *field, const void *row);
void aw_json_row(struct aw_json *json, const struct aw_schema *schema, const void *row,
                 bool stored);
/* Members only, between open and close of the caller. */
void aw_json_members(struct aw_json *json, const struct aw_schema *schema, const void *row,
                     bool stored);

/* A parsed tree for the few places without a table (apply files, tests). */
enum aw_node_type {
    AW_NODE_NULL,
    AW_NODE_BOOL,
    AW_NODE_NUMBER,
    AW_NODE_STR,
    AW_NODE_LIST,
    AW_NODE_MAP
};
struct aw_node {
    enum aw_node_type type;
    bool truth;
    const char *text; /* STR: decoded; NUMBER: as written; also the raw JSON in text_raw */
    size_t len;
    const char *raw; /* source text of this value */
    size_t raw_len;
    const char *key; /* when member of a map */
    struct aw_node *child, *next;
};
AW_MUST_CHECK bool aw_json_parse(const char *text, size_t len, struct aw_arena *arena,
                                 struct aw_node **root, struct aw_err *err);
const struct aw_node *aw_node_get(const struct aw_node *map, const char *key); /* NULL = absent */

#endif
