/* scenario_kit.h - for the tests that play scenarios of vectors.h on a store by units: what a scenario needs, its records,
 * and what must be stored at its end. Each scenario is a company of its own. Threads: one. */
#ifndef T_UNIT_SCENARIO_KIT_H
#define T_UNIT_SCENARIO_KIT_H

#include "vectors.h"

#include "domain_kit.h"
#include "worker/domain/incidents.h"

static inline void scenario_prepare(struct kit *kit, const char *company, struct scenario *scenario)
{
    kit_company(kit, company, 1);
    for (size_t i = 0; i < scenario->critical_assets.n; i++) {
        kit_asset(kit, company, scenario->critical_assets.v[i], true);
    }
    for (size_t i = 0; i < scenario->runbooks.n; i++) {
        kit_runbook(kit, company, scenario->runbooks.v[i]);
    }
    struct aw_correlation_config config;
    aw_correlation_config_default(company, &config);
    config.time_window_minutes = scenario->window_minutes;
    config.min_alerts = scenario->min_alerts;
    config.auto_correlate = scenario->automatic;
    config.single_alert = scenario->single_alert;
    kit_config(kit, &config);
}

static inline struct aw_record_head *scenario_record(struct kit *kit, const char *company,
                                                     const struct scenario_step *step)
{
    struct kit_delivery delivery = {.company = company,
                                    .asset = step->asset_name,
                                    .signature = step->signature,
                                    .severity = aw_severity_names[step->severity],
                                    .tool = step->tool_source,
                                    .at = step->t * 1000};
    return kit_record(kit, &delivery);
}

/* sort: NULL = by id */
static inline struct aw_rows scenario_rows(struct kit *kit, const struct aw_schema *schema,
                                           const char *company, const char *sort)
{
    struct aw_query query = {.schema = schema, .sort = sort, .n = 1};
    query.conds[0] = (struct aw_cond){.field = "company_id", .op = AW_OP_EQ, .text = company};
    return kit_find(kit, &query);
}

/* Id of the incident that RESOLVE means, NULL = none is open. */
static inline const char *scenario_open(struct kit *kit, const char *company,
                                        const struct scenario_step *step)
{
    struct aw_rows rows = scenario_rows(kit, &aw_incident_schema, company, "created_at");
    const char *open = NULL;
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_incident *row = rows.v[i];
        if (row->status != AW_INCIDENT_RESOLVED && strcmp(row->asset_name, step->asset_name) == 0 &&
            strcmp(row->signature, step->signature) == 0) {
            assert_null(open);
            open = row->id;
        }
    }
    return open;
}

static inline void scenario_compare_incident(struct kit *kit, const struct scenario *scenario,
                                             const struct aw_incident *row,
                                             const struct scenario_incident *expect,
                                             const char *const *ids)
{
    assert_string_equal(row->asset_name, expect->asset_name);
    assert_string_equal(row->signature, expect->signature);
    assert_int_equal(row->created_at, KIT_NOW + expect->created_at * 1000);
    assert_int_equal(row->status, expect->status);
    assert_int_equal(row->severity, expect->severity);
    assert_int_equal(row->alert_count, expect->alert_count);
    assert_int_equal(row->tool_sources.n, expect->tool_sources.n);
    for (size_t i = 0; i < row->tool_sources.n; i++) {
        assert_string_equal(row->tool_sources.v[i], expect->tool_sources.v[i]);
    }
    struct aw_reader *reader;
    struct aw_err err;
    struct aw_incident *read;
    struct aw_strs alert_ids;
    assert_true(aw_store_read_begin(kit->store, &reader, &err));
    assert_true(aw_incident_get(reader, &aw_scope_all, row->id, KIT_NOW + scenario->now * 1000,
                                kit->arena, &read, &alert_ids, &err));
    aw_store_read_end(&reader);
    assert_int_equal(read->priority_score, expect->priority_score);
    assert_int_equal(alert_ids.n, expect->alert_count);
    for (size_t i = 0; i < expect->alert_count; i++) {
        assert_true(vector_has(alert_ids, ids[expect->alerts[i]]));
    }
}

/* Expected incidents are in order of creation, and so are rows, but for those of one instant: their ids, which order
 * them, may come from several processes. Brings the one expected to place i. */
static inline void scenario_align(struct aw_rows *rows, size_t i,
                                  const struct scenario_incident *expect)
{
    for (size_t k = i; k < rows->n; k++) {
        struct aw_incident *row = rows->v[k], *here = rows->v[i];
        if (row->created_at == here->created_at && row->status == expect->status &&
            strcmp(row->asset_name, expect->asset_name) == 0 &&
            strcmp(row->signature, expect->signature) == 0) {
            rows->v[k] = here;
            rows->v[i] = row;
            return;
        }
    }
}

/* ids: of the alerts, by number. */
static inline void scenario_compare(struct kit *kit, const char *company,
                                    const struct scenario *scenario, const char *const *ids)
{
    struct aw_rows rows = scenario_rows(kit, &aw_incident_schema, company, "created_at");
    size_t open = 0;
    assert_int_equal(rows.n, scenario->incident_count);
    for (size_t i = 0; i < rows.n; i++) {
        scenario_align(&rows, i, &scenario->incidents[i]);
        scenario_compare_incident(kit, scenario, rows.v[i], &scenario->incidents[i], ids);
        open += scenario->incidents[i].status != AW_INCIDENT_RESOLVED;
    }
    assert_int_equal(scenario_rows(kit, &aw_open_key_schema, company, NULL).n, open);
    rows = scenario_rows(kit, &aw_alert_schema, company, NULL);
    assert_int_equal(rows.n, scenario->alert_count);
    for (size_t i = 0; i < rows.n; i++) {
        const struct aw_alert *row = rows.v[i];
        size_t n = 0;
        while (n < rows.n && strcmp(ids[n], row->id) != 0) {
            n++;
        }
        assert_true(n < rows.n);
        assert_int_equal(row->status, scenario->alert_status[n]);
        assert_int_equal(row->delivery_attempts, 1);
    }
}

#endif
