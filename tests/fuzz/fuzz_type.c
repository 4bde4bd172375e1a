// A value of any type, users' included, in any format against another: no crash, the same answer
// whichever is old, and equal values have equal forms. Input: two types (2 bytes each), formats and rules (1 byte), where
// the first value ends (1 byte), the values.
#include "../unit/users_types.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 6 };

static void
check_forms(const struct cell *one, const struct cell *other, const struct type_rules *rules,
            bool are_equal)
{
    struct type_pair pair;
    struct writer forms[2];
    writer_init(&forms[0]);
    writer_init(&forms[1]);
    type_pair_init(&pair, one->type, other->type, rules);
    type_pair_form(&pair, one, false, &forms[0]);
    type_pair_form(&pair, other, true, &forms[1]);
    bool agree = type_pair_forms_agree(&pair, forms[0].bytes, forms[0].length, forms[1].bytes,
                                       forms[1].length);
    if (agree != are_equal)
        abort();
    writer_fini(&forms[0]);
    writer_fini(&forms[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    struct type_rules rules = {
        .float_tolerance = data[4] & 4 ? 1e-12 : 0,
        .has_tolerance = data[4] & 8,
        .unordered = data[4] & 128,
        .as = (enum type_as)(data[4] >> 4 & 7),
        .formats = {data[4] & 1, data[4] >> 1 & 1},
        .old_types = &users_types,
        .new_types = &users_types,
    };
    size_t length = data[5] < size - HEAD ? data[5] : size - HEAD;
    struct cell one = {.bytes = data + HEAD,
                       .length = length,
                       .type = (uint32_t)data[0] << 8 | data[1],
                       .format = data[4] & 1};
    struct cell other = {.bytes = data + HEAD + length,
                         .length = size - HEAD - length,
                         .type = (uint32_t)data[2] << 8 | data[3],
                         .format = data[4] >> 1 & 1};
    bool are_equal = type_equal(&one, &other, &rules);
    if (are_equal != type_equal(&other, &one, &rules))
        abort();
    check_forms(&one, &other, &rules, are_equal);
    struct writer text;
    writer_init(&text);
    type_print(&one, &users_types, &text);
    type_print(&other, &users_types, &text);
    writer_fini(&text);
    return 0;
}
