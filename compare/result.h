// One execution's result, as values: columns and rows, or a command tag, or an error. Built message
// by message from what a server sent; owns all that it holds.
#ifndef COMPARE_RESULT_H
#define COMPARE_RESULT_H

#include "protocol/reply.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum result_kind {
    RESULT_OPEN,    // no end seen yet
    RESULT_ROWS,    // rows, perhaps none
    RESULT_COMMAND, // a tag without rows
    RESULT_ERROR,
    RESULT_PARTIAL, // PortalSuspended: a part of the rows
};

struct result {
    enum result_kind kind;
    struct reply_column *columns; // owned, names too
    size_t column_count;
    bool has_columns; // a RowDescription was seen or set
    uint8_t *rows;    // DataRow bodies, end to end, each behind its 4-byte length (host order)
    size_t rows_length;
    size_t rows_capacity;
    size_t row_count;
    uint64_t left_out; // rows of a large result that are not among these
    char sqlstate[6];
    char *message; // of the error; owned
    char *tag;     // owned
};

enum result_status { RESULT_OK, RESULT_ENDED, RESULT_JUNK, RESULT_NO_MEMORY };

void result_init(struct result *result);
void result_fini(struct result *result);
// Takes RowDescription, NoData, DataRow, CommandComplete, EmptyQueryResponse, PortalSuspended and
// ErrorResponse; other types are passed over. RESULT_ENDED when the execution's result is complete.
enum result_status result_add(struct result *result, char type, const uint8_t *body, size_t length);
// The columns, where the RowDescription came earlier (Describe of a statement) with other formats.
bool result_set_columns(struct result *result, const struct reply_column *columns, size_t count,
                        const int16_t *formats, size_t format_count);
// XXH3-128 of everything that a comparison looks at, bytes as they are: equal digests, equal results.
void result_digest(const struct result *result, uint64_t digest[2]);
size_t result_memory(const struct result *result); // bytes held

#endif
