#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_EPOCH = 1, SCAN_ROWS = 500, SCAN_PAGES = 10 };
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

static struct aw_event *make_row(struct aw_arena *arena, const struct aw_event_news *news,
                                 struct head at)
{
    struct aw_event *row = AW_NEW(arena, struct aw_event);
    char *id = aw_arena_alloc(arena, AW_EVENT_ID_TEXT + 1);
    aw_event_id_format(at.epoch, at.seq, id);
    row->id = id;
    row->epoch = at.epoch;
    row->seq = at.seq;
    row->company_id = news->company_id;
    row->user_id = news->user_id;
    row->permission = news->permission;
    row->object = news->object;
    row->object_id = news->object_id;
    row->object_version = news->object_version;
    row->type = news->type;
    row->actor = news->actor;
    row->created_at = news->now_ms;
    return row;
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
    for (size_t i = 0; i < n; i++) {
        head.seq++;
        aw_tx_insert(tx, &aw_event_schema, make_row(arena, &news[i], head));
    }
    struct aw_meta *meta = AW_NEW(arena, struct aw_meta);
    if (found != NULL) {
        *meta = *(const struct aw_meta *)found;
    }
    meta->id = head_id;
    meta->value =
        aw_arena_printf(arena, "{\"epoch\":%" PRId64 ",\"seq\":%" PRId64 "}", head.epoch, head.seq);
    if (found == NULL) {
        aw_tx_insert(tx, &aw_meta_schema, meta);
    } else {
        aw_tx_replace(tx, &aw_meta_schema, meta);
    }
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

/* Is the event that comes right behind `after` still there (or not there yet)? */
static bool is_continued(struct head head, int64_t epoch, int64_t seq, const struct aw_rows *first)
{
    if (epoch != head.epoch || seq > head.seq) {
        return false;
    }
    return seq == head.seq ||
           (first->n > 0 && ((const struct aw_event *)first->v[0])->seq == seq + 1);
}

static bool scan(struct aw_reader *reader, const char *after, struct aw_arena *arena,
                 struct aw_rows *rows, struct aw_err *err)
{
    struct aw_query query = {.schema = &aw_event_schema, .after_id = after, .limit = SCAN_ROWS};
    return aw_store_find(reader, &aw_scope_all, &query, arena, rows, err);
}

/* Takes what the viewer may see of one page; returns how many rows were looked at. */
static size_t take(const struct aw_rows *rows, const struct aw_event_viewer *viewer, size_t limit,
                   struct aw_event_page *page)
{
    size_t looked = 0;
    while (looked < rows->n && page->n < limit) {
        struct aw_event *event = rows->v[looked++];
        if (aw_event_sees(viewer, event)) {
            page->v[page->n++] = event;
        }
        snprintf(page->next, sizeof(page->next), "%s", event->id);
    }
    return looked;
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
        page->more = take(&rows, viewer, limit, page) < rows.n || rows.n == SCAN_ROWS;
    }
    return true;
}
