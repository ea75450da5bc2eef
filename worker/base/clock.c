#include "worker/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { MS_PER_S = 1000, S_PER_DAY = 86400 };
#define MS_PER_DAY ((int64_t)S_PER_DAY * MS_PER_S)
#define MS_FIRST   (-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define MS_LAST    253402300799999   /* 9999-12-31T23:59:59.999Z */

static _Atomic int64_t fake_ms;

int64_t aw_clock_wall_ms(void)
{
    int64_t fake = atomic_load_explicit(&fake_ms, memory_order_relaxed);
    if (fake != 0) {
        return fake;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / 1000000;
}

int64_t aw_clock_mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t aw_clock_mono_ms(void)
{
    return aw_clock_mono_us() / 1000;
}

void aw_clock_fake(int64_t wall_ms)
{
    atomic_store_explicit(&fake_ms, wall_ms, memory_order_relaxed);
}

void aw_clock_sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Proleptic Gregorian calendar. Years are counted from 1 March, so that the leap day is the last of
 * a year, in eras of 400 years = 146,097 days; day 0 of era 0 is 0000-03-01, 719,468 days before
 * 1970-01-01. */
enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 };

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    unsigned of_era = (unsigned)(days - era * DAYS_PER_ERA);
    unsigned years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * years + years / 4 - years / 100);
    unsigned from_march = (5 * of_year + 2) / 153;
    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = (unsigned)(era * 400 + years + (*month <= 2));
}

static char *put_digits(char *at, unsigned value, unsigned width)
{
    for (unsigned i = width; i-- > 0; value /= 10) {
        at[i] = (char)('0' + value % 10);
    }
    return at + width;
}

void aw_time_format(int64_t ms, char *text)
{
    ms = ms < MS_FIRST ? MS_FIRST : ms > MS_LAST ? MS_LAST : ms;
    int64_t days = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
    unsigned of_day = (unsigned)(ms - days * MS_PER_DAY), year, month, day;
    date_of(days, &year, &month, &day);
    const struct {
        unsigned value, width;
        char after;
    } parts[] = {{year, 4, '-'},
                 {month, 2, '-'},
                 {day, 2, 'T'},
                 {of_day / 3600000, 2, ':'},
                 {of_day / 60000 % 60, 2, ':'},
                 {of_day / 1000 % 60, 2, '.'},
                 {of_day % 1000, 3, 'Z'}};
    for (size_t i = 0; i < AW_COUNT(parts); i++) {
        text = put_digits(text, parts[i].value, parts[i].width);
        *text++ = parts[i].after;
    }
    *text = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `width` digits, then `after` ('T' in either case; '\0' = anything). */
static bool take_digits(const char **at, const char *end, unsigned width, char after,
                        unsigned *value)
{
    *value = 0;
    for (unsigned i = 0; i < width; i++, (*at)++) {
        if (*at == end || !is_digit(**at)) {
            return false;
        }
        *value = *value * 10 + (unsigned)(**at - '0');
    }
    if (after == '\0') {
        return true;
    }
    if (*at == end || (**at != after && !(after == 'T' && **at == 't'))) {
        return false;
    }
    (*at)++;
    return true;
}

static bool take_fraction(const char **at, const char *end, unsigned *ms)
{
    *ms = 0;
    if (*at == end || **at != '.') {
        return true;
    }
    unsigned digits = 0, unit = 100;
    for ((*at)++; *at < end && is_digit(**at); (*at)++, digits++, unit /= 10) {
        *ms += (unsigned)(**at - '0') * unit;
    }
    return digits > 0;
}

/* "Z" or "+hh:mm", up to the end of the text. */
static bool take_offset(const char *at, const char *end, int64_t *minutes)
{
    *minutes = 0;
    if (end - at == 1) {
        return *at == 'Z' || *at == 'z';
    }
    unsigned hour, minute;
    if (at == end || (*at != '+' && *at != '-')) {
        return false;
    }
    int sign = *at++ == '-' ? -1 : 1;
    if (!take_digits(&at, end, 2, ':', &hour) || !take_digits(&at, end, 2, '\0', &minute) ||
        at != end || hour > 23 || minute > 59) {
        return false;
    }
    *minutes = sign * (int64_t)(hour * 60 + minute);
    return true;
}

static bool is_date(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (unsigned)leap;
}

static bool parse_millis(const char *text, size_t len, int64_t *ms)
{
    *ms = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
        *ms = *ms * 10 + (text[i] - '0');
    }
    return len > 0 && *ms <= MS_LAST;
}

bool aw_time_parse(const char *text, size_t len, int64_t *ms)
{
    enum { MILLIS_DIGITS = 15 };
    if (len <= MILLIS_DIGITS) {
        return parse_millis(text, len, ms);
    }
    const char *at = text, *end = text + len;
    unsigned year, month, day, hour, minute, second, fraction;
    int64_t offset;
    if (!take_digits(&at, end, 4, '-', &year) || !take_digits(&at, end, 2, '-', &month) ||
        !take_digits(&at, end, 2, 'T', &day) || !take_digits(&at, end, 2, ':', &hour) ||
        !take_digits(&at, end, 2, ':', &minute) || !take_digits(&at, end, 2, '\0', &second) ||
        !take_fraction(&at, end, &fraction) || !take_offset(at, end, &offset)) {
        return false;
    }
    /* RFC 3339 section 5.7: second 60 is a leap second, the first of the next minute here. */
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    int64_t seconds = days_of(year, month, day) * S_PER_DAY + hour * INT64_C(3600) +
                      minute * INT64_C(60) + second - offset * 60;
    *ms = seconds * MS_PER_S + fraction;
    return *ms >= MS_FIRST && *ms <= MS_LAST;
}
