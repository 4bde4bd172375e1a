// What both kinds of store have in common: which one a location means, statements with their parameters, and the way
// to the kind's own functions.
#include "config/connection.h"
#include "proxy/report/store_backend.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char sqlite_prefix[] = "sqlite:";

int64_t
store_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool
is_file(const char *location)
{
    return strncmp(location, sqlite_prefix, strlen(sqlite_prefix)) == 0;
}

struct store *
store_new(const char *location, char *error, size_t error_size)
{
    char problem[256];

    if (is_file(location) ? location[strlen(sqlite_prefix)] == '\0'
                          : !connection_check(location, problem, sizeof problem)) {
        snprintf(error, error_size,
                 "store: neither \"sqlite:PATH\" nor a connection string of PostgreSQL");
        return NULL;
    }

    struct store *store = is_file(location) ? store_sqlite_new(location + strlen(sqlite_prefix))
                                            : store_postgresql_new();
    char *copy = strdup(location);

    if (store != NULL && copy != NULL) {
        store->location = copy;
        return store;
    }
    snprintf(error, error_size, "out of memory");
    free(copy);
    store_close(&store);
    return NULL;
}

char *
store_shown(const char *location)
{
    return is_file(location) ? strdup(location) : connection_masked(location);
}

enum store_outcome
store_connect(struct store *store, const struct store_member *member, char *error,
              size_t error_size)
{
    return store->backend->connect(store, member, true, error, error_size);
}

struct store *
store_open(const char *location, char *error, size_t error_size)
{
    static const struct store_member nobody = {.instance = "0000000000000000", .name = "nobody"};
    struct store *store = store_new(location, error, error_size);

    if (store != NULL && store_connect(store, &nobody, error, error_size) != STORE_WORKS)
        store_close(&store);
    return store;
}

struct store *
store_open_to_read(const char *location, char *error, size_t error_size)
{
    struct store *store = store_new(location, error, error_size);

    if (store != NULL &&
        store->backend->connect(store, NULL, false, error, error_size) != STORE_WORKS)
        store_close(&store);
    return store;
}

void
store_close(struct store **store)
{
    struct store *gone = *store;

    *store = NULL;
    if (gone == NULL)
        return;
    if (gone->run != 0 && !gone->backend->is_away(gone)) {
        gone->backend->roll_back(gone);
        (void)store_run(gone, STORE_RUN_END, "ii", gone->run, store_now());
    }
    gone->backend->close(gone);
    if (gone->location != NULL)
        explicit_bzero(gone->location, strlen(gone->location));
    free(gone->location);
    free(gone);
}

const char *
store_error(const struct store *store)
{
    return store->backend->error(store);
}

bool
store_is_shared(const struct store *store)
{
    return store->backend->is_shared;
}

bool
store_is_away(const struct store *store)
{
    return store->backend->is_away(store);
}

int64_t
store_run_id(const struct store *store)
{
    return store->run;
}

int
store_descriptor(const struct store *store)
{
    return store->backend->descriptor(store);
}

bool
store_heard(struct store *store)
{
    return store->backend->heard(store);
}

bool
store_beat(struct store *store)
{
    return store->backend->beat(store);
}

bool
store_begin(struct store *store, bool durable)
{
    return store->backend->begin(store, durable);
}

bool
store_commit(struct store *store)
{
    return store->backend->commit(store);
}

void
store_roll_back(struct store *store)
{
    store->backend->roll_back(store);
}

bool
store_batch_is_full(const struct store *store)
{
    return store->backend->batch_is_full(store);
}

enum store_kept
store_keep(struct store *store, enum store_keeping keeping, int64_t known,
           const struct store_setting *settings, size_t count,
           void (*each)(void *context, const struct store_setting *setting), void *context)
{
    return store->backend->keep(store, keeping, known, settings, count, each, context);
}

static size_t
take_values(struct store_value values[STORE_PARAMETERS_MAX], const char *types, va_list *arguments)
{
    size_t count = strlen(types);

    assert(count <= STORE_PARAMETERS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct store_value *value = &values[i];

        *value = (struct store_value){.type = types[i]};
        switch (types[i]) {
        case 't':
            value->text = va_arg(*arguments, const char *);
            break;
        case 'i':
            value->integer = va_arg(*arguments, int64_t);
            break;
        case 'r':
            value->real = va_arg(*arguments, double);
            break;
        case 'b':
            value->bytes = va_arg(*arguments, const void *);
            value->length = va_arg(*arguments, int);
            break;
        default:
            assert(!"a type that the store does not know");
        }
    }
    return count;
}

bool
store_run(struct store *store, enum store_statement which, const char *types, ...)
{
    struct store_value values[STORE_PARAMETERS_MAX];
    va_list arguments;

    va_start(arguments, types);

    size_t count = take_values(values, types, &arguments);

    va_end(arguments);
    return store->backend->run(store, which, values, count);
}

static struct store_rows
ask(struct store *store, enum store_statement which, const char *types, va_list *arguments)
{
    struct store_value values[STORE_PARAMETERS_MAX];
    struct store_rows rows = {.store = store};
    size_t count = take_values(values, types, arguments);

    store->backend->ask(store, which, values, count, &rows);
    return rows;
}

struct store_rows
store_ask(struct store *store, enum store_statement which, const char *types, ...)
{
    va_list arguments;

    va_start(arguments, types);

    struct store_rows rows = ask(store, which, types, &arguments);

    va_end(arguments);
    return rows;
}

bool
store_ask_integer(struct store *store, int64_t *value, enum store_statement which,
                  const char *types, ...)
{
    va_list arguments;

    va_start(arguments, types);

    struct store_rows rows = ask(store, which, types, &arguments);

    va_end(arguments);
    while (store_step(&rows))
        *value = store_integer(&rows, 0);
    return rows.ok;
}

bool
store_ask_nothing(struct store *store, enum store_statement which)
{
    struct store_rows rows = store_ask(store, which, "");

    while (store_step(&rows))
        ;
    return rows.ok;
}

bool
store_step(struct store_rows *rows)
{
    return rows->store->backend->step(rows);
}

bool
store_is_null(const struct store_rows *rows, int column)
{
    return rows->store->backend->is_null(rows, column);
}

const char *
store_text(const struct store_rows *rows, int column)
{
    return rows->store->backend->text(rows, column);
}

int64_t
store_integer(const struct store_rows *rows, int column)
{
    return rows->store->backend->integer(rows, column);
}

double
store_real(const struct store_rows *rows, int column)
{
    return rows->store->backend->real(rows, column);
}

const void *
store_bytes(struct store_rows *rows, int column, size_t *length)
{
    return rows->store->backend->bytes(rows, column, length);
}

void
store_setting_of(const struct store_rows *rows, struct store_setting *setting)
{
    *setting = (struct store_setting){
        .database = store_text(rows, 0),
        .name = store_text(rows, 1),
        .value = store_text(rows, 2),
        .version = store_integer(rows, 3),
        .actor = store_text(rows, 4),
        .reason = store_text(rows, 5),
        .member = store_text(rows, 6),
    };
}
