#include "correlation.h"

#include <stdatomic.h>

enum { GENERATIONS = 256 };
static _Atomic uint64_t generations[GENERATIONS];

/* Companies that share a place are only forgotten too often. */
static _Atomic uint64_t *generation_of(const char *company_id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = company_id; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    }
    return &generations[hash % GENERATIONS];
}

void aw_correlation_forget(const char *company_id)
{
    atomic_fetch_add(generation_of(company_id), 1);
}

uint64_t aw_correlation_generation(const char *company_id)
{
    return atomic_load(generation_of(company_id));
}
