// Answers as messages: row descriptions and rows, in text and in binary format.
#ifndef PROXY_CONSOLE_CONSOLE_WIRE_H
#define PROXY_CONSOLE_CONSOLE_WIRE_H

#include "protocol/writer.h"
#include "proxy/console/console.h"
#include "proxy/report/answer.h"

// Result formats as Bind says them: none (all text), one for all, or one a column.
struct console_formats {
    int16_t *list; // owned
    size_t count;
};

// RowDescription, or NoData for a command without rows.
void console_write_description(struct writer *writer, const struct answer_shape *shape,
                               const struct console_formats *formats);
// Rows from `first` on, at most `limit` (0: all). How many there were.
size_t console_write_rows(struct writer *writer, const struct answer *answer, size_t first,
                          size_t limit, const struct console_formats *formats);
void console_write_error(struct writer *writer, const char *severity,
                         const struct console_error *error);
void console_write_notice(struct writer *writer,
                          const struct console_error *notice); // if there is one

#endif
