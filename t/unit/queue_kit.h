/* queue_kit.h - what the tests of the queue file, the state file and the intake share: a folder that goes away,
 * deliveries with predictable contents, a seeded generator, another boot.
 * Threads: one. */
#ifndef QUEUE_KIT_H
#define QUEUE_KIT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/aw_crash.h"
#include "src/aw_crc.h"
#include "src/aw_queue_layout.h"

#define KIT_NOW_S 1700000000u

static char kit_dir[64];
static char kit_queue[96], kit_state[96];

static inline int kit_setup_in(const char *folder)
{
    snprintf(kit_dir, sizeof(kit_dir), "%s/aw-unit.XXXXXX", folder);
    if (mkdtemp(kit_dir) == NULL) {
        return -1;
    }
    snprintf(kit_queue, sizeof(kit_queue), "%s/queue", kit_dir);
    snprintf(kit_state, sizeof(kit_state), "%s/queue.state", kit_dir);
    return 0;
}

static inline int kit_setup(void **unused)
{
    (void)unused;
    return kit_setup_in("/tmp");
}

/* For tests that play the disk themselves, thousands of times. */
static inline int kit_setup_memory(void **unused)
{
    (void)unused;
    return kit_setup_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int kit_teardown(void **unused)
{
    (void)unused;
    unlink(kit_queue);
    unlink(kit_state);
    return rmdir(kit_dir);
}

static inline uint64_t kit_random(uint64_t *seed)
{
    *seed += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = *seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline uint64_t kit_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline void kit_open(struct aw_queue *queue, uint64_t size, unsigned how)
{
    struct aw_err err = {0};
    if (!aw_queue_open(queue, kit_queue, size, how | AW_FILE_ANY_FS, NULL, &err)) {
        fail_msg("aw_queue_open: %s: %s", err.code, err.msg);
    }
}

/* Opens and expects the error code. */
static inline void kit_open_fails(uint64_t size, unsigned how, const char *code)
{
    struct aw_queue queue;
    struct aw_err err = {0};
    assert_false(aw_queue_open(&queue, kit_queue, size, how, NULL, &err));
    assert_string_equal(err.code, code);
    assert_int_equal(queue.fd, -1);
}

/* An alert number n: its keys, ids and body follow from n. The body stays valid until the next call. */
static inline struct aw_delivery kit_alert(uint64_t n, size_t body_len)
{
    static uint8_t body[AW_BODY_MAX];
    uint64_t seed = n;
    for (size_t i = 0; i < body_len; i += sizeof(uint64_t)) {
        uint64_t word = kit_random(&seed);
        memcpy(body + i, &word, body_len - i < sizeof(word) ? body_len - i : sizeof(word));
    }
    struct aw_delivery delivery = {
        .kind = AW_RECORD_ALERT,
        .flags = AW_RECORD_DELIVERY_ID,
        .received_ms = KIT_NOW_S * 1000ull,
        .company = "acme",
        .company_len = 4,
        .body = body,
        .body_len = body_len,
    };
    seed = n ^ 0x1d;
    for (size_t i = 0; i < AW_SHA256_LEN; i += sizeof(uint64_t)) {
        uint64_t word = kit_random(&seed);
        memcpy(delivery.identity + i, &word, sizeof(word));
    }
    memcpy(delivery.alert_id, &n, sizeof(n));
    return delivery;
}

static inline void kit_sign(struct aw_delivery *delivery, uint64_t n)
{
    uint64_t seed = n ^ 0x516;
    for (size_t i = 0; i < AW_SHA256_LEN; i += sizeof(uint64_t)) {
        uint64_t word = kit_random(&seed);
        memcpy(delivery->signature + i, &word, sizeof(word));
    }
    delivery->flags |= AW_RECORD_SIGNED;
    delivery->sig_timestamp = KIT_NOW_S;
}

static inline uint64_t kit_number(const struct aw_record_head *record)
{
    uint64_t n;
    memcpy(&n, record->alert_id, sizeof(n));
    return n;
}

static inline uint64_t kit_append(struct aw_queue *queue, uint64_t n, size_t body_len)
{
    struct aw_delivery delivery = kit_alert(n, body_len);
    assert_true(aw_queue_lock(queue, 1000000) <= AW_QUEUE_REPAIRED);
    uint64_t seq = aw_queue_append(queue, &delivery);
    aw_queue_unlock(queue);
    return seq;
}

/* The record is alert n, byte for byte. */
static inline void kit_check(const struct aw_record_head *record, uint64_t n)
{
    assert_non_null(record);
    struct aw_delivery delivery = kit_alert(n, record->body_len);
    assert_int_equal(kit_number(record), n);
    assert_memory_equal(record->identity, delivery.identity, AW_SHA256_LEN);
    assert_memory_equal(aw_record_body(record), delivery.body, record->body_len);
}

/* Makes the file look as if the machine had been started anew: valid header pages name another boot. */
static inline void kit_other_boot(uint8_t *map)
{
    for (unsigned page = 0; page < 2; page++) {
        struct aw_queue_header *header = (struct aw_queue_header *)(map + page * AW_QUEUE_PAGE);
        size_t covered = offsetof(struct aw_queue_header, crc);
        if (header->magic == AW_QUEUE_MAGIC && header->crc == aw_crc32c(0, header, covered)) {
            memset(header->boot_id, 0xee, sizeof(header->boot_id));
            header->crc = aw_crc32c(0, header, covered);
        }
    }
}

static inline void kit_new_boot(const char *path)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    size_t len = 2 * AW_QUEUE_PAGE;
    uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    kit_other_boot(map);
    munmap(map, len);
    fclose(file);
}

/* Waits for a child and returns its wait status. */
static inline int kit_wait(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static inline bool kit_was_killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

#endif
