/* incident_members.h - the alerts of an incident follow its change of state.
 *
 * Those of a small incident do so in the unit of the change. Of a large one a page does, and a row of member_changes
 * tells of the rest, which follows page by page in small units, also after a crash: nobody waits for a hundred thousand
 * rows. In between an alert is `correlated` where it should be `resolved`, or the other way round; correlation looks at
 * active alerts only. No event is told: clients know it from that of the incident. Threads: the units on the writer
 * thread, aw_members_next() any. Errors: store codes. */
#ifndef AW_DOMAIN_INCIDENT_MEMBERS_H
#define AW_DOMAIN_INCIDENT_MEMBERS_H

#include "worker/model/model.h"
#include "worker/store/store.h"

#define AW_MEMBERS_ROWS 500 /* of one unit */
#define AW_MEMBERS_BYTES                                                                           \
    (4 << 20) /* of their raw bodies: a unit has to fit a document of MongoDB */

/* Inside the unit of the change. */
AW_MUST_CHECK bool aw_members_set(struct aw_tx *tx, const struct aw_incident *incident, int status,
                                  int64_t now_ms, struct aw_err *err);

/* One incident whose alerts are still to follow, or NULL. */
AW_MUST_CHECK bool aw_members_next(struct aw_reader *reader, struct aw_arena *arena,
                                   struct aw_member_change **change, struct aw_err *err);
struct aw_members_page {
    const struct aw_member_change *change; /* as it was found */
    struct aw_place place;                 /* behind which the page begins */
    struct aw_place next;                  /* out */
    size_t rows;                           /* out: that were changed */
};
/* An aw_unit_fn over a struct aw_members_page. */
AW_MUST_CHECK bool aw_members_unit(struct aw_tx *tx, void *page, struct aw_err *err);

#endif
