#include "worker/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/base/clock.h"
#include "worker/base/log_throttle.h"

const char *const aw_log_level_names[AW_LOG_LEVELS + 1] = {"debug", "info", "warn", "error", NULL};
_Atomic(enum aw_log_level) aw_log_level = AW_LOG_INFO;

/* A line of at most PIPE_BUF bytes is written whole also to a pipe. What does not fit is cut at a
 * value's end. */
enum { LINE_MAX_LEN = PIPE_BUF, VALUE_MAX = 1024, TAIL = 2 /* "}\n" */ };

struct line {
    char text[LINE_MAX_LEN];
    size_t len;
};

/* A number that a thread has read stays good: reopening replaces the file behind it. */
static _Atomic int log_fd = STDERR_FILENO;
static char log_path[PATH_MAX];
static struct aw_log_throttle throttle;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the path and the throttle */

static size_t line_room(const struct line *line)
{
    return sizeof(line->text) - TAIL - line->len;
}

/* The caller has looked that there is room. */
static void line_add(struct line *line, const char *text, size_t len)
{
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* Bytes of the UTF-8 character at text (RFC 3629), 0 when it is not one. */
static size_t character_len(const uint8_t *text, size_t len)
{
    static const struct {
        uint8_t first, last, low, high; /* of the first byte; of the second */
        uint8_t bytes;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                 {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    if (text[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < AW_COUNT(forms); i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last) {
            continue;
        }
        bool good = forms[i].bytes <= len && text[1] >= forms[i].low && text[1] <= forms[i].high;
        for (size_t k = 2; good && k < forms[i].bytes; k++) {
            good = (text[k] & 0xc0) == 0x80;
        }
        return good ? forms[i].bytes : 0;
    }
    return 0;
}

/* A JSON string; what is not UTF-8 becomes U+FFFD. */
static void line_add_quoted(struct line *line, const char *text)
{
    static const char replacement[] = "\\ufffd", cut[] = "...";
    size_t len = strlen(text), i = 0, limit = len < VALUE_MAX ? len : VALUE_MAX;
    line_add(line, "\"", 1);
    while (i < limit) {
        char escape[8];
        const char *add = text + i;
        size_t bytes = character_len((const uint8_t *)add, len - i), n = bytes;
        if (bytes == 0) {
            add = replacement;
            n = sizeof(replacement) - 1;
            bytes = 1;
        } else if ((uint8_t)*add < 0x20 || *add == '"' || *add == '\\') {
            n = (size_t)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)(uint8_t)*add);
            add = escape;
        }
        if (line_room(line) < n + sizeof(cut)) {
            break;
        }
        line_add(line, add, n);
        i += bytes;
    }
    if (i < len) {
        line_add(line, cut, sizeof(cut) - 1);
    }
    line_add(line, "\"", 1);
}

static void line_add_field(struct line *line, const char *key, const char *text, int64_t number)
{
    enum { LEAST = 32 }; /* punctuation and any number */
    char digits[24];
    size_t len = strlen(key);
    if (line_room(line) < len + LEAST) {
        return;
    }
    line_add(line, line->len == 0 ? "{\"" : ",\"", 2);
    line_add(line, key, len);
    line_add(line, "\":", 2);
    if (text != NULL) {
        line_add_quoted(line, text);
    } else {
        line_add(line, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)number));
    }
}

static void line_write(enum aw_log_level level, const char *event, const struct aw_log_kv *fields)
{
    struct line line = {.len = 0};
    char now[AW_TIME_TEXT + 1];
    aw_time_format(aw_clock_wall_ms(), now);
    line_add_field(&line, "time", now, 0);
    line_add_field(&line, "level", aw_log_level_names[level], 0);
    line_add_field(&line, "event", event, 0);
    for (const struct aw_log_kv *field = fields; field->key != NULL; field++) {
        line_add_field(&line, field->key, field->text, field->number);
    }
    line_add(&line, "}\n", TAIL);
    for (size_t done = 0; done < line.len;) {
        ssize_t n = write(log_fd, line.text + done, line.len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            return; /* a log that cannot be written must not stop the program */
        }
    }
}

void aw_log_emit(enum aw_log_level level, const char *event, const struct aw_log_kv *fields)
{
    int64_t now = aw_clock_mono_ms();
    const char *name;
    uint64_t held;
    pthread_mutex_lock(&lock);
    while (aw_log_throttle_told(&throttle, now, &name, &held)) {
        line_write(AW_LOG_WARN, "log.repeated",
                   (const struct aw_log_kv[]){AW_S("name", name),
                                              AW_I("held", held),
                                              {.key = NULL}});
    }
    bool speak = aw_log_throttle_take(&throttle, event, now);
    pthread_mutex_unlock(&lock);
    if (speak) {
        line_write(level, event, fields);
    }
}

void aw_log_write(const char *event, const struct aw_log_kv *fields)
{
    line_write(AW_LOG_INFO, event, fields);
}

/* -1 with errno. */
static int open_for_append(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

/* Under the lock. */
static void use_file(int fd)
{
    if (log_fd == STDERR_FILENO) {
        log_fd = fd;
    } else {
        dup3(fd, log_fd, O_CLOEXEC);
        close(fd);
    }
}

bool aw_log_open(const char *path, struct aw_err *err)
{
    if (path == NULL || path[0] == '\0') {
        return true;
    }
    size_t len = strlen(path);
    if (len >= sizeof(log_path)) {
        return aw_fail(err, AW_ERR_INVALID, "log.open", "the path of the log file is too long");
    }
    int fd = open_for_append(path);
    if (fd < 0) {
        return aw_fail_errno(err, "log.open", "cannot open log file %s", path);
    }
    pthread_mutex_lock(&lock);
    memcpy(log_path, path, len + 1);
    use_file(fd);
    pthread_mutex_unlock(&lock);
    return true;
}

void aw_log_reopen(void)
{
    pthread_mutex_lock(&lock);
    int fd = log_path[0] != '\0' ? open_for_append(log_path) : -1;
    if (fd >= 0) {
        use_file(fd);
    }
    pthread_mutex_unlock(&lock);
}
