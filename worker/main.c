/* main.c - alertwhisperd: the worker daemon and its few commands. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "admin.h"
#include "app.h"
#include "inspect.h"
#include "worker/base/json.h"
#include "worker/base/log.h"
#include "worker/domain/setup.h"

static const char usage[] =
    "usage: alertwhisperd [--config FILE]                 run the worker\n"
    "       alertwhisperd [--config FILE] --check-config  check the configuration file and end\n"
    "       alertwhisperd --print-config                  print a commented configuration file\n"
    "       alertwhisperd [--config FILE] setup --email ADDRESS [--name NAME]\n"
    "                                                     make the master key and the first "
    "administrator, once\n"
    "       alertwhisperd [--config FILE] apply FILE.json create or update companies, assets, "
    "keys, users\n"
    "       alertwhisperd queue PATH                      what lies in a queue file\n"
    "       alertwhisperd --version\n";

struct command {
    const char *config, *email, *name;
    char **words; /* behind the options */
    int count;
    struct aw_arena *arena;
    struct aw_options options;
};

static int finish(bool good, struct aw_str *out, const struct aw_err *err)
{
    if (!good) {
        fprintf(stderr, "alertwhisperd: %s%s%s\n", err->field, err->field[0] ? ": " : "", err->msg);
        return 1;
    }
    if (out->len > 0) {
        printf("%s\n", out->ptr);
    }
    return 0;
}

static bool open_for_change(struct command *c, bool create_key, struct aw_apply_deps *deps,
                            struct aw_err *err)
{
    return aw_sealer_open(c->options.worker.master_key, create_key, &deps->sealer, err) &&
           aw_store_open(&c->options.store, false, &deps->store, err) &&
           aw_writer_start(deps->store, 8, &deps->writer, err);
}

static void close_after_change(struct aw_apply_deps *deps)
{
    aw_writer_stop(&deps->writer, 5000);
    aw_store_close(&deps->store);
    aw_sealer_close(&deps->sealer);
}

static bool run_setup(struct command *c, struct aw_str *out, struct aw_err *err)
{
    struct aw_apply_deps deps = {0};
    struct aw_json json;
    const char *password;

    if (c->email == NULL) {
        return aw_fail(err, AW_ERR_INVALID, "setup.email",
                       "setup needs --email ADDRESS of the first administrator");
    }
    bool good = open_for_change(c, true, &deps, err) &&
                aw_setup_admin(deps.writer, c->email, c->name, c->arena, &password, err);
    if (good) {
        aw_json_init(&json, out);
        aw_json_open(&json, '{');
        aw_json_key(&json, "email");
        aw_json_str(&json, c->email);
        aw_json_key(&json, "password");
        aw_json_str(&json, password);
        aw_json_close(&json, '}');
    }
    close_after_change(&deps);
    return good;
}

static bool read_file(const char *path, struct aw_str *text, struct aw_err *err)
{
    char piece[16384];
    size_t n;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    if (file == NULL) {
        return aw_fail_errno(err, "apply.file", "cannot open %s", path);
    }
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0) {
        aw_str_addn(text, piece, n);
    }
    bool good = !ferror(file) || aw_fail_errno(err, "apply.file", "cannot read %s", path);
    if (file != stdin) {
        (void)fclose(file);
    }
    return good;
}

static bool run_apply(struct command *c, struct aw_str *out, struct aw_err *err)
{
    struct aw_apply_deps deps = {0};
    struct aw_str text;

    aw_str_init(&text, c->arena);
    if (!read_file(c->words[1], &text, err)) {
        return false;
    }
    if (aw_admin_send(c->options.worker.admin_socket, text.ptr, text.len, out, err)) {
        return true;
    }
    if (err->kind != AW_ERR_NOT_FOUND) {
        return false;
    }
    /* No worker runs: change the store here. */
    bool good = open_for_change(c, false, &deps, err) &&
                aw_apply(&deps, text.ptr, text.len, c->arena, out, err);
    close_after_change(&deps);
    return good;
}

static int run_worker(struct command *c)
{
    const struct aw_worker_conf *conf = &c->options.worker;
    struct rlimit none = {0};
    struct aw_err err;

    (void)signal(SIGPIPE, SIG_IGN);
    /* A core file would hold keys. */
    (void)setrlimit(RLIMIT_CORE, &none);
    aw_log_level = (enum aw_log_level)conf->log_level;
    if (!aw_log_open(conf->log[0] ? conf->log : NULL, &err)) {
        return finish(false, NULL, &err);
    }
    if (!aw_app_run(c->config, &c->options, &err)) {
        aw_log(AW_LOG_ERROR, "app.failed", AW_E(&err));
        return conf->log[0] ? finish(false, NULL, &err) : 1;
    }
    return 0;
}

static bool is_known(const struct command *c)
{
    static const struct {
        const char *verb;
        int words;
    } known[] = {{"queue", 2}, {"setup", 1}, {"apply", 2}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (c->count == known[i].words && strcmp(c->words[0], known[i].verb) == 0) {
            return true;
        }
    }
    return c->count == 0;
}

static int run_command(struct command *c, bool check_only)
{
    struct aw_str out;
    struct aw_err err = {0};
    const char *verb = c->count > 0 ? c->words[0] : "";

    if (!is_known(c)) {
        fputs(usage, stderr);
        return 2;
    }
    aw_str_init(&out, c->arena);
    if (strcmp(verb, "queue") == 0) {
        return finish(aw_inspect_queue(c->words[1], &out, &err), &out, &err);
    }
    if (!aw_options_load(c->config, c->arena, &c->options, &err)) {
        return finish(false, &out, &err);
    }
    if (check_only) {
        aw_str_printf(&out, "%s: good", c->config);
        return finish(true, &out, &err);
    }
    if (strcmp(verb, "setup") == 0) {
        return finish(run_setup(c, &out, &err), &out, &err);
    }
    if (strcmp(verb, "apply") == 0) {
        return finish(run_apply(c, &out, &err), &out, &err);
    }
    return run_worker(c);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", 1, NULL, 'c'},       {"check-config", 0, NULL, 't'},
        {"print-config", 0, NULL, 'p'}, {"email", 1, NULL, 'e'},
        {"name", 1, NULL, 'n'},         {"version", 0, NULL, 'V'},
        {"help", 0, NULL, 'h'},         {0}};
    struct command c = {.config = AW_CONF_DEFAULT, .name = "Administrator"};
    bool check_only = false, print = false;
    struct aw_str sample;
    int o, rc;

    while ((o = getopt_long(argc, argv, "c:t", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            c.config = optarg;
            break;
        case 't':
            check_only = true;
            break;
        case 'p':
            print = true;
            break;
        case 'e':
            c.email = optarg;
            break;
        case 'n':
            c.name = optarg;
            break;
        case 'V':
            printf("alertwhisperd %s\n", AW_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    c.words = argv + optind;
    c.count = argc - optind;
    c.arena = aw_arena_create(0);
    if (print) {
        aw_str_init(&sample, c.arena);
        aw_options_print(&sample);
        fputs(sample.ptr, stdout);
        rc = 0;
    } else {
        rc = run_command(&c, check_only);
    }
    aw_arena_destroy(&c.arena);
    return rc;
}
