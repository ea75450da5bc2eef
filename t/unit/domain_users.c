#include "api_kit.h"

#include <jwt.h>

#include "worker/domain/sessions.h"
#include "worker/domain/setup.h"

static struct kit kit;

static int open_all(void **state)
{
    (void)state;
    kit_open(&kit);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    aw_clock_fake(0);
    kit_close(&kit);
    return 0;
}

static struct aw_user *find(const char *email)
{
    struct aw_err err = {0};
    struct aw_reader *reader;
    struct aw_user *user;
    KIT_OK(aw_store_read_begin(kit.store, &reader, &err), err);
    KIT_OK(aw_user_find(reader, email, kit.arena, &user, &err), err);
    aw_store_read_end(&reader);
    return user;
}

static void setup_makes_one_administrator_once(void **state)
{
    (void)state;
    struct aw_err err = {0};
    const char *password, *other;
    KIT_OK(aw_setup_admin(kit.writer, "Root@MSP.test", "Root", kit.arena, &password, &err), err);
    assert_int_equal(strlen(password), 24);
    const struct aw_user *user = find("root@msp.test");
    assert_non_null(user);
    assert_int_equal(user->role, AW_ROLE_ADMIN);
    assert_true(aw_password_verify(password, user->password_hash));
    assert_int_equal(strncmp(user->password_hash, "$2b$12$", 7), 0);
    assert_false(aw_setup_admin(kit.writer, "second@msp.test", "S", kit.arena, &other, &err));
    assert_string_equal(err.code, "setup.done");
    assert_null(find("second@msp.test"));
    assert_string_not_equal(aw_setup_password(kit.arena), aw_setup_password(kit.arena));
}

static void addresses_are_lower_case_and_plausible(void **state)
{
    (void)state;
    assert_string_equal(aw_user_email("Ann.B@Example.ORG", kit.arena), "ann.b@example.org");
    static const char *const bad[] = {"",      "@",     "a@",    "@b",     "a",
                                      "a@b@c", "a b@c", "a@b\n", "a\x7f@b"};
    for (size_t i = 0; i < AW_COUNT(bad); i++) {
        assert_null(aw_user_email(bad[i], kit.arena));
    }
}

/* A token with these claims, signed with this key and algorithm. */
static const char *forge(const char *claims, const void *key, int key_len, jwt_alg_t alg)
{
    jwt_t *jwt;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, key, key_len), 0);
    char *text = jwt_encode_str(jwt);
    const char *copy = aw_arena_str(kit.arena, text);
    free(text);
    jwt_free(jwt);
    return copy;
}

#define NOW_MS 1800000000000

static bool verify(const struct aw_token_key *key, const char *token, int64_t now_ms,
                   const char **code)
{
    static struct aw_err err;
    struct aw_claims claims;
    bool ok = aw_token_verify(key, token, strlen(token), now_ms, kit.arena, &claims, &err);
    *code = ok ? "" : err.code;
    return ok;
}

static void tokens_live_a_quarter_of_an_hour(void **state)
{
    (void)state;
    struct aw_token_key key;
    struct aw_err err = {0};
    const struct aw_user user = {.id = "u-1", .email = "a@b"};
    const char *token, *code;
    aw_token_key_init(&key, kit.sealer);
    KIT_OK(aw_token_issue(&key, &user, NOW_MS, kit.arena, &token, &err), err);
    assert_true(verify(&key, token, NOW_MS, &code));
    assert_true(verify(&key, token, NOW_MS + 899000, &code));
    assert_false(verify(&key, token, NOW_MS + 900000, &code));
    assert_string_equal(code, "auth.expired");
    assert_true(verify(&key, token, NOW_MS - 60000, &code));
    assert_false(verify(&key, token, NOW_MS - 61000, &code));
    assert_string_equal(code, "auth.token");
}

static void tokens_of_another_make_are_refused(void **state)
{
    (void)state;
    struct aw_token_key key, other;
    aw_token_key_init(&key, kit.sealer);
    memset(&other, 7, sizeof(other));
    static const char *const claims[] = {
        "{\"iss\":\"alertwhisper\",\"aud\":\"alertwhisper-api\",\"typ\":\"access\",\"sub\":\"a@b\","
        "\"id\":\"u\","
        "\"iat\":1800000000,\"exp\":1800000900}",
        "{\"iss\":\"else\",\"aud\":\"alertwhisper-api\",\"typ\":\"access\",\"sub\":\"a@b\",\"id\":"
        "\"u\","
        "\"iat\":1800000000,\"exp\":1800000900}",
        "{\"iss\":\"alertwhisper\",\"aud\":\"else\",\"typ\":\"access\",\"sub\":\"a@b\",\"id\":"
        "\"u\","
        "\"iat\":1800000000,\"exp\":1800000900}",
        "{\"iss\":\"alertwhisper\",\"aud\":\"alertwhisper-api\",\"typ\":\"refresh\",\"sub\":\"a@"
        "b\",\"id\":\"u\","
        "\"iat\":1800000000,\"exp\":1800000900}",
        "{\"iss\":\"alertwhisper\",\"aud\":\"alertwhisper-api\",\"typ\":\"access\",\"sub\":\"a@b\","
        "\"id\":\"u\","
        "\"iat\":1800000000}",
        "{\"iss\":\"alertwhisper\",\"aud\":\"alertwhisper-api\",\"typ\":\"access\",\"sub\":\"a@b\","
        "\"id\":\"u\","
        "\"iat\":1800000000,\"exp\":1900000000}",
        "{\"iss\":\"alertwhisper\",\"aud\":\"alertwhisper-api\",\"typ\":\"access\",\"sub\":\"a@b\","
        "\"iat\":1800000000,\"exp\":1800000900}",
    };
    const char *code;
    for (size_t i = 0; i < AW_COUNT(claims); i++) {
        const char *token = forge(claims[i], key.bytes, 32, JWT_ALG_HS256);
        /* the first is a good one: it shows that the others fail for their own reason */
        assert_int_equal(verify(&key, token, NOW_MS, &code), i == 0);
    }
    assert_false(verify(&key, forge(claims[0], key.bytes, 32, JWT_ALG_HS512), NOW_MS, &code));
    assert_false(verify(&key, forge(claims[0], key.bytes, 32, JWT_ALG_HS384), NOW_MS, &code));
    assert_false(verify(&key, forge(claims[0], NULL, 0, JWT_ALG_NONE), NOW_MS, &code));
    assert_false(verify(&key, forge(claims[0], other.bytes, 32, JWT_ALG_HS256), NOW_MS, &code));
    char *long_one = aw_arena_zero(kit.arena, 5000);
    memset(long_one, 'a', 4999);
    assert_false(verify(&key, long_one, NOW_MS, &code));
}

static void waits_grow_from_the_fifth_failure(void **state)
{
    (void)state;
    struct aw_sessions *sessions;
    struct aw_err err = {0};
    struct aw_user *user;
    const char *token;
    int64_t retry_s;
    KIT_OK(aw_sessions_create(kit.store, kit.writer, kit.sealer, &sessions, &err), err);
    /* an address that nobody has behaves like one that is there */
    for (int i = 0; i < 5; i++) {
        assert_false(aw_sessions_login(sessions, "who@where.test", "x", kit.arena, &user, &token,
                                       &retry_s, &err));
        assert_string_equal(err.code, "auth.credentials");
        assert_int_equal(retry_s, 0);
    }
    assert_false(aw_sessions_login(sessions, "WHO@where.test", "x", kit.arena, &user, &token,
                                   &retry_s, &err));
    assert_string_equal(err.code, "auth.wait");
    assert_int_equal(err.kind, AW_ERR_RATE);
    assert_int_equal(retry_s, 1);
    while (!aw_sessions_login(sessions, "who@where.test", "x", kit.arena, &user, &token, &retry_s,
                              &err) &&
           err.kind == AW_ERR_RATE) {
        aw_clock_sleep_ms(20);
    }
    assert_false(aw_sessions_login(sessions, "who@where.test", "x", kit.arena, &user, &token,
                                   &retry_s, &err));
    assert_int_equal(retry_s, 2);
    aw_sessions_destroy(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setup_makes_one_administrator_once),
        cmocka_unit_test(addresses_are_lower_case_and_plausible),
        cmocka_unit_test(tokens_live_a_quarter_of_an_hour),
        cmocka_unit_test(tokens_of_another_make_are_refused),
        cmocka_unit_test(waits_grow_from_the_fifth_failure),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
