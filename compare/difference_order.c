// The same rows in another order than ORDER BY allows: a wrong order, or two collations? Each side may
// have sorted rightly by the rules of its own: in C by bytes, elsewhere by letters and digits first
// and by case and punctuation only among equals. Where both sides' sequences are sorted by one of
// these, and not by the same, it is a pure collation difference: still a difference that clients see,
// but in the clusters' collations and in no row.
//
// Only ASCII is judged: of other letters each collation has its own idea. Pure.
#include "compare/difference_rows.h"
#include "compare/type_family.h"
#include <string.h>

struct text {
    const uint8_t *bytes; // NULL: SQL NULL
    size_t length;
};

typedef int text_order(const struct text *one, const struct text *other);

static int
byte_order(const struct text *one, const struct text *other)
{
    size_t common = one->length < other->length ? one->length : other->length;
    int order = common == 0 ? 0 : memcmp(one->bytes, other->bytes, common);
    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

// The next letter, in lower case, or digit from *at on; 0: there is none.
static int
next_alphanumeric(const struct text *text, size_t *at)
{
    while (*at < text->length) {
        uint8_t byte = text->bytes[(*at)++];
        if (byte >= 'A' && byte <= 'Z')
            return byte | 0x20;
        if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))
            return byte;
    }
    return 0;
}

// The first level of a linguistic collation, which glibc's and ICU's have in common.
static int
alphanumeric_order(const struct text *one, const struct text *other)
{
    size_t one_at = 0, other_at = 0;
    for (;;) {
        int a = next_alphanumeric(one, &one_at), b = next_alphanumeric(other, &other_at);
        if (a != b || a == 0)
            return a - b;
    }
}

// Where punctuation is not passed over but comes before all letters and digits, as in ICU.
static int
caseless_class(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return 256 + (byte | 0x20);
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ? 256 + byte : 1;
}

static int
caseless_order(const struct text *one, const struct text *other)
{
    for (size_t i = 0; i < one->length && i < other->length; i++) {
        int order = caseless_class(one->bytes[i]) - caseless_class(other->bytes[i]);
        if (order != 0)
            return order;
    }
    return (one->length > other->length) - (one->length < other->length);
}

static text_order *const orders[] = {byte_order, alphanumeric_order, caseless_order};
enum { ORDERS = sizeof orders / sizeof orders[0], UP = 1, DOWN = 2 };

static bool
is_ascii(const struct text *text)
{
    for (size_t i = 0; i < text->length; i++)
        if (text->bytes[i] >= 0x80)
            return false;
    return true;
}

static struct text
text_of(struct rows *rows, size_t side, size_t row, size_t column)
{
    const struct cell *cell = rows_cell(rows, side, row, column);
    return (struct text){cell->bytes, cell->length};
}

// Do the keys before this one tie in these two rows?
static bool
tie_before(struct rows *rows, const struct determinacy *determinacy, size_t key, size_t side,
           size_t row)
{
    for (size_t i = 0; i < key; i++)
        for (size_t column = 0; column < rows->column_count; column++)
            if (rows->columns[column].at[0] == determinacy->keys[i] &&
                rows_column_digest(rows, side, row, column) !=
                    rows_column_digest(rows, side, row + 1, column))
                return false;
    return true;
}

// By which of the orders a side's sequence is sorted: a set of UP and DOWN for each. False: something
// in it can't be judged.
static bool
sorted_by(struct rows *rows, const struct determinacy *determinacy, size_t key, size_t column,
          size_t side, unsigned sorted[ORDERS])
{
    for (size_t i = 0; i < ORDERS; i++)
        sorted[i] = UP | DOWN;
    for (size_t row = 0; row + 1 < rows->results[side]->row_count; row++) {
        struct text one = text_of(rows, side, row, column);
        if (!is_ascii(&one))
            return false;
        if (!tie_before(rows, determinacy, key, side, row))
            continue;
        one = text_of(rows, side, row, column);
        struct text other = text_of(rows, side, row + 1, column);
        if (!is_ascii(&other))
            return false;
        for (size_t i = 0; i < ORDERS && one.bytes != NULL && other.bytes != NULL; i++) {
            int order = orders[i](&one, &other);
            if (order != 0)
                sorted[i] &= order < 0 ? UP : DOWN;
        }
    }
    return true;
}

static bool
is_collation(struct rows *rows, const struct determinacy *determinacy, size_t key, size_t column)
{
    unsigned sorted[2][ORDERS];
    for (size_t side = 0; side < 2; side++)
        if (!sorted_by(rows, determinacy, key, column, side, sorted[side]))
            return false;
    for (size_t i = 0; i < ORDERS; i++)
        for (size_t k = 0; k < ORDERS; k++)
            if (i != k && (sorted[0][i] & sorted[1][k]) != 0)
                return true;
    return false;
}

// The first key in which the sequences disagree says what kind of disorder it is.
size_t
order_find_collation(struct rows *rows, const struct determinacy *determinacy)
{
    for (size_t key = 0; key < determinacy->key_count; key++)
        for (size_t column = 0; column < rows->column_count; column++) {
            if (rows->columns[column].at[0] != determinacy->keys[key])
                continue;
            bool agrees = true;
            for (size_t row = 0; row < rows->results[0]->row_count && agrees; row++)
                agrees = rows_column_equal(rows, column, row, row);
            if (agrees)
                continue;
            enum type_family family = rows->columns[column].pair.family;
            bool is_text = family == TYPE_FAMILY_TEXT || family == TYPE_FAMILY_BPCHAR ||
                           family == TYPE_FAMILY_CASELESS || family == TYPE_FAMILY_TRIMMED;
            return is_text && is_collation(rows, determinacy, key, column) ? column : SIZE_MAX;
        }
    return SIZE_MAX;
}
