#include "aw_defs.h"

const char *const aw_severity_names[AW_SEVERITIES + 1] = {
    [AW_LOW] = "low", [AW_MEDIUM] = "medium", [AW_HIGH] = "high", [AW_CRITICAL] = "critical"};
