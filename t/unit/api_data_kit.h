/* api_data_kit.h - alerts for the companies of api_kit.h, written straight into the store.
 * Threads: one test at a time. */
#ifndef AW_T_API_DATA_KIT_H
#define AW_T_API_DATA_KIT_H

#include "api_kit.h"

#include "src/aw_id.h"
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

#endif
