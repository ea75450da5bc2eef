/* options.h - command line and configuration file of alertwhisperd.
 * Threads: start-up and reload, main thread. */
#ifndef AW_OPTIONS_H
#define AW_OPTIONS_H

#include "worker/api/api.h"
#include "worker/base/conf.h"
#include "worker/jobs/jobs.h"
#include "worker/store/store.h"

#define AW_CONF_DEFAULT "/etc/alertwhisper/alertwhisper.conf"

/* Section `worker`. */
struct aw_worker_conf {
    struct aw_strs queues; /* queue files; the first is fed by nginx, the others are retired ones */
    const char *edge_table;   /* file that nginx makes and the worker fills */
    const char *master_key;   /* 32 bytes, mode 0400 or 0600 */
    const char *admin_socket; /* for `alertwhisperd apply` beside a running worker, mode 0600 */
    const char *log;          /* file, or "" for stderr */
    int log_level;
    int64_t grace_ms; /* for draining at SIGTERM */
    int64_t hang_ms;  /* after which a record is to blame for a worker that stands still */
};
extern const struct aw_schema aw_worker_conf_schema;
extern const struct aw_schema aw_store_conf_schema;

struct aw_options {
    struct aw_worker_conf worker;
    struct aw_store_conf store;
    struct aw_api_conf api;
    struct aw_jobs_conf jobs;
};
/* Fills options from the file; strings live in the arena. */
AW_MUST_CHECK bool aw_options_load(const char *path, struct aw_arena *arena,
                                   struct aw_options *options, struct aw_err *err);
/* The commented sample file. */
void aw_options_print(struct aw_str *out);

#endif
