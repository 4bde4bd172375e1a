// All in one REPEATABLE READ transaction, so that the answers fit together, and in as few round trips as can be: the
// transaction's snapshot holds back VACUUM, and on a busy server every round trip waits for its turn.
//
// What initdb made is most of a catalog, and the same in all databases of a cluster: it is read when it is not known yet
// from another database or an earlier reading (builtin_catalogs.h). Where the cluster's identity may not be asked for, it
// is read each time.
//
// Printing a view locks the relations in it until the transaction ends, or the savepoint is rolled back: each view is
// printed by itself and its locks are given back at once, so that a client's LOCK … NOWAIT meets one as rarely as can be.
//
// Known compromise: all of what users made is read again when something changes; 10,000 relations are some megabytes and
// well below a second.
#include "proxy/control/catalog_load.h"

#include "proxy/control/catalog_query.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    PGconn *connection;
    struct builtin_catalogs *kept; // NULL: none
    struct catalog_answer answer;
    char *error;
    size_t error_size;
};

static bool
fail(const struct loader *loader, const char *what, const char *why)
{
    (void)snprintf(loader->error, loader->error_size, "could not read %s: %s", what, why);
    loader->error[strcspn(loader->error, "\r\n")] = '\0';
    return false;
}

static bool
fail_in_libpq(const struct loader *loader, const char *what)
{
    return fail(loader, what, PQerrorMessage(loader->connection));
}

static bool
applies(const struct catalog_query *query, int version)
{
    return version >= query->minimum_version &&
           (query->maximum_version == 0 || version < query->maximum_version);
}

static bool
send_all(struct loader *loader, const struct catalog_queries *queries)
{
    int version = PQserverVersion(loader->connection);
    struct text sql = {0};
    for (size_t i = 0; i < queries->count; i++)
        if (applies(&queries->list[i], version)) {
            text_add(&sql, queries->list[i].sql);
            text_add(&sql, ";");
        }
    bool is_sent = !sql.has_failed && PQsendQuery(loader->connection, sql.bytes);
    if (!is_sent)
        (void)fail_in_libpq(loader, queries->list[0].what);
    text_fini(&sql);
    return is_sent;
}

// NULL: there is none. Of a server that begins a COPY libpq would tell for ever.
static PGresult *
next_answer(const struct loader *loader)
{
    PGresult *result = PQgetResult(loader->connection);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COPY_IN && status != PGRES_COPY_OUT && status != PGRES_COPY_BOTH)
        return result;
    PQclear(result);
    return NULL;
}

static bool
take_answer(struct loader *loader, const struct catalog_query *query)
{
    PGresult *result = next_answer(loader);
    bool is_fine = PQresultStatus(result) == (query->take ? PGRES_TUPLES_OK : PGRES_COMMAND_OK);
    if (!is_fine) {
        (void)fail_in_libpq(loader, query->what);
    } else if (query->take != NULL) {
        loader->answer.rows = result;
        const char *wrong = catalog_query_take(query, &loader->answer);
        is_fine = wrong == NULL || fail(loader, query->what, wrong);
    }
    PQclear(result);
    return is_fine;
}

// In one round trip. An error leaves the rest unanswered.
static bool
ask(struct loader *loader, const struct catalog_queries *queries)
{
    int version = PQserverVersion(loader->connection);
    bool is_fine = send_all(loader, queries);
    for (size_t i = 0; i < queries->count && is_fine; i++)
        if (applies(&queries->list[i], version))
            is_fine = take_answer(loader, &queries->list[i]);
    PGresult *rest;
    while ((rest = next_answer(loader)) != NULL)
        PQclear(rest);
    return is_fine;
}

enum { VIEWS_A_TIME = 100, VIEW_SQL = 96 };

// Takes the answers to one Query of print_views.
static bool
take_definitions(struct loader *loader, struct catalog_view *view)
{
    bool is_fine = true;
    PGresult *result;
    while ((result = next_answer(loader)) != NULL) {
        if (PQresultStatus(result) == PGRES_TUPLES_OK && is_fine) {
            bool is_printed = PQntuples(result) == 1 && !PQgetisnull(result, 0, 0);
            view->definition = is_printed ? strdup(PQgetvalue(result, 0, 0)) : NULL;
            is_fine = view->definition != NULL;
            view++;
        } else if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            is_fine = false;
        }
        PQclear(result);
    }
    return is_fine;
}

// Each by itself, many in one Query; in the transaction, behind a savepoint.
static bool
print_views(struct loader *loader)
{
    struct catalog_view *views = loader->answer.views;
    size_t count = loader->answer.view_count;
    char sql[VIEWS_A_TIME * VIEW_SQL];
    for (size_t i = 0; i < count; i += VIEWS_A_TIME) {
        size_t length = 0;
        for (size_t j = i; j < count && j < i + VIEWS_A_TIME; j++)
            length += (size_t)snprintf(sql + length, VIEW_SQL,
                                       "SELECT pg_get_viewdef(%u);ROLLBACK TO SAVEPOINT locks;",
                                       views[j].oid);
        if (!PQsendQuery(loader->connection, sql) || !take_definitions(loader, &views[i]))
            return fail_in_libpq(loader, "views");
    }
    return true;
}

// What the built-in rows are kept under begins with the system identifier; where we may not know that, it stays empty.
// Before the transaction, which a refusal would end.
static void
ask_identity(struct loader *loader)
{
    static const char may_ask[] = "SELECT pg_catalog.has_function_privilege("
                                  "pg_catalog.to_regprocedure('pg_catalog.pg_control_system()'), "
                                  "'EXECUTE')",
                      ask[] = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
    PGresult *result = PQexec(loader->connection, may_ask);
    bool may = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
               strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    if (!may)
        return;
    result = PQexec(loader->connection, ask);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
        text_add(&loader->answer.name, PQgetvalue(result, 0, 0));
    PQclear(result);
}

// Reads them in the transaction. NULL: `error` says why.
static struct catalog *
read_builtin(struct loader *loader)
{
    struct catalog_build *users = loader->answer.build;
    struct catalog *builtin = NULL;
    loader->answer.build = catalog_build_new();
    if (loader->answer.build == NULL)
        (void)fail(loader, "catalogs", "out of memory");
    else if (ask(loader, &catalog_queries_builtin)) {
        builtin = catalog_build_finish(&loader->answer.build);
        if (builtin == NULL)
            (void)fail(loader, "catalogs", "out of memory");
    }
    catalog_build_free(&loader->answer.build);
    loader->answer.build = users;
    return builtin;
}

// What initdb made, where it is kept or else as it is read. False: `error` says why.
static bool
build_on_builtin(struct loader *loader, bool is_kept)
{
    const char *name = loader->answer.name.bytes;
    struct catalog *builtin = is_kept ? builtin_catalogs_find(loader->kept, name) : NULL;
    if (builtin == NULL) {
        builtin = read_builtin(loader);
        if (builtin != NULL && is_kept)
            builtin_catalogs_keep(loader->kept, name, builtin);
    }
    if (builtin == NULL)
        return false;
    catalog_build_on(loader->answer.build, builtin);
    catalog_unref(&builtin);
    return true;
}

static bool
read_all(struct loader *loader)
{
    struct catalog_queries opening = catalog_queries_opening;
    if (loader->kept != NULL)
        ask_identity(loader);
    bool is_kept = loader->answer.name.bytes != NULL;
    if (!is_kept)
        opening.count--; // without the fingerprint
    bool is_read = ask(loader, &opening) && print_views(loader) &&
                   build_on_builtin(loader, is_kept && !loader->answer.name.has_failed) &&
                   ask(loader, &catalog_queries_users);
    if (!is_read && PQtransactionStatus(loader->connection) != PQTRANS_IDLE)
        PQclear(PQexec(loader->connection, "ROLLBACK"));
    return is_read;
}

enum catalog_load_outcome
catalog_load(PGconn *connection, struct builtin_catalogs *kept, struct catalog **catalog,
             char *error, size_t error_size)
{
    struct loader loader = {
        .connection = connection, .kept = kept, .error = error, .error_size = error_size};
    loader.answer.build = catalog_build_new();
    *catalog = NULL;
    (void)snprintf(error, error_size, "out of memory");
    if (loader.answer.build != NULL && read_all(&loader))
        *catalog = catalog_build_finish(&loader.answer.build);
    if (*catalog != NULL)
        error[0] = '\0';
    catalog_answer_fini(&loader.answer);
    return *catalog == NULL ? CATALOG_NOT_LOADED : CATALOG_LOADED;
}
