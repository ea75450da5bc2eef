#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/crypto.h"

enum { PASSWORD_MAX = 72, HASH_LEN = 60, COST_MIN = 4, COST_MAX = 14 };

/* Text of a bcrypt run of password under setting into hash; false when libxcrypt refuses. */
static bool run(const char *password, const char *setting, char hash[HASH_LEN + 1])
{
    void *scratch = NULL;
    int size = 0;
    const char *text = crypt_ra(password, setting, &scratch, &size);
    bool good = text != NULL && strlen(text) == HASH_LEN;
    if (good) {
        memcpy(hash, text, HASH_LEN + 1);
    }
    if (scratch != NULL) {
        aw_wipe(scratch, (size_t)size);
        free(scratch);
    }
    return good;
}

bool aw_password_hash(const char *password, unsigned cost, struct aw_arena *arena,
                      const char **hash, struct aw_err *err)
{
    char text[HASH_LEN + 1];
    *hash = NULL;
    if (strlen(password) > PASSWORD_MAX) {
        return aw_fail(err, AW_ERR_INVALID, "crypto.password_long",
                       "a password may have at most %d bytes: more would not count", PASSWORD_MAX);
    }
    if (cost < COST_MIN || cost > COST_MAX) {
        return aw_fail(err, AW_ERR_INTERNAL, "crypto.cost",
                       "the cost of a password hash must be %d to %d", COST_MIN, COST_MAX);
    }
    char *setting = crypt_gensalt_ra("$2b$", cost, NULL, 0);
    bool good = setting != NULL && run(password, setting, text);
    free(setting);
    if (!good) {
        return aw_fail_errno(err, "crypto.hash", "cannot hash a password");
    }
    *hash = aw_arena_strn(arena, text, HASH_LEN);
    return true;
}

/* crypt(3) takes nearly any text as a setting of some old method: only bcrypt of a sensible cost
 * gets there. */
static bool is_bcrypt(const char *hash)
{
    if (strlen(hash) != HASH_LEN || hash[0] != '$' || hash[1] != '2' ||
        strchr("aby", hash[2]) == NULL || hash[3] != '$' || hash[6] != '$') {
        return false;
    }
    int tens = hash[4] - '0', ones = hash[5] - '0', cost = tens * 10 + ones;
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 && cost >= COST_MIN && cost <= COST_MAX;
}

bool aw_password_verify(const char *password, const char *hash)
{
    static const char nobody[] = "$2b$12$abcdefghijklmnopqrstuu";
    char text[HASH_LEN + 1] = "";
    bool known = hash != NULL && is_bcrypt(hash);
    bool done = run(password, known ? hash : nobody, text);
    bool equal = done && known && aw_equal_secret(text, hash, HASH_LEN);
    aw_wipe(text, sizeof(text));
    return equal && strlen(password) <= PASSWORD_MAX;
}
