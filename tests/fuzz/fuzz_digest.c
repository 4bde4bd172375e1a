// Digests of two results agree exactly where difference_find says that the results are equal, however their rows
// come in pieces; and a row in pieces is as sound as it is whole. Input: as fuzz_difference's, behind a
// byte of the pieces' lengths.
#include "../unit/digests.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, MESSAGE_HEAD = 3, MOST_COLUMNS = 64 };

// A whole result with its columns; others are of no interest here.
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
            break;
        if (status != RESULT_OK)
            return false;
        data += MESSAGE_HEAD + length;
        size -= MESSAGE_HEAD + length;
    }
    return result->kind == RESULT_ROWS && result->has_columns &&
           result->column_count <= MOST_COLUMNS;
}

static bool
are_equal(const struct result results[2], const struct determinacy *determinacy,
          const struct difference_rules *rules)
{
    struct difference difference;
    if (!difference_find(&results[0], &results[1], determinacy, rules, &difference))
        abort();
    return difference.class == DIFFERENCE_NONE;
}

static void
hold_against(const struct result results[2], uint8_t bits, size_t piece)
{
    uint16_t keys[] = {0, (uint16_t)(bits >> 6)};
    struct determinacy determinacy = {
        .order = (enum order_kind)(bits % 3), .keys = keys, .key_count = 2, .is_total = bits & 8};
    struct column_rule columns[2] = {{.tolerance = -1}, {.tolerance = -1, .ignore = bits & 32}};
    struct difference_rules rules = {.columns = columns, .column_count = 2};
    struct result heads[2];
    struct digest *digests[2] = {NULL, NULL};
    if (!head_of(&heads[0], &results[0]) || !head_of(&heads[1], &results[1]))
        abort();
    struct digest_plan *plan = digest_plan_new(&heads[0], &heads[1], &determinacy, &rules);
    if (plan == NULL)
        abort();
    bool is_equal = are_equal(results, &determinacy, &rules);
    for (size_t side = 0; side < 2 && digest_plan_is_comparable(plan); side++) {
        digests[side] = digest_of(plan, side == 1, &results[side], NULL, NULL, piece);
        if (digests[side] == NULL)
            abort();
    }
    if (digests[0] == NULL && is_equal)
        abort();
    if (digests[0] != NULL && is_equal != (digest_compare(digests[0], digests[1]) == DIGEST_SAME))
        abort();
    for (size_t side = 0; side < 2; side++) {
        digest_free(&digests[side]);
        result_fini(&heads[side]);
    }
    digest_plan_free(&plan);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    size_t split = (size_t)data[1] << 8 | data[2];
    uint8_t bits = data[0], piece = data[3];
    size -= HEAD;
    split = split < size ? split : size;
    struct result results[2];
    bool has_old = read_result(&results[0], data + HEAD, split);
    bool has_new = read_result(&results[1], data + HEAD + split, size - split);
    if (has_old && has_new)
        hold_against(results, bits, piece);
    result_fini(&results[0]);
    result_fini(&results[1]);
    return 0;
}
