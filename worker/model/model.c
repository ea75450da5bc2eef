#include "worker/model/model.h"

#include <string.h>

/* The place of a schema in this list is its bit in the sets that the writer's listeners get. */
const struct aw_schema *const aw_model_schemas[] = {
    &aw_meta_schema,
    &aw_user_schema,
    &aw_company_schema,
    &aw_asset_schema,
    &aw_api_key_schema,
    &aw_webhook_security_schema,
    &aw_rate_limit_schema,
    &aw_correlation_config_schema,
    &aw_runbook_schema,
    &aw_alert_schema,
    &aw_delivery_schema,
    &aw_alias_schema,
    &aw_dead_letter_schema,
    &aw_incident_schema,
    &aw_open_key_schema,
    &aw_notification_schema,
    &aw_event_run_schema,
    &aw_audit_schema,
    &aw_kept_reply_schema,
    &aw_member_change_schema,
    NULL,
};

const struct aw_schema *aw_model_find(const char *name)
{
    for (size_t i = 0; aw_model_schemas[i] != NULL; i++) {
        if (strcmp(aw_model_schemas[i]->name, name) == 0) {
            return aw_model_schemas[i];
        }
    }
    return NULL;
}
