/* field.h - field tables: one row per member of a struct says everything about it.
 *
 * The same row decodes a request, encodes a reply, binds an SQLite column, names a BSON key, reads a line of the
 * configuration file and prints the documentation. AW_FIELD() does not compile when type and member disagree.
 * Threads: constant tables. */
#ifndef AW_BASE_FIELD_H
#define AW_BASE_FIELD_H

#include "arena.h"
#include "src/aw_err.h"

/* type, C type of the member */
#define AW_C_STR   const char * /* UTF-8; NULL = null */
#define AW_C_I64   int64_t
#define AW_C_BOOL  bool
#define AW_C_ENUM  int     /* index into the words (arg: const char *const [], NULL-terminated) */
#define AW_C_TIME  int64_t /* ms since 1970; 0 = null; RFC 3339 outside */
#define AW_C_BYTES struct aw_bytes /* base64url outside; ptr NULL = null */
#define AW_C_STRS  struct aw_strs  /* list of strings; words when arg is set */
#define AW_C_OBJ   const void *    /* nested struct (arg: const struct aw_schema *); NULL = null */
#define AW_C_RAW   const char *    /* JSON text as it is, kept as it is */
enum aw_ftype {
    AW_T_STR,
    AW_T_I64,
    AW_T_BOOL,
    AW_T_ENUM,
    AW_T_TIME,
    AW_T_BYTES,
    AW_T_STRS,
    AW_T_OBJ,
    AW_T_RAW
};

struct aw_bytes {
    const uint8_t *ptr;
    size_t len;
};
struct aw_strs {
    const char *const *v;
    size_t n;
};

enum aw_field_flags {
    AW_F_REQUIRED = 1, /* must be in a create body, cannot be null */
    AW_F_READONLY = 2, /* set by the product; in a PUT only the stored value is accepted */
    AW_F_SECRET = 4,   /* never encoded to JSON, never printed */
    AW_F_INTERNAL = 8, /* stored, but neither decoded from nor encoded to clients */
    AW_F_RELOAD = 16,  /* configuration: SIGHUP may change it */
    AW_F_NULLABLE = 32 /* null is a value of its own (STR, TIME, OBJ, BYTES) */
};

struct aw_field {
    const char *name, *doc;
    const char *dflt; /* JSON text used when absent; NULL = zero */
    enum aw_ftype type;
    unsigned flags;
    size_t offset;
    int64_t min,
        max; /* range of a number; length of a string in characters or of a list; 0,0 = none */
    const void *arg; /* words of an ENUM or STRS, schema of an OBJ */
};

#define AW_SAME(S, m, T)                                                                           \
    (0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct S *)0)->m), T) ? 1 : -1]))
#define AW_FIELD(S, m, T, ...)                                                                     \
    {                                                                                              \
        .name = #m, .type = AW_T_##T, .offset = offsetof(struct S, m) + AW_SAME(S, m, AW_C_##T),   \
        __VA_ARGS__                                                                                \
    }

/* An index of a collection: up to four fields, "-" before a name = descending. */
struct aw_index {
    const char *name;
    const char *fields[5]; /* NULL-terminated */
    bool unique;
};

/* A schema of a stored collection has "id" (STR) as its first field and "version" (I64) as its second;
 * "company_id" (STR), if there, scopes it. */
struct aw_schema {
    const char *name; /* collection: "alerts" */
    size_t size;      /* of the struct */
    const struct aw_field *fields;
    size_t n; /* at most 64: presence is a bit map */
    const struct aw_index *indexes;
    size_t index_count;
    const char *doc;
};
#define AW_SCHEMA(S, name, table, ...)                                                             \
    {                                                                                              \
        name, sizeof(struct S), table, AW_COUNT(table), __VA_ARGS__                                \
    }

const struct aw_field *aw_schema_field(const struct aw_schema *schema, const char *name,
                                       size_t len);                       /* or NULL */
int aw_schema_index_of(const struct aw_schema *schema, const char *name); /* -1 = none */
static inline void *aw_field_at(const struct aw_field *field, const void *row)
{
    return (char *)(uintptr_t)row + field->offset;
}
/* Deep copy of a row into an arena. */
void *aw_row_copy(const struct aw_schema *schema, const void *row, struct aw_arena *arena);
bool aw_row_equal(const struct aw_schema *schema, const void *a, const void *b);
/* -1, 0, 1 of one field of two rows (STR by bytes, numbers by value); NULL sorts first. */
int aw_field_compare(const struct aw_field *field, const void *a, const void *b);
/* Word of an ENUM, or "". Index of a word, or -1. */
const char *aw_words_get(const char *const *words, int index);
int aw_words_find(const char *const *words, const char *text, size_t len);

#endif
