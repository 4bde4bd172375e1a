// The inside of struct store, for the store's own files alone: the two kinds of it behind one table of functions, and
// statements by name. store_sqlite.c and store_postgresql.c are the kinds; what is written and read is in
// store_write.c, store_read.c and store_pictures.c, once for both.
#ifndef PROXY_REPORT_STORE_BACKEND_H
#define PROXY_REPORT_STORE_BACKEND_H

#include "proxy/report/store.h"

enum { STORE_SCHEMA_VERSION = 3 };

enum store_statement {
#define STATEMENT(NAME, sql) STORE_##NAME,
#include "proxy/report/store.tbl"
    STORE_STATEMENT_COUNT
};

enum { STORE_PARAMETERS_MAX = 24 };

struct store_value { // a parameter
    char type;       // t text (NULL is NULL), i integer, r double (NaN is NULL), b bytes
    const char *text;
    int64_t integer;
    double real;
    const void *bytes;
    int length;
};

// Rows as they come: while (store_step(&rows)) …; then rows.ok says whether that was all of them.
struct store_rows {
    struct store *store;
    void *result; // sqlite3_stmt * or PGresult *
    int next;     // PostgreSQL: the row after the current one
    void *bytes;  // PostgreSQL: of the column read last
    bool ok;
};

struct store_backend {
    bool is_shared;
    enum store_outcome (*connect)(struct store *store, const struct store_member *member,
                                  bool may_write, char *error, size_t error_size);
    void (*close)(struct store *store); // and frees what is its own
    const char *(*error)(const struct store *store);
    bool (*is_away)(const struct store *store);
    int (*descriptor)(const struct store *store);
    bool (*heard)(struct store *store);
    bool (*beat)(struct store *store);
    bool (*begin)(struct store *store, bool durable);
    bool (*commit)(struct store *store);
    void (*roll_back)(struct store *store);
    bool (*batch_is_full)(const struct store *store);
    // Without rows; inside a batch it may come to nothing later, which commit says.
    bool (*run)(struct store *store, enum store_statement which, const struct store_value *values,
                size_t count);
    // Never inside a batch.
    void (*ask)(struct store *store, enum store_statement which, const struct store_value *values,
                size_t count, struct store_rows *rows);
    bool (*step)(struct store_rows *rows);
    bool (*is_null)(const struct store_rows *rows, int column);
    const char *(*text)(const struct store_rows *rows, int column); // "" for NULL
    int64_t (*integer)(const struct store_rows *rows, int column);
    double (*real)(const struct store_rows *rows, int column);
    const void *(*bytes)(struct store_rows *rows, int column, size_t *length);
    enum store_kept (*keep)(struct store *store, enum store_keeping keeping, int64_t known,
                            const struct store_setting *settings, size_t count,
                            void (*each)(void *context, const struct store_setting *setting),
                            void *context);
};

struct store { // the first member of each kind's own
    const struct store_backend *backend;
    char *location; // as configured; may hold a password
    int64_t run;    // 0: none was begun
};

// NULL: no memory.
struct store *store_sqlite_new(const char *path);
struct store *store_postgresql_new(void);

// `types` has a letter a parameter (store_value.type); text and bytes are borrowed for the call, a blob takes two
// arguments: const void *, int.
bool store_run(struct store *store, enum store_statement which, const char *types, ...);
struct store_rows store_ask(struct store *store, enum store_statement which, const char *types,
                            ...);
bool store_step(struct store_rows *rows);
bool store_is_null(const struct store_rows *rows, int column);
const char *store_text(const struct store_rows *rows, int column);
int64_t store_integer(const struct store_rows *rows, int column);
double store_real(const struct store_rows *rows, int column);
const void *store_bytes(struct store_rows *rows, int column, size_t *length);
// A statement with at most one row of one number. False: it failed; *value is kept where there is no row.
bool store_ask_integer(struct store *store, int64_t *value, enum store_statement which,
                       const char *types, ...);
// A statement without rows, outside of a batch.
bool store_ask_nothing(struct store *store, enum store_statement which);
// The row at hand, whose columns are those of SETTINGS_NEWS.
void store_setting_of(const struct store_rows *rows, struct store_setting *setting);

#endif
