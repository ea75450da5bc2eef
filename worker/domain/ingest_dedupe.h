/* ingest_dedupe.h - is this delivery new, a repeat, or done already? (W8, ruling 14)
 *
 * Loads the delivery rows of a whole batch at once, judges the items one by one in order of
 * arrival, and writes each changed row once. Threads: writer thread. Owner: everything is in the
 * arena of the unit. */
#ifndef AW_DOMAIN_INGEST_DEDUPE_H
#define AW_DOMAIN_INGEST_DEDUPE_H

#include "ingest.h"

#define AW_DELIVERY_MEMORY_MS (INT64_C(24) * 3600 * 1000) /* of an X-Delivery-ID */
#define AW_CONTENT_MEMORY_MS  (INT64_C(5) * 60 * 1000)    /* of the hash of a content */
#define AW_SIGNATURE_SKEW_S   305                         /* signed time + window + 5 s */

enum aw_dedupe_what {
    AW_DEDUPE_NEW,    /* an alert of its own */
    AW_DEDUPE_REPEAT, /* of the alert `first` */
    AW_DEDUPE_DONE    /* a former run has taken it in */
};
struct aw_dedupe_verdict {
    enum aw_dedupe_what what;
    const char *first; /* REPEAT: the alert that it repeats, NULL = not known any more */
    bool counted;      /* REPEAT: raises delivery_attempts by one */
};

struct aw_dedupe;
AW_MUST_CHECK bool aw_dedupe_load(struct aw_tx *tx, const struct aw_ingest_item *items, size_t n,
                                  struct aw_dedupe **dedupe, struct aw_err *err);
/* The item has no `reason`. */
AW_MUST_CHECK bool aw_dedupe_judge(struct aw_dedupe *dedupe, const struct aw_ingest_item *item,
                                   struct aw_dedupe_verdict *verdict, struct aw_err *err);
/* Buffers the changed rows. */
void aw_dedupe_write(struct aw_dedupe *dedupe);

#endif
