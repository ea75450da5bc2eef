#include "correlation_configs.h"

#include "correlation.h"
#include "events.h"

static const char *const both_words[] = {"runbook", "critical"};

void aw_correlation_config_default(const char *company_id, struct aw_correlation_config *config)
{
    *config = (struct aw_correlation_config){.id = company_id,
                                             .company_id = company_id,
                                             .time_window_minutes = 15,
                                             .aggregation_key = "asset|signature",
                                             .auto_correlate = true,
                                             .min_alerts = 2,
                                             .single_alert = {.v = both_words,
                                                              .n = AW_COUNT(both_words)}};
}

static struct aw_correlation_config *or_default(const char *company_id, void *row,
                                                struct aw_arena *arena)
{
    struct aw_correlation_config *config = AW_NEW(arena, struct aw_correlation_config);
    if (row != NULL) {
        *config = *(const struct aw_correlation_config *)row;
    } else {
        aw_correlation_config_default(aw_arena_str(arena, company_id), config);
    }
    return config;
}

bool aw_correlation_config_get(struct aw_reader *reader, const char *company_id,
                               struct aw_arena *arena, struct aw_correlation_config **config,
                               struct aw_err *err)
{
    void *row = NULL;
    if (!aw_store_get_many(reader, &aw_scope_all, &aw_correlation_config_schema, &company_id, 1,
                           arena, &row, err)) {
        return false;
    }
    *config = or_default(company_id, row, arena);
    return true;
}

bool aw_correlation_config_tx(struct aw_tx *tx, const char *company_id,
                              struct aw_correlation_config **config, struct aw_err *err)
{
    void *row = NULL;
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_correlation_config_schema, &company_id, 1, &row,
                        err)) {
        return false;
    }
    *config = or_default(company_id, row, aw_tx_arena(tx));
    return true;
}

bool aw_correlation_config_put(struct aw_tx *tx, struct aw_correlation_config *config,
                               int64_t version, const char *actor, int64_t now_ms,
                               struct aw_err *err)
{
    struct aw_correlation_config *stored;
    if (!aw_correlation_config_tx(tx, config->company_id, &stored, err)) {
        return false;
    }
    if (version >= 0 && version != stored->version) {
        return aw_fail(err, AW_ERR_PRECONDITION, "correlation_config.version",
                       "The configuration has been changed by somebody else");
    }
    config->id = config->company_id;
    config->version = stored->version;
    config->updated_at = now_ms;
    if (stored->version == 0) {
        aw_tx_insert(tx, &aw_correlation_config_schema, config);
    } else {
        aw_tx_replace(tx, &aw_correlation_config_schema, config);
    }
    aw_correlation_forget(config->company_id);
    struct aw_event_news news = {.company_id = config->company_id,
                                 .permission = "view",
                                 .object = aw_correlation_config_schema.name,
                                 .object_id = config->id,
                                 .object_version = stored->version + 1,
                                 .type = "correlation_config_updated",
                                 .actor = actor,
                                 .now_ms = now_ms};
    return aw_event_add(tx, &news, err);
}
