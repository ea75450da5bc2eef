/* domain_kit.h - for the tests of domain and pipeline: a store on SQLite in a folder of its own, with faults to order;
 * units of work without a writer thread; companies; records as the edge would have written them.
 * Threads: one. */
#ifndef T_UNIT_DOMAIN_KIT_H
#define T_UNIT_DOMAIN_KIT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/aw_id.h"
#include "worker/base/crypto.h"
#include "worker/domain/correlation_configs.h"
#include "worker/domain/events.h"
#include "worker/domain/ingest.h"
#include "worker/store/store_core.h"
#include "worker/store/writer.h"

#define KIT_NOW INT64_C(1700000000000)
enum { KIT_NO_FAULT = -1 };

/* The next commit fails so; it writes and undoes the first `fault_at` rows before. Process-wide: a driver has no state
 * of the test's own. */
static int kit_fault_at = KIT_NO_FAULT;
static enum aw_err_kind kit_fault_kind;
static size_t kit_last_writes; /* rows of the last commit that was asked for */
static _Atomic bool kit_held;  /* every commit fails: the store is down */
/* Rows whose text holds this word are refused, as a document that the database cannot take. */
static const char *kit_refused_word;

struct kit {
    struct aw_driver driver;
    struct aw_store_conf conf;
    struct aw_store *store;
    struct aw_ingest *ingest;
    struct aw_arena *arena;
    char folder[64], path[96];
    uint64_t seq;
};

static inline bool kit_has_word(const struct aw_write *writes, size_t n)
{
    for (size_t i = 0; kit_refused_word != NULL && i < n; i++) {
        if (writes[i].schema == &aw_alert_schema &&
            strstr(((const struct aw_alert *)writes[i].row)->message, kit_refused_word) != NULL) {
            return true;
        }
    }
    return false;
}

static bool kit_commit(void *self, const struct aw_write *writes, size_t n, struct aw_err *err)
{
    kit_last_writes = n;
    if (kit_held) {
        return aw_fail(err, AW_ERR_UNAVAILABLE, "store.down", "held down by the test");
    }
    if (kit_has_word(writes, n)) {
        return aw_fail(err, AW_ERR_INVALID, "store.refused", "refused by the test");
    }
    if (kit_fault_at == KIT_NO_FAULT) {
        return aw_driver_sqlite.commit(self, writes, n, err);
    }
    size_t first = (size_t)kit_fault_at < n ? (size_t)kit_fault_at : n;
    struct aw_write *some = calloc(first + 1, sizeof(*some));
    if (first > 0) {
        memcpy(some, writes, first * sizeof(*some));
    }
    struct aw_meta *nothing = calloc(1, sizeof(*nothing));
    nothing->id = "not there";
    nothing->version = 8;
    nothing->value = "1";
    some[first] = (struct aw_write){.kind = AW_WRITE_REPLACE,
                                    .schema = &aw_meta_schema,
                                    .row = nothing,
                                    .id = nothing->id,
                                    .expect = 7};
    assert_false(aw_driver_sqlite.commit(self, some, first + 1, err));
    assert_int_equal(err->kind, AW_ERR_CONFLICT);
    free(nothing);
    free(some);
    kit_fault_at = KIT_NO_FAULT;
    return aw_fail(err, kit_fault_kind, "store.test", "failed by the test");
}

static inline void kit_open(struct kit *kit)
{
    struct aw_err err;
    if (!aw_store_open_driver(&kit->driver, &kit->conf, false, aw_model_schemas, &kit->store,
                              &err)) {
        fail_msg("open: %s %s", err.code, err.msg);
    }
    kit->ingest = aw_ingest_create();
}

static inline int kit_setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    *state = kit;
    kit_fault_at = KIT_NO_FAULT;
    kit_refused_word = NULL;
    kit_held = false;
    kit->arena = aw_arena_create(0);
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(kit->folder, sizeof(kit->folder), "%s/aw_domain_XXXXXX", folder);
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->path, sizeof(kit->path), "%s/aw.db", kit->folder);
    kit->conf =
        (struct aw_store_conf){.driver = "sqlite", .path = kit->path, .synchronous = "normal"};
    kit->driver = aw_driver_sqlite;
    kit->driver.commit = kit_commit;
    kit_open(kit);
    return 0;
}

static inline void kit_close(struct kit *kit)
{
    aw_ingest_destroy(&kit->ingest);
    aw_store_close(&kit->store);
}

static inline int kit_teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct kit *kit = *state;
    kit_close(kit);
    aw_arena_destroy(&kit->arena);
    for (size_t i = 0; i < AW_COUNT(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", kit->path, ends[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(kit->folder), 0);
    free(kit);
    return 0;
}

/* Another process would begin so. */
static inline void kit_restart(struct kit *kit)
{
    kit_close(kit);
    kit_open(kit);
}

/* --- units --- */

/* Runs the unit once, as the writer would. */
static inline bool kit_try(struct kit *kit, aw_unit_fn *unit, void *arg, struct aw_err *err)
{
    struct aw_tx *tx = aw_tx_create(kit->store);
    bool ok = unit(tx, arg, err) && aw_tx_commit(tx, err);
    aw_tx_end(tx, ok);
    aw_tx_destroy(&tx);
    return ok;
}

static inline void kit_run(struct kit *kit, aw_unit_fn *unit, void *arg)
{
    struct aw_err err;
    if (!kit_try(kit, unit, arg, &err)) {
        fail_msg("unit: %s %s", err.code, err.msg);
    }
}

struct kit_row {
    const struct aw_schema *schema;
    void *row;
};
static bool kit_insert_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct kit_row *row = arg;
    (void)err;
    aw_tx_insert(tx, row->schema, row->row);
    return true;
}
static inline void kit_insert(struct kit *kit, const struct aw_schema *schema, void *row)
{
    struct kit_row arg = {.schema = schema, .row = row};
    kit_run(kit, kit_insert_unit, &arg);
}

static inline void kit_company(struct kit *kit, const char *id, int unknown_assets)
{
    static const struct aw_policy policy = {.auto_approve_low_risk = true};
    struct aw_company *company = AW_NEW(kit->arena, struct aw_company);
    *company = (struct aw_company){.id = id,
                                   .company_id = id,
                                   .name = id,
                                   .policy = &policy,
                                   .unknown_assets = unknown_assets,
                                   .created_at = KIT_NOW,
                                   .updated_at = KIT_NOW};
    kit_insert(kit, &aw_company_schema, company);
}

static inline void kit_asset(struct kit *kit, const char *company_id, const char *name,
                             bool critical)
{
    struct aw_asset *asset = AW_NEW(kit->arena, struct aw_asset);
    *asset = (struct aw_asset){.id = aw_arena_printf(kit->arena, "asset-%s-%s", company_id, name),
                               .company_id = company_id,
                               .name = name,
                               .critical = critical,
                               .created_at = KIT_NOW,
                               .updated_at = KIT_NOW};
    kit_insert(kit, &aw_asset_schema, asset);
}

static inline void kit_runbook(struct kit *kit, const char *company_id, const char *signature)
{
    struct aw_runbook *runbook = AW_NEW(kit->arena, struct aw_runbook);
    *runbook =
        (struct aw_runbook){.id = aw_arena_printf(kit->arena, "rb-%s-%s", company_id, signature),
                            .company_id = company_id,
                            .name = signature,
                            .signature = signature,
                            .created_at = KIT_NOW,
                            .updated_at = KIT_NOW};
    kit_insert(kit, &aw_runbook_schema, runbook);
}

static bool kit_config_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct aw_correlation_config *config = aw_arena_copy(aw_tx_arena(tx), arg, sizeof(*config));
    return aw_correlation_config_put(tx, config, -1, NULL, KIT_NOW, err);
}
static inline void kit_config(struct kit *kit, struct aw_correlation_config *config)
{
    kit_run(kit, kit_config_unit, config);
}

/* --- reading --- */

static inline struct aw_rows kit_find(struct kit *kit, const struct aw_query *query)
{
    struct aw_reader *reader;
    struct aw_err err;
    struct aw_rows rows;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    if (!aw_store_find(reader, &aw_scope_all, query, kit->arena, &rows, &err)) {
        fail_msg("find: %s %s", err.code, err.msg);
    }
    aw_store_read_end(&reader);
    return rows;
}
static inline struct aw_rows kit_all(struct kit *kit, const struct aw_schema *schema)
{
    struct aw_query query = {.schema = schema};
    return kit_find(kit, &query);
}
/* The whole stream of events, in order. */
static inline size_t kit_events(struct kit *kit, struct aw_event **events)
{
    struct aw_rows runs = kit_all(kit, &aw_event_run_schema);
    size_t n = 0;
    *events = NULL;
    for (size_t i = 0; i < runs.n; i++) {
        const struct aw_event_run *run = runs.v[i];
        struct aw_event *all = AW_NEW_N(kit->arena, struct aw_event, n + (size_t)run->count);
        struct aw_err err;
        struct aw_event *some = aw_event_run_unpack(run, kit->arena, &err);
        if (some == NULL) {
            fail_msg("events: %s %s", err.code, err.msg);
        }
        if (n > 0) {
            memcpy(all, *events, n * sizeof(*all));
        }
        memcpy(all + n, some, (size_t)run->count * sizeof(*all));
        n += (size_t)run->count;
        *events = all;
    }
    return n;
}
/* NULL = absent */
static inline void *kit_get(struct kit *kit, const struct aw_schema *schema, const char *id)
{
    struct aw_query query = {.schema = schema, .n = 1};
    query.conds[0] = (struct aw_cond){.field = "id", .op = AW_OP_EQ, .text = id};
    struct aw_rows rows = kit_find(kit, &query);
    return rows.n == 0 ? NULL : rows.v[0];
}

/* --- records --- */

struct kit_delivery {
    const char *company, *asset, *signature, *severity, *message, *tool;
    int64_t at;            /* ms behind KIT_NOW */
    const char *identity;  /* X-Delivery-ID; NULL = its own content */
    const char *signed_as; /* the signature; NULL = not signed */
    int64_t signed_at;     /* s, of the signed timestamp */
    const char *body;      /* instead of the members above */
    bool attempt, new_signature;
};

static inline struct aw_record_head *kit_record(struct kit *kit, const struct kit_delivery *from)
{
    const char *company = from->company != NULL ? from->company : "acme";
    const char *body = from->body;
    if (body == NULL) {
        body = aw_arena_printf(kit->arena,
                               "{\"asset_name\":\"%s\",\"signature\":\"%s\",\"severity\":\"%s\","
                               "\"message\":\"%s\",\"tool_source\":\"%s\"}",
                               from->asset != NULL ? from->asset : "srv-1",
                               from->signature != NULL ? from->signature : "cpu_high",
                               from->severity != NULL ? from->severity : "low",
                               from->message != NULL ? from->message : "text",
                               from->tool != NULL ? from->tool : "Zabbix");
    }
    struct aw_delivery delivery = {.kind = from->attempt ? AW_RECORD_ATTEMPT : AW_RECORD_ALERT,
                                   .received_ms = (uint64_t)(KIT_NOW + from->at),
                                   .company = company,
                                   .company_len = strlen(company),
                                   .delivery_id = from->identity,
                                   .delivery_id_len =
                                       from->identity != NULL ? strlen(from->identity) : 0,
                                   .body = (const uint8_t *)body,
                                   .body_len = from->attempt ? 0 : strlen(body)};
    const char *identity =
        aw_arena_printf(kit->arena, "%s/%s", company,
                        from->identity != NULL ? from->identity
                                               : aw_arena_printf(kit->arena, "%" PRIu64, kit->seq));
    aw_sha256(identity, strlen(identity), delivery.identity);
    delivery.flags = from->identity != NULL ? AW_RECORD_DELIVERY_ID : 0;
    if (from->signed_as != NULL) {
        const char *text = aw_arena_printf(kit->arena, "%s/sig/%s", company, from->signed_as);
        aw_sha256(text, strlen(text), delivery.signature);
        delivery.flags |= AW_RECORD_SIGNED | (from->new_signature ? AW_RECORD_NEW_SIGNATURE : 0);
        delivery.sig_timestamp = (uint64_t)from->signed_at;
    }
    aw_id_make(delivery.alert_id, delivery.received_ms);
    size_t length = aw_record_length(delivery.delivery_id_len, delivery.body_len);
    void *at = aw_arena_zero(kit->arena, length);
    kit->seq++;
    aw_record_write(at, &delivery, kit->seq, kit->seq * 4096, 1);
    return at;
}

static inline const char *kit_id(struct kit *kit, const struct aw_record_head *record)
{
    char text[AW_ID_TEXT + 1];
    aw_id_format(record->alert_id, text);
    return aw_arena_str(kit->arena, text);
}

static inline bool kit_try_ingest(struct kit *kit, struct aw_record_head *const *records, size_t n,
                                  const char *queue, struct aw_ingest_counts *counts,
                                  struct aw_err *err)
{
    struct aw_ingest_item *items = AW_NEW_N(kit->arena, struct aw_ingest_item, n);
    for (size_t i = 0; i < n; i++) {
        aw_ingest_decode(records[i], queue, kit->arena, &items[i]);
    }
    struct aw_ingest_batch batch = {.ingest = kit->ingest,
                                    .items = items,
                                    .n = n,
                                    .now_ms = KIT_NOW};
    bool ok = kit_try(kit, aw_ingest_unit, &batch, err);
    *counts = batch.counts;
    return ok;
}
static inline struct aw_ingest_counts kit_ingest(struct kit *kit,
                                                 struct aw_record_head *const *records, size_t n)
{
    struct aw_err err;
    struct aw_ingest_counts counts;
    if (!kit_try_ingest(kit, records, n, "queue1", &counts, &err)) {
        fail_msg("ingest: %s %s", err.code, err.msg);
    }
    return counts;
}
/* One alert in a batch of its own; its id. */
static inline const char *kit_send(struct kit *kit, const struct kit_delivery *delivery)
{
    struct aw_record_head *record = kit_record(kit, delivery);
    (void)kit_ingest(kit, &record, 1);
    return kit_id(kit, record);
}
static inline struct aw_alert *kit_alert(struct kit *kit, const char *id)
{
    return kit_get(kit, &aw_alert_schema, id);
}
static inline size_t kit_count(struct kit *kit, const struct aw_schema *schema)
{
    return kit_all(kit, schema).n;
}

#endif
