// A storm of clients: connects, reads, cancels, leaves, again and again on many threads. Every result carries a token of its
// session and read; whoever sees another's, loses a cancel, or is hit by one that was not meant for it, says so. Usage:
// storm CONNINFO SESSIONS THREADS. Prints what it counted; exits 1 if anything was wrong.
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESEND_MS = 200, PATIENCE_MS = 60000 };

static const char *conninfo;
static atomic_long left, reads, cancels, resent, left_behind, wrong;

static void
complain(const char *what, const char *detail)
{
    atomic_fetch_add(&wrong, 1);
    fprintf(stderr, "%s: %s\n", what, detail);
}

static unsigned
random_below(unsigned limit, unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % limit;
}

// A read that must bring its own token.
static void
read_token(PGconn *conn, unsigned *seed)
{
    char token[64], id[16];
    snprintf(token, sizeof token, "%p-%u", (void *)conn, *seed);
    snprintf(id, sizeof id, "%u", 1 + random_below(1000, seed));
    const char *values[] = {token, id};
    PGresult *result = PQexecParams(conn, "SELECT $1::text, id FROM items WHERE id = $2::int", 2,
                                    NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
        complain("a read failed", PQerrorMessage(conn));
    else if (strcmp(PQgetvalue(result, 0, 0), token) != 0 ||
             strcmp(PQgetvalue(result, 0, 1), id) != 0)
        complain("another's result", PQgetvalue(result, 0, 0));
    PQclear(result);
    atomic_fetch_add(&reads, 1);
}

static int
is_answered(PGconn *conn, int milliseconds)
{
    struct pollfd wait = {.fd = PQsocket(conn), .events = POLLIN};
    if (poll(&wait, 1, milliseconds) > 0 && !PQconsumeInput(conn))
        return 1;
    return !PQisBusy(conn);
}

static void
send_cancel(PGconn *conn)
{
    char error[256];
    PGcancel *cancel = PQgetCancel(conn);
    if (cancel == NULL || !PQcancel(cancel, error, sizeof error))
        complain("a cancel could not be sent", cancel == NULL ? "no key" : error);
    PQfreeCancel(cancel);
    atomic_fetch_add(&cancels, 1);
}

// What sleeps is cancelled. A cancel that overtakes its query does nothing, on PostgreSQL too: it is sent again.
static void
cancel_sleep(PGconn *conn, unsigned *seed)
{
    if (!PQsendQuery(conn, "SELECT pg_sleep(3600)")) {
        complain("a query could not be sent", PQerrorMessage(conn));
        return;
    }
    is_answered(conn, (int)random_below(4, seed));
    int waited = 0;
    for (send_cancel(conn); !is_answered(conn, RESEND_MS); waited += RESEND_MS) {
        if (waited > PATIENCE_MS) {
            complain("cancels have no effect", "gave up");
            return;
        }
        atomic_fetch_add(&resent, 1);
        send_cancel(conn);
    }
    for (PGresult *result; (result = PQgetResult(conn)) != NULL; PQclear(result)) {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (sqlstate == NULL || strcmp(sqlstate, "57014") != 0)
            complain("a sleep was not cancelled", PQerrorMessage(conn));
    }
}

static void
live(unsigned *seed)
{
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK) {
        complain("no connection", PQerrorMessage(conn));
        PQfinish(conn);
        return;
    }
    read_token(conn, seed);
    switch (random_below(8, seed)) {
    case 0:
        cancel_sleep(conn, seed);
        read_token(conn, seed);
        break;
    case 1: // idle: the cancel must not hit what comes next
        send_cancel(conn);
        read_token(conn, seed);
        break;
    case 2: // leaves without waiting
        if (PQsendQuery(conn, "SELECT id, name FROM items"))
            atomic_fetch_add(&left_behind, 1);
        if (random_below(2, seed) == 0)
            send_cancel(conn);
        break;
    default:
        read_token(conn, seed);
        break;
    }
    PQfinish(conn);
}

static void *
run(void *context)
{
    unsigned seed = *(unsigned *)context;
    while (atomic_fetch_sub(&left, 1) > 0)
        live(&seed);
    return NULL;
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: storm CONNINFO SESSIONS THREADS\n", stderr);
        return 2;
    }
    conninfo = argv[1];
    atomic_store(&left, atol(argv[2]));
    int count = atoi(argv[3]);
    pthread_t threads[count];
    unsigned seeds[count];
    for (int i = 0; i < count; i++) {
        seeds[i] = 7919u * (unsigned)(i + 1);
        if (pthread_create(&threads[i], NULL, run, &seeds[i]) != 0)
            return 2;
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("reads=%ld cancels=%ld resent=%ld left_behind=%ld wrong=%ld\n", atomic_load(&reads),
           atomic_load(&cancels), atomic_load(&resent), atomic_load(&left_behind),
           atomic_load(&wrong));
    return atomic_load(&wrong) != 0;
}
