// A libpq application in small: what the drivers' test can't say through psycopg. Prints one line a
// check, "ok NAME" or "not ok NAME: why". Usage: libpq_client CONNINFO
#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void
check(const char *name, int is_fine, PGconn *conn)
{
    printf(is_fine ? "ok %s\n" : "not ok %s: %s\n", name, PQerrorMessage(conn));
    failures += !is_fine;
}

static void
check_function_call(PGconn *conn)
{
    int result = 0, length = 0;
    PQArgBlock argument = {.len = 4, .isint = 1, .u.integer = -42};
    PGresult *found = PQfn(conn, 1397 /* abs(int4) */, &result, &length, 1, &argument, 1);
    check("function call", PQresultStatus(found) == PGRES_COMMAND_OK && result == 42, conn);
    PQclear(found);
}

static void
check_large_object(PGconn *conn)
{
    enum { SIZE = 3 * 1024 * 1024 };
    char *wrote = malloc(SIZE), *read = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        wrote[i] = (char)(i * 31 >> 3);
    PQclear(PQexec(conn, "BEGIN"));
    Oid oid = lo_creat(conn, INV_READ | INV_WRITE);
    int fd = lo_open(conn, oid, INV_READ | INV_WRITE);
    int written = lo_write(conn, fd, wrote, SIZE);
    lo_lseek(conn, fd, 0, SEEK_SET);
    int got = lo_read(conn, fd, read, SIZE);
    int is_equal = written == SIZE && got == SIZE && !memcmp(wrote, read, SIZE);
    check("large object", is_equal && lo_unlink(conn, oid) == 1, conn);
    PQclear(PQexec(conn, "COMMIT"));
    free(wrote);
    free(read);
}

static void
check_binary_parameters(PGconn *conn)
{
    const char value[4] = {0, 0, 1, 44};
    const char *values[] = {value};
    const int lengths[] = {4}, formats[] = {1};
    const Oid types[] = {23};
    PGresult *found = PQexecParams(conn, "SELECT id, name FROM items WHERE id = $1", 1, types,
                                   values, lengths, formats, 1);
    check("binary parameters and results",
          PQresultStatus(found) == PGRES_TUPLES_OK && PQntuples(found) == 1 &&
              PQfformat(found, 0) == 1 && !memcmp(PQgetvalue(found, 0, 0), value, 4),
          conn);
    PQclear(found);
}

static void
check_prepared(PGconn *conn)
{
    const char *values[] = {"7"};
    PQclear(PQprepare(conn, "by_id", "SELECT name FROM items WHERE id = $1", 0, NULL));
    PGresult *described = PQdescribePrepared(conn, "by_id");
    PGresult *found = PQexecPrepared(conn, "by_id", 1, values, NULL, NULL, 0);
    check("prepared statement",
          PQnparams(described) == 1 && PQntuples(found) == 1 &&
              !strcmp(PQgetvalue(found, 0, 0), "item 7"),
          conn);
    PQclear(described);
    PQclear(found);
}

static void
check_single_row_mode(PGconn *conn)
{
    int rows = 0;
    PQsendQuery(conn, "SELECT id FROM items ORDER BY id");
    PQsetSingleRowMode(conn);
    for (PGresult *one; (one = PQgetResult(conn)); PQclear(one))
        rows += PQresultStatus(one) == PGRES_SINGLE_TUPLE;
    check("single-row mode", rows == 1000, conn);
}

static void
check_pipeline(PGconn *conn)
{
    int rows = 0, aborted = 0, errors = 0, syncs = 0;
    PQenterPipelineMode(conn);
    for (int i = 0; i < 30; i++) {
        const char *sql =
            i == 14 ? "SELECT 1/0" : "SELECT name FROM items WHERE id <= 10 ORDER BY id";
        PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0);
        if (i % 10 == 9)
            PQpipelineSync(conn);
    }
    while (syncs < 3) {
        PGresult *one = PQgetResult(conn);
        if (!one)
            continue;
        ExecStatusType status = PQresultStatus(one);
        rows += status == PGRES_TUPLES_OK ? PQntuples(one) : 0;
        errors += status == PGRES_FATAL_ERROR;
        aborted += status == PGRES_PIPELINE_ABORTED;
        syncs += status == PGRES_PIPELINE_SYNC;
        PQclear(one);
        if (PQstatus(conn) != CONNECTION_OK)
            break;
    }
    PQexitPipelineMode(conn);
    check("pipeline with an error in the middle", rows == 240 && errors == 1 && aborted == 5, conn);
}

static void
check_backend_pid(PGconn *conn)
{
    PGresult *found = PQexec(conn, "SELECT pg_backend_pid()");
    check("the backend's PID is old's", atoi(PQgetvalue(found, 0, 0)) == PQbackendPID(conn), conn);
    PQclear(found);
}

int
main(int argc, char **argv)
{
    PGconn *conn = PQconnectdb(argc > 1 ? argv[1] : "");
    check("connect", PQstatus(conn) == CONNECTION_OK, conn);
    if (!failures) {
        check_backend_pid(conn);
        check_binary_parameters(conn);
        check_prepared(conn);
        check_pipeline(conn);
        check_single_row_mode(conn);
        check_function_call(conn);
        check_large_object(conn);
    }
    PQfinish(conn);
    return failures ? 1 : 0;
}
