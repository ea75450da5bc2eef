/* save.h - create-or-update of one keyed row, with its event; what companies, assets, keys, users
 * ... share. Threads: the writer thread, inside a unit. The caller adds the audit row. */
#ifndef AW_DOMAIN_SAVE_H
#define AW_DOMAIN_SAVE_H

#include "worker/base/field.h"
#include "worker/store/store.h"

/* Who acts, and when; one per request or unit. */
struct aw_act {
    const char *user_id; /* NULL = the product */
    int64_t now_ms;
};

enum aw_saved { AW_UNCHANGED, AW_CREATED, AW_UPDATED };
extern const char *const aw_saved_words[]; /* unchanged, created, updated */

struct aw_saving {
    const struct aw_schema *schema;
    const char *noun;       /* events are NOUN_created and NOUN_updated */
    const char *permission; /* needed to see the event */
    const char *company_id; /* NULL = of no company */
};
/* `row` is the whole row as it shall be but for version and times; it lives in the arena of the
 * unit. old = the row as read, or NULL. Equal rows write nothing. */
AW_MUST_CHECK bool aw_save(struct aw_tx *tx, const struct aw_saving *saving, const void *old,
                           void *row, const struct aw_act *act, enum aw_saved *saved,
                           struct aw_err *err);
/* The one row of a company with this value in `field`, or NULL. */
AW_MUST_CHECK bool aw_find_named(struct aw_tx *tx, const struct aw_schema *schema,
                                 const char *company_id, const char *field, const char *value,
                                 void **row, struct aw_err *err);
/* aw_tx_get() and aw_store_get() for rows that need not be there: NULL instead of NOT_FOUND. */
AW_MUST_CHECK bool aw_tx_peek(struct aw_tx *tx, const struct aw_schema *schema, const char *id,
                              void **row, struct aw_err *err);
AW_MUST_CHECK bool aw_store_peek(struct aw_reader *reader, const struct aw_schema *schema,
                                 const char *id, struct aw_arena *arena, void **row,
                                 struct aw_err *err);
/* A new UUIDv7 as text. */
const char *aw_new_id(struct aw_arena *arena, int64_t now_ms);

#endif
