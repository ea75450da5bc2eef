#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/json.h"

enum { FIRST_EPOCH = 1, RUN_EVENTS = 256, SCAN_ROWS = 64, SCAN_PAGES = 10 };
static const char head_id[] = "events";

struct head {
    int64_t epoch, seq; /* seq of the newest event */
};

static bool parse_head(const struct aw_meta *meta, struct head *head, struct aw_err *err)
{
    *head = (struct head){.epoch = FIRST_EPOCH};
    if (meta != NULL && sscanf(meta->value, "{\"epoch\":%" SCNd64 ",\"seq\":%" SCNd64 "}",
                               &head->epoch, &head->seq) != 2) {
        return aw_fail(err, AW_ERR_INTERNAL, "event.head",
                       "The head of the event stream cannot be read");
    }
    return true;
}

void aw_event_id_format(int64_t epoch, int64_t seq, char text[AW_EVENT_ID_TEXT + 1])
{
    snprintf(text, AW_EVENT_ID_TEXT + 1, "%06" PRIu64 "-%016" PRIu64, (uint64_t)epoch % 1000000,
             (uint64_t)seq % UINT64_C(10000000000000000));
}

bool aw_event_id_parse(const char *text, int64_t *epoch, int64_t *seq)
{
    char again[AW_EVENT_ID_TEXT + 1];
    if (strlen(text) != AW_EVENT_ID_TEXT ||
        sscanf(text, "%6" SCNd64 "-%16" SCNd64, epoch, seq) != 2 || *epoch < 0 || *seq < 0) {
        return false;
    }
    aw_event_id_format(*epoch, *seq, again);
    return strcmp(again, text) == 0;
}

/* --- writing --- */

static int order_companies(const void *a, const void *b)
{
    const struct aw_event_news *x = *(const struct aw_event_news *const *)a;
    const struct aw_event_news *y = *(const struct aw_event_news *const *)b;
    int order = x->company_id == y->company_id ? 0 : strcmp(x->company_id, y->company_id);
    return order != 0 ? order : (x > y) - (x < y);
}

static void write_event(struct aw_json *json, const struct aw_event_news *news)
{
    const struct aw_event event = {.user_id = news->user_id,
                                   .permission = news->permission,
                                   .object = news->object,
                                   .object_id = news->object_id,
                                   .object_version = news->object_version,
                                   .type = news->type,
                                   .actor = news->actor,
                                   .created_at = news->now_ms};
    aw_json_row(json, &aw_event_schema, &event, true);
}

/* All of one company; `last` is the place of the last. */
static struct aw_event_run *make_run(struct aw_arena *arena,
                                     const struct aw_event_news *const *news, size_t n,
                                     struct head last)
{
    struct aw_event_run *run = AW_NEW(arena, struct aw_event_run);
    char *id = aw_arena_alloc(arena, AW_EVENT_ID_TEXT + 1);
    struct aw_str text;
    struct aw_json json;
    aw_event_id_format(last.epoch, last.seq, id);
    aw_str_init(&text, arena);
    aw_json_init(&json, &text);
    aw_json_open(&json, '[');
    for (size_t i = 0; i < n; i++) {
        write_event(&json, news[i]);
    }
    aw_json_close(&json, ']');
    run->id = id;
    run->company_id = news[0]->company_id;
    run->count = (int64_t)n;
    run->events = text.ptr;
    run->created_at = news[n - 1]->now_ms;
    return run;
}

/* Length of the run that begins here. */
static size_t run_length(const struct aw_event_news *const *news, size_t n)
{
    size_t length = 1;
    while (length < n && length < RUN_EVENTS &&
           strcmp(news[length]->company_id, news[0]->company_id) == 0) {
        length++;
    }
    return length;
}

static void save_head(struct aw_tx *tx, const struct aw_meta *found, struct head head)
{
    struct aw_arena *arena = aw_tx_arena(tx);
    struct aw_meta *meta = AW_NEW(arena, struct aw_meta);
    if (found != NULL) {
        *meta = *found;
    }
    meta->id = head_id;
    meta->value =
        aw_arena_printf(arena, "{\"epoch\":%" PRId64 ",\"seq\":%" PRId64 "}", head.epoch, head.seq);
    if (found == NULL) {
        aw_tx_insert(tx, &aw_meta_schema, meta);
    } else {
        aw_tx_replace(tx, &aw_meta_schema, meta);
    }
}

bool aw_events_add(struct aw_tx *tx, const struct aw_event_news *news, size_t n, struct aw_err *err)
{
    if (n == 0) {
        return true;
    }
    struct aw_arena *arena = aw_tx_arena(tx);
    const char *id = head_id;
    void *found = NULL;
    struct head head;
    if (!aw_tx_get_many(tx, &aw_scope_all, &aw_meta_schema, &id, 1, &found, err) ||
        !parse_head(found, &head, err)) {
        return false;
    }
    const struct aw_event_news **sorted = AW_NEW_N(arena, const struct aw_event_news *, n);
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &news[i];
    }
    qsort(sorted, n, sizeof(*sorted), order_companies);
    for (size_t i = 0, length; i < n; i += length) {
        length = run_length(&sorted[i], n - i);
        head.seq += (int64_t)length;
        aw_tx_insert(tx, &aw_event_run_schema, make_run(arena, &sorted[i], length, head));
    }
    save_head(tx, found, head);
    return true;
}

bool aw_event_add(struct aw_tx *tx, const struct aw_event_news *news, struct aw_err *err)
{
    return aw_events_add(tx, news, 1, err);
}

void aw_news_add(struct aw_news *news, const struct aw_event_news *one)
{
    if (news->n == news->cap) {
        size_t cap = news->cap == 0 ? 64 : news->cap * 2;
        struct aw_event_news *v = aw_arena_alloc(news->arena, cap * sizeof(*v));
        if (news->n > 0) {
            memcpy(v, news->v, news->n * sizeof(*v));
        }
        news->v = v;
        news->cap = cap;
    }
    news->v[news->n++] = *one;
}

/* --- reading --- */

static bool read_head(struct aw_reader *reader, struct aw_arena *arena, struct head *head,
                      struct aw_err *err)
{
    const char *id = head_id;
    void *found = NULL;
    return aw_store_get_many(reader, &aw_scope_all, &aw_meta_schema, &id, 1, arena, &found, err) &&
           parse_head(found, head, err);
}

bool aw_events_head(struct aw_reader *reader, char text[AW_EVENT_ID_TEXT + 1], struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct head head;
    bool ok = read_head(reader, arena, &head, err);
    if (ok) {
        aw_event_id_format(head.epoch, head.seq, text);
    }
    aw_arena_destroy(&arena);
    return ok;
}

bool aw_event_sees(const struct aw_event_viewer *viewer, const struct aw_event *event)
{
    if (!aw_scope_sees(viewer->scope, event->company_id) ||
        (event->user_id != NULL &&
         (viewer->user_id == NULL || strcmp(event->user_id, viewer->user_id) != 0))) {
        return false;
    }
    for (size_t i = 0; i < viewer->permissions.n; i++) {
        if (strcmp(viewer->permissions.v[i], event->permission) == 0) {
            return true;
        }
    }
    return false;
}

static bool unpack(const struct aw_event_run *run, struct aw_arena *arena, struct aw_event *events,
                   struct aw_err *err)
{
    struct aw_node *root;
    int64_t epoch, last;
    if (!aw_event_id_parse(run->id, &epoch, &last) ||
        !aw_json_parse(run->events, strlen(run->events), arena, &root, err)) {
        return false;
    }
    const struct aw_node *node = root->child;
    for (int64_t i = 0; i < run->count; i++, node = node->next) {
        struct aw_event *event = &events[i];
        char *id = aw_arena_alloc(arena, AW_EVENT_ID_TEXT + 1);
        if (node == NULL || !aw_json_decode(&aw_event_schema, AW_JSON_STORED, node->raw,
                                            node->raw_len, arena, event, NULL, NULL, err)) {
            return false;
        }
        event->seq = last - run->count + 1 + i;
        event->company_id = run->company_id;
        aw_event_id_format(epoch, event->seq, id);
        event->id = id;
    }
    return true;
}

struct aw_event *aw_event_run_unpack(const struct aw_event_run *run, struct aw_arena *arena,
                                     struct aw_err *err)
{
    struct aw_event *events = AW_NEW_N(arena, struct aw_event, (size_t)run->count);
    if (!unpack(run, arena, events, err)) {
        aw_fail(err, AW_ERR_INTERNAL, "event.run", "The events at %s cannot be read", run->id);
        return NULL;
    }
    return events;
}

/* Is the event right behind `seq` still there (or not there yet)? `first`: the runs behind it. */
static bool is_continued(struct head head, int64_t epoch, int64_t seq, const struct aw_rows *first)
{
    int64_t run_epoch, last;
    if (epoch != head.epoch || seq > head.seq) {
        return false;
    }
    if (seq == head.seq) {
        return true;
    }
    const struct aw_event_run *run = first->n > 0 ? first->v[0] : NULL;
    return run != NULL && aw_event_id_parse(run->id, &run_epoch, &last) && last - run->count <= seq;
}

static bool scan(struct aw_reader *reader, const char *after, struct aw_arena *arena,
                 struct aw_rows *rows, struct aw_err *err)
{
    struct aw_query query = {.schema = &aw_event_run_schema, .after_id = after, .limit = SCAN_ROWS};
    return aw_store_find(reader, &aw_scope_all, &query, arena, rows, err);
}

/* Takes what the viewer may see of one run behind page->next, while there is room. */
static bool take_run(const struct aw_event_run *run, const struct aw_event_viewer *viewer,
                     size_t limit, struct aw_arena *arena, struct aw_event_page *page,
                     struct aw_err *err)
{
    if (!aw_scope_sees(viewer->scope, run->company_id)) {
        snprintf(page->next, sizeof(page->next), "%s", run->id);
        return true;
    }
    struct aw_event *events = aw_event_run_unpack(run, arena, err);
    if (events == NULL) {
        return false;
    }
    for (int64_t i = 0; i < run->count && page->n < limit; i++) {
        if (strcmp(events[i].id, page->next) <= 0) {
            continue;
        }
        if (aw_event_sees(viewer, &events[i])) {
            page->v[page->n++] = &events[i];
        }
        snprintf(page->next, sizeof(page->next), "%s", events[i].id);
    }
    return true;
}

bool aw_events_after(struct aw_reader *reader, const struct aw_event_viewer *viewer,
                     const char *after, size_t limit, struct aw_arena *arena,
                     struct aw_event_page *page, struct aw_err *err)
{
    struct head head;
    int64_t epoch = 0, seq = 0;
    *page = (struct aw_event_page){.v = AW_NEW_N(arena, struct aw_event *, limit)};
    if (after != NULL && !aw_event_id_parse(after, &epoch, &seq)) {
        return aw_fail(err, AW_ERR_INVALID, "event.id", "This is not the id of an event");
    }
    if (!read_head(reader, arena, &head, err)) {
        return false;
    }
    if (after == NULL) {
        aw_event_id_format(head.epoch, 0, page->next);
    } else {
        snprintf(page->next, sizeof(page->next), "%s", after);
    }
    page->more = true;
    for (size_t i = 0; i < SCAN_PAGES && page->more && page->n < limit; i++) {
        struct aw_rows rows;
        if (!scan(reader, page->next, arena, &rows, err)) {
            return false;
        }
        if (i == 0 && after != NULL && !is_continued(head, epoch, seq, &rows)) {
            page->lost = true;
            page->more = false;
            aw_event_id_format(head.epoch, head.seq, page->next);
            return true;
        }
        for (size_t k = 0; k < rows.n && page->n < limit; k++) {
            if (!take_run(rows.v[k], viewer, limit, arena, page, err)) {
                return false;
            }
        }
        const struct aw_event_run *last = rows.n > 0 ? rows.v[rows.n - 1] : NULL;
        page->more = rows.n == SCAN_ROWS || (last != NULL && strcmp(page->next, last->id) < 0);
    }
    return true;
}
