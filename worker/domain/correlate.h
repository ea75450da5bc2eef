/* correlate.h - the correlation engine: a pure function of rules and of alerts in order of arrival
 * (ruling 20).
 *
 * A state holds the live keys of one company: the active alerts of each key that may still matter,
 * or the incident that is open for it. It knows no store and no clock; what it does not know it
 * says (aw_correlate_needs), so that decisions never depend on what was thrown away to save memory.
 * Threads: one at a time. Owner: create/destroy. Aborts without memory. */
#ifndef AW_DOMAIN_CORRELATE_H
#define AW_DOMAIN_CORRELATE_H

#include "src/aw_defs.h"

/* 128 bits of a hash keyed per process over the length-prefixed (asset_name, signature). */
struct aw_correlate_key {
    uint64_t a, b;
};
struct aw_correlate_key aw_correlate_key(const char *asset_name, const char *signature);

struct aw_correlate_id {
    uint8_t v[AW_ID_LEN];
};
struct aw_correlate_ids { /* a vector of base/vec.h, the caller's */
    struct aw_correlate_id *v;
    size_t n, cap;
};

struct aw_correlate_rules {
    bool automatic;
    int64_t window_ms;
    uint32_t min_alerts;
    bool single_runbook, single_critical; /* words of single_alert */
};

struct aw_correlate_alert {
    struct aw_correlate_key key;
    struct aw_correlate_id id;
    int64_t at_ms; /* received */
    bool critical;
    bool runbook; /* the signature has one */
};

enum aw_correlate_what {
    AW_CORRELATE_ALONE, /* stays active */
    AW_CORRELATE_JOIN,  /* the open incident of its key */
    AW_CORRELATE_OPEN   /* a new incident with the members given */
};
/* The rule itself: `open` = an incident is open for the key; `count` alerts inside the window, one
 * of them critical? */
enum aw_correlate_what aw_correlate_rule(const struct aw_correlate_rules *rules, bool open,
                                         size_t count, bool critical, bool runbook);

struct aw_correlate;
/* known_from: every active alert received at or after it will be added before a decision is asked
 * for; INT64_MAX = nothing is known, INT64_MIN = there is nothing else. */
struct aw_correlate *aw_correlate_create(int64_t known_from);
void aw_correlate_destroy(struct aw_correlate **state);
size_t aw_correlate_members(const struct aw_correlate *state);
size_t aw_correlate_groups(const struct aw_correlate *state);

enum aw_correlate_need {
    /* which incident is open for the key, or none: aw_correlate_know() */
    AW_CORRELATE_NEED_INCIDENT = 1,
    /* the active alerts of the key received in [from, until): aw_correlate_older(); asked only
     * while no incident is open */
    AW_CORRELATE_NEED_OLDER = 2
};
/* What must be told before an alert of this key, received at at_ms, can be decided. 0 = nothing. */
unsigned aw_correlate_needs(const struct aw_correlate *state,
                            const struct aw_correlate_rules *rules, struct aw_correlate_key key,
                            int64_t at_ms, int64_t *from, int64_t *until);
/* incident NULL = none is open for the key. Its members stay. */
void aw_correlate_know(struct aw_correlate *state, struct aw_correlate_key key,
                       const struct aw_correlate_id *incident);
/* The answer to OPEN: the incident of the key; its members belong to it now and are forgotten. */
void aw_correlate_opened(struct aw_correlate *state, struct aw_correlate_key key,
                         const struct aw_correlate_id *incident);
/* Announces the active alerts of the key received in [from, until): what was known of them is
 * dropped, and the caller adds them all. */
void aw_correlate_older(struct aw_correlate *state, struct aw_correlate_key key, int64_t from,
                        int64_t until);

/* Fetches into the cache what a later call with this key looks at first, and what it looks at next. The second is for
 * a key whose first step has had the time to arrive. */
void aw_correlate_prefetch(const struct aw_correlate *state, struct aw_correlate_key key);
void aw_correlate_prefetch_group(const struct aw_correlate *state, struct aw_correlate_key key);
#define AW_CORRELATE_AHEAD 8 /* alerts between the second and the use */

/* Adds an active alert without a decision. */
void aw_correlate_add(struct aw_correlate *state, const struct aw_correlate_alert *alert);
/* Decides about an alert that has just arrived, now = its received time. JOIN fills *incident. OPEN
 * fills *members (the new alert among them); the caller then names the incident by
 * aw_correlate_know(), which forgets them. With rules->automatic off nothing is decided and nothing
 * is remembered. */
enum aw_correlate_what aw_correlate_alert(struct aw_correlate *state,
                                          const struct aw_correlate_rules *rules,
                                          const struct aw_correlate_alert *alert,
                                          struct aw_correlate_id *incident,
                                          struct aw_correlate_ids *members);

/* By hand: for a state to which all active alerts were added in order of arrival and that was never
 * swept. Calls `decided` for every key that joins or opens, in the order of its first alert;
 * members are those received at or after (now - window). */
struct aw_correlate_hand {
    enum aw_correlate_what what;
    struct aw_correlate_key key;
    struct aw_correlate_id incident; /* JOIN */
    const struct aw_correlate_ids *members;
};
AW_MUST_CHECK bool
aw_correlate_hand(struct aw_correlate *state, const struct aw_correlate_rules *rules,
                  int64_t now_ms, bool (*decided)(void *arg, const struct aw_correlate_hand *hand),
                  void *arg);

/* Throws away members received before `horizon_ms`, then the oldest beyond max_members, and keys
 * that hold nothing that cannot be asked for again, beyond max_groups. */
void aw_correlate_sweep(struct aw_correlate *state, int64_t horizon_ms, size_t max_members,
                        size_t max_groups);

#endif
