/* score_refresh.h - the stored score follows the age of an incident, for lists are sorted by it (W16, ruling 4).
 *
 * The score falls with each whole hour of age, ten times. In a span of time only those incidents change whose creation
 * lies a whole number of hours before it: a few small ranges of an index. No event is told. Threads: looking any, the
 * units on the writer thread. Owner: everything is in the arena given. Errors: store codes. */
#ifndef AW_DOMAIN_SCORE_REFRESH_H
#define AW_DOMAIN_SCORE_REFRESH_H

#include "worker/model/model.h"
#include "worker/store/store.h"

#define AW_SCORE_RANGES 10
#define AW_SCORE_ROWS   500 /* of one page and unit */

struct aw_score_range {
    int64_t after_ms, until_ms; /* created_at in (after, until] */
};
/* The ranges whose score changes in (since, now]; returns their number, 0 when the clock went back. */
size_t aw_score_ranges(int64_t since_ms, int64_t now_ms,
                       struct aw_score_range ranges[AW_SCORE_RANGES]);

struct aw_score_page {
    void **rows; /* whose stored score is not that of now_ms */
    size_t n;
    bool more;
    int64_t now_ms;
};
/* Looks at one page of a range behind *place and moves it. */
AW_MUST_CHECK bool aw_score_look(struct aw_reader *reader, const struct aw_score_range *range,
                                 int64_t now_ms, struct aw_place *place, struct aw_arena *arena,
                                 struct aw_score_page *page, struct aw_err *err);
/* An aw_unit_fn over a struct aw_score_page. */
AW_MUST_CHECK bool aw_score_unit(struct aw_tx *tx, void *page, struct aw_err *err);

/* Up to which time all scores were refreshed, in the store; 0 = never. */
AW_MUST_CHECK bool aw_score_since(struct aw_reader *reader, int64_t *since_ms, struct aw_err *err);
/* An aw_unit_fn over an int64_t, the new time. */
AW_MUST_CHECK bool aw_score_since_unit(struct aw_tx *tx, void *since_ms, struct aw_err *err);

#endif
