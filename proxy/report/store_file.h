// The inside of struct store, for the store's own files alone: statements by name, prepared once.
#ifndef PROXY_REPORT_STORE_FILE_H
#define PROXY_REPORT_STORE_FILE_H

#include "proxy/report/store.h"
#include <sqlite3.h>

enum store_statement {
#define STATEMENT(NAME, sql) STORE_##NAME,
#include "proxy/report/store.tbl"
    STORE_STATEMENT_COUNT
};

struct store {
    sqlite3 *file;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    int64_t run;     // 0: a reader's
    bool is_durable; // synchronous is FULL
};

// Prepares (once), resets and binds: `types` has a letter a parameter: t text (const char *, NULL is
// NULL), i int64_t, r double (NaN is NULL), b blob (const void *, int). What is bound must live
// until the statement was stepped. NULL: an error.
sqlite3_stmt *store_bind(struct store *store, enum store_statement which, const char *types, ...);
// The same, for a statement without rows, and runs it.
bool store_run(struct store *store, enum store_statement which, const char *types, ...);
// The next row. False at the end, which resets; *ok is false when it ended in an error.
bool store_step(sqlite3_stmt *statement, bool *ok);
const char *store_text(sqlite3_stmt *statement, int column); // "" for NULL

#endif
