#include <string.h>

#include "ingest.h"
#include "src/aw_alert_json.h"
#include "src/aw_id.h"
#include "worker/base/str.h"

static void *json_alloc(void *ctx, size_t size)
{
    return aw_arena_alloc(ctx, size);
}

static const char *slice_text(struct aw_arena *arena, struct aw_slice slice)
{
    return aw_arena_strn(arena, slice.ptr, slice.len);
}

static void decode_body(struct aw_arena *arena, struct aw_ingest_item *item)
{
    const struct aw_record_head *record = item->record;
    const struct aw_json_memory memory = {.alloc = json_alloc, .ctx = arena};
    struct aw_json_problem problem = {.field = "", .detail = ""};
    struct aw_alert_body body;
    AW_FAULT("ingest.decode", aw_record_body(record), record->body_len);
    enum aw_json_verdict verdict =
        aw_alert_json_parse(aw_record_body(record), record->body_len, &memory, &body, &problem);
    if (verdict != AW_JSON_OK) {
        item->reason = aw_arena_printf(arena, "body cannot be read: %s", problem.detail);
        return;
    }
    item->asset_name = slice_text(arena, body.asset_name);
    item->signature = slice_text(arena, body.signature);
    item->message = slice_text(arena, body.message);
    item->tool_source = slice_text(arena, body.tool_source);
    item->severity = (int)body.severity;
    item->raw = aw_arena_strn(arena, (const char *)aw_record_body(record), record->body_len);
    if (record->flags & AW_RECORD_DELIVERY_ID) {
        item->delivery_id =
            aw_arena_strn(arena, aw_record_delivery_id(record), record->delivery_len);
    }
}

void aw_ingest_decode(const struct aw_record_head *record, const char *queue,
                      struct aw_arena *arena, struct aw_ingest_item *item)
{
    AW_CRASH("ingest.decode");
    *item = (struct aw_ingest_item){.record = record,
                                    .queue = queue,
                                    .received_ms = (int64_t)record->received_ms};
    aw_id_format(record->alert_id, item->alert_id);
    item->identity = aw_base64url(arena, record->identity, sizeof(record->identity));
    if (record->flags & AW_RECORD_SIGNED) {
        item->signature_key = aw_base64url(arena, record->signature, sizeof(record->signature));
    }
    item->company_id = aw_arena_strn(arena, record->company, aw_record_company_len(record));
    if (record->kind == AW_RECORD_ALERT) {
        decode_body(arena, item);
    } else if (record->kind != AW_RECORD_ATTEMPT) {
        item->reason = "unknown kind of record";
    }
}
