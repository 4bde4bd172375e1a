// money. Its text is a matter of lc_monetary, which may differ between the sides and which nobody tells;
// its binary output is a number of the currency's smallest units. So in one format money is compared by
// its bytes, and across the formats by what both of them show whatever the locale is: the digits, which
// the text groups and parts but never rounds, and the sign, which is a minus or brackets. What is read
// is that number of units. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 19 }; // of 2^63

static bool
is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool
is_minus(const uint8_t *at, const uint8_t *end)
{
    static const char minus[] = "\xe2\x88\x92"; // U+2212, of some locales
    return *at == '-' || *at == '(' || (end - at >= 3 && memcmp(at, minus, sizeof minus - 1) == 0);
}

bool
type_read_money(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *form)
{
    const uint8_t *end = bytes + length;
    char digits[DIGITS + 1];
    size_t count = 0;
    bool is_negative = false, has_digits = false;
    (void)reading;
    for (const uint8_t *at = bytes; at < end; at++) {
        is_negative |= is_minus(at, end);
        has_digits |= is_digit(*at);
        if (!is_digit(*at) || (count == 0 && *at == '0'))
            continue;
        if (count == DIGITS)
            return false;
        digits[count++] = (char)*at;
    }
    if (count == 0) {
        writer_u8(form, '0');
        return has_digits;
    }
    if (is_negative)
        writer_u8(form, '-');
    writer_bytes(form, digits, count);
    return true;
}

bool
type_read_money_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                       struct writer *form)
{
    struct reader reader = reader_over(bytes, length);
    char number[24];
    (void)reading;
    int width = snprintf(number, sizeof number, "%" PRId64, (int64_t)reader_u64(&reader));
    writer_bytes(form, number, (size_t)width);
    return reader_is_done(&reader);
}
