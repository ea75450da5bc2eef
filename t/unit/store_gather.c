/* The log written in pieces: what another connection sees, what is left of a transaction that failed, how many writes
 * it takes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "worker/store/sqlite/gather.h"

enum { ROWS = 300, ROW_BYTES = 4000 };

static char dir[64], path[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/var/tmp/aw-gather-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/db", dir);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static sqlite3 *writer(const char *synchronous)
{
    char sql[256];
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(path, &db, flags, aw_gather_vfs()), SQLITE_OK);
    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode=WAL;PRAGMA synchronous=%s;PRAGMA wal_autocheckpoint=0;"
             "PRAGMA cache_size=20;CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY,v BLOB)",
             synchronous);
    assert_int_equal(run(db, sql), SQLITE_OK);
    return db;
}

static sqlite3 *reader(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    return db;
}

/* More than the cache of the connection holds: pages go to the log, are read from it and written there again. */
static void insert_many(sqlite3 *db, int from)
{
    char sql[160];
    for (int i = 0; i < ROWS; i++) {
        snprintf(sql, sizeof(sql), "INSERT INTO t VALUES(%d,randomblob(%d))", (from + i * 7) % ROWS,
                 ROW_BYTES);
        assert_int_equal(run(db, sql), SQLITE_OK);
    }
    assert_int_equal(run(db, "UPDATE t SET v=randomblob(100) WHERE n%3=0"), SQLITE_OK);
}

static void others_see_each_commit(void **state)
{
    static const char *const kinds[] = {"FULL", "NORMAL"};
    (void)state;
    for (int i = 0; i < 40; i++) {
        sqlite3 *db = writer(kinds[i / 20]), *other = reader();
        assert_int_equal(run(db, "INSERT INTO t(v) VALUES(randomblob(9000))"), SQLITE_OK);
        assert_int_equal(number(other, "SELECT count(*) FROM t"), i + 1);
        assert_int_equal(run(db, "UPDATE t SET v=randomblob(70000) WHERE n=1"), SQLITE_OK);
        assert_int_equal(number(other, "SELECT length(v) FROM t WHERE n=1"), 70000);
        if (i % 7 == 0) {
            assert_int_equal(run(db, "PRAGMA wal_checkpoint(RESTART)"), SQLITE_OK);
        }
        sqlite3_close(other);
        sqlite3_close(db);
    }
}

static void a_transaction_is_undone_or_whole(void **state)
{
    (void)state;
    sqlite3 *db = writer("FULL"), *other = reader();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(db, "BEGIN"), SQLITE_OK);
        insert_many(db, i);
        assert_int_equal(number(other, "SELECT count(*) FROM t"), 0);
        assert_int_equal(run(db, "ROLLBACK"), SQLITE_OK);
    }
    assert_int_equal(run(db, "BEGIN"), SQLITE_OK);
    insert_many(db, 1);
    int64_t sum = number(db, "SELECT sum(n*length(v)+unicode(hex(v))) FROM t");
    assert_int_equal(run(db, "COMMIT"), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(number(other, "SELECT sum(n*length(v)+unicode(hex(v))) FROM t"), sum);
    assert_int_equal(number(other, "SELECT count(*) FROM pragma_integrity_check "
                                   "WHERE integrity_check='ok'"),
                     1);
    sqlite3_close(other);
}

/* No file may grow past the size that they have: as a full disk. */
static void a_write_that_fails_undoes_its_transaction(void **state)
{
    struct rlimit former, none;
    (void)state;
    sqlite3 *db = writer("FULL"), *other = reader();
    assert_int_equal(run(db, "INSERT INTO t(v) VALUES(randomblob(9000))"), SQLITE_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    for (rlim_t limit = 20000; limit < 400000; limit += 61000) {
        none = (struct rlimit){.rlim_cur = limit, .rlim_max = former.rlim_max};
        assert_int_equal(run(db, "BEGIN"), SQLITE_OK);
        assert_int_equal(run(db, "INSERT INTO t(v) VALUES(randomblob(500000))"), SQLITE_OK);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        int rc = run(db, "COMMIT");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
        assert_int_not_equal(rc, SQLITE_OK);
        run(db, "ROLLBACK");
        assert_int_equal(number(other, "SELECT count(*) FROM t"), 1);
    }
    assert_int_equal(run(db, "INSERT INTO t(v) VALUES(randomblob(500000))"), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(number(other, "SELECT sum(length(v)) FROM t"), 509000);
    sqlite3_close(other);
}

static int64_t writes_so_far(void)
{
    char line[80];
    long long n = -1;
    FILE *file = fopen("/proc/self/io", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "syscw: %lld", &n) != 1) {
    }
    fclose(file);
    return n;
}

static void a_large_transaction_takes_few_writes(void **state)
{
    enum { BYTES = 4000000 };
    (void)state;
    sqlite3 *db = writer("FULL");
    int64_t before = writes_so_far();
    assert_int_equal(run(db, "INSERT INTO t(v) VALUES(randomblob(4000000))"), SQLITE_OK);
    assert_in_range(writes_so_far() - before, BYTES / 65536, BYTES / 65536 + 20);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_see_each_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_transaction_is_undone_or_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_fails_undoes_its_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_large_transaction_takes_few_writes, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("store_gather", tests, NULL, NULL);
}
