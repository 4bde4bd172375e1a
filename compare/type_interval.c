// interval: months, days and microseconds, each by itself, as binary output holds them: '1 mon' and
// '30 days' are equal to PostgreSQL's = but not to who reads them. Text is read in the IntervalStyles
// postgres and iso_8601; the other two are compared by bytes. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000)  // in microseconds
#define LIMIT (INT64_C(1) << 53) // of a number in text: sums of the products below do not overflow

struct interval {
    int64_t months, days, microseconds;
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
take_digits(struct scan *scan, int64_t *number)
{
    const uint8_t *start = scan->at;
    for (*number = 0; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++) {
        *number = *number * 10 + (*scan->at - '0');
        if (*number > LIMIT)
            return false;
    }
    return scan->at > start;
}

// After the point: up to six digits, as microseconds.
static bool
take_fraction(struct scan *scan, int64_t *microseconds)
{
    const uint8_t *start = scan->at;
    if (!take_digits(scan, microseconds) || scan->at - start > 6)
        return false;
    for (int64_t digits = scan->at - start; digits < 6; digits++)
        *microseconds *= 10;
    return true;
}

static bool
take_sign(struct scan *scan)
{
    bool is_negative = take(scan, '-');
    if (!is_negative)
        take(scan, '+');
    return is_negative;
}

static bool
add(int64_t *sum, int64_t number, int64_t unit, bool is_negative)
{
    int64_t product;
    return !__builtin_mul_overflow(number, is_negative ? -unit : unit, &product) &&
           !__builtin_add_overflow(*sum, product, sum);
}

static bool
take_unit(struct scan *scan, int64_t number, bool is_negative, struct interval *interval)
{
    static const struct {
        const char *word;
        int64_t months, days;
    } units[] = {{"year", 12, 0}, {"mon", 1, 0}, {"day", 0, 1}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i].word);
        if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, units[i].word, length) != 0)
            continue;
        scan->at += length;
        take(scan, 's');
        return add(&interval->months, number, units[i].months, is_negative) &&
               add(&interval->days, number, units[i].days, is_negative);
    }
    return false;
}

// "1 year 2 mons -3 days +04:05:06.789", after the hours' number.
static bool
take_clock(struct scan *scan, int64_t hours, bool is_negative, struct interval *interval)
{
    int64_t minutes, seconds, fraction = 0;
    if (!take_digits(scan, &minutes) || minutes > 59 || !take(scan, ':') ||
        !take_digits(scan, &seconds) || seconds > 59)
        return false;
    if (take(scan, '.') && !take_fraction(scan, &fraction))
        return false;
    return add(&interval->microseconds, hours, 3600 * SECOND, is_negative) &&
           add(&interval->microseconds, minutes * 60 + seconds, SECOND, is_negative) &&
           add(&interval->microseconds, fraction, 1, is_negative) && scan->at == scan->end;
}

static bool
scan_postgres(struct scan scan, struct interval *interval)
{
    do {
        int64_t number;
        bool is_negative = take_sign(&scan);
        if (!take_digits(&scan, &number))
            return false;
        if (take(&scan, ':'))
            return take_clock(&scan, number, is_negative, interval);
        if (!take(&scan, ' ') || !take_unit(&scan, number, is_negative, interval))
            return false;
    } while (take(&scan, ' '));
    return scan.at == scan.end;
}

static bool
take_designator(struct scan *scan, bool is_time, int64_t number, bool is_negative,
                struct interval *interval)
{
    static const struct {
        char letter;
        bool is_time;
        int64_t months, days, microseconds;
    } designators[] = {
        {'Y', false, 12, 0, 0},
        {'M', false, 1, 0, 0},
        {'W', false, 0, 7, 0},
        {'D', false, 0, 1, 0},
        {'H', true, 0, 0, 3600 * SECOND},
        {'M', true, 0, 0, 60 * SECOND},
        {'S', true, 0, 0, SECOND},
    };
    for (size_t i = 0; i < sizeof designators / sizeof designators[0]; i++)
        if (designators[i].is_time == is_time && take(scan, designators[i].letter))
            return add(&interval->months, number, designators[i].months, is_negative) &&
                   add(&interval->days, number, designators[i].days, is_negative) &&
                   add(&interval->microseconds, number, designators[i].microseconds, is_negative);
    return false;
}

// "P1Y2M3DT4H5M6.789S", each number with its own sign; "PT0S" is nothing.
static bool
scan_iso_8601(struct scan scan, struct interval *interval)
{
    bool is_time = false;
    if (!take(&scan, 'P') || scan.at == scan.end)
        return false;
    while (scan.at < scan.end) {
        int64_t number, fraction = 0;
        if (!is_time && take(&scan, 'T')) {
            is_time = true;
            continue;
        }
        bool is_negative = take_sign(&scan);
        if (!take_digits(&scan, &number))
            return false;
        if (take(&scan, '.') && (!take_fraction(&scan, &fraction) || scan.at == scan.end ||
                                 *scan.at != 'S' || !is_time))
            return false;
        if (!take_designator(&scan, is_time, number, is_negative, interval) ||
            !add(&interval->microseconds, fraction, 1, is_negative))
            return false;
    }
    return true;
}

bool
type_read_interval(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   struct writer *form)
{
    struct interval interval = {0};
    struct scan scan = {bytes, bytes + length};
    (void)reading;
    bool is_read = length > 0 && bytes[0] == 'P' ? scan_iso_8601(scan, &interval)
                                                 : scan_postgres(scan, &interval);
    if (!is_read || interval.months != (int32_t)interval.months ||
        interval.days != (int32_t)interval.days)
        return false;
    writer_u64(form, (uint64_t)interval.microseconds);
    writer_i32(form, (int32_t)interval.days);
    writer_i32(form, (int32_t)interval.months);
    return true;
}

bool
type_read_interval_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                          struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, length);
    return length == 16;
}

static void
print_part(struct writer *text, size_t start, int64_t number, const char *unit, bool *was_negative)
{
    char buffer[48];
    if (number == 0)
        return;
    int length =
        snprintf(buffer, sizeof buffer, "%s%s%" PRId64 " %s%s", text->length > start ? " " : "",
                 *was_negative && number > 0 ? "+" : "", number, unit, number == 1 ? "" : "s");
    writer_bytes(text, buffer, (size_t)length);
    *was_negative = number < 0;
}

// In the IntervalStyle postgres.
bool
type_print_interval(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                    struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    int64_t microseconds = (int64_t)reader_u64(&reader);
    int32_t days = reader_i32(&reader);
    int32_t months = reader_i32(&reader);
    size_t start = text->length;
    bool was_negative = false;
    char buffer[64];
    (void)reading;
    if (!reader_is_done(&reader))
        return false;
    print_part(text, start, months / 12, "year", &was_negative);
    print_part(text, start, months % 12, "mon", &was_negative);
    print_part(text, start, days, "day", &was_negative);
    if (microseconds == 0 && text->length > start)
        return true;
    uint64_t size = microseconds < 0 ? -(uint64_t)microseconds : (uint64_t)microseconds;
    uint64_t seconds = size / (uint64_t)SECOND;
    uint64_t fraction = size % (uint64_t)SECOND;
    int end = snprintf(buffer, sizeof buffer, "%s%s%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
                       text->length > start ? " " : "",
                       microseconds < 0 ? "-"
                       : was_negative   ? "+"
                                        : "",
                       seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (fraction > 0) {
        end += snprintf(buffer + end, sizeof buffer - (size_t)end, ".%06" PRIu64, fraction);
        while (buffer[end - 1] == '0')
            end--;
    }
    writer_bytes(text, buffer, (size_t)end);
    return true;
}
