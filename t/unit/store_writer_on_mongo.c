/* The writer of the MongoDB driver beside its commits: what it need not ask, when it gives up, and the indexes that it
 * keeps. Needs a server. */
#include "mongo_kit.h"
#include "mongo_proxy.h"

/* Through the relay; a server that is away is seen to be within half a second. */
static const char *proxy_uri(const char *uri)
{
    static char through[300];
    const char *path = strchr(uri + strlen("mongodb://"), '/');
    snprintf(through, sizeof(through),
             "mongodb://127.0.0.1:%u%.*s?serverSelectionTimeoutMS=500&socketTimeoutMS=60000",
             proxy.port, (int)strcspn(path, "?"), path);
    return through;
}

/* --- what it need not ask --- */

static int64_t messages_of(struct aw_mongo *self, struct aw_write *write)
{
    proxy_spoil(&proxy, PROXY_LOSE_REQUEST, 0);
    kit_must_commit(self, write, 1);
    return atomic_load(&proxy.messages);
}

static void test_what_was_read_is_not_asked_for(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    struct aw_err err;
    kit_drop(uri);
    struct aw_mongo *self = kit_open(proxy_uri(uri));
    struct aw_thing row = kit_thing("row", "R"), other = kit_thing("other", "O");
    struct aw_write insert = kit_insert(&others, &row), again = kit_insert(&others, &row);
    int64_t asked = messages_of(self, &insert);
    struct aw_write replace = kit_replace(&others, &row, 1);
    assert_int_equal(messages_of(self, &replace), asked);
    assert_int_equal(kit_version(self, &others, "row"), 2);
    replace = kit_replace(&others, &row, 2);
    assert_int_equal(messages_of(self, &replace), asked - 1);
    assert_int_equal(kit_version(self, &others, "other"), 0);
    insert = kit_insert(&others, &other);
    assert_int_equal(messages_of(self, &insert), asked - 1);
    /* What was read is true or the unit is refused. */
    assert_int_equal(kit_version(self, &others, "row"), 3);
    assert_false(kit_commit(self, &again, 1, &err));
    assert_int_equal(err.kind, AW_ERR_CONFLICT);
    assert_int_equal(kit_version(self, &others, "row"), 3);
    replace = kit_replace(&others, &row, 2);
    assert_false(kit_commit(self, &replace, 1, &err));
    assert_int_equal(err.kind, AW_ERR_CONFLICT);
    /* Between units it is forgotten. */
    assert_int_equal(kit_version(self, &others, "row"), 3);
    aw_driver_mongo.idle(self);
    replace = kit_replace(&others, &row, 3);
    assert_int_equal(messages_of(self, &replace), asked);
    kit_close(self);
    kit_drop(uri);
}

/* --- when it gives up --- */

static void run_command(const char *uri, const bson_t *command)
{
    mongoc_client_t *client = kit_client(uri);
    mongoc_database_t *db = mongoc_client_get_default_database(client);
    bson_error_t error;
    if (!mongoc_database_command_simple(db, command, NULL, NULL, &error)) {
        fail_msg("%s", error.message);
    }
    mongoc_database_destroy(db);
    mongoc_client_destroy(client);
}

/* Once the commit is on its way, the server is gone for good, and the worker stops. */
static void *end_it(void *self)
{
    while (atomic_load(&proxy.countdown) > 0) {
        aw_clock_sleep_ms(1);
    }
    atomic_store(&proxy.down_until, INT64_MAX);
    aw_clock_sleep_ms(300);
    aw_driver_mongo.give_up(self);
    return NULL;
}

static void test_gives_up_a_commit_without_an_answer(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    static const enum proxy_how hows[] = {PROXY_LOSE_REQUEST, PROXY_LOSE_REPLY};
    for (size_t i = 0; i < AW_COUNT(hows); i++) {
        kit_drop(uri);
        struct aw_mongo *self = kit_open(proxy_uri(uri));
        struct aw_thing row = kit_thing("row", "R");
        struct aw_write insert = kit_insert(&others, &row);
        struct aw_err err;
        pthread_t thread;
        proxy_spoil(&proxy, hows[i], 2); /* the check, the journal */
        assert_int_equal(pthread_create(&thread, NULL, end_it, self), 0);
        int64_t start = aw_clock_mono_ms();
        assert_false(kit_commit(self, &insert, 1, &err));
        assert_string_equal(err.code, "store.outcome_unknown");
        kit_close(self);
        assert_in_range(aw_clock_mono_ms() - start, 0, 4000);
        pthread_join(thread, NULL);
        atomic_store(&proxy.down_until, 0);
        bson_t *no_lease = BCON_NEW("drop", "lease"); /* its holder is this process: it lives */
        run_command(uri, no_lease);
        bson_destroy(no_lease);
        /* The journal knows. */
        self = kit_open(uri);
        assert_int_equal(kit_version(self, &others, "row"), hows[i] == PROXY_LOSE_REPLY);
        kit_close(self);
    }
    kit_drop(uri);
}

/* The writer, which tells of outages otherwise, waits inside of the commit. */
static void test_tells_of_an_outage_in_a_commit(void **state)
{
    (void)state;
    const char *uri = kit_uri();
    char path[] = "/tmp/aw-log-XXXXXX", text[4096] = "";
    struct aw_err err;
    kit_drop(uri);
    struct aw_mongo *self = kit_open(proxy_uri(uri));
    struct aw_thing row = kit_thing("row", "R");
    struct aw_write insert = kit_insert(&others, &row);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && aw_log_open(path, &err));
    aw_log_level = AW_LOG_INFO;
    proxy_spoil(&proxy, PROXY_OUTAGE, 2); /* the check, the journal */
    kit_must_commit(self, &insert, 1);
    aw_log_level = AW_LOG_ERROR;
    assert_true(aw_log_open(NULL, &err));
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    const char *down = strstr(text, "\"event\":\"store.down\"");
    assert_non_null(down);
    assert_non_null(strstr(down, "\"event\":\"store.up\""));
    close(fd);
    unlink(path);
    kit_close(self);
    kit_drop(uri);
}

/* --- indexes --- */

static void open_with(const char *uri, const struct aw_schema *const *schemas)
{
    struct aw_store_conf conf = {.driver = "mongo", .uri = uri};
    struct aw_err err;
    void *self;
    if (!aw_driver_mongo.open(&self, &conf, false, schemas, &err)) {
        fail_msg("open: %s %s", err.code, err.msg);
    }
    aw_driver_mongo.close(self);
}

/* The fields of an index, joined by commas; "" = there is none of this name. */
static const char *index_on(const char *uri, const char *collection, const char *name)
{
    static char fields[80];
    mongoc_client_t *client = kit_client(uri);
    mongoc_database_t *db = mongoc_client_get_default_database(client);
    mongoc_collection_t *rows = mongoc_database_get_collection(db, collection);
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(rows, NULL);
    const bson_t *doc;
    bson_iter_t it, key;
    fields[0] = '\0';
    while (mongoc_cursor_next(cursor, &doc)) {
        if (bson_iter_init_find(&it, doc, "name") && strcmp(bson_iter_utf8(&it, NULL), name) == 0 &&
            bson_iter_init_find(&it, doc, "key") && bson_iter_recurse(&it, &key)) {
            for (size_t n = 0; bson_iter_next(&key);) {
                n += (size_t)snprintf(fields + n, sizeof(fields) - n, "%s%s", n > 0 ? "," : "",
                                      bson_iter_key(&key));
            }
        }
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(rows);
    mongoc_database_destroy(db);
    mongoc_client_destroy(client);
    return fields;
}

static void test_indexes_follow_the_tables(void **state)
{
    (void)state;
    static const struct aw_index old_things[] = {{"company_name", {"company_id", "name"}, true},
                                                 {"at", {"-count"}, false},
                                                 {"company_gone", {"company_id"}, false}};
    static const struct aw_index old_others[] = {{"company_lost", {"company_id"}, false}};
    static const struct aw_schema former_things =
        AW_SCHEMA(aw_thing, "things", thing_fields, old_things, 3, "as it was");
    static const struct aw_schema former_others =
        AW_SCHEMA(aw_thing, "others", thing_fields, old_others, 1, "as it was");
    static const struct aw_schema *const former[] = {&former_things, &former_others, &events, NULL};
    const char *uri = kit_uri();
    kit_drop(uri);
    open_with(uri, former);
    assert_string_equal(index_on(uri, "things", "at"), "count,_id");
    assert_string_equal(index_on(uri, "others", "company_lost"), "company_id,_id");
    bson_t *by_hand = BCON_NEW("createIndexes", "things", "indexes", "[", "{", "key", "{", "name",
                               BCON_INT32(1), "}", "name", "name_1", "}", "]");
    run_command(uri, by_hand);
    bson_destroy(by_hand);
    for (int again = 0; again < 2; again++) {
        open_with(uri, kit_schemas);
        assert_string_equal(index_on(uri, "things", "at"), "at,_id");
        assert_string_equal(index_on(uri, "things", "company_name"), "company_id,name");
        assert_string_equal(index_on(uri, "things", "company_gone"), "");
        assert_string_equal(index_on(uri, "others", "company_lost"), "");
        assert_string_equal(index_on(uri, "things", "name_1"), "name");
        assert_string_equal(index_on(uri, "things", "_id_"), "_id");
    }
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
        cmocka_unit_test(test_what_was_read_is_not_asked_for),
        cmocka_unit_test(test_gives_up_a_commit_without_an_answer),
        cmocka_unit_test(test_tells_of_an_outage_in_a_commit),
        cmocka_unit_test(test_indexes_follow_the_tables),
    };
    return cmocka_run_group_tests_name("store_writer_on_mongo", tests, start_proxy, stop_proxy);
}
