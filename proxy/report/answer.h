// A table of typed values: what a console command, a page of the JSON interface or a report is filled
// from. Filled cell by cell, row after row. Plain data, one owner at a time.
#ifndef PROXY_REPORT_ANSWER_H
#define PROXY_REPORT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_type {
    ANSWER_TEXT,
    ANSWER_INTEGER, // int8
    ANSWER_REAL,    // float8
    ANSWER_BOOLEAN,
    ANSWER_TIME,    // timestamptz: microseconds since 1970
    ANSWER_PERCENT, // numeric: hundredths
    ANSWER_JSON,    // json, as text
};

struct answer_column {
    const char *name;
    enum answer_type type;
};

struct answer_shape { // static
    const struct answer_column *columns;
    size_t count;
};
#define ANSWER_SHAPE(columns)                                                                      \
    {                                                                                              \
        columns, sizeof(columns) / sizeof((columns)[0])                                            \
    }

struct answer_cell {
    bool is_null;
    union {
        char *text;      // owned
        int64_t integer; // also times and percentages
        double real;
        bool boolean;
    };
};

struct answer {
    const struct answer_shape *shape; // NULL: a command without rows
    struct answer_cell *cells;        // owned; row after row
    size_t count, capacity;           // cells
    bool failed;                      // no memory
};

void answer_init(struct answer *answer, const struct answer_shape *shape);
void answer_fini(struct answer *answer);
// The next cell; its type must be the column's. Text NULL is SQL NULL, and so is a real that is NaN.
void answer_text(struct answer *answer, const char *text);
void answer_integer(struct answer *answer, uint64_t value);
void answer_real(struct answer *answer, double value);
void answer_boolean(struct answer *answer, bool value);
void answer_time(struct answer *answer, int64_t microseconds); // 0: NULL
void answer_percent(struct answer *answer, unsigned hundredths);
void answer_json(struct answer *answer, const char *text);
void answer_null(struct answer *answer);
size_t answer_rows(const struct answer *answer);
const struct answer_cell *answer_row(const struct answer *answer, size_t row);

// A cell's text as PostgreSQL would give it; `scratch` may be used. Not for NULL.
enum { ANSWER_SCRATCH = 64 };
const char *answer_cell_text(const struct answer_cell *cell, enum answer_type type,
                             char scratch[ANSWER_SCRATCH]);
// "2026-01-31 12:00:00.123456+00"
void answer_time_text(int64_t microseconds, char text[ANSWER_SCRATCH]);

#endif
