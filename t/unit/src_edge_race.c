#include "aw_edge.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "t/unit/edge_kit.h"

#define MIXED 3 /* companies; all of their content tells the round in which it was published */

struct round {
    struct aw_edge_company_in companies[MIXED];
    struct aw_edge_key_in keys[MIXED];
    char ids[MIXED][24], names[32][48];
    const char *assets[32];
};

static const char *const mixed_keys[MIXED] = {"key 0", "key 1", "key 2"};

static bool publish_round(struct aw_edge *edge, uint32_t number, struct aw_err *problem)
{
    static __thread struct round round;
    memset(&round, 0, sizeof(round));
    size_t count = 1 + number % 31;
    for (size_t i = 0; i < count; i++) {
        snprintf(round.names[i], sizeof(round.names[i]), "asset-%u-%zu", number, i);
        round.assets[i] = round.names[i];
    }
    for (uint32_t i = 0; i < MIXED; i++) {
        struct aw_edge_company_in *in = &round.companies[i];
        snprintf(round.ids[i], sizeof(round.ids[i]), "company-%u", i);
        round.keys[i] = key_in(mixed_keys[i]);
        *in = (struct aw_edge_company_in){.id = round.ids[i],
                                          .limited = true,
                                          .mac_key_count = 2,
                                          .per_minute = number,
                                          .burst = number,
                                          .keys = &round.keys[i],
                                          .key_count = 1,
                                          .assets = round.assets,
                                          .asset_count = count};
        for (size_t j = 0; j < 8; j++) {
            in->mac_keys[0].inner[j] = in->mac_keys[1].outer[j] = number * MIXED + i;
        }
    }
    return aw_edge_publish(edge, round.companies, MIXED, problem);
}

/* One look at one company. False = something was mixed; *round = the round seen, 0 = none. */
static bool look(const struct aw_edge *edge, uint32_t i, const uint8_t sha256[AW_SHA256_LEN],
                 uint32_t *round)
{
    struct aw_edge_company company;
    char id[24], name[48];
    *round = 0;
    enum aw_edge_rc rc = aw_edge_find(edge, sha256, NULL, 0, 0, &company);
    if (rc != AW_EDGE_OK) {
        return rc == AW_EDGE_NOT_READY;
    }
    uint32_t number = company.per_minute;
    snprintf(id, sizeof(id), "company-%u", i);
    if (strlen(id) != company.id_len || memcmp(id, company.id, company.id_len) != 0 ||
        company.burst != number || company.index != i) {
        return false;
    }
    for (size_t j = 0; j < 8; j++) {
        if (company.mac_keys[0].inner[j] != number * MIXED + i ||
            company.mac_keys[1].outer[j] != number * MIXED + i) {
            return false;
        }
    }
    snprintf(name, sizeof(name), "asset-%u-%u", number, number % 31);
    rc = aw_edge_asset(edge, &company, name, strlen(name));
    if (rc != AW_EDGE_OK && rc != AW_EDGE_STALE) {
        return false;
    }
    snprintf(name, sizeof(name), "asset-%u-0", number + 1);
    rc = aw_edge_asset(edge, &company, name, strlen(name));
    *round = number;
    return rc == AW_EDGE_NO_ASSET || rc == AW_EDGE_STALE;
}

/* What readers report, in memory that processes share. */
struct tally {
    _Atomic bool stop;
    _Atomic uint64_t seen, missed, mixed;
};

static void read_until_stopped(const struct aw_edge *edge, struct tally *tally)
{
    uint8_t keys[MIXED][AW_SHA256_LEN];
    for (int i = 0; i < MIXED; i++) {
        key_of(mixed_keys[i], keys[i]);
    }
    for (uint32_t i = 0; !atomic_load(&tally->stop); i = (i + 1) % MIXED) {
        uint32_t round;
        if (!look(edge, i, keys[i], &round)) {
            atomic_fetch_add(&tally->mixed, 1);
        }
        atomic_fetch_add(round != 0 ? &tally->seen : &tally->missed, 1);
    }
}

static struct tally thread_tally;

static void *read_in_thread(void *edge)
{
    read_until_stopped(edge, &thread_tally);
    return NULL;
}

static void threads_never_see_a_mixed_company(void **state)
{
    (void)state;
    pthread_t threads[2];
    assert_true(publish_round(&writer, 1, &err));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_in_thread, &reader), 0);
    }
    bool ok = true;
    for (uint32_t round = 2; ok && (atomic_load(&thread_tally.seen) < 30000 || round < 5000);
         round++) {
        ok = publish_round(&writer, round, &err) && atomic_load(&thread_tally.mixed) == 0;
    }
    atomic_store(&thread_tally.stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(ok);
    assert_int_equal(atomic_load(&thread_tally.mixed), 0);
}

/* A child that does not outlive a failed test. */
static pid_t fork_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

static pid_t start_writer(void)
{
    pid_t pid = fork_child();
    if (pid == 0) {
        struct aw_edge mine;
        struct aw_err problem;
        if (!aw_edge_open(&mine, path, 0, AW_FILE_CONSUMER, NULL, &problem)) {
            _exit(2);
        }
        for (uint32_t round = (uint32_t)aw_edge_generation(&mine) + 1;; round++) {
            if (!publish_round(&mine, round, &problem)) {
                _exit(3);
            }
        }
    }
    return pid;
}

/* Killed anywhere, a writer leaves a whole generation; the next one goes on from there. */
static void killed_writers(void **state)
{
    (void)state;
    struct tally *tally =
        mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(tally, MAP_FAILED);
    assert_true(publish_round(&writer, 1, &err));
    aw_edge_close(&writer);

    pid_t readers[2];
    for (int i = 0; i < 2; i++) {
        readers[i] = fork_child();
        if (readers[i] == 0) {
            read_until_stopped(&reader, tally);
            _exit(0);
        }
    }
    unsigned random = 12345;
    int status;
    for (int i = 0; i < 60; i++) {
        uint64_t before = aw_edge_generation(&reader);
        pid_t pid = start_writer();
        random = random * 1103515245 + 12345;
        while (aw_edge_generation(&reader) < before + 1 + (random >> 16) % 40) {
            assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        }
        for (volatile unsigned spin = (random >> 8) % 20000; spin > 0; spin--) {
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        for (uint32_t j = 0; j < MIXED; j++) {
            uint8_t sha256[AW_SHA256_LEN];
            uint32_t round;
            key_of(mixed_keys[j], sha256);
            assert_true(look(&reader, j, sha256, &round));
            assert_int_equal(round, aw_edge_generation(&reader));
        }
    }
    while (atomic_load(&tally->seen) < 1000) {
        assert_int_equal(waitpid(readers[0], &status, WNOHANG), 0);
    }
    atomic_store(&tally->stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(atomic_load(&tally->mixed), 0);
    munmap(tally, sizeof(*tally));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(threads_never_see_a_mixed_company),
        WITH_FILES(killed_writers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
