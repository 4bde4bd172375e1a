// Two streams of server messages as results, held against each other: no crash, and the answer is
// sound: a result equals itself, and old against new is equal when new against old is. Input: a byte
// of order and rules, two bytes of where new's stream begins, then messages as type, 2 bytes of length, body.
#include "compare/difference.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 3, MESSAGE_HEAD = 3 };

static bool
read_result(struct result *result, const uint8_t *data, size_t size)
{
    result_init(result);
    while (size >= MESSAGE_HEAD) {
        size_t length = (size_t)data[1] << 8 | data[2];
        if (length > size - MESSAGE_HEAD)
            length = size - MESSAGE_HEAD;
        enum result_status status = result_add(result, (char)data[0], data + MESSAGE_HEAD, length);
        if (status == RESULT_ENDED)
            return true;
        if (status != RESULT_OK)
            return false;
        data += MESSAGE_HEAD + length;
        size -= MESSAGE_HEAD + length;
    }
    return false;
}

static enum difference_class
compare(const struct result *old_result, const struct result *new_result, uint8_t bits)
{
    static const uint8_t open[] = {OPEN_NOTHING, OPEN_SEQUENCE, OPEN_ROUNDING};
    uint16_t keys[] = {0, (uint16_t)(bits >> 6)};
    struct determinacy determinacy = {
        .order = (enum order_kind)(bits % 3),
        .keys = keys,
        .key_count = 2,
        .is_total = bits & 8,
        .is_limited = bits & 16,
        .cuts_start = (bits & 16) != 0 && (bits & 1) != 0,
        .cuts_end = bits & 16,
        .limit = bits & 2 ? 3 : UINT64_MAX,
        .open = bits & 128 ? open : NULL,
        .open_count = sizeof open,
        .open_rest = OPEN_VALUE,
    };
    struct column_rule columns[2] = {{.tolerance = -1}, {.tolerance = -1, .ignore = bits & 32}};
    struct difference_rules rules = {
        .float_tolerance = bits & 4 ? 1e-9 : 0, .columns = columns, .column_count = 2};
    struct difference difference;
    if (!difference_find(old_result, new_result, &determinacy, &rules, &difference))
        abort();
    if (difference.is_open && (difference.class == DIFFERENCE_NONE ||
                               difference.class == DIFFERENCE_COLUMNS || difference.is_accepted))
        abort();
    return difference.class;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    size_t split = (size_t)data[1] << 8 | data[2];
    size -= HEAD;
    split = split < size ? split : size;
    struct result old_result, new_result;
    bool has_old = read_result(&old_result, data + HEAD, split);
    bool has_new = read_result(&new_result, data + HEAD + split, size - split);
    if (has_old && compare(&old_result, &old_result, data[0]) != DIFFERENCE_NONE)
        abort();
    if (has_old && has_new) {
        bool is_equal = compare(&old_result, &new_result, data[0]) == DIFFERENCE_NONE;
        bool is_exact = (data[0] & 4) == 0; // matching within a tolerance has a direction
        if (is_equal != (compare(&new_result, &old_result, data[0]) == DIFFERENCE_NONE) && is_exact)
            abort();
    }
    result_fini(&old_result);
    result_fini(&new_result);
    return 0;
}
