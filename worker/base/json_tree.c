#include "worker/base/json_tree.h"

#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "src/aw_alert_json.h"
#include "worker/base/alloc.h"

struct reader {
    struct aw_arena *scratch, *strings;
    yajl_handle yajl;
    const char *text;
    size_t len;
    size_t seen; /* offset behind the last token that was told */
    bool at_end; /* yajl no longer counts: the token ends where the text ends */
    size_t nodes;
    unsigned depth;
    struct {
        struct aw_node *node, **tail; /* place of the next child */
        unsigned members;
    } open[AW_JSON_DEPTH_MAX + 1]; /* open[0] holds the root */
    const char *key;
    const char *refusal; /* why a callback stopped the parser */
};

static int refuse(struct reader *reader, const char *why)
{
    reader->refusal = why;
    return 0;
}

/* Text of the token just told: behind the last one and what separates them. */
static const char *token(struct reader *reader, size_t *len)
{
    size_t end = reader->at_end ? reader->len : yajl_get_bytes_consumed(reader->yajl),
           start = reader->seen;
    while (start < end && strchr(" \t\r\n,:", reader->text[start]) != NULL) {
        start++;
    }
    reader->seen = end;
    *len = end - start;
    return reader->text + start;
}

static struct aw_node *add_node(struct reader *reader, enum aw_node_type type)
{
    if (++reader->nodes > AW_JSON_NODES_MAX) {
        refuse(reader, "too many values");
        return NULL;
    }
    struct aw_node *node = AW_NEW(reader->scratch, struct aw_node);
    node->type = type;
    node->raw = token(reader, &node->raw_len);
    node->key = reader->key;
    reader->key = NULL;
    *reader->open[reader->depth].tail = node;
    reader->open[reader->depth].tail = &node->next;
    return node;
}

static int on_null(void *ctx)
{
    return add_node(ctx, AW_NODE_NULL) != NULL;
}

static int on_boolean(void *ctx, int value)
{
    struct aw_node *node = add_node(ctx, AW_NODE_BOOL);
    if (node != NULL) {
        node->truth = value != 0;
    }
    return node != NULL;
}

static int on_number(void *ctx, const char *text, size_t len)
{
    struct reader *reader = ctx;
    if (len > AW_JSON_NUMBER_MAX) {
        return refuse(reader, "a number is too long");
    }
    struct aw_node *node = add_node(reader, AW_NODE_NUMBER);
    if (node != NULL) {
        node->text = aw_arena_strn(reader->scratch, text, len);
        node->len = len;
    }
    return node != NULL;
}

static unsigned hex4(const char *digits)
{
    unsigned value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = digits[i];
        value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* yajl decodes halves of surrogate pairs and NUL without a word; the escapes are well formed. */
static bool escapes_are_characters(const char *raw, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (raw[i] != '\\') {
            continue;
        }
        if (raw[++i] != 'u') {
            continue;
        }
        unsigned unit = hex4(raw + i + 1);
        i += 4;
        if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
            return false;
        }
        if (unit < 0xd800 || unit > 0xdbff) {
            continue;
        }
        if (len - i <= 6 || raw[i + 1] != '\\' || raw[i + 2] != 'u') {
            return false;
        }
        unsigned low = hex4(raw + i + 3);
        if (low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        i += 6;
    }
    return true;
}

static const char bad_escape[] = "a string holds U+0000 or half of a surrogate pair";

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    struct reader *reader = ctx;
    struct aw_node *node = add_node(reader, AW_NODE_STR);
    if (node == NULL) {
        return 0;
    }
    if (node->raw_len != len + 2 && !escapes_are_characters(node->raw, node->raw_len)) {
        return refuse(reader, bad_escape);
    }
    node->text = aw_arena_strn(reader->strings, (const char *)text, len);
    node->len = len;
    return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    struct reader *reader = ctx;
    size_t raw_len;
    const char *raw = token(reader, &raw_len);
    if (len > AW_JSON_KEY_MAX || ++reader->open[reader->depth].members > AW_JSON_MEMBERS_MAX) {
        return refuse(reader, "an object has too many members, or a name that is too long");
    }
    if (raw_len != len + 2 && !escapes_are_characters(raw, raw_len)) {
        return refuse(reader, bad_escape);
    }
    reader->key = aw_arena_strn(reader->scratch, (const char *)text, len);
    if (aw_node_get(reader->open[reader->depth].node, reader->key) != NULL) {
        return refuse(reader, "a member is there twice");
    }
    return 1;
}

static int open_node(struct reader *reader, enum aw_node_type type)
{
    if (reader->depth == AW_JSON_DEPTH_MAX) {
        return refuse(reader, "nested too deep");
    }
    struct aw_node *node = add_node(reader, type);
    if (node == NULL) {
        return 0;
    }
    reader->depth++;
    reader->open[reader->depth].node = node;
    reader->open[reader->depth].tail = &node->child;
    reader->open[reader->depth].members = 0;
    return 1;
}

static int on_map_open(void *ctx)
{
    return open_node(ctx, AW_NODE_MAP);
}

static int on_list_open(void *ctx)
{
    return open_node(ctx, AW_NODE_LIST);
}

static int on_close(void *ctx)
{
    struct reader *reader = ctx;
    struct aw_node *node = reader->open[reader->depth--].node;
    size_t len;
    const char *bracket = token(reader, &len);
    node->raw_len = (size_t)(bracket + len - node->raw);
    return 1;
}

static bool syntax_error(struct aw_err *err, const char *why, size_t offset)
{
    return aw_fail(err, AW_ERR_MALFORMED, "json.syntax", "not acceptable JSON near byte %zu: %s",
                   offset, why);
}

/* yajl's words for it, without its prefix and line end. */
static bool yajl_error(struct reader *reader, struct aw_err *err)
{
    if (reader->refusal != NULL) {
        return syntax_error(err, reader->refusal, reader->seen);
    }
    static const char *const prefixes[] = {"parse error: ", "lexical error: "};
    size_t at = reader->at_end ? reader->len : yajl_get_bytes_consumed(reader->yajl);
    unsigned char *text =
        yajl_get_error(reader->yajl, 0, (const unsigned char *)reader->text, reader->len);
    char *why = (char *)text;
    why[strcspn(why, "\n")] = '\0';
    for (size_t i = 0; i < AW_COUNT(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        why += strncmp(why, prefixes[i], n) == 0 ? n : 0;
    }
    syntax_error(err, why, at);
    yajl_free_error(reader->yajl, text);
    return false;
}

bool aw_json_tree(const char *text, size_t len, struct aw_arena *scratch, struct aw_arena *strings,
                  struct aw_node **root, struct aw_err *err)
{
    static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                             .yajl_boolean = on_boolean,
                                             .yajl_number = on_number,
                                             .yajl_string = on_string,
                                             .yajl_start_map = on_map_open,
                                             .yajl_map_key = on_key,
                                             .yajl_end_map = on_close,
                                             .yajl_start_array = on_list_open,
                                             .yajl_end_array = on_close};
    *root = NULL;
    if (!aw_utf8_check(text, len, NULL)) {
        return syntax_error(err, "not UTF-8", 0);
    }
    /* White space for yajl, and not for RFC 8259, section 2. */
    if (memchr(text, '\v', len) != NULL || memchr(text, '\f', len) != NULL) {
        return syntax_error(err, "a control character", 0);
    }
    struct reader reader = {.scratch = scratch, .strings = strings, .text = text, .len = len};
    reader.open[0].tail = root;
    reader.yajl = aw_alloc_must(yajl_alloc(&callbacks, NULL, &reader));
    yajl_status status = yajl_parse(reader.yajl, (const unsigned char *)text, len);
    reader.at_end = status == yajl_status_ok;
    if (reader.at_end && *root != NULL && reader.depth == 0) {
        /* At the very end yajl would pass over a token that began and does not end. */
        status = yajl_parse(reader.yajl, (const unsigned char *)"\n", 1);
    }
    if (status == yajl_status_ok) {
        status = yajl_complete_parse(reader.yajl);
    }
    bool good = status == yajl_status_ok || yajl_error(&reader, err);
    yajl_free(reader.yajl);
    if (good && *root == NULL) {
        return syntax_error(err, "empty", 0);
    }
    return good;
}

bool aw_json_parse(const char *text, size_t len, struct aw_arena *arena, struct aw_node **root,
                   struct aw_err *err)
{
    if (len > AW_JSON_TEXT_MAX) {
        *root = NULL;
        return syntax_error(err, "longer than 1 MiB", AW_JSON_TEXT_MAX);
    }
    return aw_json_tree(text, len, arena, arena, root, err);
}

const struct aw_node *aw_node_get(const struct aw_node *map, const char *key)
{
    if (map == NULL || map->type != AW_NODE_MAP) {
        return NULL;
    }
    const struct aw_node *at = map->child;
    while (at != NULL && strcmp(at->key, key) != 0) {
        at = at->next;
    }
    return at;
}
