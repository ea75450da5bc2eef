/* correlation_configs.h - how a company's alerts become incidents (ruling 20).
 * Threads: aw_correlation_config_put on the writer thread, the rest any. Errors: store codes. */
#ifndef AW_DOMAIN_CORRELATION_CONFIGS_H
#define AW_DOMAIN_CORRELATION_CONFIGS_H

#include "worker/model/model.h"
#include "worker/store/store.h"

/* What holds while a company has no row: 15 minutes, "asset|signature", automatic, 2 alerts, both
 * single words. version 0. company_id is kept, not copied. */
void aw_correlation_config_default(const char *company_id, struct aw_correlation_config *config);
/* The stored row, or the defaults. The caller has checked that the company is there and in its
 * scope. */
AW_MUST_CHECK bool aw_correlation_config_get(struct aw_reader *reader, const char *company_id,
                                             struct aw_arena *arena,
                                             struct aw_correlation_config **config,
                                             struct aw_err *err);
/* The same inside a unit. */
AW_MUST_CHECK bool aw_correlation_config_tx(struct aw_tx *tx, const char *company_id,
                                            struct aw_correlation_config **config,
                                            struct aw_err *err);
/* Stores the config (validated by its field table), sets id, version and updated_at, adds the event
 * and forgets the company in every correlation cache. `version` that must be stored now, -1 = any,
 * 0 = none yet. `config` lives as long as the unit. */
AW_MUST_CHECK bool aw_correlation_config_put(struct aw_tx *tx, struct aw_correlation_config *config,
                                             int64_t version, const char *actor, int64_t now_ms,
                                             struct aw_err *err);

#endif
