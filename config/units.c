// Reads and writes sizes, times and percentages. A number is decimal digits with a unit right
// behind it ("64MiB", "250ms"); zero needs no unit. Nothing is rounded: what cannot be said exactly
// is refused, and what is written reads back as the same value.
#include "config/units.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct scale {
    const char *name;
    uint64_t factor;
};

static const struct scale sizes[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
};

static const struct scale durations[] = {
    {"h", UINT64_C(3600000000000)}, {"m", UINT64_C(60000000000)}, {"s", UINT64_C(1000000000)},
    {"ms", UINT64_C(1000000)},      {"us", UINT64_C(1000)},
};

enum { SIZES = sizeof sizes / sizeof *sizes, DURATIONS = sizeof durations / sizeof *durations };

// Reads digits and moves `text` past them. False: there are none, or they do not fit.
static bool
read_digits(const char **text, uint64_t *value)
{
    const char *digit = *text;
    uint64_t sum = 0;

    for (; *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t unit = (uint64_t)(*digit - '0');

        if (sum > (UINT64_MAX - unit) / 10)
            return false;
        sum = sum * 10 + unit;
    }
    if (digit == *text)
        return false;
    *text = digit;
    *value = sum;
    return true;
}

static bool
read_scaled(const char *text, const struct scale *scales, size_t count, uint64_t *value)
{
    uint64_t number;

    if (!read_digits(&text, &number))
        return false;
    if (*text == '\0' && number == 0) {
        *value = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, scales[i].name) != 0)
            continue;
        if (number > UINT64_MAX / scales[i].factor)
            return false;
        *value = number * scales[i].factor;
        return true;
    }
    return false;
}

// The largest unit that divides the value; the last scale takes the rest.
static void
write_scaled(uint64_t value, const struct scale *scales, size_t count, char text[24])
{
    const struct scale *scale = &scales[count - 1];

    for (size_t i = 0; i < count && value > 0; i++) {
        if (value % scales[i].factor == 0) {
            scale = &scales[i];
            break;
        }
    }
    snprintf(text, 24, "%" PRIu64 "%s", value / scale->factor, scale->name);
}

bool
units_read_size(const char *text, size_t *bytes)
{
    uint64_t value;

    if (!read_scaled(text, sizes, SIZES, &value) || value > SIZE_MAX / 2)
        return false;
    *bytes = (size_t)value;
    return true;
}

bool
units_read_duration(const char *text, uint64_t *nanoseconds)
{
    uint64_t value;

    if (!read_scaled(text, durations, DURATIONS, &value) || value > INT64_MAX)
        return false;
    *nanoseconds = value;
    return true;
}

bool
units_read_percent(const char *text, unsigned *hundredths)
{
    uint64_t whole, part = 0;

    if (!read_digits(&text, &whole) || whole > 100)
        return false;
    if (*text == '.') {
        const char *decimals = ++text;

        if (!read_digits(&text, &part) || text - decimals > 2)
            return false;
        if (text - decimals == 1)
            part *= 10;
    }
    if (*text != '\0' || whole * 100 + part > 10000)
        return false;
    *hundredths = (unsigned)(whole * 100 + part);
    return true;
}

void
units_write_percent(unsigned hundredths, char text[16])
{
    unsigned whole = hundredths / 100, part = hundredths % 100;

    if (part == 0)
        snprintf(text, 16, "%u", whole);
    else if (part % 10 == 0)
        snprintf(text, 16, "%u.%u", whole, part / 10);
    else
        snprintf(text, 16, "%u.%02u", whole, part);
}

void
units_write_duration(uint64_t nanoseconds, char text[24])
{
    write_scaled(nanoseconds, durations, DURATIONS, text);
}

void
units_write_size(size_t bytes, char text[24])
{
    write_scaled(bytes, sizes, SIZES, text);
}
