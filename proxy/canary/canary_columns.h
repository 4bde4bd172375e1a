// What new's columns must be for new to answer in old's place, and the values that are put differently:
// the client sees old's types (DESIGN 3.7). Pure.
#ifndef PROXY_CANARY_CANARY_COLUMNS_H
#define PROXY_CANARY_CANARY_COLUMNS_H

#include "protocol/reply.h"

enum canary_conversion {
    CANARY_AS_IS,
    CANARY_CHECK_INTEGER,  // text: the number must fit old's type
    CANARY_RECODE_INTEGER, // binary: the same, in old's width
    CANARY_JSONB_TO_JSON,  // binary: without the version byte
    CANARY_JSON_TO_JSONB,  // binary: with it
    CANARY_NO_CONVERSION,  // old has to answer
};

struct canary_column {
    enum canary_conversion conversion;
    uint32_t old_type;
};

// `new_column` in the format that new answers in.
enum canary_conversion canary_column_conversion(const struct reply_column *old_column,
                                                const struct reply_column *new_column);
// Writes new's DataRow as old's. False: malformed, or a value does not fit.
bool canary_row_convert(struct writer *writer, const struct canary_column *columns, size_t count,
                        const uint8_t *body, size_t length);

#endif
