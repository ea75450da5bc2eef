#include "aw_state.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "aw_crash.h"
#include "aw_queue_layout.h"
#include "aw_state_layout.h"

#define IDS_MAX (1u << 28)

static size_t align_up(size_t size)
{
    return (size + AW_STATE_PAGE - 1) / AW_STATE_PAGE * AW_STATE_PAGE;
}

static size_t rates_at(void)
{
    return AW_STATE_PAGE + align_up(sizeof(struct aw_counters));
}

static size_t sets_at(void)
{
    return rates_at() + align_up(AW_RATE_SLOTS * sizeof(struct aw_rate_word));
}

static size_t file_size(uint32_t set_count)
{
    return sets_at() + align_up(set_count * sizeof(struct aw_ids_set));
}

static uint32_t sets_for(uint32_t ids)
{
    uint32_t sets = AW_IDS_MIN / AW_IDS_WAYS;
    while (sets * AW_IDS_WAYS < ids) {
        sets *= 2;
    }
    return sets;
}

static bool header_fits(const struct aw_state_header *header, uint64_t size,
                        const struct aw_state_header *wanted)
{
    uint32_t sets = wanted->set_count == 0 ? header->set_count : wanted->set_count;
    return header->magic == wanted->magic && header->version == wanted->version &&
           header->counter_count == wanted->counter_count && header->set_size == wanted->set_size &&
           header->rate_slots == wanted->rate_slots && header->set_count == sets && sets != 0 &&
           (sets & (sets - 1)) == 0 && sets <= IDS_MAX / AW_IDS_WAYS &&
           size == file_size(header->set_count) &&
           memcmp(header->boot_id, wanted->boot_id, sizeof(header->boot_id)) == 0 &&
           memcmp(header->queue_id, wanted->queue_id, sizeof(header->queue_id)) == 0;
}

static bool map_sections(struct aw_state *state, const struct aw_file_spec *spec, uint64_t size,
                         uint32_t set_count, struct aw_err *err)
{
    state->map = aw_file_map(spec, state->fd, size, err);
    if (state->map == NULL) {
        return false;
    }
    state->map_size = (size_t)size;
    state->counters = (struct aw_counters *)(state->map + AW_STATE_PAGE);
    state->rates = (struct aw_rate_word *)(state->map + rates_at());
    state->sets = (struct aw_ids_set *)(state->map + sets_at());
    state->set_count = set_count;
    return true;
}

/* Under the repair lock. `keyed` goes back first: from then on every producer must insert the keys
 * again. */
static bool make(struct aw_state *state, const struct aw_file_spec *spec,
                 const struct aw_queue *queue, struct aw_state_header *header, struct aw_err *err)
{
    if (!aw_file_lock(state->fd, AW_LOCK_ATTACHED, true, false)) {
        return aw_fail(err, AW_ERR_CONFLICT, "state.busy",
                       "%s is of another boot, queue or size, but is attached elsewhere",
                       spec->path);
    }
    if (getrandom(&header->mix, sizeof(header->mix), 0) != sizeof(header->mix)) {
        return aw_fail_errno(err, "state.io", "drawing a number for %s", spec->path);
    }
    header->mix |= 1;
    uint64_t size = file_size(header->set_count);
    AW_CRASH("state.make.before_fill");
    if (!aw_file_fill(spec, state->fd, size, err) ||
        !map_sections(state, spec, size, header->set_count, err)) {
        return false;
    }
    AW_CRASH("state.make.before_keyed");
    atomic_store(&queue->live->keyed, atomic_load(&queue->live->head));
    AW_CRASH("state.make.after_keyed");
    struct aw_state_header *at = (struct aw_state_header *)state->map;
    uint64_t magic = header->magic;
    header->magic = 0;
    memcpy(at, header, sizeof(*header));
    atomic_signal_fence(memory_order_seq_cst);
    AW_CRASH("state.make.before_magic");
    *(volatile uint64_t *)&at->magic = magic;
    AW_CRASH("state.make.after_magic");
    state->fresh = true;
    return true;
}

static bool load(struct aw_state *state, const struct aw_file_spec *spec, uint32_t ids,
                 const struct aw_queue *queue, struct aw_err *err)
{
    struct aw_state_header found = {0};
    struct aw_state_header wanted = {
        .magic = AW_STATE_MAGIC,
        .version = AW_STATE_VERSION,
        .counter_count = AW_COUNTER_COUNT,
        .set_size = sizeof(struct aw_ids_set),
        .set_count = ids == 0 ? 0 : sets_for(ids),
        .rate_slots = AW_RATE_SLOTS,
    };
    memcpy(wanted.queue_id, queue->id, sizeof(wanted.queue_id));
    if (!aw_file_boot_id(wanted.boot_id, err)) {
        return false;
    }
    off_t size = lseek(state->fd, 0, SEEK_END);
    if (pread(state->fd, &found, sizeof(found), 0) == (ssize_t)sizeof(found) &&
        header_fits(&found, (uint64_t)size, &wanted)) {
        return map_sections(state, spec, (uint64_t)size, found.set_count, err);
    }
    if (!(spec->how & AW_FILE_CREATE)) {
        return aw_fail(err, AW_ERR_NOT_FOUND, "state.absent",
                       "%s is not of this boot, queue and size", spec->path);
    }
    if (ids > IDS_MAX || ids == 0) {
        return aw_fail(err, AW_ERR_INTERNAL, "state.size", "%s can hold 1 to %u ids", spec->path,
                       IDS_MAX);
    }
    return make(state, spec, queue, &wanted, err);
}

static bool open_locked(struct aw_state *state, const struct aw_file_spec *spec, uint32_t ids,
                        const struct aw_queue *queue, struct aw_err *err)
{
    if (spec->how & AW_FILE_INSPECT) {
        return load(state, spec, ids, queue, err);
    }
    if (!aw_file_lock(state->fd, AW_LOCK_REPAIR, true, true)) {
        return aw_fail_errno(err, "state.io", "locking %s", spec->path);
    }
    bool ok = load(state, spec, ids, queue, err);
    if (ok && !aw_file_lock(state->fd, AW_LOCK_ATTACHED, false, true)) {
        ok = aw_fail_errno(err, "state.io", "locking %s", spec->path);
    }
    aw_file_unlock(state->fd, AW_LOCK_REPAIR);
    return ok;
}

bool aw_state_open(struct aw_state *state, const char *path, uint32_t ids,
                   const struct aw_queue *queue, unsigned how, const struct aw_file_owner *owner,
                   struct aw_err *err)
{
    struct aw_file_spec spec = {.unit = "state", .path = path, .how = how, .owner = owner};
    uint64_t size;
    *state = (struct aw_state){.fd = -1};
    if (!aw_file_open(&spec, &state->fd, &size, err)) {
        return false;
    }
    if (!open_locked(state, &spec, ids, queue, err)) {
        aw_state_close(state);
        return false;
    }
    return true;
}

void aw_state_close(struct aw_state *state)
{
    if (state->fd < 0) {
        return;
    }
    if (state->map != NULL) {
        munmap(state->map, state->map_size);
    }
    close(state->fd);
    *state = (struct aw_state){.fd = -1};
}
