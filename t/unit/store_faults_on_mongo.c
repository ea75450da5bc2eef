/* The MongoDB driver when things go wrong: killed at every point of a commit and of a take-over, messages lost, late
 * and unanswered at every place, two writers, standby. Needs a server. */
#include "mongo_kit.h"
#include "mongo_proxy.h"

#include <sys/wait.h>

#include "src/aw_crash.h"

/* --- one unit that touches three collections in every way --- */

struct unit {
    struct aw_thing seed[3], replaced, inserted, event;
    struct aw_write seeds[3], writes[4];
};

static void unit_init(struct unit *unit)
{
    unit->seed[0] = kit_thing("replaced", "R");
    unit->seed[1] = kit_thing("deleted", "D");
    unit->seed[2] = kit_thing("bystander", "B");
    unit->seeds[0] = kit_insert(&things, &unit->seed[0]);
    unit->seeds[1] = kit_insert(&others, &unit->seed[1]);
    unit->seeds[2] = kit_insert(&others, &unit->seed[2]);
    unit->replaced = kit_thing("replaced", "R2");
    unit->inserted = kit_thing("inserted", "I");
    unit->event = kit_thing("event", "E");
    unit->writes[0] = kit_insert(&events, &unit->event);
    unit->writes[1] = kit_replace(&things, &unit->replaced, 1);
    unit->writes[2] = kit_insert(&things, &unit->inserted);
    unit->writes[3] = kit_delete(&others, "deleted", 1);
}

/* How many of the unit's writes are in; the rest must be as before. */
static size_t unit_in(struct aw_mongo *self)
{
    int64_t replaced = kit_version(self, &things, "replaced"),
            inserted = kit_version(self, &things, "inserted");
    int64_t deleted = kit_version(self, &others, "deleted"),
            event = kit_version(self, &events, "event");
    assert_in_range(replaced, 1, 2);
    assert_in_range(inserted, 0, 1);
    assert_in_range(deleted, 0, 1);
    assert_in_range(event, 0, 1);
    assert_int_equal(kit_version(self, &others, "bystander"), 1);
    return (size_t)(replaced - 1 + inserted + 1 - deleted + event);
}
enum { UNIT_NONE = 0, UNIT_ALL = 4 };

static int64_t count_undone(struct aw_mongo *self)
{
    bson_t *filter = BCON_NEW("done", BCON_BOOL(false));
    bson_error_t error;
    mongoc_collection_t *journal = mongoc_database_get_collection(self->writer.db, "journal");
    int64_t n = mongoc_collection_count_documents(journal, filter, NULL, NULL, NULL, &error);
    mongoc_collection_destroy(journal);
    bson_destroy(filter);
    return n;
}

/* A fresh database with the seeds, nobody at it. */
static void seed(const char *uri, struct unit *unit)
{
    unit_init(unit);
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri);
    kit_must_commit(self, unit->seeds, AW_COUNT(unit->seeds));
    kit_close(self);
}

static void commit_after_all(struct aw_mongo *self)
{
    struct aw_thing more = kit_thing("more", "M");
    kit_must_commit(self, (struct aw_write[]){kit_insert(&things, &more)}, 1);
    assert_int_equal(kit_version(self, &things, "more"), 1);
    assert_int_equal(count_undone(self), 0);
}

/* --- killed --- */

#ifdef AW_CRASH_POINTS
enum { SURVIVED = 7 };

/* Opens and commits in a child that dies at the point. True: it died there. */
static bool dies(const char *uri, const char *point, int count, bool at_open, struct unit *unit)
{
    char spec[96];
    snprintf(spec, sizeof(spec), "%s:%d", point, count);
    pid_t child = fork();
    if (child == 0) {
        struct aw_mongo *self;
        struct aw_err err;
        if (at_open) {
            aw_crash_arm(spec);
        }
        if (!kit_try_open(uri, &self, &err)) {
            _exit(1);
        }
        aw_crash_arm(at_open ? NULL : spec);
        bool is_good = at_open || kit_commit(self, unit->writes, AW_COUNT(unit->writes), &err);
        kit_close(self);
        _exit(is_good ? SURVIVED : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), SURVIVED);
        return false;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return true;
}

static bool is_new_point(const char *const *names, size_t i)
{
    for (size_t before = 0; before < i; before++) {
        if (strcmp(names[before], names[i]) == 0) {
            return false;
        }
    }
    return strncmp(names[i], "mongo.", strlen("mongo.")) == 0;
}

static bool is_of_take_over(const char *name)
{
    return strncmp(name, "mongo.take_over.", strlen("mongo.take_over.")) == 0;
}

/* As a reader sees the unit half applied: no event without what it tells of. */
static void expect_event_last(const char *uri)
{
    struct aw_mongo view = {.uri = NULL};
    view.writer.client = kit_client(uri);
    view.writer.db = mongoc_client_get_default_database(view.writer.client);
    if (kit_version(&view, &events, "event") != 0) {
        assert_int_equal(unit_in(&view), UNIT_ALL);
    }
    mongoc_database_destroy(view.writer.db);
    mongoc_client_destroy(view.writer.client);
}

/* Another process takes over at once, though the lease is fresh: the holder is seen to be dead. */
static void test_killed_in_commit(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    size_t n, walked = 0;
    const char *const *names = aw_crash_names(&n);
    for (size_t i = 0; i < n; i++) {
        if (!is_new_point(names, i) || is_of_take_over(names[i])) {
            continue;
        }
        bool died = true;
        for (int count = 1; died; count++) {
            struct unit unit;
            seed(uri, &unit);
            died = dies(uri, names[i], count, false, &unit);
            assert_true(died || count > 1);
            expect_event_last(uri);
            struct aw_mongo *self = kit_open(uri);
            bool is_before = strcmp(names[i], "mongo.commit.before_journal") == 0;
            assert_int_equal(unit_in(self), died && is_before ? UNIT_NONE : UNIT_ALL);
            commit_after_all(self);
            kit_close(self);
            walked += died;
        }
    }
    /* before and after the journal, three collections, applied, done */
    assert_in_range(walked, 7, 100);
    kit_drop(uri);
}

static void test_killed_in_take_over(void **state)
{
    (void)state;
    static const char *const points[] = {"mongo.take_over.barrier", "mongo.apply.sent",
                                         "mongo.take_over.applied"};
    const char *uri = kit_uri();
    for (size_t i = 0; i < AW_COUNT(points); i++) {
        for (int count = 1; count <= (i == 1 ? 3 : 1); count++) {
            struct unit unit;
            seed(uri, &unit);
            assert_true(dies(uri, "mongo.commit.after_journal", 1, false, &unit));
            assert_true(dies(uri, points[i], count, true, &unit));
            struct aw_mongo *self = kit_open(uri);
            assert_int_equal(unit_in(self), UNIT_ALL);
            commit_after_all(self);
            kit_close(self);
        }
    }
    kit_drop(uri);
}
#endif

/* --- messages --- */

static const char *proxy_uri(const char *uri)
{
    static char through[300];
    const char *rest = strchr(uri + strlen("mongodb://"), '/');
    snprintf(through, sizeof(through), "mongodb://127.0.0.1:%u%s", proxy.port, rest);
    return through;
}

/* Until the unit is in and applied; the first answer is judged by what is stored. */
static void commit_through_fault(struct aw_mongo *self, struct aw_mongo_reader *direct,
                                 struct unit *unit)
{
    struct aw_err err;
    bool is_good = kit_commit(self, unit->writes, AW_COUNT(unit->writes), &err);
    if (!is_good) {
        assert_int_equal(err.kind, AW_ERR_UNAVAILABLE);
        proxy_calm(&proxy);
        struct aw_mongo view = {.writer = *direct};
        assert_int_equal(unit_in(&view), UNIT_NONE);
        assert_int_equal(count_undone(&view), 0);
    }
    int64_t start = aw_clock_mono_ms();
    while (!is_good || !aw_mongo_settle(self, &err)) {
        assert_in_range(aw_clock_mono_ms() - start, 0, 10000);
        is_good = is_good || kit_commit(self, unit->writes, AW_COUNT(unit->writes), &err);
    }
}

static void walk_messages(enum proxy_how how)
{
    const char *uri = kit_uri();
    bool was_spoiled = true;
    int64_t n = 0;
    while (was_spoiled) {
        struct unit unit;
        seed(uri, &unit);
        struct aw_mongo *self = kit_open(proxy_uri(uri));
        struct aw_mongo_reader direct = {.client = kit_client(uri)};
        direct.db = mongoc_client_get_default_database(direct.client);
        proxy_spoil(&proxy, how, ++n);
        commit_through_fault(self, &direct, &unit);
        was_spoiled = proxy_calm(&proxy) && atomic_load(&proxy.messages) >= n;
        struct aw_mongo view = {.writer = direct};
        assert_int_equal(unit_in(&view), UNIT_ALL);
        commit_after_all(self);
        mongoc_database_destroy(direct.db);
        mongoc_client_destroy(direct.client);
        kit_close(self);
    }
    /* four checks, the journal, three collections in four messages, done; one more was not reached */
    assert_in_range(n, 11, 100);
    kit_drop(uri);
}

static void test_lost_requests(void **state)
{
    (void)state;
    walk_messages(PROXY_LOSE_REQUEST);
}
static void test_lost_replies(void **state)
{
    (void)state;
    walk_messages(PROXY_LOSE_REPLY);
}
static void test_late_requests(void **state)
{
    (void)state;
    walk_messages(PROXY_LATE);
}
static void test_outages(void **state)
{
    (void)state;
    walk_messages(PROXY_OUTAGE);
}

/* --- two writers --- */

/* A collection of the database, past every driver; client to be destroyed after it. */
static mongoc_collection_t *collection_of(const char *uri, const char *name,
                                          mongoc_client_t **client)
{
    *client = kit_client(uri);
    mongoc_database_t *db = mongoc_client_get_default_database(*client);
    mongoc_collection_t *collection = mongoc_database_get_collection(db, name);
    mongoc_database_destroy(db);
    return collection;
}

static void drop_lease(const char *uri)
{
    mongoc_client_t *client;
    mongoc_collection_t *lease = collection_of(uri, "lease", &client);
    bson_error_t error;
    assert_true(mongoc_collection_drop(lease, &error));
    mongoc_collection_destroy(lease);
    mongoc_client_destroy(client);
}

static void test_former_writer_is_fenced(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct unit unit;
    struct aw_err err;
    seed(uri, &unit);
    struct aw_mongo *former = kit_open(uri);
    drop_lease(uri);
    struct aw_mongo *self = kit_open(uri);
    assert_false(kit_commit(former, unit.writes, AW_COUNT(unit.writes), &err));
    assert_int_equal(err.kind, AW_ERR_FENCED);
    assert_int_equal(unit_in(self), UNIT_NONE);
    commit_after_all(self);
    /* for good */
    assert_false(kit_commit(former, unit.writes, 1, &err));
    assert_int_equal(err.kind, AW_ERR_FENCED);
    kit_close(former);
    kit_close(self);
    kit_drop(uri);
}

/* It slept between the commit point and the apply; meanwhile its unit was applied and a row of it deleted again. */
static void test_former_writer_resumes(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct unit unit;
    struct aw_err err;
    seed(uri, &unit);
    struct aw_mongo *former = kit_open(uri);
    bson_t *row = aw_mongo_journal_row(former, unit.writes, AW_COUNT(unit.writes), &err);
    assert_true(aw_mongo_journal_insert(former, row, &err));
    drop_lease(uri);
    struct aw_mongo *self = kit_open(uri);
    assert_int_equal(unit_in(self), UNIT_ALL);
    kit_must_commit(self, (struct aw_write[]){kit_delete(&things, "inserted", 1)}, 1);
    former->verified_ms -= 60000;
    assert_false(aw_mongo_apply(former, row, &err));
    assert_int_equal(err.kind, AW_ERR_FENCED);
    assert_int_equal(kit_version(self, &things, "inserted"), 0);
    bson_destroy(row);
    kit_close(former);
    kit_close(self);
    kit_drop(uri);
}

/* The slot of a former writer's next commit stays taken when the journal is swept. */
static void test_swept_journal_fences(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct unit unit;
    struct aw_err err;
    seed(uri, &unit);
    struct aw_mongo *former = kit_open(uri);
    drop_lease(uri);
    struct aw_mongo *self = kit_open(uri);
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%d", i);
        struct aw_thing thing = kit_thing(id, id);
        kit_must_commit(self, (struct aw_write[]){kit_insert(&things, &thing)}, 1);
    }
    int64_t swept = self->swept_slot;
    aw_driver_mongo.idle(self);
    assert_true(self->swept_slot > swept);
    mongoc_collection_t *journal = mongoc_database_get_collection(self->writer.db, "journal");
    bson_t all = BSON_INITIALIZER;
    bson_error_t error;
    /* barriers of seed(), of the former and of the new writer, and the newest unit */
    assert_int_equal(mongoc_collection_count_documents(journal, &all, NULL, NULL, NULL, &error), 4);
    mongoc_collection_destroy(journal);
    assert_false(kit_commit(former, unit.writes, AW_COUNT(unit.writes), &err));
    assert_int_equal(err.kind, AW_ERR_FENCED);
    kit_close(former);
    kit_close(self);
    kit_drop(uri);
}

static void test_standby(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct aw_err err;
    kit_drop(uri);
    struct aw_mongo *self = kit_open(uri), *standby;
    assert_false(kit_try_open(uri, &standby, &err));
    assert_int_equal(err.kind, AW_ERR_BUSY);
    assert_string_equal(err.code, "store.standby");
    commit_after_all(self);
    kit_close(self);
    standby = kit_open(uri);
    kit_close(standby);
    kit_drop(uri);
}

static void put_lease(const char *uri, int64_t renewed_ms)
{
    mongoc_client_t *client;
    mongoc_collection_t *lease = collection_of(uri, "lease", &client);
    bson_t *row =
        BCON_NEW("_id", "writer", "owner", "elsewhere", "host", "elsewhere", "pid", BCON_INT64(1),
                 "started", BCON_INT64(1), "renewed", BCON_DATE_TIME(renewed_ms));
    bson_error_t error;
    assert_true(mongoc_collection_insert_one(lease, row, NULL, NULL, &error));
    bson_destroy(row);
    mongoc_collection_destroy(lease);
    mongoc_client_destroy(client);
}

static void test_lease_of_another_machine(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct aw_mongo *self;
    struct aw_err err;
    kit_drop(uri);
    put_lease(uri, aw_clock_wall_ms() - 14000);
    assert_false(kit_try_open(uri, &self, &err));
    assert_string_equal(err.code, "store.standby");
    kit_drop(uri);
    put_lease(uri, aw_clock_wall_ms() - 15001);
    kit_close(kit_open(uri));
    kit_drop(uri);
}

static void test_newer_schema_is_refused(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct aw_mongo *self;
    struct aw_err err;
    kit_drop(uri);
    kit_close(kit_open(uri));
    mongoc_client_t *client;
    mongoc_collection_t *meta = collection_of(uri, "meta", &client);
    bson_t *filter = BCON_NEW("_id", AW_STORE_VERSION_ID);
    bson_t *row = BCON_NEW("_id", AW_STORE_VERSION_ID, "version", BCON_INT64(2), "value", "999");
    bson_error_t error;
    assert_true(mongoc_collection_replace_one(meta, filter, row, NULL, NULL, &error));
    assert_false(kit_try_open(uri, &self, &err));
    assert_string_equal(err.code, "store.newer");
    bson_destroy(filter);
    bson_destroy(row);
    mongoc_collection_destroy(meta);
    mongoc_client_destroy(client);
    kit_drop(uri);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (getenv("AW_TEST_MONGO_URI") == NULL) {
        puts("1..0 # SKIP no AW_TEST_MONGO_URI; t/e2e/10-store-contract.t runs this with every "
             "server");
        return 0;
    }
    const struct CMUnitTest tests[] = {
#ifdef AW_CRASH_POINTS
        cmocka_unit_test(test_killed_in_commit),
        cmocka_unit_test(test_killed_in_take_over),
#endif
        cmocka_unit_test(test_lost_requests),
        cmocka_unit_test(test_lost_replies),
        cmocka_unit_test(test_late_requests),
        cmocka_unit_test(test_outages),
        cmocka_unit_test(test_former_writer_is_fenced),
        cmocka_unit_test(test_former_writer_resumes),
        cmocka_unit_test(test_swept_journal_fences),
        cmocka_unit_test(test_standby),
        cmocka_unit_test(test_lease_of_another_machine),
        cmocka_unit_test(test_newer_schema_is_refused),
    };
    return cmocka_run_group_tests_name("store_faults_on_mongo", tests, start_proxy, stop_proxy);
}
