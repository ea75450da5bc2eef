/* events.h - the stream of what happened: numbered without gaps by the writer (W19, W20).
 *
 * An event is small: which object, which version, what kind of news. The data of an envelope are the
 * object as it is when sent. The id of an event is its place in the stream ("epoch-seq",
 * zero-padded): text order is stream order; clients take it as opaque. The events that a unit tells of
 * one company are numbered without a gap and stored as one row, a run (docs/adr/0004); between
 * companies their order is not that in which they were told. Epoch and head stand in `meta`.
 * Threads: adding on the writer thread, reading any. Errors: store codes. */
#ifndef AW_DOMAIN_EVENTS_H
#define AW_DOMAIN_EVENTS_H

#include "worker/model/model.h"
#include "worker/store/store.h"

struct aw_event_news {
    const char *company_id; /* "-" = of no company: seen by callers of all companies only */
    const char *user_id;    /* only for this user, or NULL */
    const char *permission; /* word of ruling 17 that is needed to see it, e.g. "view" */
    const char *object;     /* collection: "alerts" */
    const char *object_id;
    int64_t object_version; /* as it will be stored; of a deletion the last version + 1 */
    const char *type;       /* "alert_received", "incident_created", "company_deleted" ... */
    const char *actor;      /* user id, NULL = the product */
    int64_t now_ms;
};
/* Appends n events, those of one company in this order, inside the caller's unit. Strings must
 * live as long as the unit. */
AW_MUST_CHECK bool aw_events_add(struct aw_tx *tx, const struct aw_event_news *news, size_t n,
                                 struct aw_err *err);
AW_MUST_CHECK bool aw_event_add(struct aw_tx *tx, const struct aw_event_news *news,
                                struct aw_err *err);

/* News gathered by a unit that tells them in one go at its end. */
struct aw_news {
    struct aw_arena *arena;
    struct aw_event_news *v;
    size_t n, cap;
};
void aw_news_add(struct aw_news *news, const struct aw_event_news *one);

#define AW_EVENT_ID_TEXT 23 /* "000001-0000000000000042" */
void aw_event_id_format(int64_t epoch, int64_t seq, char text[AW_EVENT_ID_TEXT + 1]);
AW_MUST_CHECK bool aw_event_id_parse(const char *text, int64_t *epoch, int64_t *seq);

/* Id of the newest event (seq 0 before the first). Read it before the list that it belongs to
 * (W20). */
AW_MUST_CHECK bool aw_events_head(struct aw_reader *reader, char text[AW_EVENT_ID_TEXT + 1],
                                  struct aw_err *err);

/* The `run->count` events of a stored run, in the arena; NULL: INTERNAL event.run. */
AW_MUST_CHECK struct aw_event *aw_event_run_unpack(const struct aw_event_run *run,
                                                   struct aw_arena *arena, struct aw_err *err);

struct aw_event_viewer {
    const struct aw_scope *scope;
    const char *user_id;
    struct aw_strs permissions; /* words */
};
bool aw_event_sees(const struct aw_event_viewer *viewer, const struct aw_event *event);

struct aw_event_page {
    struct aw_event **v; /* in stream order, in the arena */
    size_t n;
    char next[AW_EVENT_ID_TEXT + 1]; /* go on behind this one, also when n is 0 */
    bool more;                       /* there was more to read just now */
    bool lost; /* what follows `after` is no longer there (other epoch, or deleted): load everything
                  afresh */
};
/* Events behind `after` (an event id; NULL = from the oldest there is) that the viewer may see, at
 * most `limit` (1-500). A foreign id in `after` fails with INVALID event.id. */
AW_MUST_CHECK bool aw_events_after(struct aw_reader *reader, const struct aw_event_viewer *viewer,
                                   const char *after, size_t limit, struct aw_arena *arena,
                                   struct aw_event_page *page, struct aw_err *err);

#endif
