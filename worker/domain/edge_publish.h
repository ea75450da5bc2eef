/* edge_publish.h - keeps the edge table true: companies, key hashes, HMAC states, limits and
 * assets, out of the store.
 *
 * A thread of its own builds the whole table from a reader and publishes it: at start, within a
 * second after a commit that touched one of the five collections (several commits = one build), and
 * again when nginx has made a new file. While the file or the store is not there it tries again
 * every second. Start after the writer; stop after the writer has stopped (the writer's listener
 * keeps pointing here). Threads: the functions from any. */
#ifndef AW_DOMAIN_EDGE_PUBLISH_H
#define AW_DOMAIN_EDGE_PUBLISH_H

#include "src/aw_edge.h"
#include "worker/base/crypto.h"
#include "worker/store/writer.h"

struct aw_edge_publisher;

/* path: the edge table file that nginx makes; writer NULL = only at start and on
 * aw_edge_publisher_kick(). */
AW_MUST_CHECK bool aw_edge_publisher_start(const char *path, struct aw_store *store,
                                           struct aw_sealer *sealer, struct aw_writer *writer,
                                           struct aw_edge_publisher **publisher,
                                           struct aw_err *err);
void aw_edge_publisher_stop(struct aw_edge_publisher **publisher);
void aw_edge_publisher_kick(struct aw_edge_publisher *publisher);

struct aw_edge_status {
    uint64_t generation;  /* last one published, 0 = none yet */
    int64_t published_ms; /* wall time of it */
    bool current;         /* nothing waits to be published */
    char code[40];        /* why not: code of the last error, or "" */
};
void aw_edge_publisher_status(struct aw_edge_publisher *publisher, struct aw_edge_status *status);

/* The table of all companies as rows for aw_edge_publish(), in arena memory. */
AW_MUST_CHECK bool aw_edge_table_build(struct aw_reader *reader, struct aw_sealer *sealer,
                                       struct aw_arena *arena,
                                       struct aw_edge_company_in **companies, size_t *n,
                                       struct aw_err *err);

#endif
