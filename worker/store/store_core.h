/* store_core.h - what store.c, tx.c and writer.c share; nobody else includes it.
 * Threads: as store.h. */
#ifndef AW_STORE_STORE_CORE_H
#define AW_STORE_STORE_CORE_H

#include "worker/store/driver.h"

struct aw_store {
    const struct aw_driver *driver;
    void *self; /* of the driver */
};

/* Is the row inside the scope? Schemas without company_id have no scope. */
bool aw_store_row_in_scope(const struct aw_scope *scope, const struct aw_schema *schema,
                           const void *row);

/* --- migrate.c: refuses what a newer program has stored, else notes this program's version --- */
AW_MUST_CHECK bool aw_migrate(const struct aw_driver *driver, void *self, bool read_only,
                              struct aw_err *err);

/* --- tx.c, for the writer thread --- */
struct aw_tx *aw_tx_create(struct aw_store *store);
void aw_tx_destroy(struct aw_tx **tx);
/* Commits what is buffered. CONFLICT store.conflict also when the unit contradicted itself. */
AW_MUST_CHECK bool aw_tx_commit(struct aw_tx *tx, struct aw_err *err);
/* From any thread: rises when a unit begins and ends to use the driver; odd = the driver is at work. */
uint64_t aw_tx_turns(const struct aw_tx *tx);
/* Bits of aw_model_schemas that are written. */
uint64_t aw_tx_schemas(const struct aw_tx *tx);
/* Tells the callbacks of aw_tx_after(), forgets everything, and is ready for the next unit. */
void aw_tx_end(struct aw_tx *tx, bool committed);

#endif
