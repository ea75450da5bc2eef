/* score.h - priority of an incident (ruling 4).
 * Threads: pure. */
#ifndef AW_DOMAIN_SCORE_H
#define AW_DOMAIN_SCORE_H

#include "worker/model/model.h"

/* critical 90, high 60, medium 30, low 10; +20 critical asset; +min(2 x (alerts - 1), 20); +10 with
 * two or more tool sources; -min(whole hours of age, 10). The age is never negative. */
int64_t aw_score(enum aw_severity severity, bool critical_asset, int64_t alerts,
                 size_t tool_sources, int64_t age_ms);
/* The same of an incident at `now_ms`; the age runs on after resolution. */
int64_t aw_incident_score(const struct aw_incident *incident, int64_t now_ms);

#endif
