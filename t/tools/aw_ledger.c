/* aw_ledger.c - compares ledgers of aw_load with what the store holds; the judge of "nothing is
 * lost, nothing twice".
 *
 * usage: aw_ledger (--sqlite FILE | --mongo URI) [--floor N] [--expect-dead N] LEDGER ...
 * A delivery is acked when any attempt got a 2xx, refused when every attempt got a final 4xx or a
 * 503 that comes before the append, else unknown (no answer, or a 503 after which the record may
 * stay: queue_broken or busy). Printed as one JSON object: ok           acked and stored with the
 * answered id, bytes as sent lost         an answered alert id that the store does not know (as
 * alert or alias) duplicated   deliveries with more than one alert unexpected   alerts of
 * deliveries that no ledger knows refused_but_stored, corrupt (SHA-256 of the raw body differs),
 * recovered (unknown and stored) ledger_broken  lines that are malformed or stand twice recount
 * summaries and rows that disagree: incident counts, severities, sources, states; events per alert;
 *                gaps in the event stream; members of no incident
 * Exit 0: all of lost, duplicated, unexpected, refused_but_stored, corrupt, ledger_broken and
 * recount are 0, and ok >= floor. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/aw_mac.h"
#include "worker/base/map.h"
#include "worker/base/str.h"
#include "worker/domain/events.h"
#include "worker/model/model.h"
#include "worker/store/store.h"

struct delivery {
    bool acked, unknown;
    char sha[65];
    unsigned alerts; /* rows in the store */
    bool intact;     /* the row's bytes are those that were sent */
};
struct answer {
    struct delivery *delivery;
    char id[AW_ID_TEXT + 1];
};
struct alert {
    struct delivery *delivery;
    unsigned events;
};
struct recount {
    int64_t count;
    int severity;
    unsigned wrong_status;
    struct aw_map *sources;
    bool resolved;
};
struct figures {
    int64_t ok, lost, duplicated, unexpected, refused_but_stored, corrupt, recovered, ledger_broken,
        recount;
    int64_t acked, unknown, refused, incidents, dead, events;
};

static struct {
    struct aw_arena *arena;
    struct aw_map *deliveries, *lines, *answers, *alerts, *aliases, *incidents;
    struct figures f;
    int64_t first_seq, last_seq;
} ledger;

static void complain(const char *what, const char *which)
{
    static unsigned told;

    if (told++ < 20) {
        fprintf(stderr, "ledger: %s: %s\n", what, which);
    }
}

static void die(const char *what)
{
    fprintf(stderr, "aw_ledger: %s\n", what);
    exit(2);
}

static bool is_unknown(int status, const char *code)
{
    return status == 0 ||
           (status == 503 && (strcmp(code, "busy") == 0 || strcmp(code, "queue_broken") == 0)) ||
           status == 500 || status == 502 || status == 504 || status == 408;
}

static void read_line(char *line)
{
    char company[64], id[160], sha[80], alert_id[64], durability[32], code[64], unique[256];
    unsigned long long seq;
    unsigned attempt;
    int status;

    if (sscanf(line, "%llu %u %63s %159s %79s %d %63s %31s %63s", &seq, &attempt, company, id, sha,
               &status, alert_id, durability, code) != 9 ||
        strlen(sha) != 64) {
        ledger.f.ledger_broken++;
        complain("malformed line", line);
        return;
    }
    int len = snprintf(unique, sizeof(unique), "%s %s %u", company, id, attempt);
    if (aw_map_put(ledger.lines, unique, (size_t)len, ledger.lines) != NULL) {
        ledger.f.ledger_broken++;
        complain("line stands twice", unique);
    }
    len = snprintf(unique, sizeof(unique), "%s %s", company, id);
    struct delivery *d = aw_map_get(ledger.deliveries, unique, (size_t)len);
    if (d == NULL) {
        d = AW_NEW(ledger.arena, struct delivery);
        memcpy(d->sha, sha, sizeof(d->sha));
        (void)aw_map_put(ledger.deliveries, unique, (size_t)len, d);
    }
    d->unknown = d->unknown || is_unknown(status, code);
    if (status >= 200 && status < 300) {
        d->acked = true;
        struct answer *a = AW_NEW(ledger.arena, struct answer);
        a->delivery = d;
        snprintf(a->id, sizeof(a->id), "%.36s", alert_id);
        (void)aw_map_put(ledger.answers, a->id, strlen(a->id), a);
    }
}

static void read_ledger(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;

    if (file == NULL) {
        die("a ledger cannot be opened");
    }
    while (getline(&line, &cap, file) > 0) {
        read_line(line);
    }
    free(line);
    fclose(file);
}

static struct recount *recount_of(const char *incident_id)
{
    struct recount *r = aw_map_get(ledger.incidents, incident_id, strlen(incident_id));

    if (r == NULL) {
        r = AW_NEW(ledger.arena, struct recount);
        r->sources = aw_map_create();
        (void)aw_map_put(ledger.incidents, incident_id, strlen(incident_id), r);
    }
    return r;
}

static void count_member(const struct aw_alert *alert)
{
    struct recount *r = recount_of(alert->incident_id);

    r->count++;
    r->severity = alert->severity > r->severity ? alert->severity : r->severity;
    r->wrong_status += alert->status == AW_ALERT_ACTIVE;
    r->resolved = r->resolved || alert->status == AW_ALERT_RESOLVED;
    (void)aw_map_put(r->sources, alert->tool_source, strlen(alert->tool_source), r);
}

static bool see_alert(void *arg, const void *row)
{
    const struct aw_alert *alert = row;
    char unique[256], hex[65];
    uint8_t sha[32];
    int len = snprintf(unique, sizeof(unique), "%s %s", alert->company_id,
                       alert->delivery_id ? alert->delivery_id : "-");
    struct delivery *d = aw_map_get(ledger.deliveries, unique, (size_t)len);
    struct alert *seen = AW_NEW(ledger.arena, struct alert);

    (void)arg;
    seen->delivery = d;
    (void)aw_map_put(ledger.alerts, alert->id, strlen(alert->id), seen);
    if (alert->incident_id != NULL) {
        count_member(alert);
    } else if (alert->status == AW_ALERT_CORRELATED) {
        ledger.f.recount++;
        complain("correlated without an incident", alert->id);
    }
    if (d == NULL) {
        ledger.f.unexpected++;
        complain("unexpected alert", unique);
        return true;
    }
    aw_mac_sha256(alert->raw, strlen(alert->raw), sha);
    for (size_t i = 0; i < 32; i++) {
        snprintf(hex + 2 * i, 3, "%02x", sha[i]);
    }
    d->alerts++;
    d->intact = strcmp(hex, d->sha) == 0;
    if (!d->intact) {
        ledger.f.corrupt++;
        complain("corrupt", alert->id);
    }
    return true;
}

static bool see_alias(void *arg, const void *row)
{
    const struct aw_alias *alias = row;

    (void)arg;
    (void)aw_map_put(ledger.aliases, alias->id, strlen(alias->id),
                     aw_arena_str(ledger.arena, alias->alert_id));
    return true;
}

static bool see_incident(void *arg, const void *row)
{
    const struct aw_incident *incident = row;
    struct recount *r = recount_of(incident->id);
    bool same = r->count == incident->alert_count && r->severity == incident->severity &&
                aw_map_count(r->sources) == incident->tool_sources.n && r->wrong_status == 0 &&
                r->resolved == (incident->status == AW_INCIDENT_RESOLVED);

    (void)arg;
    for (size_t i = 0; same && i < incident->tool_sources.n; i++) {
        const char *source = incident->tool_sources.v[i];
        same = aw_map_get(r->sources, source, strlen(source)) != NULL &&
               (i == 0 || strcmp(incident->tool_sources.v[i - 1], source) < 0);
    }
    if (!same) {
        ledger.f.recount++;
        complain("summary differs from a recount", incident->id);
    }
    r->count = 0; /* seen: what is left above 0 belongs to no incident */
    ledger.f.incidents++;
    return true;
}

static void see_event(const struct aw_event *event)
{
    ledger.first_seq =
        ledger.f.events == 0 || event->seq < ledger.first_seq ? event->seq : ledger.first_seq;
    ledger.last_seq =
        ledger.f.events == 0 || event->seq > ledger.last_seq ? event->seq : ledger.last_seq;
    ledger.f.events++;
    if (strcmp(event->type, "alert_received") == 0) {
        struct alert *alert = aw_map_get(ledger.alerts, event->object_id, strlen(event->object_id));
        if (alert == NULL) {
            ledger.f.recount++;
            complain("event of no alert", event->id);
        } else {
            alert->events++;
        }
    }
}

static bool see_events(void *arg, const void *row)
{
    const struct aw_event_run *run = row;
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_err err;
    const struct aw_event *events = aw_event_run_unpack(run, arena, &err);

    (void)arg;
    if (events == NULL) {
        die(err.msg);
    }
    for (int64_t i = 0; i < run->count; i++) {
        see_event(&events[i]);
    }
    aw_arena_destroy(&arena);
    return true;
}

static bool see_dead(void *arg, const void *row)
{
    (void)arg;
    (void)row;
    ledger.f.dead++;
    return true;
}

static void read_store(const struct aw_store_conf *conf)
{
    static const struct {
        const struct aw_schema *schema;
        bool (*see)(void *arg, const void *row);
    } walks[] = {{&aw_alert_schema, see_alert},
                 {&aw_alias_schema, see_alias},
                 {&aw_incident_schema, see_incident},
                 {&aw_event_run_schema, see_events},
                 {&aw_dead_letter_schema, see_dead}};
    struct aw_store *store;
    struct aw_reader *reader;
    struct aw_err err;

    if (!aw_store_open(conf, true, &store, &err) || !aw_store_read_begin(store, &reader, &err)) {
        die(err.msg);
    }
    for (size_t i = 0; i < AW_COUNT(walks); i++) {
        struct aw_query query = {.schema = walks[i].schema};
        if (!aw_store_each(reader, &aw_scope_all, &query, walks[i].see, NULL, &err)) {
            die(err.msg);
        }
    }
    aw_store_read_end(&reader);
    aw_store_close(&store);
}

static void judge_answers(void)
{
    const void *key;
    size_t it = 0, len;
    void *value;

    while (aw_map_next(ledger.answers, &it, &key, &len, &value)) {
        struct answer *a = value;
        const char *real = aw_map_get(ledger.aliases, a->id, strlen(a->id));
        const char *id = real ? real : a->id;
        struct alert *alert = aw_map_get(ledger.alerts, id, strlen(id));
        if (alert == NULL || alert->delivery != a->delivery) {
            ledger.f.lost++;
            complain("lost", a->id);
        }
    }
}

static void judge_deliveries(void)
{
    const void *key;
    size_t it = 0, len;
    void *value;

    while (aw_map_next(ledger.deliveries, &it, &key, &len, &value)) {
        struct delivery *d = value;
        ledger.f.acked += d->acked;
        ledger.f.unknown += !d->acked && d->unknown;
        ledger.f.refused += !d->acked && !d->unknown;
        ledger.f.duplicated += d->alerts > 1;
        ledger.f.ok += d->acked && d->alerts == 1 && d->intact;
        ledger.f.recovered += !d->acked && d->unknown && d->alerts > 0;
        ledger.f.refused_but_stored += !d->acked && !d->unknown && d->alerts > 0;
        if (d->alerts > 1) {
            complain("duplicated", aw_arena_strn(ledger.arena, key, len));
        }
    }
}

static void judge_rows(void)
{
    const void *key;
    size_t it = 0, len;
    void *value;

    while (aw_map_next(ledger.alerts, &it, &key, &len, &value)) {
        if (((struct alert *)value)->events != 1) {
            ledger.f.recount++;
            complain("alert without exactly one event", aw_arena_strn(ledger.arena, key, len));
        }
    }
    it = 0;
    while (aw_map_next(ledger.incidents, &it, &key, &len, &value)) {
        struct recount *r = value;
        if (r->count != 0) {
            ledger.f.recount++;
            complain("members of an incident that is not there",
                     aw_arena_strn(ledger.arena, key, len));
        }
        aw_map_destroy(&r->sources, NULL);
    }
    if (ledger.f.events > 0 && ledger.last_seq - ledger.first_seq + 1 != ledger.f.events) {
        ledger.f.recount++;
        complain("gap in the event stream", "");
    }
}

static void print_figures(void)
{
    const struct figures *f = &ledger.f;

    printf("{\"ok\":%lld,\"lost\":%lld,\"duplicated\":%lld,\"unexpected\":%lld,\"refused_but_"
           "stored\":%lld,"
           "\"corrupt\":%lld,\"ledger_broken\":%lld,\"recount\":%lld,\"recovered\":%lld,\"acked\":%"
           "lld,\"unknown\":%lld,"
           "\"refused\":%lld,\"incidents\":%lld,\"events\":%lld,\"dead_letters\":%lld}\n",
           (long long)f->ok, (long long)f->lost, (long long)f->duplicated, (long long)f->unexpected,
           (long long)f->refused_but_stored, (long long)f->corrupt, (long long)f->ledger_broken,
           (long long)f->recount, (long long)f->recovered, (long long)f->acked,
           (long long)f->unknown, (long long)f->refused, (long long)f->incidents,
           (long long)f->events, (long long)f->dead);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"sqlite", 1, 0, 's'},
                                            {"mongo", 1, 0, 'm'},
                                            {"floor", 1, 0, 'f'},
                                            {"expect-dead", 1, 0, 'd'},
                                            {0}};
    struct aw_store_conf conf = {.cache_mib = 64, .synchronous = "full"};
    struct aw_map **maps[] = {&ledger.deliveries, &ledger.lines,   &ledger.answers,
                              &ledger.alerts,     &ledger.aliases, &ledger.incidents};
    int64_t floor_ok = 1, dead = 0;
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 's':
            conf.driver = "sqlite", conf.path = optarg;
            break;
        case 'm':
            conf.driver = "mongo", conf.uri = optarg;
            break;
        case 'f':
            floor_ok = strtoll(optarg, NULL, 10);
            break;
        case 'd':
            dead = strtoll(optarg, NULL, 10);
            break;
        default:
            die("unknown option");
        }
    }
    if (conf.driver == NULL || optind == argc) {
        die("usage: aw_ledger (--sqlite FILE | --mongo URI) [--floor N] [--expect-dead N] LEDGER "
            "...");
    }
    ledger.arena = aw_arena_create(1 << 20);
    for (size_t i = 0; i < AW_COUNT(maps); i++) {
        *maps[i] = aw_map_create();
    }
    while (optind < argc) {
        read_ledger(argv[optind++]);
    }
    read_store(&conf);
    judge_answers();
    judge_deliveries();
    judge_rows();
    print_figures();
    for (size_t i = 0; i < AW_COUNT(maps); i++) {
        aw_map_destroy(maps[i], NULL);
    }
    aw_arena_destroy(&ledger.arena);
    const struct figures *f = &ledger.f;
    bool good = f->lost + f->duplicated + f->unexpected + f->refused_but_stored + f->corrupt +
                    f->ledger_broken + f->recount ==
                0;
    return good && f->ok >= floor_ok && f->dead == dead ? 0 : 1;
}
