#include "open_keys.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "src/aw_id.h"
#include "worker/base/str.h"

const char *aw_key_hash(const char *const *parts, size_t n, struct aw_arena *arena)
{
    uint8_t sum[AW_SHA256_LEN];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)strlen(parts[i]);
        uint8_t prefix[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
        EVP_DigestUpdate(ctx, prefix, sizeof(prefix));
        EVP_DigestUpdate(ctx, parts[i], len);
    }
    EVP_DigestFinal_ex(ctx, sum, NULL);
    EVP_MD_CTX_free(ctx);
    return aw_base64url(arena, sum, sizeof(sum));
}

const char *aw_open_key_id(const char *company_id, const char *asset_name, const char *signature,
                           struct aw_arena *arena)
{
    const char *parts[] = {asset_name, signature};
    return aw_arena_printf(arena, "%s:%s", company_id, aw_key_hash(parts, AW_COUNT(parts), arena));
}

static bool has_word(struct aw_strs words, int word)
{
    for (size_t i = 0; i < words.n; i++) {
        if (strcmp(words.v[i], aw_single_alert_words[word]) == 0) {
            return true;
        }
    }
    return false;
}

struct aw_correlate_rules aw_correlation_rules(const struct aw_correlation_config *config)
{
    return (struct aw_correlate_rules){.automatic = config->auto_correlate,
                                       .window_ms = config->time_window_minutes * 60000,
                                       .min_alerts = (uint32_t)config->min_alerts,
                                       .single_runbook =
                                           has_word(config->single_alert, AW_SINGLE_RUNBOOK),
                                       .single_critical =
                                           has_word(config->single_alert, AW_SINGLE_CRITICAL)};
}

bool aw_correlate_alert_of(const struct aw_alert *row, bool runbook,
                           struct aw_correlate_alert *alert)
{
    *alert = (struct aw_correlate_alert){.key = aw_correlate_key(row->asset_name, row->signature),
                                         .at_ms = row->created_at,
                                         .critical = row->severity == AW_CRITICAL,
                                         .runbook = runbook};
    return aw_id_parse(row->id, strlen(row->id), alert->id.v);
}
