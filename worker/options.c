#include "options.h"

#include <string.h>

#include "worker/base/log.h"

static const struct aw_field worker_fields[] = {
    AW_FIELD(aw_worker_conf, queues, STRS, .dflt = "[\"/var/lib/alertwhisper/alerts.queue\"]",
             .min = 1, .max = 16,
             .doc = "queue files: the first is the one that nginx feeds (alertwhisper_queue), the "
                    "others are retired "
                    "ones that are drained until they are empty"),
    AW_FIELD(aw_worker_conf, edge_table, STR, .dflt = "\"/run/alertwhisper/edge.table\"", .min = 1,
             .max = 4095, .doc = "edge table file, as in alertwhisper_edge_table"),
    AW_FIELD(aw_worker_conf, master_key, STR, .dflt = "\"/etc/alertwhisper/master.key\"", .min = 1,
             .max = 4095,
             .doc = "file of 32 random bytes, mode 0400 or 0600; `alertwhisperd setup` makes it"),
    AW_FIELD(aw_worker_conf, admin_socket, STR, .dflt = "\"/run/alertwhisper/admin.sock\"",
             .min = 1, .max = 107,
             .doc =
                 "unix socket, mode 0600, on which `alertwhisperd apply` reaches a running worker"),
    AW_FIELD(
        aw_worker_conf, log, STR, .dflt = "\"\"", .max = 4095,
        .doc =
            "log file, JSON lines; empty = standard error. USR1 opens it again after a rotation"),
    AW_FIELD(aw_worker_conf, log_level, ENUM, .dflt = "\"info\"", .arg = aw_log_level_names,
             .flags = AW_F_RELOAD, .doc = "least level that is written"),
    AW_FIELD(aw_worker_conf, grace_ms, I64, .dflt = "3000", .min = 0, .max = 60000,
             .doc = "milliseconds that SIGTERM leaves for draining the queues"),
    AW_FIELD(aw_worker_conf, hang_ms, I64, .dflt = "30000", .min = 1000, .max = 3600000,
             .doc = "milliseconds after which a worker that stands still over alerts, not over the "
                    "store, ends to be started again; an alert that does so five times becomes a "
                    "dead letter"),
};
const struct aw_schema aw_worker_conf_schema =
    AW_SCHEMA(aw_worker_conf, "worker", worker_fields, .doc = "the worker itself");

static const struct aw_field store_fields[] = {
    AW_FIELD(aw_store_conf, driver, STR, .dflt = "\"sqlite\"", .min = 1, .max = 16,
             .doc = "sqlite or mongo"),
    AW_FIELD(aw_store_conf, path, STR, .dflt = "\"/var/lib/alertwhisper/alertwhisper.db\"",
             .min = 1, .max = 4095, .doc = "sqlite: database file"),
    AW_FIELD(aw_store_conf, uri, STR, .dflt = "\"\"", .max = 4095, .flags = AW_F_SECRET,
             .doc = "mongo: connection string with the database in its path, "
                    "mongodb://127.0.0.1/alertwhisper"),
    AW_FIELD(aw_store_conf, synchronous, STR, .dflt = "\"full\"", .min = 1, .max = 16,
             .doc = "sqlite: full, or normal (a power cut may then lose the newest commits)"),
    AW_FIELD(aw_store_conf, cache_mib, I64, .dflt = "64", .min = 1, .max = 65536,
             .doc = "sqlite: page cache of the writer, MiB"),
};
const struct aw_schema aw_store_conf_schema =
    AW_SCHEMA(aw_store_conf, "store", store_fields, .doc = "where alerts and incidents are kept");

enum { SECTIONS = 4 };

static void sections_of(struct aw_options *options, struct aw_conf_section out[SECTIONS])
{
    out[0] = (struct aw_conf_section){"worker", &aw_worker_conf_schema, &options->worker};
    out[1] = (struct aw_conf_section){"store", &aw_store_conf_schema, &options->store};
    out[2] = (struct aw_conf_section){"api", &aw_api_conf_schema, &options->api};
    out[3] = (struct aw_conf_section){"jobs", &aw_jobs_conf_schema, &options->jobs};
}

static bool check_store(const struct aw_store_conf *store, struct aw_err *err)
{
    if (strcmp(store->driver, "sqlite") != 0 && strcmp(store->driver, "mongo") != 0) {
        return aw_fail(err, AW_ERR_INVALID, "conf.store",
                       "store driver \"%s\" is unknown: use sqlite or mongo", store->driver);
    }
    if (strcmp(store->synchronous, "full") != 0 && strcmp(store->synchronous, "normal") != 0) {
        return aw_fail(err, AW_ERR_INVALID, "conf.store",
                       "store synchronous \"%s\" is unknown: use full or normal",
                       store->synchronous);
    }
    if (strcmp(store->driver, "mongo") == 0 && store->uri[0] == '\0') {
        return aw_fail(err, AW_ERR_INVALID, "conf.store",
                       "store driver mongo needs uri, such as mongodb://127.0.0.1/alertwhisper");
    }
    return true;
}

bool aw_options_load(const char *path, struct aw_arena *arena, struct aw_options *options,
                     struct aw_err *err)
{
    struct aw_conf_section sections[SECTIONS];

    memset(options, 0, sizeof(*options));
    sections_of(options, sections);
    return aw_conf_load(path, sections, AW_COUNT(sections), arena, err) &&
           check_store(&options->store, err);
}

void aw_options_print(struct aw_str *out)
{
    struct aw_options options;
    struct aw_conf_section sections[SECTIONS];

    memset(&options, 0, sizeof(options));
    sections_of(&options, sections);
    aw_conf_print(sections, AW_COUNT(sections), out);
}
