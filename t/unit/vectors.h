/* vectors.h - reads t/vectors/correlation.json into structs, for the tests that run its scenarios.
 * Threads: one. Owner: everything is in the arena. */
#ifndef T_UNIT_VECTORS_H
#define T_UNIT_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/base/json.h"
#include "worker/model/model.h"

enum scenario_op { SCENARIO_ALERT, SCENARIO_RESOLVE, SCENARIO_CORRELATE };

struct scenario_step {
    enum scenario_op op;
    int64_t t; /* s */
    size_t n;
    const char *asset_name, *signature, *tool_source;
    int severity;
    int64_t created, updated, correlated; /* expected of CORRELATE */
};

struct scenario_incident {
    const char *asset_name, *signature;
    int64_t created_at, priority_score;
    int status, severity;
    struct aw_strs tool_sources;
    size_t *alerts;
    size_t alert_count;
};

struct scenario {
    const char *name;
    int64_t window_minutes, min_alerts, now;
    bool automatic;
    struct aw_strs single_alert, critical_assets, runbooks;
    struct scenario_step *steps;
    size_t step_count;
    struct scenario_incident *incidents; /* expected, in order of creation */
    size_t incident_count;
    int *alert_status; /* expected, by number */
    size_t alert_count;
};

static inline const struct aw_node *vector_read(const char *path, struct aw_arena *arena)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t cap = 16u << 20;
    char *text = aw_arena_alloc(arena, cap);
    size_t len = fread(text, 1, cap, file);
    fclose(file);
    struct aw_err err;
    struct aw_node *root = NULL;
    if (!aw_json_parse(text, len, arena, &root, &err)) {
        fail_msg("%s: %s", path, err.msg);
    }
    return root;
}

static inline int64_t vector_number(const struct aw_node *map, const char *key)
{
    const struct aw_node *node = aw_node_get(map, key);
    assert_non_null(node);
    return strtoll(node->text, NULL, 10);
}

static inline const char *vector_text(const struct aw_node *map, const char *key)
{
    const struct aw_node *node = aw_node_get(map, key);
    return node == NULL ? NULL : node->text;
}

static inline size_t vector_length(const struct aw_node *list)
{
    size_t n = 0;
    for (const struct aw_node *i = list->child; i != NULL; i = i->next) {
        n++;
    }
    return n;
}

static inline struct aw_strs vector_strs(const struct aw_node *list, struct aw_arena *arena)
{
    struct aw_strs strs = {.n = 0};
    const char **v = AW_NEW_N(arena, const char *, vector_length(list) + 1);
    for (const struct aw_node *i = list->child; i != NULL; i = i->next) {
        v[strs.n++] = i->text;
    }
    strs.v = v;
    return strs;
}

static inline int vector_word(const char *const *words, const struct aw_node *map, const char *key)
{
    const char *text = vector_text(map, key);
    assert_non_null(text);
    int word = aw_words_find(words, text, strlen(text));
    assert_true(word >= 0);
    return word;
}

static inline bool vector_has(struct aw_strs strs, const char *text)
{
    for (size_t i = 0; i < strs.n; i++) {
        if (strcmp(strs.v[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static inline void vector_steps(const struct aw_node *list, struct aw_arena *arena,
                                struct scenario *out)
{
    static const char *const ops[] = {"alert", "resolve", "correlate", NULL};
    out->steps = AW_NEW_N(arena, struct scenario_step, vector_length(list));
    for (const struct aw_node *i = list->child; i != NULL; i = i->next) {
        struct scenario_step *step = &out->steps[out->step_count++];
        step->op = (enum scenario_op)vector_word(ops, i, "op");
        step->t = vector_number(i, "t");
        step->asset_name = vector_text(i, "asset_name");
        step->signature = vector_text(i, "signature");
        step->tool_source = vector_text(i, "tool_source");
        if (step->op == SCENARIO_ALERT) {
            step->n = (size_t)vector_number(i, "n");
            step->severity = vector_word(aw_severity_names, i, "severity");
        } else if (step->op == SCENARIO_CORRELATE) {
            const struct aw_node *result = aw_node_get(i, "result");
            step->created = vector_number(result, "incidents_created");
            step->updated = vector_number(result, "incidents_updated");
            step->correlated = vector_number(result, "alerts_correlated");
        }
    }
}

static inline void vector_expect(const struct aw_node *expect, struct aw_arena *arena,
                                 struct scenario *out)
{
    const struct aw_node *list = aw_node_get(expect, "incidents");
    out->incidents = AW_NEW_N(arena, struct scenario_incident, vector_length(list) + 1);
    for (const struct aw_node *i = list->child; i != NULL; i = i->next) {
        struct scenario_incident *incident = &out->incidents[out->incident_count++];
        incident->asset_name = vector_text(i, "asset_name");
        incident->signature = vector_text(i, "signature");
        incident->created_at = vector_number(i, "created_at");
        incident->priority_score = vector_number(i, "priority_score");
        incident->status = vector_word(aw_incident_status_words, i, "status");
        incident->severity = vector_word(aw_severity_names, i, "severity");
        incident->tool_sources = vector_strs(aw_node_get(i, "tool_sources"), arena);
        const struct aw_node *alerts = aw_node_get(i, "alerts");
        incident->alerts = AW_NEW_N(arena, size_t, vector_length(alerts) + 1);
        for (const struct aw_node *a = alerts->child; a != NULL; a = a->next) {
            incident->alerts[incident->alert_count++] = (size_t)strtoul(a->text, NULL, 10);
        }
    }
    list = aw_node_get(expect, "alert_status");
    out->alert_status = AW_NEW_N(arena, int, vector_length(list) + 1);
    for (const struct aw_node *i = list->child; i != NULL; i = i->next) {
        out->alert_status[out->alert_count++] =
            aw_words_find(aw_alert_status_words, i->text, strlen(i->text));
    }
}

/* All scenarios; *n of them. */
static inline struct scenario *vector_scenarios(struct aw_arena *arena, size_t *n)
{
    const struct aw_node *root = vector_read("t/vectors/correlation.json", arena);
    struct scenario *all = AW_NEW_N(arena, struct scenario, vector_length(root));
    *n = 0;
    for (const struct aw_node *i = root->child; i != NULL; i = i->next) {
        struct scenario *out = &all[(*n)++];
        const struct aw_node *config = aw_node_get(i, "config");
        out->name = vector_text(i, "name");
        out->window_minutes = vector_number(config, "time_window_minutes");
        out->min_alerts = vector_number(config, "min_alerts");
        out->automatic = aw_node_get(config, "auto_correlate")->truth;
        out->single_alert = vector_strs(aw_node_get(config, "single_alert"), arena);
        out->critical_assets = vector_strs(aw_node_get(i, "critical_assets"), arena);
        out->runbooks = vector_strs(aw_node_get(i, "runbook_signatures"), arena);
        out->now = vector_number(i, "now");
        vector_steps(aw_node_get(i, "operations"), arena, out);
        vector_expect(aw_node_get(i, "expect"), arena, out);
    }
    return all;
}

#endif
