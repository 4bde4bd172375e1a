// Dates and times of day. Forms are what binary output holds: days and microseconds since
// 2000-01-01, so that a timestamptz is an instant whatever TimeZone it was printed in. Text is read
// in the ISO DateStyle alone; any other is compared by bytes. Pure, any thread, no clock, no time
// zone data: the offset that the server printed is all that is needed.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000) // in microseconds
#define DAY (INT64_C(86400) * SECOND)

enum { EPOCH_DAYS = 10957 }; // 2000-01-01, from 1970-01-01
enum { MAX_YEAR = 5900000 }; // beyond date's range

struct moment {
    int64_t days;         // since 2000-01-01
    int64_t microseconds; // since midnight
    int64_t offset;       // seconds east of UTC
    int8_t infinite;      // -1, 0, 1
};

struct scan {
    const uint8_t *at, *end;
};

static bool
take(struct scan *scan, char byte)
{
    if (scan->at == scan->end || *scan->at != (uint8_t)byte)
        return false;
    scan->at++;
    return true;
}

static bool
take_number(struct scan *scan, int least, int most, int64_t *number)
{
    int count = 0;
    *number = 0;
    while (count < most && scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        *number = *number * 10 + (*scan->at++ - '0');
        count++;
    }
    return count >= least;
}

// Days from 1970-01-01 in the proleptic Gregorian calendar, years counted from March on.
static int64_t
days_of_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void
civil_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = years + era * 400 + (*month <= 2);
}

static bool
scan_date(struct scan *scan, int64_t *year, int64_t *month, int64_t *day)
{
    return take_number(scan, 4, 7, year) && take(scan, '-') && take_number(scan, 2, 2, month) &&
           take(scan, '-') && take_number(scan, 2, 2, day) && *year > 0 && *year <= MAX_YEAR &&
           *month >= 1 && *month <= 12 && *day >= 1 && *day <= 31;
}

// HH:MM:SS, a fraction of up to six digits; 24:00:00 is a time.
static bool
scan_time(struct scan *scan, int64_t *microseconds)
{
    int64_t hours, minutes, seconds, fraction = 0;
    if (!take_number(scan, 2, 2, &hours) || !take(scan, ':') ||
        !take_number(scan, 2, 2, &minutes) || !take(scan, ':') ||
        !take_number(scan, 2, 2, &seconds) || hours > 24 || minutes > 59 || seconds > 60)
        return false;
    if (take(scan, '.')) {
        const uint8_t *start = scan->at;
        if (!take_number(scan, 1, 6, &fraction))
            return false;
        for (int64_t digits = scan->at - start; digits < 6; digits++)
            fraction *= 10;
    }
    *microseconds = ((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction;
    return *microseconds <= DAY;
}

// +HH, +HH:MM or +HH:MM:SS, east of UTC; also Z.
static bool
scan_offset(struct scan *scan, int64_t *offset)
{
    int64_t hours, minutes = 0, seconds = 0;
    *offset = 0;
    if (take(scan, 'Z'))
        return true;
    bool is_west = scan->at < scan->end && *scan->at == '-';
    if (!is_west && (scan->at == scan->end || *scan->at != '+'))
        return false;
    scan->at++;
    if (!take_number(scan, 2, 2, &hours))
        return false;
    if (take(scan, ':') && !take_number(scan, 2, 2, &minutes))
        return false;
    if (take(scan, ':') && !take_number(scan, 2, 2, &seconds))
        return false;
    *offset = (hours * 60 + minutes) * 60 + seconds;
    if (is_west)
        *offset = -*offset;
    return true;
}

static bool
scan_infinity(const uint8_t *bytes, size_t length, struct moment *moment)
{
    if (length == 8 && memcmp(bytes, "infinity", 8) == 0)
        moment->infinite = 1;
    else if (length == 9 && memcmp(bytes, "-infinity", 9) == 0)
        moment->infinite = -1;
    return moment->infinite != 0;
}

// A date, then, if `has_time`, a time, then an offset where there is one; BC at the end.
static bool
scan_moment(const uint8_t *bytes, size_t length, bool has_time, struct moment *moment)
{
    struct scan scan = {bytes, bytes + length};
    int64_t year, month, day;
    *moment = (struct moment){0};
    if (scan_infinity(bytes, length, moment))
        return true;
    if (!scan_date(&scan, &year, &month, &day))
        return false;
    if (has_time && scan.at < scan.end) {
        if (!take(&scan, ' ') && !take(&scan, 'T'))
            return false;
        if (scan.at < scan.end && *scan.at == 'B') {
            scan.at--; // a date BC, taken for an instant
        } else if (!scan_time(&scan, &moment->microseconds)) {
            return false;
        } else if (scan.at < scan.end && *scan.at != ' ' && !scan_offset(&scan, &moment->offset)) {
            return false;
        }
    }
    if (take(&scan, ' ')) {
        if (!take(&scan, 'B') || !take(&scan, 'C'))
            return false;
        year = 1 - year;
    }
    moment->days = days_of_civil(year, month, day) - EPOCH_DAYS;
    return scan.at == scan.end;
}

static void
write_instant(const struct moment *moment, struct writer *form)
{
    int64_t instant = moment->infinite > 0 ? INT64_MAX : moment->infinite < 0 ? INT64_MIN : 0;
    if (moment->infinite == 0 &&
        (__builtin_mul_overflow(moment->days, DAY, &instant) ||
         __builtin_add_overflow(instant, moment->microseconds - moment->offset * SECOND, &instant)))
        instant = INT64_MAX - 1; // out of timestamp's range: no server prints it
    writer_u64(form, (uint64_t)instant);
}

bool
type_read_date(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *form)
{
    struct moment moment;
    (void)reading;
    if (!scan_moment(bytes, length, false, &moment))
        return false;
    int64_t days = moment.infinite > 0 ? INT32_MAX : moment.infinite < 0 ? INT32_MIN : moment.days;
    writer_i32(form, (int32_t)days);
    return true;
}

bool
type_read_date_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, length);
    return length == sizeof(int32_t);
}

bool
type_read_time(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *form)
{
    struct scan scan = {bytes, bytes + length};
    int64_t microseconds;
    (void)reading;
    if (!scan_time(&scan, &microseconds) || scan.at != scan.end)
        return false;
    writer_u64(form, (uint64_t)microseconds);
    return true;
}

bool
type_read_time_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, length);
    return length == sizeof(int64_t);
}

// The time as it stands and the offset, seconds west, as in binary output: two timetz of one instant
// in two zones are not equal in PostgreSQL either, and TimeZone does not touch their output.
bool
type_read_timetz(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *form)
{
    struct scan scan = {bytes, bytes + length};
    int64_t microseconds, offset;
    (void)reading;
    if (!scan_time(&scan, &microseconds) || !scan_offset(&scan, &offset) || scan.at != scan.end)
        return false;
    writer_u64(form, (uint64_t)microseconds);
    writer_i32(form, (int32_t)-offset);
    return true;
}

bool
type_read_timetz_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, length);
    return length == sizeof(int64_t) + sizeof(int32_t);
}

bool
type_read_timestamp(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                    struct writer *form)
{
    struct moment moment;
    (void)reading;
    if (!scan_moment(bytes, length, true, &moment) || moment.offset != 0)
        return false;
    write_instant(&moment, form);
    return true;
}

// Without an offset it is taken as UTC: what `as: instant` makes of a timestamp or a date.
bool
type_read_timestamptz(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *form)
{
    struct moment moment;
    (void)reading;
    if (!scan_moment(bytes, length, true, &moment))
        return false;
    write_instant(&moment, form);
    return true;
}

bool
type_read_timestamp_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                           struct writer *form)
{
    return type_read_time_binary(reading, bytes, length, form);
}

static void
print(struct writer *text, const char *format, int64_t one, int64_t two, int64_t three)
{
    char buffer[80];
    int length = snprintf(buffer, sizeof buffer, format, one, two, three);
    writer_bytes(text, buffer, (size_t)length);
}

static void
print_civil(int64_t days, struct writer *text, bool *is_before_christ)
{
    int64_t year, month, day;
    civil_of_days(days + EPOCH_DAYS, &year, &month, &day);
    *is_before_christ = year <= 0;
    print(text, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, year > 0 ? year : 1 - year, month, day);
}

static void
print_clock(int64_t microseconds, struct writer *text)
{
    int64_t seconds = microseconds / SECOND;
    print(text, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600, seconds / 60 % 60,
          seconds % 60);
    if (microseconds % SECOND == 0)
        return;
    char fraction[24];
    int length = snprintf(fraction, sizeof fraction, ".%06" PRId64, microseconds % SECOND);
    while (fraction[length - 1] == '0')
        length--;
    writer_bytes(text, fraction, (size_t)length);
}

static void
print_infinity(bool is_positive, struct writer *text)
{
    writer_bytes(text, is_positive ? "infinity" : "-infinity", is_positive ? 8 : 9);
}

bool
type_print_date(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    int32_t days = reader_i32(&reader);
    bool is_before_christ = false;
    (void)reading;
    if (!reader_is_done(&reader))
        return false;
    if (days == INT32_MAX || days == INT32_MIN)
        print_infinity(days > 0, text);
    else
        print_civil(days, text, &is_before_christ);
    if (is_before_christ)
        writer_bytes(text, " BC", 3);
    return true;
}

bool
type_print_time(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    int64_t microseconds = (int64_t)reader_u64(&reader);
    (void)reading;
    if (!reader_is_done(&reader) || microseconds < 0 || microseconds > DAY)
        return false;
    print_clock(microseconds, text);
    return true;
}

bool
type_print_timetz(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    int64_t microseconds = (int64_t)reader_u64(&reader);
    int64_t east = -(int64_t)reader_i32(&reader);
    (void)reading;
    if (!reader_is_done(&reader) || microseconds < 0 || microseconds > DAY || east >= 86400 ||
        east <= -86400)
        return false;
    print_clock(microseconds, text);
    writer_u8(text, east < 0 ? '-' : '+');
    east = east < 0 ? -east : east;
    print(text, "%02" PRId64, east / 3600, 0, 0);
    if (east % 3600 != 0)
        print(text, ":%02" PRId64, east / 60 % 60, 0, 0);
    if (east % 60 != 0)
        print(text, ":%02" PRId64, east % 60, 0, 0);
    return true;
}

// timestamptz as a session with TimeZone UTC would print it.
bool
type_print_timestamp(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                     struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    int64_t instant = (int64_t)reader_u64(&reader);
    bool is_before_christ;
    if (!reader_is_done(&reader))
        return false;
    if (instant == INT64_MAX || instant == INT64_MIN) {
        print_infinity(instant > 0, text);
        return true;
    }
    int64_t clock = instant % DAY < 0 ? instant % DAY + DAY : instant % DAY;
    print_civil(instant / DAY - (instant % DAY < 0), text, &is_before_christ);
    writer_u8(text, ' ');
    print_clock(clock, text);
    if (reading->own.type == TYPE_OID_TIMESTAMPTZ)
        writer_bytes(text, "+00", 3);
    if (is_before_christ)
        writer_bytes(text, " BC", 3);
    return true;
}
