// Two results as two readings of a large one: fed row by row, in pieces of any size.
#ifndef TESTS_UNIT_DIGESTS_H
#define TESTS_UNIT_DIGESTS_H

#include "compare/digest.h"
#include <string.h>

// A digest of the result's rows, its columns' side being `is_new`; `piece` bytes at a time, 0: all at once.
static inline struct digest *
digest_of(struct digest_plan *plan, bool is_new, const struct result *result,
          const struct digest_selection *selection, struct result *kept, size_t piece)
{
    struct digest *digest = digest_new(plan, is_new, selection, kept);
    enum digest_status status = DIGEST_OK;
    size_t at = 0;
    for (size_t row = 0; digest != NULL && row < result->row_count; row++) {
        uint32_t length;
        memcpy(&length, result->rows + at, sizeof length);
        at += sizeof length;
        size_t step = piece > 0 && piece < length ? piece : length;
        for (size_t done = 0; status == DIGEST_OK && done < length; done += step) {
            size_t part = length - done < step ? length - done : step;
            status = digest_row(digest, result->rows + at + done, part, done == 0,
                                done + part == length);
        }
        at += length;
    }
    if (digest != NULL)
        digest_end(digest);
    if (status != DIGEST_OK)
        digest_free(&digest);
    return digest;
}

// Columns alone.
static inline bool
head_of(struct result *head, const struct result *result)
{
    int16_t formats[64] = {0};
    result_init(head);
    for (size_t i = 0; i < result->column_count && i < 64; i++)
        formats[i] = result->columns[i].format;
    return result_set_columns(head, result->columns, result->column_count, formats,
                              result->column_count);
}

#endif
