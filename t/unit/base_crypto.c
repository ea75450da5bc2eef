#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/base/crypto.h"
#include "worker/base/str.h"

static struct aw_arena *arena;
static struct aw_err err;
static char folder[] = "/tmp/aw-crypto-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    arena = aw_arena_create(0);
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/master.key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    aw_arena_destroy(&arena);
    return 0;
}

static void write_key(size_t len, mode_t mode)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* The sealer of the key 00..1f. */
static struct aw_sealer *known_sealer(void)
{
    struct aw_sealer *sealer;
    write_key(32, 0400);
    assert_true(aw_sealer_open(path, false, &sealer, &err));
    return sealer;
}

static void random_and_hash(void **state)
{
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    aw_random(a, sizeof(a));
    aw_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    /* FIPS 180-4, example "abc" */
    aw_sha256("abc", 3, a);
    assert_string_equal(aw_hex(arena, a, 32),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    aw_sha256(NULL, 0, a);
    assert_string_equal(aw_hex(arena, a, 32),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(aw_equal_secret("abc", "abd", 2));
    assert_false(aw_equal_secret("abc", "abd", 3));
}

static void key_file_is_made_once(void **state)
{
    (void)state;
    struct aw_sealer *first, *second;
    unlink(path);
    assert_false(aw_sealer_open(path, false, &first, &err));
    assert_string_equal(err.code, "crypto.key_absent");
    assert_null(first);
    assert_true(aw_sealer_open(path, true, &first, &err));
    assert_true(aw_sealer_open(path, true, &second, &err));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(st.st_size, 32);
    uint8_t a[32], b[32];
    aw_sealer_derive(first, "jwt", a);
    aw_sealer_derive(second, "jwt", b);
    assert_memory_equal(a, b, 32);
    aw_sealer_close(&first);
    aw_sealer_close(&second);
    assert_null(first);
    aw_sealer_close(&first);
    /* rmdir would fail if the temporary name were left. */
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void unsafe_key_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        mode_t mode;
    } cases[] = {{31, 0400}, {33, 0400}, {0, 0400},  {32, 0440},
                 {32, 0644}, {32, 0700}, {32, 04400}};
    struct aw_sealer *sealer;
    for (size_t i = 0; i < AW_COUNT(cases); i++) {
        write_key(cases[i].len, cases[i].mode);
        assert_false(aw_sealer_open(path, true, &sealer, &err));
        assert_string_equal(err.code, "crypto.key_unsafe");
    }
    write_key(32, 0600);
    assert_true(aw_sealer_open(path, false, &sealer, &err));
    aw_sealer_close(&sealer);
    char other[80];
    snprintf(other, sizeof(other), "%s.other", path);
    assert_int_equal(link(path, other), 0);
    assert_false(aw_sealer_open(path, false, &sealer, &err));
    unlink(path);
    assert_int_equal(symlink(other, path), 0);
    assert_false(aw_sealer_open(path, false, &sealer, &err));
    unlink(path);
    unlink(other);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(aw_sealer_open(path, false, &sealer, &err));
    assert_string_equal(err.code, "crypto.key_unsafe");
    if (geteuid() == 0) {
        write_key(32, 0400);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_false(aw_sealer_open(path, false, &sealer, &err));
    }
    assert_false(aw_sealer_open("/nonexistent/master.key", true, &sealer, &err));
    assert_string_equal(err.code, "crypto.key_file");
}

static void results_agree_with_another_library(void **state)
{
    (void)state;
    struct aw_sealer *sealer = known_sealer();
    uint8_t out[32];
    aw_sealer_derive(sealer, "jwt", out);
    assert_string_equal(aw_hex(arena, out, 32),
                        "7fdba63b4d70bbe3a7561c64018d7e3bea8472812e3a2d0a124302b2431e690a");
    static const char text[] =
        "016465666768696a6b6c6d6e6f2533b92b6ba5fb6eda7d776fb745623f7de0062409fb5520f6b5ac8a4bb6";
    uint8_t sealed[(sizeof(text) - 1) / 2];
    struct aw_bytes plain;
    assert_true(aw_unhex(text, sizeof(text) - 1, sealed));
    assert_true(aw_unseal(sealer, "hmac", "webhook|acme|secret",
                          (struct aw_bytes){sealed, sizeof(sealed)}, arena, &plain, &err));
    assert_int_equal(plain.len, strlen("the plain text"));
    assert_string_equal((const char *)plain.ptr, "the plain text");
    aw_sealer_close(&sealer);
}

static void sealed_bytes_open_only_where_they_belong(void **state)
{
    (void)state;
    struct aw_sealer *sealer = known_sealer();
    struct aw_bytes plain, sealed = aw_seal(sealer, "p", "w", "secret", 6, arena);
    assert_true(aw_unseal(sealer, "p", "w", sealed, arena, &plain, &err));
    assert_memory_equal(plain.ptr, "secret", 6);
    assert_false(aw_unseal(sealer, "q", "w", sealed, arena, &plain, &err));
    assert_null(plain.ptr);
    assert_false(aw_unseal(sealer, "p", "v", sealed, arena, &plain, &err));
    assert_string_equal(err.code, "crypto.seal");
    for (size_t i = 0; i < sealed.len * 8; i++) {
        uint8_t *changed = aw_arena_copy(arena, sealed.ptr, sealed.len);
        changed[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_false(aw_unseal(sealer, "p", "w", (struct aw_bytes){changed, sealed.len}, arena,
                               &plain, &err));
    }
    for (size_t len = 0; len < sealed.len; len++) {
        uint8_t *shorter = malloc(len + 1);
        memcpy(shorter, sealed.ptr, len);
        assert_false(
            aw_unseal(sealer, "p", "w", (struct aw_bytes){shorter, len}, arena, &plain, &err));
        free(shorter);
    }
    struct aw_bytes again = aw_seal(sealer, "p", "w", "secret", 6, arena);
    assert_memory_not_equal(again.ptr, sealed.ptr, sealed.len);
    struct aw_bytes empty = aw_seal(sealer, "p", "", NULL, 0, arena);
    assert_true(aw_unseal(sealer, "p", "", empty, arena, &plain, &err));
    assert_int_equal(plain.len, 0);
    assert_non_null(plain.ptr);
    aw_sealer_close(&sealer);
}

static void passwords_are_bcrypt(void **state)
{
    (void)state;
    const char *hash;
    assert_true(
        aw_password_verify("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
    assert_true(aw_password_hash("correct horse", 4, arena, &hash, &err));
    assert_memory_equal(hash, "$2b$04$", 7);
    assert_true(aw_password_verify("correct horse", hash));
    assert_false(aw_password_verify("correct horsf", hash));
    assert_false(aw_password_verify("", hash));
    const char *other;
    assert_true(aw_password_hash("correct horse", 4, arena, &other, &err));
    assert_string_not_equal(hash, other);
}

static void long_passwords_are_refused(void **state)
{
    (void)state;
    const char *hash;
    char password[74];
    memset(password, 'x', 73);
    password[73] = '\0';
    assert_false(aw_password_hash(password, 4, arena, &hash, &err));
    assert_int_equal(err.kind, AW_ERR_INVALID);
    assert_string_equal(err.code, "crypto.password_long");
    assert_non_null(strstr(err.msg, "72"));
    password[72] = '\0';
    assert_true(aw_password_hash(password, 4, arena, &hash, &err));
    assert_true(aw_password_verify(password, hash));
    password[72] = 'x';
    assert_false(aw_password_verify(password, hash));
    assert_false(aw_password_hash("x", 3, arena, &hash, &err));
    assert_false(aw_password_hash("x", 15, arena, &hash, &err));
}

static void only_bcrypt_is_a_hash(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "",
        "garbage",
        "*0",
        "$2b$",
        "ab01FAX.bQRSU", /* DES of "x"-like */
        "$1$abcdefgh$G//4keteveJp0qb8z2DxG/",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"};
    for (size_t i = 0; i < AW_COUNT(settings); i++) {
        assert_false(aw_password_verify("U*U", settings[i]));
    }
    assert_false(aw_password_verify("U*U", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_and_hash),
        cmocka_unit_test(key_file_is_made_once),
        cmocka_unit_test(unsafe_key_files_are_refused),
        cmocka_unit_test(results_agree_with_another_library),
        cmocka_unit_test(sealed_bytes_open_only_where_they_belong),
        cmocka_unit_test(passwords_are_bcrypt),
        cmocka_unit_test(long_passwords_are_refused),
        cmocka_unit_test(only_bcrypt_is_a_hash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
