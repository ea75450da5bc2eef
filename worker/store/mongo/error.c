#include "mongo.h"

#include <stdatomic.h>

/* Server error codes by what a caller can do about them; the numbers are MongoDB's error_codes.yml.
 */
static const struct {
    uint32_t code;
    enum aw_err_kind kind;
    const char *name;
} server_codes[] = {
    {11000, AW_ERR_CONFLICT, "store.conflict"},  /* DuplicateKey */
    {11001, AW_ERR_CONFLICT, "store.conflict"},  /* the same, from updates of old servers */
    {6, AW_ERR_UNAVAILABLE, "store.down"},       /* HostUnreachable */
    {7, AW_ERR_UNAVAILABLE, "store.down"},       /* HostNotFound */
    {50, AW_ERR_UNAVAILABLE, "store.down"},      /* MaxTimeMSExpired */
    {64, AW_ERR_UNAVAILABLE, "store.down"},      /* WriteConcernFailed */
    {89, AW_ERR_UNAVAILABLE, "store.down"},      /* NetworkTimeout */
    {91, AW_ERR_UNAVAILABLE, "store.down"},      /* ShutdownInProgress */
    {112, AW_ERR_UNAVAILABLE, "store.down"},     /* WriteConflict */
    {133, AW_ERR_UNAVAILABLE, "store.down"},     /* FailedToSatisfyReadPreference */
    {189, AW_ERR_UNAVAILABLE, "store.down"},     /* PrimarySteppedDown */
    {262, AW_ERR_UNAVAILABLE, "store.down"},     /* ExceededTimeLimit */
    {9001, AW_ERR_UNAVAILABLE, "store.down"},    /* SocketException */
    {10107, AW_ERR_UNAVAILABLE, "store.down"},   /* NotWritablePrimary */
    {11600, AW_ERR_UNAVAILABLE, "store.down"},   /* InterruptedAtShutdown */
    {11602, AW_ERR_UNAVAILABLE, "store.down"},   /* InterruptedDueToReplStateChange */
    {13435, AW_ERR_UNAVAILABLE, "store.down"},   /* NotPrimaryNoSecondaryOk */
    {13436, AW_ERR_UNAVAILABLE, "store.down"},   /* NotPrimaryOrSecondary */
    {2, AW_ERR_INVALID, "store.refused"},        /* BadValue */
    {9, AW_ERR_INVALID, "store.refused"},        /* FailedToParse */
    {14, AW_ERR_INVALID, "store.refused"},       /* TypeMismatch */
    {22, AW_ERR_INVALID, "store.refused"},       /* InvalidBSON */
    {121, AW_ERR_INVALID, "store.refused"},      /* DocumentValidationFailure */
    {10334, AW_ERR_INVALID, "store.refused"},    /* BSONObjectTooLarge */
    {17280, AW_ERR_INVALID, "store.refused"},    /* KeyTooLong */
    {13, AW_ERR_INTERNAL, "store.denied"},       /* Unauthorized */
    {18, AW_ERR_INTERNAL, "store.denied"},       /* AuthenticationFailed */
    {238, AW_ERR_INTERNAL, "store.unsupported"}, /* NotImplemented */
};

bool aw_mongo_fail(const bson_error_t *error, struct aw_err *err)
{
    enum aw_err_kind kind = AW_ERR_INTERNAL;
    const char *name = "store.failed";
    switch (error->domain) {
    case MONGOC_ERROR_SERVER:
        for (size_t i = 0; i < AW_COUNT(server_codes); i++) {
            if (server_codes[i].code == error->code) {
                kind = server_codes[i].kind;
                name = server_codes[i].name;
            }
        }
        break;
    case MONGOC_ERROR_SERVER_SELECTION:
    case MONGOC_ERROR_STREAM:
    case MONGOC_ERROR_CLIENT:
    case MONGOC_ERROR_PROTOCOL:
    case MONGOC_ERROR_WRITE_CONCERN:
        kind = AW_ERR_UNAVAILABLE;
        name = "store.down";
        break;
    case MONGOC_ERROR_BSON:
    case MONGOC_ERROR_COMMAND:
        kind = AW_ERR_INVALID;
        name = "store.refused";
        break;
    default:
        break;
    }
    return aw_fail(err, kind, name, "MongoDB: %s (%u.%u)", error->message, error->domain,
                   error->code);
}

bool aw_mongo_fenced(struct aw_mongo *self, struct aw_err *err)
{
    atomic_store(&self->is_fenced, true);
    return aw_fail(err, AW_ERR_FENCED, "store.fenced",
                   "another writer has taken over this database");
}
