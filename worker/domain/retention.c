#include "retention.h"

#include <string.h>

#include "events.h"
#include "ingest_dedupe.h"

/* A signature is remembered from its received time until its timestamp, at most a window later, has passed by. */
enum { SHORT_MEMORY_MS = 2 * AW_SIGNATURE_SKEW_S * 1000 };

/* --- which rows are over --- */

/* A row that was changed stays at its old place with a newer time, and a time of the future comes of a clock that was
 * wrong: neither tells the age of those behind it. */
static enum aw_retention_verdict judge_delivery(const struct aw_delivery_row *row, int64_t horizon,
                                                const struct aw_retention_limits *limits)
{
    int64_t since = limits->oldest_ms - AW_RETENTION_MARGIN_MS;
    if (row->received_at + row->memory_ms < since) {
        return AW_RETENTION_OVER;
    }
    bool is_young = row->version == 1 && row->received_at + horizon >= since &&
                    row->received_at <= limits->now_ms;
    return is_young ? AW_RETENTION_YOUNG : AW_RETENTION_STAYS;
}

/* Rows of a short memory lie between those of a long one. Two walks, each of which looks at the rows that have just
 * reached its age, spare a look at all of them again and again; the one for the long memory also finds what the other
 * has passed by. */
static enum aw_retention_verdict judge_short(const void *row,
                                             const struct aw_retention_limits *limits)
{
    return judge_delivery(row, SHORT_MEMORY_MS, limits);
}

static enum aw_retention_verdict judge_long(const void *row,
                                            const struct aw_retention_limits *limits)
{
    return judge_delivery(row, AW_DELIVERY_MEMORY_MS, limits);
}

static enum aw_retention_verdict judge_event(const void *row_,
                                             const struct aw_retention_limits *limits)
{
    const struct aw_event_run *row = row_;
    int64_t age = limits->now_ms - row->created_at;
    return age > limits->event_ms ? AW_RETENTION_OVER
           : age < 0              ? AW_RETENTION_STAYS
                                  : AW_RETENTION_YOUNG;
}

static enum aw_retention_verdict judge_notification(const void *row_,
                                                    const struct aw_retention_limits *limits)
{
    const struct aw_notification *row = row_;
    bool is_over = row->read && limits->now_ms - row->updated_at > limits->notification_ms;
    return is_over ? AW_RETENTION_OVER : AW_RETENTION_STAYS;
}

static enum aw_retention_verdict judge_reply(const void *row_,
                                             const struct aw_retention_limits *limits)
{
    const struct aw_kept_reply *row = row_;
    int64_t age = limits->now_ms - row->created_at;
    return age > AW_KEPT_REPLY_MS ? AW_RETENTION_OVER
           : age < 0              ? AW_RETENTION_STAYS
                                  : AW_RETENTION_YOUNG;
}

const struct aw_retention_rule aw_retention_deliveries = {.schema = &aw_delivery_schema,
                                                          .order = "received_at",
                                                          .judge = judge_long,
                                                          .of_records = true};
const struct aw_retention_rule aw_retention_short_deliveries = {.schema = &aw_delivery_schema,
                                                                .order = "received_at",
                                                                .judge = judge_short,
                                                                .of_records = true,
                                                                .goes_on = true};
const struct aw_retention_rule aw_retention_events = {.schema = &aw_event_run_schema,
                                                      .judge = judge_event};
const struct aw_retention_rule aw_retention_notifications = {.schema = &aw_notification_schema,
                                                             .judge = judge_notification,
                                                             .news = "notification_deleted"};

const struct aw_retention_rule aw_retention_replies = {.schema = &aw_kept_reply_schema,
                                                       .order = "created_at",
                                                       .judge = judge_reply};

/* --- looking --- */

bool aw_retention_look(struct aw_reader *reader, const struct aw_retention_rule *rule,
                       const struct aw_retention_limits *limits, struct aw_place *place,
                       struct aw_arena *arena, struct aw_retention_page *page, struct aw_err *err)
{
    struct aw_place began = *place;
    const struct aw_query query = {.schema = rule->schema,
                                   .sort = rule->order,
                                   .limit = AW_RETENTION_ROWS};
    struct aw_rows rows;
    *page = (struct aw_retention_page){.rule = rule, .now_ms = limits->now_ms};
    if (!aw_store_walk(reader, &aw_scope_all, &query, place, arena, &rows, &page->more, err)) {
        return false;
    }
    page->rows = rows.v;
    for (size_t i = 0; i < rows.n; i++) {
        switch (rule->judge(rows.v[i], limits)) {
        case AW_RETENTION_OVER:
            page->rows[page->n++] = rows.v[i];
            break;
        case AW_RETENTION_STAYS:
            break;
        case AW_RETENTION_YOUNG:
            /* What is left of this page comes again with the next run. */
            *place = began;
            page->more = false;
            return true;
        }
    }
    return true;
}

/* --- deleting --- */

static const char *id_of(const struct aw_schema *schema, const void *row)
{
    return *(const char *const *)aw_field_at(&schema->fields[0], row);
}

static int64_t version_of(const struct aw_schema *schema, const void *row)
{
    return *(const int64_t *)aw_field_at(&schema->fields[1], row);
}

static void tell(struct aw_news *news, const struct aw_retention_page *page, const void *row)
{
    static const char company_id[] = "company_id";
    const struct aw_schema *schema = page->rule->schema;
    const struct aw_field *field = aw_schema_field(schema, company_id, sizeof(company_id) - 1);
    aw_news_add(news,
                &(struct aw_event_news){.company_id = *(const char *const *)aw_field_at(field, row),
                                        .permission = "view",
                                        .object = schema->name,
                                        .object_id = id_of(schema, row),
                                        .object_version = version_of(schema, row) + 1,
                                        .type = page->rule->news,
                                        .now_ms = page->now_ms});
}

bool aw_retention_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct aw_retention_page *page = arg;
    const struct aw_schema *schema = page->rule->schema;
    struct aw_news news = {.arena = aw_tx_arena(tx)};
    for (size_t i = 0; i < page->n; i++) {
        const void *row = page->rows[i];
        aw_tx_delete(tx, schema, id_of(schema, row), version_of(schema, row));
        if (page->rule->news != NULL) {
            tell(&news, page, row);
        }
    }
    return aw_events_add(tx, news.v, news.n, err);
}
