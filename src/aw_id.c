#include "aw_id.h"

#include "aw_hex.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define POOL 512

/* Random bits of the last id: `high` has 12 of them and is drawn with 11, so that adding steps of
 * at most 2^32 would overflow it only after 2^41 ids in one millisecond. */
struct state {
    uint64_t ms;
    uint64_t low; /* 62 bits */
    uint32_t high;
    size_t left; /* unused bytes at the end of pool */
    uint8_t pool[POOL];
};
static __thread struct state of_thread;

#define LOW_MASK  ((1ull << 62) - 1)
#define HIGH_MASK 0x7ffu
#define MS_MASK   ((1ull << 48) - 1)

/* A child that went on with its parent's pool would make its parent's ids. */
static void forget_after_fork(void)
{
    of_thread.ms = 0;
    of_thread.left = 0;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_after_fork);
}

static void refill(struct state *state)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);

    size_t have = 0;
    while (have < POOL) {
        ssize_t got = getrandom(state->pool + have, POOL - have, 0);
        if (got > 0) {
            have += (size_t)got;
        } else if (got < 0 && errno != EINTR) {
            abort(); /* a kernel without getrandom: guessable ids would be worse */
        }
    }
    state->left = POOL;
}

static void draw(struct state *state, void *out, size_t len)
{
    if (state->left < len) {
        refill(state);
    }
    uint8_t *from = state->pool + POOL - state->left;
    memcpy(out, from, len);
    explicit_bzero(from, len);
    state->left -= len;
}

static void begin_ms(struct state *state, uint64_t now_ms)
{
    uint16_t high;
    draw(state, &high, sizeof(high));
    draw(state, &state->low, sizeof(state->low));
    state->high = high & HIGH_MASK;
    state->low &= LOW_MASK;
    state->ms = now_ms;
}

static void step_within_ms(struct state *state)
{
    uint32_t step;
    draw(state, &step, sizeof(step));
    state->low += (uint64_t)step + 1;
    state->high += (uint32_t)(state->low >> 62);
    state->low &= LOW_MASK;
}

void aw_id_make(uint8_t id[AW_ID_LEN], uint64_t now_ms)
{
    struct state *state = &of_thread;
    now_ms &= MS_MASK;
    if (now_ms > state->ms || state->ms == 0) {
        begin_ms(state, now_ms);
    } else {
        step_within_ms(state);
    }
    uint64_t high = htobe64(state->ms << 16 | 0x7000 | state->high);
    uint64_t low = htobe64(1ull << 63 | state->low);
    memcpy(id, &high, sizeof(high));
    memcpy(id + sizeof(high), &low, sizeof(low));
}

/* 8 digits, four times a hyphen and 4 digits, 8 digits: bytes 4 to 11 are those between. */
#define QUADS          4
#define QUAD_HYPHEN(i) (8 + 5 * (i))

void aw_id_format(const uint8_t id[AW_ID_LEN], char *text)
{
    char quads[4 * QUADS];
    aw_hex_write4(id, text);
    aw_hex_write4(id + 4, quads);
    aw_hex_write4(id + 8, quads + 8);
    aw_hex_write4(id + 12, text + QUAD_HYPHEN(QUADS));
    for (int i = 0; i < QUADS; i++) {
        text[QUAD_HYPHEN(i)] = '-';
        memcpy(text + QUAD_HYPHEN(i) + 1, quads + 4 * i, 4);
    }
    text[AW_ID_TEXT] = '\0';
}

bool aw_id_parse(const char *text, size_t len, uint8_t id[AW_ID_LEN])
{
    if (len != AW_ID_TEXT) {
        return false;
    }
    char quads[4 * QUADS];
    for (int i = 0; i < QUADS; i++) {
        if (text[QUAD_HYPHEN(i)] != '-') {
            return false;
        }
        memcpy(quads + 4 * i, text + QUAD_HYPHEN(i) + 1, 4);
    }
    uint64_t bad = aw_hex_read4(text, id);
    bad |= aw_hex_read4(quads, id + 4);
    bad |= aw_hex_read4(quads + 8, id + 8);
    bad |= aw_hex_read4(text + QUAD_HYPHEN(QUADS), id + 12);
    return bad == 0;
}
