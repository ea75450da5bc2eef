#include "apply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply_company.h"
#include "audit.h"
#include "setup.h"
#include "users.h"
#include "worker/base/clock.h"

/* --- what all of it shares (apply_company.h) --- */

const char *aw_apply_at(const struct aw_apply_run *run, const char *pointer, const char *fmt, ...)
{
    va_list args;
    char rest[96];
    va_start(args, fmt);
    vsnprintf(rest, sizeof(rest), fmt, args);
    va_end(args);
    return aw_arena_printf(run->arena, "%s%s", pointer, rest);
}

bool aw_apply_fail(struct aw_err *err, const char *pointer, const char *detail)
{
    aw_fail(err, AW_ERR_INVALID, "apply.fields", "%s %s", pointer, detail);
    snprintf(err->field, sizeof(err->field), "%s", pointer);
    return false;
}

bool aw_apply_named(bool ok, const char *pointer, struct aw_err *err)
{
    bool theirs = err->kind == AW_ERR_INVALID || err->kind == AW_ERR_CONFLICT;
    if (!ok && theirs && !err->field[0]) {
        snprintf(err->field, sizeof(err->field), "%s", pointer);
    }
    return ok;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; names && *names; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

bool aw_apply_decode(const struct aw_apply_run *run, const struct aw_node *node,
                     const char *pointer, const struct aw_schema *schema, const char *const *extras,
                     bool stored, void *row, struct aw_err *err)
{
    if (node->type != AW_NODE_MAP) {
        return aw_apply_fail(err, pointer, "must be an object");
    }
    struct aw_str text;
    aw_str_init(&text, run->arena);
    aw_str_add(&text, "{");
    for (const struct aw_node *member = node->child; member; member = member->next) {
        if (!is_one_of(member->key, extras)) {
            struct aw_json name;
            aw_str_add(&text, text.len > 1 ? "," : "");
            aw_json_init(&name, &text);
            aw_json_str(&name, member->key);
            aw_str_add(&text, ":");
            aw_str_addn(&text, member->raw, member->raw_len);
        }
    }
    aw_str_add(&text, "}");
    struct aw_problems problems;
    if (aw_json_decode(schema, stored ? AW_JSON_PATCH : AW_JSON_CREATE, text.ptr, text.len,
                       run->arena, row, NULL, &problems, err)) {
        return true;
    }
    return problems.n > 0 &&
           aw_apply_fail(err, aw_apply_at(run, pointer, "%s", problems.v[0].pointer),
                         problems.v[0].detail);
}

bool aw_apply_text(const struct aw_node *node, const char *name, const char *pointer,
                   const char **text, struct aw_err *err)
{
    char where[64];
    if (node->type != AW_NODE_MAP) {
        return aw_apply_fail(err, pointer, "must be an object");
    }
    const struct aw_node *member = aw_node_get(node, name);
    *text = NULL;
    if (!member) {
        return true;
    }
    if (member->type != AW_NODE_STR || strlen(member->text) != member->len) {
        snprintf(where, sizeof(where), "%.40s/%s", pointer, name);
        return aw_apply_fail(err, where, "must be a text");
    }
    *text = member->text;
    return true;
}

bool aw_apply_each(struct aw_apply_run *run, const struct aw_node *list, const char *pointer,
                   const char *company_id, aw_apply_item *item, struct aw_err *err)
{
    if (!list) {
        return true;
    }
    if (list->type != AW_NODE_LIST) {
        return aw_apply_fail(err, pointer, "must be a list");
    }
    size_t i = 0;
    for (const struct aw_node *node = list->child; node; node = node->next, i++) {
        const char *at = aw_apply_at(run, pointer, "/%zu", i);
        if (!aw_apply_named(item(run, node, at, company_id, err), at, err)) {
            return false;
        }
    }
    return true;
}

void aw_apply_made(struct aw_apply_run *run, enum aw_apply_secret kind, const char *owner,
                   const char *name, const char *secret)
{
    struct aw_apply_made *made = AW_NEW(run->arena, struct aw_apply_made);
    *made = (struct aw_apply_made){
        .kind = kind,
        .owner = aw_arena_str(run->arena, owner),
        .name = aw_arena_str(run->arena, name),
        .secret = aw_arena_str(run->arena, secret),
    };
    *run->made_end = made;
    run->made_end = &made->next;
}

/* --- users --- */

/* Passwords are hashed before the unit: bcrypt is slow, and units do not wait. By place in the list. */
struct aw_apply_password {
    const char *hash;  /* NULL = keep the stored one */
    const char *plain; /* made here, or NULL */
};

static bool check_password(const char *password, const char *pointer, struct aw_err *err)
{
    char where[64];
    if (strlen(password) >= AW_PASSWORD_MIN && strlen(password) <= AW_PASSWORD_MAX) {
        return true;
    }
    snprintf(where, sizeof(where), "%.40s/password", pointer);
    return aw_apply_fail(err, where, "must have 10 to 72 bytes");
}

static bool prepare_user(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                         const char *company_id, struct aw_err *err)
{
    (void)company_id;
    const char *email, *password;
    struct aw_user *stored = NULL;
    struct aw_apply_password *out = &run->passwords[run->user++];
    *out = (struct aw_apply_password){0};
    if (!aw_apply_text(node, "email", pointer, &email, err) ||
        !aw_apply_text(node, "password", pointer, &password, err) ||
        (password && !check_password(password, pointer, err))) {
        return false;
    }
    email = email ? aw_user_email(email, run->arena) : NULL;
    if (!email) {
        return aw_apply_fail(err, aw_apply_at(run, pointer, "/email"), "must be an e-mail address");
    }
    if (!aw_user_find(run->reader, email, run->arena, &stored, err)) {
        return false;
    }
    if (password ? stored && aw_password_verify(password, stored->password_hash) : stored != NULL) {
        return true;
    }
    if (!password) {
        password = out->plain = aw_setup_password(run->arena);
    }
    return aw_password_hash(password, AW_PASSWORD_COST, run->arena, &out->hash, err);
}

static bool apply_user(struct aw_apply_run *run, const struct aw_node *node, const char *pointer,
                       const char *company_id, struct aw_err *err)
{
    static const char *const extras[] = {"password", NULL};
    (void)company_id;
    const struct aw_apply_password *password = &run->passwords[run->user++];
    const char *email;
    struct aw_user *stored, *user, *row = AW_NEW(run->arena, struct aw_user);
    enum aw_saved saved;
    if (!aw_apply_text(node, "email", pointer, &email, err) ||
        !aw_user_find_tx(run->tx, aw_user_email(email, run->arena), &stored, err)) {
        return false;
    }
    *row = stored ? *stored : (struct aw_user){0};
    if (!aw_apply_decode(run, node, pointer, &aw_user_schema, extras, stored != NULL, row, err)) {
        return false;
    }
    row->password_hash = password->hash;
    if (!aw_user_save(run->tx, row, &run->act, &user, &saved, err)) {
        return false;
    }
    run->counts[saved]++;
    if (password->plain) {
        aw_apply_made(run, AW_MADE_PASSWORD, user->email, NULL, password->plain);
    }
    const struct aw_audit_act act = {
        .action = saved == AW_CREATED ? "user.created" : "user.updated",
        .object = aw_user_schema.name,
        .object_id = user->id,
        .now_ms = run->act.now_ms,
    };
    return saved == AW_UNCHANGED || aw_audit_add(run->tx, &act, err);
}

/* --- the whole file --- */

static bool check_root(const struct aw_node *root, struct aw_err *err)
{
    static const char *const names[] = {"companies", "users", NULL};
    char where[64];
    if (root->type != AW_NODE_MAP) {
        return aw_apply_fail(err, "", "The file must hold an object");
    }
    for (const struct aw_node *member = root->child; member; member = member->next) {
        if (!is_one_of(member->key, names)) {
            snprintf(where, sizeof(where), "/%.60s", member->key);
            return aw_apply_fail(err, where, "is not known");
        }
    }
    return true;
}

static size_t length(const struct aw_node *list)
{
    size_t n = 0;
    for (const struct aw_node *node = list ? list->child : NULL; node; node = node->next) {
        n++;
    }
    return n;
}

static bool prepare(struct aw_apply_run *run, const struct aw_node *root, struct aw_err *err)
{
    const struct aw_node *users = aw_node_get(root, "users");
    run->passwords = AW_NEW_N(run->arena, struct aw_apply_password, length(users) + 1);
    if (!aw_store_read_begin(run->deps->store, &run->reader, err)) {
        return false;
    }
    bool ok = aw_apply_each(run, users, "/users", NULL, prepare_user, err);
    aw_store_read_end(&run->reader);
    return ok;
}

static bool unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_apply_run *run = arg;
    run->tx = tx;
    run->user = 0;
    run->act.now_ms = aw_clock_wall_ms();
    memset(run->counts, 0, sizeof(run->counts));
    run->made = NULL;
    run->made_end = &run->made;
    return aw_apply_each(run, aw_node_get(run->root, "companies"), "/companies", NULL,
                         aw_apply_company, err) &&
           aw_apply_each(run, aw_node_get(run->root, "users"), "/users", NULL, apply_user, err);
}

static void print_made(struct aw_json *json, const struct aw_apply_run *run)
{
    static const struct {
        const char *list, *owner, *name, *secret;
    } words[] = {
        [AW_MADE_KEY] = {"api_keys", "company_id", "name", "key"},
        [AW_MADE_SECRET] = {"hmac_secrets", "company_id", NULL, "secret"},
        [AW_MADE_PASSWORD] = {"passwords", "email", NULL, "password"},
    };
    for (size_t i = 0; i < AW_COUNT(words); i++) {
        aw_json_key(json, words[i].list);
        aw_json_open(json, '[');
        for (const struct aw_apply_made *made = run->made; made; made = made->next) {
            if (made->kind != i) {
                continue;
            }
            aw_json_open(json, '{');
            aw_json_key(json, words[i].owner);
            aw_json_str(json, made->owner);
            if (words[i].name) {
                aw_json_key(json, words[i].name);
                aw_json_str(json, made->name);
            }
            aw_json_key(json, words[i].secret);
            aw_json_str(json, made->secret);
            aw_json_close(json, '}');
        }
        aw_json_close(json, ']');
    }
}

static void print_result(const struct aw_apply_run *run, struct aw_str *result)
{
    struct aw_json json;
    aw_json_init(&json, result);
    aw_json_open(&json, '{');
    for (int i = AW_UNCHANGED; i <= AW_UPDATED; i++) {
        aw_json_key(&json, aw_saved_words[i]);
        aw_json_i64(&json, run->counts[i]);
    }
    aw_json_key(&json, "generated");
    aw_json_open(&json, '{');
    print_made(&json, run);
    aw_json_close(&json, '}');
    aw_json_close(&json, '}');
}

bool aw_apply(const struct aw_apply_deps *deps, const char *text, size_t len,
              struct aw_arena *arena, struct aw_str *result, struct aw_err *err)
{
    struct aw_node *root;
    *err = (struct aw_err){0};
    if (!aw_json_parse(text, len, arena, &root, err) || !check_root(root, err)) {
        return false;
    }
    struct aw_apply_run run = {.deps = deps, .arena = arena, .root = root};
    if (!prepare(&run, root, err) ||
        !aw_writer_run(deps->writer, "apply", unit, &run, AW_ONCE, err)) {
        return false;
    }
    print_result(&run, result);
    return true;
}
