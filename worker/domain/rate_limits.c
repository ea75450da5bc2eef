#include "rate_limits.h"

/* Ruling 15: proposed values, off until it is set. */
static const struct aw_rate_limit unset = {.requests_per_minute = 60, .burst_size = 100};

bool aw_rate_limit_get(struct aw_reader *reader, const char *company_id, struct aw_arena *arena,
                       struct aw_rate_limit **row, struct aw_err *err)
{
    void *stored;
    if (!aw_store_peek(reader, &aw_rate_limit_schema, company_id, arena, &stored, err)) {
        return false;
    }
    if (stored) {
        *row = stored;
        return true;
    }
    *row = aw_arena_copy(arena, &unset, sizeof(unset));
    (*row)->id = (*row)->company_id = company_id;
    return true;
}

bool aw_rate_limit_put(struct aw_tx *tx, const struct aw_rate_limit *want, int64_t version,
                       const struct aw_act *act, struct aw_rate_limit **row, enum aw_saved *saved,
                       struct aw_err *err)
{
    void *old;
    if (!aw_tx_peek(tx, &aw_rate_limit_schema, want->company_id, &old, err)) {
        return false;
    }
    int64_t stored = old ? ((struct aw_rate_limit *)old)->version : 0;
    if (version >= 0 && version != stored) {
        return aw_fail(err, AW_ERR_PRECONDITION, "rate_limit.version",
                       "The rate limit was changed meanwhile");
    }
    *row = aw_arena_copy(aw_tx_arena(tx), want, sizeof(*want));
    (*row)->id = want->company_id;
    const struct aw_saving saving = {.schema = &aw_rate_limit_schema,
                                     .noun = "rate_limit",
                                     .permission = "view",
                                     .company_id = want->company_id};
    return aw_save(tx, &saving, old, *row, act, saved, err);
}
