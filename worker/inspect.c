#include "inspect.h"

#include "src/aw_queue.h"
#include "worker/base/clock.h"
#include "worker/base/json.h"

static void print_info(const struct aw_queue_info *info, struct aw_arena *arena, struct aw_str *out)
{
    struct aw_json json;

    aw_json_init(&json, out);
    aw_json_open(&json, '{');
    aw_json_key(&json, "format_version");
    aw_json_i64(&json, info->version);
    aw_json_key(&json, "queue_id");
    aw_json_str(&json, aw_hex(arena, info->id, sizeof(info->id)));
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"file_size", info->file_size}, {"data_size", info->data_size},
                   {"epoch", info->epoch},         {"head", info->head},
                   {"tail", info->tail},           {"synced", info->synced},
                   {"records", info->records},     {"attempts", info->attempts},
                   {"bytes", info->bytes},         {"damaged", info->damaged}};
    for (size_t i = 0; i < AW_COUNT(numbers); i++) {
        aw_json_key(&json, numbers[i].name);
        aw_json_i64(&json, (int64_t)numbers[i].value);
    }
    aw_json_key(&json, "fill_percent");
    aw_json_i64(&json, (int64_t)(info->data_size ? info->bytes * 100 / info->data_size : 0));
    aw_json_key(&json, "same_boot");
    aw_json_bool(&json, info->same_boot);
    aw_json_key(&json, "sync_broken");
    aw_json_bool(&json, info->sync_broken);
    aw_json_key(&json, "oldest_received_at");
    aw_json_time(&json, (int64_t)info->oldest_ms);
    aw_json_key(&json, "oldest_age_ms");
    aw_json_i64(&json, info->oldest_ms ? aw_clock_wall_ms() - (int64_t)info->oldest_ms : 0);
    aw_json_close(&json, '}');
}

bool aw_inspect_queue(const char *path, struct aw_str *out, struct aw_err *err)
{
    struct aw_arena *arena = aw_arena_create(0);
    struct aw_queue queue;
    struct aw_queue_info info;
    bool good = aw_queue_open(&queue, path, 0, AW_FILE_INSPECT | AW_FILE_ANY_FS, NULL, err);

    if (good) {
        good = aw_queue_inspect(&queue, &info, err);
        aw_queue_close(&queue);
    }
    if (good) {
        print_info(&info, arena, out);
    }
    aw_arena_destroy(&arena);
    return good;
}
