#include "aw_counters.h"

const struct aw_counter_doc aw_counter_docs[AW_COUNTER_COUNT] = {
#define AW_X(counter, text) [AW_COUNT_##counter] = {.name = #counter, .help = text},
    AW_COUNTERS(AW_X)
#undef AW_X
};
