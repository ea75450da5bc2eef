/* The correlation engine alone: every vector of the contract, and what it must say that it does not
 * know. */
#include "vectors.h"

#include "worker/base/vec.h"
#include "worker/domain/correlate.h"
#include "worker/domain/score.h"

/* What a store would hold, kept by the test. */
struct played {
    struct scenario *scenario;
    struct aw_correlate *state;
    struct aw_correlate_rules rules;
    const struct scenario_step **alerts; /* by number */
    int *status, *member;                /* of each alert; member = number of its incident or -1 */
    size_t alert_count;
    struct {
        const char *asset_name, *signature;
        int64_t created_at;
        bool resolved;
    } incidents[1000];
    size_t incident_count;
    int64_t now;
    int64_t created, updated, correlated;
};

static struct aw_correlate_id id_of(size_t n)
{
    struct aw_correlate_id id = {{0}};
    memcpy(id.v, &n, sizeof(n));
    return id;
}

static size_t number_of(const struct aw_correlate_id *id)
{
    size_t n;
    memcpy(&n, id->v, sizeof(n));
    return n;
}

static struct aw_correlate_alert alert_of(const struct played *play, size_t n)
{
    const struct scenario_step *step = play->alerts[n];
    return (struct aw_correlate_alert){.key = aw_correlate_key(step->asset_name, step->signature),
                                       .id = id_of(n),
                                       .at_ms = step->t * 1000,
                                       .critical = step->severity == AW_CRITICAL,
                                       .runbook =
                                           vector_has(play->scenario->runbooks, step->signature)};
}

static void join(struct played *play, size_t incident, const struct aw_correlate_ids *members)
{
    for (size_t i = 0; i < members->n; i++) {
        size_t n = number_of(&members->v[i]);
        assert_int_equal(play->status[n], AW_ALERT_ACTIVE);
        play->status[n] = AW_ALERT_CORRELATED;
        play->member[n] = (int)incident;
        play->correlated++;
    }
}

static size_t open_incident(struct played *play, size_t alert)
{
    size_t number = play->incident_count++;
    assert_true(number < AW_COUNT(play->incidents));
    play->incidents[number].asset_name = play->alerts[alert]->asset_name;
    play->incidents[number].signature = play->alerts[alert]->signature;
    play->incidents[number].created_at = play->now;
    return number;
}

static int open_for(const struct played *play, const char *asset_name, const char *signature)
{
    for (size_t i = play->incident_count; i-- > 0;) {
        if (!play->incidents[i].resolved &&
            strcmp(play->incidents[i].asset_name, asset_name) == 0 &&
            strcmp(play->incidents[i].signature, signature) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* The engine asks for what it does not know; the test answers as a store would. */
static void tell(struct played *play, size_t n)
{
    struct aw_correlate_alert alert = alert_of(play, n);
    int64_t from, until;
    unsigned needs =
        aw_correlate_needs(play->state, &play->rules, alert.key, alert.at_ms, &from, &until);
    if (needs & AW_CORRELATE_NEED_INCIDENT) {
        int open = open_for(play, play->alerts[n]->asset_name, play->alerts[n]->signature);
        struct aw_correlate_id id = id_of((size_t)open);
        aw_correlate_know(play->state, alert.key, open < 0 ? NULL : &id);
    }
    if (needs & AW_CORRELATE_NEED_OLDER) {
        aw_correlate_older(play->state, alert.key, from, until);
        for (size_t i = 0; i < n; i++) {
            struct aw_correlate_alert older = alert_of(play, i);
            if (play->status[i] == AW_ALERT_ACTIVE && older.key.a == alert.key.a &&
                older.at_ms >= from && older.at_ms < until) {
                aw_correlate_add(play->state, &older);
            }
        }
    }
}

static void arrive(struct played *play, size_t n)
{
    struct aw_correlate_alert alert = alert_of(play, n);
    struct aw_correlate_id incident;
    struct aw_correlate_ids members = {0};
    play->now = play->alerts[n]->t;
    tell(play, n);
    switch (aw_correlate_alert(play->state, &play->rules, &alert, &incident, &members)) {
    case AW_CORRELATE_ALONE:
        break;
    case AW_CORRELATE_JOIN:
        members.n = 0;
        *aw_vec_push(&members) = alert.id;
        join(play, number_of(&incident), &members);
        break;
    case AW_CORRELATE_OPEN:
        incident = id_of(open_incident(play, n));
        join(play, number_of(&incident), &members);
        aw_correlate_opened(play->state, alert.key, &incident);
        break;
    }
    aw_vec_free(&members);
}

static void resolve(struct played *play, const struct scenario_step *step)
{
    int incident = open_for(play, step->asset_name, step->signature);
    if (incident < 0) {
        return;
    }
    play->incidents[incident].resolved = true;
    for (size_t n = 0; n < play->alert_count; n++) {
        if (play->member[n] == incident) {
            play->status[n] = AW_ALERT_RESOLVED;
        }
    }
    aw_correlate_know(play->state, aw_correlate_key(step->asset_name, step->signature), NULL);
}

static bool decided(void *arg, const struct aw_correlate_hand *hand)
{
    struct played *play = arg;
    size_t incident;
    if (hand->what == AW_CORRELATE_JOIN) {
        incident = number_of(&hand->incident);
        play->updated++;
    } else {
        incident = open_incident(play, number_of(&hand->members->v[0]));
        play->created++;
    }
    join(play, incident, hand->members);
    return true;
}

static void by_hand(struct played *play, const struct scenario_step *step)
{
    struct aw_correlate *all = aw_correlate_create(INT64_MIN);
    play->now = step->t;
    play->created = play->updated = play->correlated = 0;
    for (size_t n = 0; n < play->alert_count; n++) {
        if (play->status[n] == AW_ALERT_ACTIVE) {
            struct aw_correlate_alert alert = alert_of(play, n);
            aw_correlate_add(all, &alert);
        }
    }
    for (size_t i = 0; i < play->incident_count; i++) {
        struct aw_correlate_id id = id_of(i);
        if (!play->incidents[i].resolved) {
            aw_correlate_know(all,
                              aw_correlate_key(play->incidents[i].asset_name,
                                               play->incidents[i].signature),
                              &id);
        }
    }
    assert_true(aw_correlate_hand(all, &play->rules, play->now * 1000, decided, play));
    aw_correlate_destroy(&all);
    assert_int_equal(play->created, step->created);
    assert_int_equal(play->updated, step->updated);
    assert_int_equal(play->correlated, step->correlated);
    aw_correlate_destroy(&play->state);
    play->state = aw_correlate_create(INT64_MAX);
}

static void compare(const struct played *play, struct aw_arena *arena)
{
    const struct scenario *scenario = play->scenario;
    assert_int_equal(play->incident_count, scenario->incident_count);
    assert_int_equal(play->alert_count, scenario->alert_count);
    for (size_t n = 0; n < play->alert_count; n++) {
        assert_int_equal(play->status[n], scenario->alert_status[n]);
    }
    for (size_t i = 0; i < play->incident_count; i++) {
        const struct scenario_incident *expect = &scenario->incidents[i];
        assert_string_equal(play->incidents[i].asset_name, expect->asset_name);
        assert_string_equal(play->incidents[i].signature, expect->signature);
        assert_int_equal(play->incidents[i].created_at, expect->created_at);
        assert_int_equal(play->incidents[i].resolved, expect->status == AW_INCIDENT_RESOLVED);
        size_t count = 0;
        int severity = AW_LOW;
        const char **sources = AW_NEW_N(arena, const char *, play->alert_count);
        struct aw_strs set = {.v = sources};
        for (size_t n = 0; n < play->alert_count; n++) {
            if (play->member[n] == (int)i) {
                assert_true(count < expect->alert_count);
                assert_int_equal(n, expect->alerts[count++]);
                severity =
                    play->alerts[n]->severity > severity ? play->alerts[n]->severity : severity;
                if (!vector_has(set, play->alerts[n]->tool_source)) {
                    sources[set.n++] = play->alerts[n]->tool_source;
                }
            }
        }
        assert_int_equal(count, expect->alert_count);
        assert_int_equal(severity, expect->severity);
        assert_int_equal(set.n, expect->tool_sources.n);
        assert_int_equal(aw_score((enum aw_severity)severity,
                                  vector_has(scenario->critical_assets, expect->asset_name),
                                  (int64_t)count, set.n,
                                  (scenario->now - expect->created_at) * 1000),
                         expect->priority_score);
    }
}

enum memory { KEEP_ALL, SWEEP_OLD, KEEP_NOTHING };

static void play_scenario(struct scenario *scenario, enum memory memory, struct aw_arena *arena)
{
    struct played *play = AW_NEW(arena, struct played);
    play->scenario = scenario;
    play->state = aw_correlate_create(INT64_MAX);
    play->rules =
        (struct aw_correlate_rules){.automatic = scenario->automatic,
                                    .window_ms = scenario->window_minutes * 60000,
                                    .min_alerts = (uint32_t)scenario->min_alerts,
                                    .single_runbook = vector_has(scenario->single_alert, "runbook"),
                                    .single_critical =
                                        vector_has(scenario->single_alert, "critical")};
    play->alerts = AW_NEW_N(arena, const struct scenario_step *, scenario->step_count);
    play->status = AW_NEW_N(arena, int, scenario->step_count);
    play->member = AW_NEW_N(arena, int, scenario->step_count);
    for (size_t i = 0; i < scenario->step_count; i++) {
        const struct scenario_step *step = &scenario->steps[i];
        if (step->op == SCENARIO_ALERT) {
            assert_int_equal(step->n, play->alert_count);
            play->alerts[play->alert_count] = step;
            play->member[play->alert_count++] = -1;
            arrive(play, step->n);
        } else if (step->op == SCENARIO_RESOLVE) {
            resolve(play, step);
        } else {
            by_hand(play, step);
        }
        if (memory == SWEEP_OLD) {
            aw_correlate_sweep(play->state, (step->t - scenario->window_minutes * 60) * 1000, 1000,
                               1000);
        } else if (memory == KEEP_NOTHING) {
            aw_correlate_sweep(play->state, INT64_MIN, 0, 0);
            assert_int_equal(aw_correlate_members(play->state), 0);
            assert_int_equal(aw_correlate_groups(play->state), 0);
        }
    }
    compare(play, arena);
    aw_correlate_destroy(&play->state);
}

static void play_all(enum memory memory)
{
    struct aw_arena *arena = aw_arena_create(0);
    size_t n;
    struct scenario *all = vector_scenarios(arena, &n);
    assert_int_equal(n, 120);
    for (size_t i = 0; i < n; i++) {
        play_scenario(&all[i], memory, arena);
    }
    aw_arena_destroy(&arena);
}

static void every_scenario(void **unused)
{
    (void)unused;
    play_all(KEEP_ALL);
}

static void decisions_do_not_depend_on_what_is_swept(void **unused)
{
    (void)unused;
    play_all(SWEEP_OLD);
    play_all(KEEP_NOTHING);
}

static void every_score(void **unused)
{
    (void)unused;
    struct aw_arena *arena = aw_arena_create(0);
    const struct aw_node *rows = vector_read("t/vectors/scores.json", arena);
    size_t n = 0;
    for (const struct aw_node *row = rows->child; row != NULL; row = row->next, n++) {
        assert_int_equal(aw_score((enum aw_severity)vector_word(aw_severity_names, row, "severity"),
                                  aw_node_get(row, "critical_asset")->truth,
                                  vector_number(row, "alerts"),
                                  (size_t)vector_number(row, "sources"),
                                  vector_number(row, "age_s") * 1000),
                         vector_number(row, "priority_score"));
    }
    assert_true(n > 100);
    assert_int_equal(aw_score(AW_LOW, false, 1, 1, -5000), 10);
    aw_arena_destroy(&arena);
}

static const struct aw_correlate_rules two = {.automatic = true,
                                              .window_ms = 60000,
                                              .min_alerts = 2};

static struct aw_correlate_alert at(const char *asset, int64_t at_ms, size_t n)
{
    return (struct aw_correlate_alert){.key = aw_correlate_key(asset, "s"),
                                       .id = id_of(n),
                                       .at_ms = at_ms};
}

static void parts_of_a_key_do_not_run_together(void **unused)
{
    (void)unused;
    struct aw_correlate_key a = aw_correlate_key("ab", "c"), b = aw_correlate_key("a", "bc");
    assert_true(a.a != b.a && a.b != b.b);
    a = aw_correlate_key("a|b", "c");
    b = aw_correlate_key("a", "b|c");
    assert_true(a.a != b.a && a.b != b.b);
}

static void the_window_includes_its_first_millisecond(void **unused)
{
    (void)unused;
    struct aw_correlate_id incident;
    struct aw_correlate_ids members = {0};
    for (int64_t late = 0; late < 2; late++) {
        struct aw_correlate *state = aw_correlate_create(INT64_MIN);
        struct aw_correlate_alert first = at("a", 1000, 1), second = at("a", 61000 + late, 2);
        assert_int_equal(aw_correlate_alert(state, &two, &first, &incident, &members),
                         AW_CORRELATE_ALONE);
        assert_int_equal(aw_correlate_alert(state, &two, &second, &incident, &members),
                         late == 0 ? AW_CORRELATE_OPEN : AW_CORRELATE_ALONE);
        aw_correlate_destroy(&state);
    }
    aw_vec_free(&members);
}

static void it_says_what_it_does_not_know(void **unused)
{
    (void)unused;
    struct aw_correlate *state = aw_correlate_create(100000);
    struct aw_correlate_id incident, *none = NULL;
    struct aw_correlate_ids members = {0};
    int64_t from, until;
    struct aw_correlate_key key = aw_correlate_key("a", "s");

    assert_int_equal(aw_correlate_needs(state, &two, key, 120000, &from, &until),
                     AW_CORRELATE_NEED_INCIDENT | AW_CORRELATE_NEED_OLDER);
    assert_int_equal(from, 60000);
    assert_int_equal(until, 100000);
    aw_correlate_know(state, key, none);
    aw_correlate_older(state, key, from, until);
    assert_int_equal(aw_correlate_needs(state, &two, key, 120000, &from, &until), 0);
    /* A record that was received earlier looks further back. */
    assert_int_equal(aw_correlate_needs(state, &two, key, 110000, &from, &until),
                     AW_CORRELATE_NEED_OLDER);
    assert_int_equal(from, 50000);
    assert_int_equal(until, 60000);

    struct aw_correlate_alert alert = at("a", 120000, 1);
    assert_int_equal(aw_correlate_alert(state, &two, &alert, &incident, &members),
                     AW_CORRELATE_ALONE);
    aw_correlate_sweep(state, 130000, 1000, 1000);
    assert_int_equal(aw_correlate_members(state), 0);
    assert_int_equal(aw_correlate_needs(state, &two, key, 170000, &from, &until),
                     AW_CORRELATE_NEED_INCIDENT | AW_CORRELATE_NEED_OLDER);
    assert_int_equal(from, 110000);
    assert_int_equal(until, 130000);

    incident = id_of(7);
    aw_correlate_know(state, key, &incident);
    assert_int_equal(aw_correlate_needs(state, &two, key, 170000, &from, &until), 0);
    aw_correlate_destroy(&state);
    aw_vec_free(&members);
}

static void memory_stays_bounded(void **unused)
{
    (void)unused;
    enum { KEYS = 20000, MOST = 1000 };
    struct aw_correlate *state = aw_correlate_create(INT64_MIN);
    struct aw_correlate_id incident;
    struct aw_correlate_ids members = {0};
    char name[16];
    for (size_t n = 0; n < KEYS; n++) {
        snprintf(name, sizeof(name), "a%zu", n % (KEYS / 2));
        struct aw_correlate_alert alert = at(name, (int64_t)n, n);
        int64_t from, until;
        if (aw_correlate_needs(state, &two, alert.key, alert.at_ms, &from, &until) != 0) {
            struct aw_correlate_alert first = at(name, (int64_t)n - KEYS / 2, n - KEYS / 2);
            aw_correlate_older(state, alert.key, from, until);
            if (n >= KEYS / 2) {
                assert_true(first.at_ms >= from && first.at_ms < until);
                aw_correlate_add(state, &first);
            }
            aw_correlate_know(state, alert.key, NULL);
        }
        enum aw_correlate_what what = aw_correlate_alert(state, &two, &alert, &incident, &members);
        assert_int_equal(what, n < KEYS / 2 ? AW_CORRELATE_ALONE : AW_CORRELATE_OPEN);
        if (what == AW_CORRELATE_OPEN) {
            assert_int_equal(members.n, 2);
            incident = id_of(n);
            aw_correlate_opened(state, alert.key, &incident);
        }
        if (n % 100 == 0) {
            aw_correlate_sweep(state, 0, MOST, MOST);
            assert_true(aw_correlate_members(state) <= MOST);
            assert_true(aw_correlate_groups(state) <= MOST + 1);
        }
    }
    aw_correlate_destroy(&state);
    aw_vec_free(&members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scenario),
        cmocka_unit_test(decisions_do_not_depend_on_what_is_swept),
        cmocka_unit_test(every_score),
        cmocka_unit_test(parts_of_a_key_do_not_run_together),
        cmocka_unit_test(the_window_includes_its_first_millisecond),
        cmocka_unit_test(it_says_what_it_does_not_know),
        cmocka_unit_test(memory_stays_bounded),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
