// A store that is a file: opening, schema, transactions, statements, by SQLite.
//
// WAL mode: readers do not block the writer nor it them, and a crash loses at most the last transaction that was
// not durable. Operators' settings are committed with synchronous = FULL, figures with NORMAL. The file is one proxy's:
// nobody else changes settings in it, so that nothing is heard and nothing is ever outdated.
#include "proxy/report/store_backend.h"
#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x70677268 /* "pgrh" */, BUSY_TIMEOUT_MS = 2000 };

#define ROW_ID "INTEGER PRIMARY KEY"
#define BYTES "BLOB"
#define KEYED " WITHOUT ROWID"

static const char *const tables[] = {
#define TABLE(sql) sql,
#include "proxy/report/store.tbl"
};

static const char *const statements[] = {
#define STATEMENT(NAME, sql) [STORE_##NAME] = sql,
#include "proxy/report/store.tbl"
};

struct sqlite_store {
    struct store base;
    sqlite3 *file;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT]; // prepared once
    bool is_durable;                                 // synchronous is FULL
    char path[];
};

static struct sqlite_store *
of(const struct store *store)
{
    return (struct sqlite_store *)store;
}

static const char *
error_of(const struct store *store)
{
    return of(store)->file == NULL ? "out of memory" : sqlite3_errmsg(of(store)->file);
}

static bool
never(const struct store *store)
{
    (void)store;
    return false;
}

static int
no_descriptor(const struct store *store)
{
    (void)store;
    return -1;
}

static bool
hears_nothing(struct store *store)
{
    (void)store;
    return false;
}

static bool
beats(struct store *store)
{
    (void)store;
    return true;
}

static bool
bind(sqlite3_stmt *statement, int at, const struct store_value *value)
{
    switch (value->type) {
    case 't':
        return sqlite3_bind_text(statement, at, value->text, -1, SQLITE_STATIC) == SQLITE_OK;
    case 'i':
        return sqlite3_bind_int64(statement, at, value->integer) == SQLITE_OK;
    case 'r':
        return (isnan(value->real) ? sqlite3_bind_null(statement, at)
                                   : sqlite3_bind_double(statement, at, value->real)) == SQLITE_OK;
    default:
        return sqlite3_bind_blob(statement, at, value->bytes, value->length, SQLITE_STATIC) ==
               SQLITE_OK;
    }
}

// Prepared, reset and bound; what is bound must live until it was stepped. NULL: an error.
static sqlite3_stmt *
prepare(struct store *store, enum store_statement which, const struct store_value *values,
        size_t count)
{
    sqlite3_stmt **statement = &of(store)->statements[which];

    assert(statements[which][0] != '\0');
    if (*statement == NULL)
        sqlite3_prepare_v3(of(store)->file, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                           statement, NULL);
    else
        sqlite3_reset(*statement);
    for (size_t i = 0; *statement != NULL && i < count; i++)
        if (!bind(*statement, (int)i + 1, &values[i]))
            return NULL;
    return *statement;
}

static bool
step(struct store_rows *rows)
{
    int status = rows->result == NULL ? SQLITE_ERROR : sqlite3_step(rows->result);

    if (status == SQLITE_ROW)
        return true;
    rows->ok = status == SQLITE_DONE;
    sqlite3_reset(rows->result);
    return false;
}

static void
ask(struct store *store, enum store_statement which, const struct store_value *values, size_t count,
    struct store_rows *rows)
{
    rows->result = prepare(store, which, values, count);
}

static bool
run(struct store *store, enum store_statement which, const struct store_value *values, size_t count)
{
    struct store_rows rows = {.store = store};

    ask(store, which, values, count, &rows);
    while (step(&rows))
        ;
    return rows.ok;
}

static bool
is_null(const struct store_rows *rows, int column)
{
    return sqlite3_column_type(rows->result, column) == SQLITE_NULL;
}

static const char *
text(const struct store_rows *rows, int column)
{
    const char *found = (const char *)sqlite3_column_text(rows->result, column);

    return found == NULL ? "" : found;
}

static int64_t
integer(const struct store_rows *rows, int column)
{
    return sqlite3_column_int64(rows->result, column);
}

static double
real(const struct store_rows *rows, int column)
{
    return sqlite3_column_double(rows->result, column);
}

static const void *
bytes(struct store_rows *rows, int column, size_t *length)
{
    const void *found = sqlite3_column_blob(rows->result, column);

    *length = (size_t)sqlite3_column_bytes(rows->result, column);
    return found;
}

static bool
begin(struct store *store, bool durable)
{
    if (durable != of(store)->is_durable) {
        if (!store_run(store, durable ? STORE_FULL : STORE_NORMAL, ""))
            return false;
        of(store)->is_durable = durable;
    }
    return store_run(store, STORE_BEGIN, "");
}

static bool
commit(struct store *store)
{
    return store_run(store, STORE_COMMIT, "");
}

static void
roll_back(struct store *store)
{
    if (sqlite3_get_autocommit(of(store)->file) == 0)
        (void)store_run(store, STORE_ROLLBACK, "");
}

// Nobody else writes, so that no version is unknown here.
static enum store_kept
keep(struct store *store, enum store_keeping keeping, int64_t known,
     const struct store_setting *settings, size_t count,
     void (*each)(void *context, const struct store_setting *setting), void *context)
{
    bool ok = begin(store, true);

    (void)keeping;
    (void)known;
    for (size_t i = 0; ok && i < count; i++)
        ok = store_run(store, STORE_SETTING_WRITE, "tttittt", settings[i].database,
                       settings[i].name, settings[i].value, store_now(), settings[i].actor,
                       settings[i].reason, settings[i].member);
    if (!ok || !commit(store))
        return STORE_NOT_KEPT;
    for (size_t i = 0; i < count; i++)
        each(context, &settings[i]);
    return STORE_KEPT;
}

static int
integer_of(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;

    if (sqlite3_prepare_v2(of(store)->file, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static bool
execute(struct store *store, const char *sql)
{
    return sqlite3_exec(of(store)->file, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool
create_schema(struct store *store)
{
    char pragmas[96];

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, STORE_SCHEMA_VERSION);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (!execute(store, tables[i]))
            return false;
    return execute(store, pragmas);
}

// Inside the transaction that opens the store. Who only reads understands every earlier schema as it is.
static bool
upgrade_schema(struct store *store, int version)
{
    static const char *const steps[STORE_SCHEMA_VERSION] = {
        // 1 to 2: latencies of served and mirrored runs apart; what was one is what most of it was
        [1] = "UPDATE latencies SET side = iif(side = 'old', 'old_served', 'new_mirrored')",
        // 2 to 3: decisions are settings, and settings have versions
        [2] = "ALTER TABLE runs ADD COLUMN instance TEXT NOT NULL DEFAULT '';"
              "ALTER TABLE settings ADD COLUMN version BIGINT NOT NULL DEFAULT 0;"
              "ALTER TABLE settings ADD COLUMN reason TEXT NOT NULL DEFAULT '';"
              "ALTER TABLE settings ADD COLUMN member TEXT NOT NULL DEFAULT '';"
              "INSERT INTO settings (database, name, value, at, actor)"
              " SELECT database, 'quarantine:' || fingerprint, 'on', 0, 'pgrehearse'"
              " FROM fingerprints WHERE is_quarantined <> 0;"
              "INSERT INTO settings (database, name, value, at, actor)"
              " SELECT database, 'accept:' || fingerprint, accepted_because, 0, 'pgrehearse'"
              " FROM fingerprints WHERE accepted_because IS NOT NULL;"
              "UPDATE fingerprints SET is_quarantined = 0, accepted_because = NULL",
    };
    char pragma[64];

    for (int at = version; at < STORE_SCHEMA_VERSION; at++)
        if (steps[at] != NULL && !execute(store, steps[at]))
            return false;
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", STORE_SCHEMA_VERSION);
    return execute(store, pragma);
}

// The file is ours and its schema is ours to read. A new file gets the schema when `may_write`, an earlier one is
// upgraded then.
static bool
check_schema(struct store *store, bool may_write, char *error, size_t error_size)
{
    const char *path = of(store)->path;
    int version = integer_of(store, "PRAGMA user_version");
    int application = integer_of(store, "PRAGMA application_id");

    if (version == 0 && application == 0 && may_write &&
        integer_of(store, "SELECT count(*) FROM sqlite_schema") == 0) {
        if (create_schema(store))
            return true;
        snprintf(error, error_size, "could not make the store \"%s\": %s", path, error_of(store));
        return false;
    }
    if (version < 0)
        snprintf(error, error_size, "could not read the store \"%s\": %s", path, error_of(store));
    else if (application != APPLICATION_ID)
        snprintf(error, error_size, "\"%s\" is not a store of pgrehearse", path);
    else if (version > STORE_SCHEMA_VERSION)
        snprintf(error, error_size,
                 "the store \"%s\" was written by a later version (schema %d, this one knows %d)",
                 path, version, STORE_SCHEMA_VERSION);
    else if (version < STORE_SCHEMA_VERSION && may_write && !upgrade_schema(store, version))
        snprintf(error, error_size, "could not upgrade the store \"%s\" from schema %d to %d: %s",
                 path, version, STORE_SCHEMA_VERSION, error_of(store));
    else
        return true;
    return false;
}

static bool
open_file(struct store *store, int flags, char *error, size_t error_size)
{
    struct sqlite_store *own = of(store);

    if (sqlite3_open_v2(own->path, &own->file, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        snprintf(error, error_size, "could not open the store \"%s\": %s", own->path,
                 error_of(store));
        return false;
    }
    sqlite3_busy_timeout(own->file, BUSY_TIMEOUT_MS);
    return true;
}

static bool
open_to_write(struct store *store, const struct store_member *member, char *error,
              size_t error_size)
{
    struct sqlite_store *own = of(store);
    // What differs may be customers' data: nobody else reads it. SQLite gives its other files the same mode.
    int fd = open(own->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    if (!open_file(store, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error, error_size))
        return false;
    if (!execute(store, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE"))
        goto failed;
    if (!check_schema(store, true, error, error_size))
        return false;
    if (!store_ask_integer(store, &store->run, STORE_RUN_BEGIN, "itt", store_now(),
                           PGREHEARSE_VERSION, member->instance) ||
        !commit(store))
        goto failed;
    own->is_durable = true; // SQLite's default
    return true;
failed:
    snprintf(error, error_size, "could not write to the store \"%s\": %s", own->path,
             error_of(store));
    return false;
}

static bool
open_to_read(struct store *store, char *error, size_t error_size)
{
    error[0] = '\0';
    if (!open_file(store, SQLITE_OPEN_READWRITE, error, error_size))
        return false;
    if (execute(store, "PRAGMA query_only = 1") && check_schema(store, false, error, error_size))
        return true;
    if (error[0] == '\0')
        snprintf(error, error_size, "could not read the store \"%s\": %s", of(store)->path,
                 error_of(store));
    return false;
}

static enum store_outcome
connect(struct store *store, const struct store_member *member, bool may_write, char *error,
        size_t error_size)
{
    if (of(store)->file != NULL) // the member has changed, which concerns nobody
        return STORE_WORKS;
    return (may_write ? open_to_write(store, member, error, error_size)
                      : open_to_read(store, error, error_size))
               ? STORE_WORKS
               : STORE_REFUSES;
}

static void
close_file(struct store *store)
{
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize(of(store)->statements[i]);
    sqlite3_close(of(store)->file);
}

static const struct store_backend backend = {
    .connect = connect,
    .close = close_file,
    .error = error_of,
    .is_away = never,
    .descriptor = no_descriptor,
    .heard = hears_nothing,
    .beat = beats,
    .begin = begin,
    .commit = commit,
    .roll_back = roll_back,
    .batch_is_full = never,
    .run = run,
    .ask = ask,
    .step = step,
    .is_null = is_null,
    .text = text,
    .integer = integer,
    .real = real,
    .bytes = bytes,
    .keep = keep,
};

struct store *
store_sqlite_new(const char *path)
{
    struct sqlite_store *store = calloc(1, sizeof *store + strlen(path) + 1);

    if (store == NULL)
        return NULL;
    store->base.backend = &backend;
    strcpy(store->path, path);
    return &store->base;
}
