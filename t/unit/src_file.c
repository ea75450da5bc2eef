/* Opening, creating, verifying and locking mapped files; the error type. */
#include "queue_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "src/aw_file.h"

static struct aw_file_spec spec(unsigned how, const struct aw_file_owner *owner)
{
    return (struct aw_file_spec){.unit = "queue", .path = kit_queue, .how = how, .owner = owner};
}

static void fails(const struct aw_file_spec *with, enum aw_err_kind kind, const char *code)
{
    struct aw_err err = {0};
    uint64_t size;
    int fd = 7;
    assert_false(aw_file_open(with, &fd, &size, &err));
    assert_int_equal(fd, -1);
    assert_int_equal(err.kind, kind);
    assert_string_equal(err.code, code);
    assert_non_null(strstr(err.msg, kit_queue));
}

static void make_file(mode_t mode)
{
    int fd = open(kit_queue, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void absent_and_created(void **unused)
{
    (void)unused;
    struct aw_err err;
    struct stat st;
    uint64_t size = 1;
    int fd;
    struct aw_file_owner owner = {.uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0660};
    struct aw_file_spec plain = spec(0, NULL), create = spec(AW_FILE_CREATE, &owner);
    fails(&plain, AW_ERR_NOT_FOUND, "queue.absent");
    assert_true(aw_file_open(&create, &fd, &size, &err));
    assert_int_equal(size, 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_true(aw_file_open(&plain, &fd, &size, &err));
    close(fd);
}

static void owner_is_given(void **unused)
{
    (void)unused;
    struct aw_err err;
    struct stat st;
    uint64_t size;
    int fd;
    struct aw_file_owner owner = {.uid = 65534, .gid = 65534, .mode = 0600};
    struct aw_file_spec create = spec(AW_FILE_CREATE, &owner);
    assert_true(aw_file_open(&create, &fd, &size, &err));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    if (geteuid() != 0) { /* only root can give a file away */
        assert_int_equal(st.st_uid, geteuid());
        close(fd);
        return;
    }
    assert_int_equal(st.st_uid, 65534);
    assert_int_equal(st.st_gid, 65534);
    close(fd);
    /* Its maker died before giving it away: the next creator does. */
    assert_int_equal(chown(kit_queue, 0, 0), 0);
    assert_true(aw_file_open(&create, &fd, &size, &err));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_uid, 65534);
    close(fd);
    /* Without being told, somebody else's file in somebody else's folder is refused. */
    struct aw_file_spec plain = spec(0, NULL);
    fails(&plain, AW_ERR_INTERNAL, "queue.owner");
    assert_int_equal(chown(kit_dir, 65534, 65534), 0);
    assert_true(aw_file_open(&plain, &fd, &size, &err));
    close(fd);
}

static void what_is_refused(void **unused)
{
    (void)unused;
    struct aw_file_spec plain = spec(0, NULL);
    char other[128];
    snprintf(other, sizeof(other), "%s.other", kit_queue);

    make_file(0604);
    fails(&plain, AW_ERR_INTERNAL, "queue.owner");
    make_file(0700);
    fails(&plain, AW_ERR_INTERNAL, "queue.owner");
    struct aw_file_owner owner = {.uid = geteuid(), .gid = getegid(), .mode = 0600};
    struct aw_file_spec narrow = spec(0, &owner);
    make_file(0660);
    fails(&narrow, AW_ERR_INTERNAL, "queue.owner");

    make_file(0600);
    assert_int_equal(link(kit_queue, other), 0);
    fails(&plain, AW_ERR_INTERNAL, "queue.owner");
    assert_int_equal(unlink(kit_queue), 0);
    assert_int_equal(symlink(other, kit_queue), 0);
    fails(&plain, AW_ERR_INTERNAL, "queue.io");
    struct aw_file_spec create = spec(AW_FILE_CREATE, NULL);
    fails(&create, AW_ERR_INTERNAL, "queue.io");
    unlink(other);
    fails(&create, AW_ERR_INTERNAL, "queue.io"); /* a dangling link is no place to create */
    unlink(kit_queue);
    assert_int_equal(mkfifo(kit_queue, 0600), 0);
    fails(&plain, AW_ERR_INTERNAL, "queue.owner");
    unlink(kit_queue);
}

static void filled_with_written_zeros(void **unused)
{
    (void)unused;
    struct aw_err err;
    struct stat st;
    uint64_t size;
    int fd;
    struct aw_file_spec create = spec(AW_FILE_CREATE, NULL);
    assert_true(aw_file_open(&create, &fd, &size, &err));
    assert_true(aw_file_is_blank(fd));
    assert_int_equal(write(fd, "old", 3), 3);
    assert_false(aw_file_is_blank_from(fd, 2));
    assert_true(aw_file_is_blank_from(fd, 3));
    assert_true(aw_file_fill(&create, fd, 200000, &err));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 200000);
    assert_true(st.st_blocks * 512 >= 200000); /* no holes */
    assert_true(aw_file_is_blank(fd));
    assert_int_equal(pwrite(fd, "x", 1, 199999), 1);
    assert_false(aw_file_is_blank(fd));
    assert_true(aw_file_sync(fd));

    uint8_t *map = aw_file_map(&create, fd, 200000, &err);
    assert_non_null(map);
    assert_int_equal(map[199999], 'x');
    munmap(map, 200000);
    close(fd);
}

/* The whole of it, at a place where the kernel can use huge pages. */
static void large_files_are_mapped_aligned(void **unused)
{
    (void)unused;
    struct aw_err err;
    uint64_t size, large = (5u << 20) + 4096;
    int fd;
    struct aw_file_spec create = spec(AW_FILE_CREATE, NULL);
    assert_true(aw_file_open(&create, &fd, &size, &err));
    assert_true(aw_file_fill(&create, fd, large, &err));
    assert_int_equal(pwrite(fd, "x", 1, (off_t)large - 1), 1);
    for (int i = 0; i < 3; i++) { /* the places differ */
        uint8_t *map = aw_file_map(&create, fd, large, &err);
        assert_non_null(map);
        assert_int_equal((uintptr_t)map % (2u << 20), 0);
        assert_int_equal(map[large - 1], 'x');
        map[i] = 'y';
        char seen;
        assert_int_equal(pread(fd, &seen, 1, i), 1);
        assert_int_equal(seen, 'y');
        munmap(map, large);
        assert_non_null(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    }
    close(fd);
}

static void no_space(void **unused)
{
    (void)unused;
    struct aw_err err;
    uint64_t size;
    int fd;
    struct aw_file_spec create = spec(AW_FILE_CREATE, NULL);
    struct rlimit before, tight;
    assert_true(aw_file_open(&create, &fd, &size, &err));
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    bool filled = aw_file_fill(&create, fd, 200000, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(filled);
    assert_string_equal(err.code, "queue.space");
    assert_true(aw_file_is_blank(fd)); /* so that the next attempt may go on */
    assert_true(aw_file_fill(&create, fd, 200000, &err));
    close(fd);
}

static void locks_belong_to_the_opening(void **unused)
{
    (void)unused;
    make_file(0600);
    int one = open(kit_queue, O_RDWR), two = open(kit_queue, O_RDWR);
    assert_true(aw_file_lock(one, AW_LOCK_CONSUMER, true, false));
    assert_false(aw_file_lock(two, AW_LOCK_CONSUMER, true, false));
    assert_false(aw_file_lock(two, AW_LOCK_CONSUMER, false, false));
    assert_true(
        aw_file_lock(two, AW_LOCK_REPAIR, true, false)); /* each byte is a lock of its own */
    assert_true(aw_file_lock(one, AW_LOCK_ATTACHED, false, false));
    assert_true(aw_file_lock(two, AW_LOCK_ATTACHED, false, false));
    assert_false(aw_file_lock(two, AW_LOCK_ATTACHED, true, false));
    aw_file_unlock(one, AW_LOCK_ATTACHED);
    assert_true(aw_file_lock(two, AW_LOCK_ATTACHED, true, false));
    close(one);
    assert_true(aw_file_lock(two, AW_LOCK_CONSUMER, true, false));
    close(two);
}

static void boot_id(void **unused)
{
    (void)unused;
    struct aw_err err;
    uint8_t id[AW_BOOT_ID_LEN], again[AW_BOOT_ID_LEN];
    static const uint8_t zero[AW_BOOT_ID_LEN];
    assert_true(aw_file_boot_id(id, &err));
    assert_true(aw_file_boot_id(again, &err));
    assert_memory_equal(id, again, sizeof(id));
    assert_memory_not_equal(id, zero, sizeof(id));
#ifdef AW_CRASH_POINTS
    static const uint8_t given[] = {1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                    1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    setenv("AW_BOOT_ID", "01234567-89ab-cdef-0123-456789abcdef", 1);
    assert_true(aw_file_boot_id(id, &err));
    assert_memory_equal(id, given, sizeof(id));
    setenv("AW_BOOT_ID", "01234567-89ab", 1);
    assert_false(aw_file_boot_id(id, &err));
    unsetenv("AW_BOOT_ID");
#endif
}

static void volatile_places(void **unused)
{
    (void)unused;
    int memory = open("/dev/shm", O_RDONLY | O_DIRECTORY);
    int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    if (memory >= 0) {
        assert_true(aw_file_is_volatile(memory));
        close(memory);
    }
    assert_false(aw_file_is_volatile(proc));
    close(proc);
}

static void errors(void **unused)
{
    (void)unused;
    struct aw_err err;
    memset(&err, 'x', sizeof(err));
    assert_false(aw_fail(&err, AW_ERR_BUSY, "queue.busy", "%d of %s", 3, "four"));
    assert_int_equal(err.kind, AW_ERR_BUSY);
    assert_string_equal(err.code, "queue.busy");
    assert_string_equal(err.msg, "3 of four");
    assert_string_equal(err.field, "");
    errno = ENOENT;
    assert_false(aw_fail_errno(&err, "a.b", "opening %s", "x"));
    assert_int_equal(errno, ENOENT);
    assert_string_equal(err.msg, "opening x: No such file or directory");
    assert_int_equal(err.kind, AW_ERR_INTERNAL);
    char text[600];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    aw_fail(&err, AW_ERR_INVALID, text, "%s", text);
    assert_int_equal(strlen(err.code), sizeof(err.code) - 1);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_int_equal(aw_err_status(AW_ERR_INVALID), 422);
    assert_int_equal(aw_err_status(AW_ERR_FENCED), 503);
    assert_false(aw_err_retry(AW_ERR_FENCED));
    assert_true(aw_err_retry(AW_ERR_BUSY));
    assert_string_equal(aw_severity_names[AW_CRITICAL], "critical");
    assert_null(aw_severity_names[AW_SEVERITIES]);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(absent_and_created),
        WITH_DIR(owner_is_given),
        WITH_DIR(what_is_refused),
        WITH_DIR(filled_with_written_zeros),
        WITH_DIR(large_files_are_mapped_aligned),
        WITH_DIR(no_space),
        WITH_DIR(locks_belong_to_the_opening),
        cmocka_unit_test(boot_id),
        cmocka_unit_test(volatile_places),
        cmocka_unit_test(errors),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("src_file", tests, NULL, NULL);
}
