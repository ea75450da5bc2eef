/* api_data_kit.h - alerts for the companies of api_kit.h, written straight into the store.
 * Threads: one test at a time. */
#ifndef AW_T_API_DATA_KIT_H
#define AW_T_API_DATA_KIT_H

#include "api_kit.h"

#include "src/aw_id.h"
#include "worker/domain/dead_letters.h"
#include "worker/domain/notifications.h"
#include "worker/domain/save.h"

struct kit_alert {
    const char *company, *asset, *signature;
    int severity;
    int64_t age_ms;
    char id[AW_ID_TEXT + 1]; /* out */
};

static inline bool kit_insert_alert(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    struct kit_alert *in = arg;
    struct aw_alert *row = AW_NEW(aw_tx_arena(tx), struct aw_alert);
    int64_t at_ms = aw_clock_wall_ms() - in->age_ms;
    (void)err;
    *row = (struct aw_alert){
        .id = aw_new_id(aw_tx_arena(tx), at_ms),
        .company_id = in->company,
        .asset_name = in->asset,
        .signature = in->signature,
        .severity = in->severity,
        .message = aw_arena_printf(aw_tx_arena(tx), "canary of %s", in->company),
        .tool_source = "Zabbix",
        .delivery_attempts = 1,
        .created_at = at_ms,
        .updated_at = at_ms,
        .raw = "{}",
    };
    memcpy(in->id, row->id, sizeof(in->id));
    aw_tx_insert(tx, &aw_alert_schema, row);
    return true;
}

/* Returns the id of the new alert. */
static inline const char *kit_alert(struct kit *kit, struct kit_alert in)
{
    struct aw_err err = {0};
    KIT_OK(aw_writer_run(kit->writer, "kit.alert", kit_insert_alert, &in, AW_ONCE, &err), err);
    return aw_arena_str(kit->arena, in.id);
}

static inline bool kit_insert_ring(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct kit_alert *in = arg;
    struct aw_news news = {.arena = aw_tx_arena(tx)};
    const struct aw_alert alert = {.id = in->id,
                                   .company_id = in->company,
                                   .asset_name = in->asset,
                                   .signature = in->signature,
                                   .severity = in->severity,
                                   .message = "m",
                                   .created_at = aw_clock_wall_ms() - in->age_ms};
    const struct aw_alert *alerts[] = {&alert};
    return aw_notifications_ring(tx, alerts, 1, &news, err) &&
           aw_events_add(tx, news.v, news.n, err);
}

/* Rings the bell as an alert of this kind does; returns the notification's id. */
static inline const char *kit_ring(struct kit *kit, struct kit_alert in)
{
    struct aw_err err = {0};
    KIT_OK(aw_writer_run(kit->writer, "kit.ring", kit_insert_ring, &in, AW_ONCE, &err), err);
    return aw_notification_id(in.company, in.asset, in.signature, in.severity, kit->arena);
}

struct kit_letter {
    const char *company, *signature;
    const char *identity; /* NULL = one of its own */
    const char *body;     /* instead of an alert with `signature` */
    const struct aw_record_head *record;
};

static inline bool kit_insert_letter(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct kit_letter *in = arg;
    return aw_dead_letter_add(tx, in->record, "test", aw_clock_wall_ms(), err);
}

/* Puts a record away, as the edge would have written it; returns the id of its alert. */
static inline const char *kit_letter(struct kit *kit, struct kit_letter in)
{
    static uint64_t seq;
    struct aw_err err = {0};
    char id[AW_ID_TEXT + 1];
    const char *body =
        in.body ? in.body
                : aw_arena_printf(kit->arena,
                                  "{\"asset_name\":\"srv\",\"signature\":\"%s\",\"severity\":"
                                  "\"low\",\"message\":\"m\",\"tool_source\":\"Zabbix\"}",
                                  in.signature);
    const char *name = in.identity ? in.identity : aw_arena_printf(kit->arena, "%d", (int)seq);
    struct aw_delivery delivery = {.kind = AW_RECORD_ALERT,
                                   .received_ms = (uint64_t)aw_clock_wall_ms(),
                                   .company = in.company,
                                   .company_len = strlen(in.company),
                                   .body = (const uint8_t *)body,
                                   .body_len = strlen(body)};
    aw_sha256(name, strlen(name), delivery.identity);
    aw_id_make(delivery.alert_id, delivery.received_ms);
    void *at = aw_arena_zero(kit->arena, aw_record_length(0, delivery.body_len));
    seq++;
    aw_record_write(at, &delivery, seq, seq * 4096, 1);
    in.record = at;
    KIT_OK(aw_writer_run(kit->writer, "kit.letter", kit_insert_letter, &in, AW_ONCE, &err), err);
    aw_id_format(delivery.alert_id, id);
    return aw_arena_str(kit->arena, id);
}

#endif
