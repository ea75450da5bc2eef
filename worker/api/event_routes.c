#include "list.h"

#include "worker/domain/events.h"
#include "worker/domain/incidents.h"

#define PAGE_DEFAULT 100

static const struct aw_param params[] = {
    {.name = "after",
     .type = AW_T_STR,
     .max = 64,
     .doc = "id of the last event that is known already; none = from the oldest"},
    {.name = "limit",
     .type = AW_T_I64,
     .min = 1,
     .max = AW_LIST_MAX,
     .doc = "events at most, 100 unless given"},
    {.name = NULL},
};

/* As the documents show it; data is whatever the object is. */
struct envelope {
    int64_t v;
    const char *id, *type;
    int64_t ts;
    const char *company_id, *object, *object_id;
    int64_t version;
    const char *actor;
    const char *data;
};
static const struct aw_field envelope_fields[] = {
    AW_FIELD(envelope, v, I64, .doc = "version of the envelope, 1"),
    AW_FIELD(envelope, id, STR, .doc = "place in the stream; opaque"),
    AW_FIELD(envelope, type, STR, .doc = "what happened"),
    AW_FIELD(envelope, ts, TIME, .doc = "when"),
    AW_FIELD(envelope, company_id, STR, .doc = "company"),
    AW_FIELD(envelope, object, STR, .doc = "collection of the object"),
    AW_FIELD(envelope, object_id, STR, .doc = "id of the object"),
    AW_FIELD(envelope, version, I64,
             .doc = "version of the object after the change; the higher one is the newer"),
    AW_FIELD(envelope, actor, STR, .flags = AW_F_NULLABLE,
             .doc = "id of the user who did it, null = the product"),
    AW_FIELD(envelope, data, RAW, .flags = AW_F_NULLABLE,
             .doc = "the object as it is now, null = it is gone"),
};
static const struct aw_schema envelope_schema =
    AW_SCHEMA(envelope, "event", envelope_fields, .doc = "one event of the stream");

struct page_out {
    const char *items;
    const char *last_event_id;
    bool more, resync;
};
static const struct aw_field page_fields[] = {
    AW_FIELD(page_out, items, RAW, .arg = &envelope_schema,
             .doc = "events in the order in which they happened"),
    AW_FIELD(page_out, last_event_id, STR,
             .doc = "go on behind this one, also when items is empty"),
    AW_FIELD(page_out, more, BOOL, .doc = "there was more to read just now"),
    AW_FIELD(page_out, resync, BOOL,
             .doc = "events behind `after` are gone: load the lists afresh"),
};
static const struct aw_schema page_schema =
    AW_SCHEMA(page_out, "event_page", page_fields, .doc = "a part of the stream of events");

/* The object of an event as JSON text; NULL = gone, or not (any more) the caller's to see. */
static bool object_text(struct aw_req *q, const struct aw_event *event, const char **text,
                        struct aw_err *err)
{
    const struct aw_schema *schema = aw_model_find(event->object);
    void *row;
    *text = NULL;
    if (!schema) {
        return true;
    }
    if (!aw_store_get_many(q->reader, &q->actor.scope, schema, &event->object_id, 1, q->arena, &row,
                           err)) {
        return false;
    }
    if (!row) {
        return true;
    }
    if (schema == &aw_incident_schema) {
        struct aw_rows one = {.v = &row, .n = 1};
        aw_incidents_rescore(&one, q->now_ms);
    }
    struct aw_str out;
    struct aw_json json;
    aw_str_init(&out, q->arena);
    aw_json_init(&json, &out);
    aw_json_row(&json, schema, row, false);
    *text = out.ptr;
    return true;
}

static bool write_items(struct aw_req *q, const struct aw_event_page *page, struct aw_str *out,
                        struct aw_err *err)
{
    struct aw_json json;
    aw_json_init(&json, out);
    aw_json_open(&json, '[');
    for (size_t i = 0; i < page->n; i++) {
        const struct aw_event *event = page->v[i];
        struct envelope envelope = {
            .v = 1,
            .id = event->id,
            .type = event->type,
            .ts = event->created_at,
            .company_id = event->company_id,
            .object = event->object,
            .object_id = event->object_id,
            .version = event->object_version,
            .actor = event->actor,
        };
        if (!object_text(q, event, &envelope.data, err)) {
            return false;
        }
        aw_json_row(&json, &envelope_schema, &envelope, false);
    }
    aw_json_close(&json, ']');
    return true;
}

static bool list_events(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_value *limit = aw_req_value(q, "limit");
    const struct aw_event_viewer viewer = {
        .scope = &q->actor.scope,
        .user_id = q->actor.user->id,
        .permissions = aw_policy_words(&q->actor, q->arena),
    };
    struct aw_event_page page;
    struct aw_str items;
    aw_str_init(&items, q->arena);
    if (!aw_events_after(q->reader, &viewer, aw_req_value(q, "after")->text,
                         limit->present ? (size_t)limit->number : PAGE_DEFAULT, q->arena, &page,
                         err) ||
        !write_items(q, &page, &items, err)) {
        return false;
    }
    const struct page_out out = {.items = items.ptr,
                                 .last_event_id = page.next,
                                 .more = page.more,
                                 .resync = page.lost};
    aw_reply_row(r, &page_schema, &out, -1);
    return true;
}

const struct aw_route aw_event_routes[] = {
    {
        .method = "GET",
        .path = "/api/events",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_LIST,
        .summary = "The stream of events behind a known one",
        .params = params,
        .reply = &page_schema,
        .run = list_events,
    },
    {.method = NULL},
};
