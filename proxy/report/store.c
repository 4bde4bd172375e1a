// The store's file: opening, schema, transactions, statements. What is written and read is in store_write.c
// and store_read.c.
//
// WAL mode: readers do not block the writer nor it them, and a crash loses at most the last transaction that was
// not durable. Operators' settings are committed with synchronous = FULL, figures with NORMAL.
#include "proxy/report/store_file.h"
#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SCHEMA_VERSION = 2, APPLICATION_ID = 0x70677268 /* "pgrh" */, BUSY_TIMEOUT_MS = 2000 };

static const char *const tables[] = {
#define TABLE(sql) sql,
#include "proxy/report/store.tbl"
};

static const char *const statements[] = {
#define STATEMENT(NAME, sql) [STORE_##NAME] = sql,
#include "proxy/report/store.tbl"
};

int64_t
store_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const char *
store_error(const struct store *store)
{
    return sqlite3_errmsg(store->file);
}

static bool
bind_one(sqlite3_stmt *statement, int at, char type, va_list *arguments)
{
    switch (type) {
    case 't': {
        const char *text = va_arg(*arguments, const char *);

        return sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC) == SQLITE_OK;
    }
    case 'i':
        return sqlite3_bind_int64(statement, at, va_arg(*arguments, int64_t)) == SQLITE_OK;
    case 'r': {
        double value = va_arg(*arguments, double);

        return (isnan(value) ? sqlite3_bind_null(statement, at)
                             : sqlite3_bind_double(statement, at, value)) == SQLITE_OK;
    }
    case 'b': {
        const void *bytes = va_arg(*arguments, const void *);
        int length = va_arg(*arguments, int);

        return sqlite3_bind_blob(statement, at, bytes, length, SQLITE_STATIC) == SQLITE_OK;
    }
    default:
        assert(!"a type that store_bind does not know");
        return false;
    }
}

static sqlite3_stmt *
prepare(struct store *store, enum store_statement which)
{
    sqlite3_stmt **statement = &store->statements[which];

    if (*statement == NULL)
        sqlite3_prepare_v3(store->file, statements[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
                           NULL);
    else
        sqlite3_reset(*statement);
    return *statement;
}

static sqlite3_stmt *
bind_all(struct store *store, enum store_statement which, const char *types, va_list *arguments)
{
    sqlite3_stmt *statement = prepare(store, which);

    for (int i = 0; statement != NULL && types[i] != '\0'; i++)
        if (!bind_one(statement, i + 1, types[i], arguments))
            return NULL;
    return statement;
}

sqlite3_stmt *
store_bind(struct store *store, enum store_statement which, const char *types, ...)
{
    va_list arguments;

    va_start(arguments, types);

    sqlite3_stmt *statement = bind_all(store, which, types, &arguments);

    va_end(arguments);
    return statement;
}

bool
store_run(struct store *store, enum store_statement which, const char *types, ...)
{
    va_list arguments;
    bool ok = true;

    va_start(arguments, types);

    sqlite3_stmt *statement = bind_all(store, which, types, &arguments);

    va_end(arguments);
    if (statement == NULL)
        return false;
    while (store_step(statement, &ok))
        ;
    return ok;
}

bool
store_step(sqlite3_stmt *statement, bool *ok)
{
    int status = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);

    if (status == SQLITE_ROW)
        return true;
    *ok = status == SQLITE_DONE;
    sqlite3_reset(statement);
    return false;
}

const char *
store_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text == NULL ? "" : text;
}

bool
store_begin(struct store *store, bool durable)
{
    if (durable != store->is_durable) {
        if (!store_run(store, durable ? STORE_FULL : STORE_NORMAL, ""))
            return false;
        store->is_durable = durable;
    }
    return store_run(store, STORE_BEGIN, "");
}

bool
store_commit(struct store *store)
{
    return store_run(store, STORE_COMMIT, "");
}

void
store_roll_back(struct store *store)
{
    if (sqlite3_get_autocommit(store->file) == 0)
        (void)store_run(store, STORE_ROLLBACK, "");
}

static const char *
path_of(const char *location, char *error, size_t error_size)
{
    if (strncmp(location, "sqlite:", 7) == 0 && location[7] != '\0')
        return location + 7;
    snprintf(error, error_size,
             "store \"%s\" is not supported: this version keeps its store in a file, write "
             "\"sqlite:PATH\"",
             location);
    return NULL;
}

static int
integer_of(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;

    if (sqlite3_prepare_v2(store->file, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static bool
execute(struct store *store, const char *sql)
{
    return sqlite3_exec(store->file, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool
create_schema(struct store *store)
{
    char pragmas[96];

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, SCHEMA_VERSION);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (!execute(store, tables[i]))
            return false;
    return execute(store, pragmas);
}

// Inside the transaction that opens the store. Who only reads understands every earlier schema as it is.
static bool
upgrade_schema(struct store *store, int version)
{
    static const char *const steps[SCHEMA_VERSION] = {
        // 1 to 2: latencies of served and mirrored runs apart; what was one is what most of it was
        [1] = "UPDATE latencies SET side = iif(side = 'old', 'old_served', 'new_mirrored')",
    };
    char pragma[64];

    for (int step = version; step < SCHEMA_VERSION; step++)
        if (steps[step] != NULL && !execute(store, steps[step]))
            return false;
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", SCHEMA_VERSION);
    return execute(store, pragma);
}

// The file is ours and its schema is ours to read. A new file gets the schema when `may_create`, an earlier one is
// upgraded then.
static bool
check_schema(struct store *store, bool may_create, const char *path, char *error, size_t error_size)
{
    int version = integer_of(store, "PRAGMA user_version");
    int application = integer_of(store, "PRAGMA application_id");

    if (version == 0 && application == 0 && may_create &&
        integer_of(store, "SELECT count(*) FROM sqlite_schema") == 0) {
        if (create_schema(store))
            return true;
        snprintf(error, error_size, "could not make the store \"%s\": %s", path,
                 store_error(store));
        return false;
    }
    if (version < 0)
        snprintf(error, error_size, "could not read the store \"%s\": %s", path,
                 store_error(store));
    else if (application != APPLICATION_ID)
        snprintf(error, error_size, "\"%s\" is not a store of pgrehearse", path);
    else if (version > SCHEMA_VERSION)
        snprintf(error, error_size,
                 "the store \"%s\" was written by a later version (schema %d, this one knows %d)",
                 path, version, SCHEMA_VERSION);
    else if (version < SCHEMA_VERSION && may_create && !upgrade_schema(store, version))
        snprintf(error, error_size, "could not upgrade the store \"%s\" from schema %d to %d: %s",
                 path, version, SCHEMA_VERSION, store_error(store));
    else
        return true;
    return false;
}

static struct store *
open_file(const char *path, int flags, char *error, size_t error_size)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    if (sqlite3_open_v2(path, &store->file, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        snprintf(error, error_size, "could not open the store \"%s\": %s", path,
                 store->file == NULL ? "out of memory" : store_error(store));
        store_close(&store);
        return NULL;
    }
    sqlite3_busy_timeout(store->file, BUSY_TIMEOUT_MS);
    return store;
}

struct store *
store_open(const char *location, char *error, size_t error_size)
{
    const char *path = path_of(location, error, error_size);
    // What differs may be customers' data: nobody else reads it. SQLite gives its other files the same mode.
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);

    struct store *store = path == NULL ? NULL
                                       : open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                                   error, error_size);

    if (store == NULL)
        return NULL;
    if (!execute(store, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE")) {
        snprintf(error, error_size, "could not write to the store \"%s\": %s", path,
                 store_error(store));
        store_close(&store);
        return NULL;
    }
    if (!check_schema(store, true, path, error, error_size)) {
        store_close(&store);
        return NULL;
    }
    if (!store_run(store, STORE_RUN_BEGIN, "it", store_now(), PGREHEARSE_VERSION) ||
        !store_commit(store)) {
        snprintf(error, error_size, "could not write to the store \"%s\": %s", path,
                 store_error(store));
        store_close(&store);
        return NULL;
    }
    store->run = sqlite3_last_insert_rowid(store->file);
    store->is_durable = true; // SQLite's default
    return store;
}

struct store *
store_open_to_read(const char *location, char *error, size_t error_size)
{
    const char *path = path_of(location, error, error_size);
    struct store *store =
        path == NULL ? NULL : open_file(path, SQLITE_OPEN_READWRITE, error, error_size);

    if (store == NULL)
        return NULL;
    if (!execute(store, "PRAGMA query_only = 1") ||
        !check_schema(store, false, path, error, error_size)) {
        if (error[0] == '\0')
            snprintf(error, error_size, "could not read the store \"%s\": %s", path,
                     store_error(store));
        store_close(&store);
    }
    return store;
}

void
store_close(struct store **store)
{
    if (*store == NULL)
        return;
    if ((*store)->run != 0) {
        store_roll_back(*store);
        (void)store_run(*store, STORE_RUN_END, "ii", (*store)->run, store_now());
    }
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize((*store)->statements[i]);
    sqlite3_close((*store)->file);
    free(*store);
    *store = NULL;
}
