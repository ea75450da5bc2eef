#include "score.h"

#include "src/aw_defs.h"

static int64_t clamp(int64_t value, int64_t most)
{
    return value < 0 ? 0 : value < most ? value : most;
}

int64_t aw_score(enum aw_severity severity, bool critical_asset, int64_t alerts,
                 size_t tool_sources, int64_t age_ms)
{
    static const int64_t base[AW_SEVERITIES] = {
        [AW_LOW] = 10, [AW_MEDIUM] = 30, [AW_HIGH] = 60, [AW_CRITICAL] = 90};
    const int64_t hour_ms = INT64_C(3600000), most_duplicates = 10, most_hours = 10;

    return base[severity] + (critical_asset ? 20 : 0) + 2 * clamp(alerts - 1, most_duplicates) +
           (tool_sources >= 2 ? 10 : 0) - clamp(age_ms / hour_ms, most_hours);
}

int64_t aw_incident_score(const struct aw_incident *incident, int64_t now_ms)
{
    return aw_score((enum aw_severity)incident->severity, incident->critical_asset,
                    incident->alert_count, incident->tool_sources.n, now_ms - incident->created_at);
}
