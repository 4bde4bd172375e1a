// A store in a PostgreSQL database, by libpq: statements, rows, batches. One connection, and nothing waits longer than
// its limit for an answer; who does not answer is away, and the connection is given up.
//
// A batch is a transaction in pipeline mode: statements are sent as they come, prepared ones, and their results are
// taken now and then, so that neither side's buffers fill up, and at its end. What is asked outside of batches waits
// for its answer.
//
// Text in it must be UTF-8, so what clients sent in whatever encoding is repaired first: one string that the server
// refuses would keep all others of its batch out for ever.
#include "proxy/report/store_postgresql.h"
#include "protocol/utf8.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { TAKE_EVERY = 256, BATCH_MAX = 2000, STATEMENT_SIZE = 2048 };

static const char *const sources[] = {
#define DIALECTS(NAME, sqlite, postgresql) STATEMENT(NAME, postgresql)
#define STATEMENT(NAME, sql) [STORE_##NAME] = sql,
#include "proxy/report/store.tbl"
};

static char statements[STORE_STATEMENT_COUNT][STATEMENT_SIZE]; // made once
static pthread_once_t made = PTHREAD_ONCE_INIT;

// ?1 of the table is $1 here.
static void
make_statements(void)
{
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++) {
        assert(strlen(sources[i]) < STATEMENT_SIZE);
        strcpy(statements[i], sources[i]);
        for (char *c = strchr(statements[i], '?'); c != NULL; c = strchr(c, '?'))
            *c = '$';
    }
}

const char *
postgresql_statement(enum store_statement which)
{
    pthread_once(&made, make_statements);
    return statements[which];
}

static struct postgresql_store *
of(const struct store *store)
{
    return (struct postgresql_store *)store;
}

static const char *
error_of(const struct store *store)
{
    return of(store)->error;
}

static bool
is_away(const struct store *store)
{
    return of(store)->link.connection == NULL;
}

static void
set_error(struct postgresql_store *store)
{
    snprintf(store->error, sizeof store->error, "%s", store->link.error);
}

// The link is of no use any more.
static bool
lose(struct postgresql_store *store)
{
    if (store->link.connection != NULL) {
        side_link_set_error(&store->link, PQerrorMessage(store->link.connection));
        side_link_close(&store->link);
    }
    set_error(store);
    return false;
}

static void
note_failure(struct postgresql_store *store, const PGresult *result)
{
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (!store->has_failed) {
        side_link_set_error(&store->link, primary != NULL ? primary : PQresultErrorMessage(result));
        set_error(store);
    }
    store->has_failed = true;
}

static void
take_one(struct postgresql_store *store)
{
    PGresult *result = PQgetResult(store->link.connection);

    switch (result == NULL ? PGRES_COMMAND_OK : PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        store->outstanding--;
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_PIPELINE_ABORTED:
        store->outstanding -= result == NULL; // the end of what one statement gave
        break;
    default:
        note_failure(store, result);
    }
    PQclear(result);
}

// All results that are still to come. False: the link is lost.
static bool
take_all(struct postgresql_store *store)
{
    uint64_t deadline = uv_hrtime() + store->link.limit;

    while (store->outstanding > 0) {
        int unsent = PQflush(store->link.connection);

        if (unsent < 0)
            return lose(store);
        if (!PQisBusy(store->link.connection)) {
            take_one(store);
            continue;
        }
        if (!side_link_wait(&store->link, unsent ? POLLIN | POLLOUT : POLLIN, deadline)) {
            side_link_close(&store->link);
            return lose(store);
        }
        if (!PQconsumeInput(store->link.connection))
            return lose(store);
    }
    return true;
}

enum { NUMBER_SIZE = 32 };

struct bound { // parameters as libpq takes them
    const char *values[STORE_PARAMETERS_MAX];
    int lengths[STORE_PARAMETERS_MAX], formats[STORE_PARAMETERS_MAX];
    char numbers[STORE_PARAMETERS_MAX][NUMBER_SIZE];
    char *copies[STORE_PARAMETERS_MAX]; // owned
    size_t count;
};

// Well-formed UTF-8, in `*copy` where it is not as it stands.
static const char *
text_for(const char *text, char **copy)
{
    const unsigned char *c = (const unsigned char *)text;

    while (c != NULL && *c != 0 && *c < 0x80)
        c++;
    if (c == NULL || *c == 0)
        return text;
    *copy = strdup(text);
    if (*copy != NULL)
        utf8_repair(*copy);
    return *copy == NULL ? "" : *copy;
}

static void
bind_all(struct bound *bound, const struct store_value *values, size_t count)
{
    memset(bound, 0, sizeof *bound);
    bound->count = count;
    for (size_t i = 0; i < count; i++) {
        bound->values[i] = bound->numbers[i];
        switch (values[i].type) {
        case 't':
            bound->values[i] = text_for(values[i].text, &bound->copies[i]);
            break;
        case 'i':
            snprintf(bound->numbers[i], NUMBER_SIZE, "%" PRId64, values[i].integer);
            break;
        case 'r':
            snprintf(bound->numbers[i], NUMBER_SIZE, "%.17g", values[i].real);
            if (isnan(values[i].real))
                bound->values[i] = NULL;
            break;
        default:
            bound->values[i] = values[i].bytes;
            bound->lengths[i] = values[i].length;
            bound->formats[i] = 1;
        }
    }
}

// Sends one prepared statement.
static bool
send_one(struct postgresql_store *store, enum store_statement which,
         const struct store_value *values, size_t count)
{
    struct bound bound;
    char name[16];

    assert(postgresql_statement(which)[0] != '\0');
    if (store->link.connection == NULL)
        return false;
    bind_all(&bound, values, count);
    snprintf(name, sizeof name, "s%d", (int)which);

    bool ok = PQsendQueryPrepared(store->link.connection, name, (int)count, bound.values,
                                  bound.lengths, bound.formats, 0) == 1;

    for (size_t i = 0; i < count; i++)
        free(bound.copies[i]);
    return ok || lose(store);
}

bool
postgresql_prepare(struct postgresql_store *store)
{
    PGconn *connection = store->link.connection;

    store->outstanding = 0;
    store->has_failed = false;
    if (!PQenterPipelineMode(connection))
        return lose(store);
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++) {
        const char *sql = postgresql_statement((enum store_statement)i);
        char name[16];

        snprintf(name, sizeof name, "s%d", i);
        if (sql[0] == '\0')
            continue;
        if (!PQsendPrepare(connection, name, sql, 0, NULL))
            return lose(store);
        store->outstanding++;
    }
    if (!PQpipelineSync(connection))
        return lose(store);
    store->outstanding++;
    return take_all(store) && PQexitPipelineMode(connection) == 1 && !store->has_failed;
}

static bool
send_in_batch(struct postgresql_store *store, enum store_statement which,
              const struct store_value *values, size_t count)
{
    if (!send_one(store, which, values, count))
        return false;
    store->outstanding++;
    store->statements++;
    if (store->outstanding < TAKE_EVERY)
        return true;
    if (!PQsendFlushRequest(store->link.connection))
        return lose(store);
    return take_all(store) && !store->has_failed;
}

static void
ask(struct store *store, enum store_statement which, const struct store_value *values, size_t count,
    struct store_rows *rows)
{
    assert(!of(store)->is_in_batch);
    if (!send_one(of(store), which, values, count))
        return;
    rows->result = side_link_take(&of(store)->link);
    rows->ok = rows->result != NULL;
    rows->next = 0;
    if (!rows->ok)
        set_error(of(store));
}

static bool
step(struct store_rows *rows)
{
    PQfreemem(rows->bytes);
    rows->bytes = NULL;
    if (rows->result != NULL && rows->next < PQntuples(rows->result)) {
        rows->next++;
        return true;
    }
    PQclear(rows->result);
    rows->result = NULL;
    return false;
}

static bool
run(struct store *store, enum store_statement which, const struct store_value *values, size_t count)
{
    struct store_rows rows = {.store = store};

    if (of(store)->is_in_batch)
        return send_in_batch(of(store), which, values, count);
    ask(store, which, values, count, &rows);
    while (step(&rows))
        ;
    return rows.ok;
}

static bool
is_null(const struct store_rows *rows, int column)
{
    return PQgetisnull(rows->result, rows->next - 1, column) == 1;
}

static const char *
text(const struct store_rows *rows, int column)
{
    return PQgetvalue(rows->result, rows->next - 1, column);
}

static int64_t
integer(const struct store_rows *rows, int column)
{
    return strtoll(text(rows, column), NULL, 10);
}

static double
real(const struct store_rows *rows, int column)
{
    return strtod(text(rows, column), NULL);
}

static const void *
bytes(struct store_rows *rows, int column, size_t *length)
{
    PQfreemem(rows->bytes);
    *length = 0;
    rows->bytes = PQunescapeBytea((const unsigned char *)text(rows, column), length);
    return rows->bytes;
}

static bool
begin(struct store *store, bool durable)
{
    struct postgresql_store *own = of(store);

    own->outstanding = own->statements = 0;
    own->has_failed = false;
    if (own->link.connection == NULL)
        return false;
    if (!PQenterPipelineMode(own->link.connection))
        return lose(own);
    own->is_in_batch = true;
    return send_in_batch(own, STORE_BEGIN, NULL, 0) &&
           (durable || send_in_batch(own, STORE_NORMAL, NULL, 0));
}

// Out of pipeline mode, with all results taken.
static bool
end_batch(struct postgresql_store *store)
{
    store->is_in_batch = false;
    if (store->link.connection == NULL)
        return false;
    if (!PQpipelineSync(store->link.connection))
        return lose(store);
    store->outstanding++;
    if (!take_all(store))
        return false;
    if (!PQexitPipelineMode(store->link.connection))
        return lose(store);
    return !store->has_failed;
}

static void
roll_back(struct store *store)
{
    if (of(store)->is_in_batch)
        (void)end_batch(of(store));
    if (!is_away(store) && PQtransactionStatus(of(store)->link.connection) != PQTRANS_IDLE)
        PQclear(side_link_query(&of(store)->link, postgresql_statement(STORE_ROLLBACK), NULL));
}

static bool
commit(struct store *store)
{
    if (send_in_batch(of(store), STORE_COMMIT, NULL, 0) && end_batch(of(store)))
        return true;
    roll_back(store);
    return false;
}

static bool
batch_is_full(const struct store *store)
{
    return of(store)->statements >= BATCH_MAX;
}

static int
descriptor(const struct store *store)
{
    return is_away(store) ? -1 : PQsocket(of(store)->link.connection);
}

static bool
heard(struct store *store)
{
    PGconn *connection = of(store)->link.connection;
    bool is_told = false;

    if (connection == NULL)
        return false;
    if (!PQconsumeInput(connection) || PQstatus(connection) == CONNECTION_BAD)
        return lose(of(store));
    for (PGnotify *notify; (notify = PQnotifies(connection)) != NULL; PQfreemem(notify))
        is_told |= notify->be_pid != PQbackendPID(connection);
    return is_told;
}

static bool
beat(struct store *store)
{
    struct store_rows rows = store_ask(store, STORE_MEMBER_BEAT, "t", of(store)->instance);
    bool is_there = false;

    while (store_step(&rows))
        is_there = true;
    if (!rows.ok || is_there)
        return rows.ok;
    side_link_close(&of(store)->link);
    side_link_set_error(&of(store)->link, "this proxy was silent for so long that the others "
                                          "have forgotten it");
    set_error(of(store));
    return false;
}

// As the input of text[].
static char *
array_of(const struct store_setting *settings, size_t count, size_t offset)
{
    char *array = NULL;
    size_t size;
    FILE *out = open_memstream(&array, &size);

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *const *text = (const char *const *)((const char *)&settings[i] + offset);

        fputs(i == 0 ? "{\"" : ",\"", out);
        for (const char *c = *text; *c != '\0'; c++) {
            if (*c == '"' || *c == '\\')
                fputc('\\', out);
            fputc(*c, out);
        }
        fputc('"', out);
    }
    fputc('}', out);
    if (fclose(out) == 0)
        return array;
    free(array);
    return NULL;
}

static enum store_kept
keep(struct store *store, enum store_keeping keeping, int64_t known,
     const struct store_setting *settings, size_t count,
     void (*each)(void *context, const struct store_setting *setting), void *context)
{
    char *databases = array_of(settings, count, offsetof(struct store_setting, database));
    char *names = array_of(settings, count, offsetof(struct store_setting, name));
    char *values = array_of(settings, count, offsetof(struct store_setting, value));
    struct store_rows rows = {.store = store};
    size_t kept = 0;

    assert(count > 0);
    if (databases != NULL && names != NULL && values != NULL) {
        bool raises = keeping == STORE_RAISES;

        rows = store_ask(store, raises ? STORE_SETTINGS_RAISE : STORE_SETTINGS_LOWER,
                         raises ? "tttittti" : "tttittt", databases, names, values, store_now(),
                         settings[0].actor, settings[0].reason, settings[0].member, known);
    }
    for (; store_step(&rows); kept++) {
        struct store_setting setting;

        store_setting_of(&rows, &setting);
        each(context, &setting);
    }
    free(databases);
    free(names);
    free(values);
    return !rows.ok ? STORE_NOT_KEPT : kept > 0 ? STORE_KEPT : STORE_OUTDATED;
}

static void
close_link(struct store *store)
{
    struct postgresql_store *own = of(store);

    if (!is_away(store) && own->instance[0] != '\0')
        (void)store_run(store, STORE_MEMBER_GONE, "t", own->instance);
    side_link_close(&own->link);
    target_unref(&own->target);
}

static const struct store_backend backend = {
    .is_shared = true,
    .connect = postgresql_connect,
    .close = close_link,
    .error = error_of,
    .is_away = is_away,
    .descriptor = descriptor,
    .heard = heard,
    .beat = beat,
    .begin = begin,
    .commit = commit,
    .roll_back = roll_back,
    .batch_is_full = batch_is_full,
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
store_postgresql_new(void)
{
    struct postgresql_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->base.backend = &backend;
    side_link_init(&store->link, -1);
    return &store->base;
}
