// Times with a declared precision: what has more digits behind the second than that is refused; none are ever printed that are
// zeros at the end. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "protocol/reader.h"

enum { MOST_PRECISION = 6 };

static bool
is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

// In every DateStyle the seconds stand behind a colon: ":dd.ffffff".
bool
recode_time_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                 struct recode_run *run)
{
    for (size_t i = 0; i + 4 < length; i++) {
        if (bytes[i] != ':' || !is_digit(bytes[i + 1]) || !is_digit(bytes[i + 2]) ||
            bytes[i + 3] != '.')
            continue;
        int32_t digits = 0;
        for (size_t at = i + 4; at < length && is_digit(bytes[at]) && digits <= MOST_PRECISION;
             at++)
            digits++;
        if (digits > recode->modifier)
            return false;
        break;
    }
    return recode_add(run, bytes, length);
}

// All begin with microseconds; the outermost numbers stand for the infinities.
bool
recode_time_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                   struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    int64_t microseconds = (int64_t)reader_u64(&reader), unit = 1;
    for (int32_t i = recode->modifier; i < MOST_PRECISION; i++)
        unit *= 10;
    bool is_infinite = microseconds == INT64_MAX || microseconds == INT64_MIN;
    return !reader.failed && (is_infinite || microseconds % unit == 0) &&
           recode_add(run, bytes, length);
}
