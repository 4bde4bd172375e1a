// See side_link.h. libpq's asynchronous calls and poll(). Known compromise: libpq resolves host names
// blocking. A side that does not answer costs SIDE_LINK_TIMEOUT_MS a try, and the connection.
#include "proxy/control/side_link.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static const uint64_t millisecond = 1000000, pause_least = 250 * millisecond,
                      pause_most = 5000 * millisecond, usual_limit = 2000 * millisecond;

void
side_link_init(struct side_link *link, int stop_fd)
{
    *link = (struct side_link){.stop_fd = stop_fd, .pause = pause_least, .limit = usual_limit};
}

void
side_link_close(struct side_link *link)
{
    PQfinish(link->connection);
    link->connection = NULL;
}

// The first line of what libpq says, fit for a quoted value in the log. Of several hosts, the first.
void
side_link_set_error(struct side_link *link, const char *said)
{
    snprintf(link->error, sizeof link->error, "%s", said && *said ? said : "no reason given");
    link->error[strcspn(link->error, "\n")] = '\0';
    for (char *c = link->error; *c; c++) {
        if (*c == '"')
            *c = '\'';
    }
}

bool
side_link_wait(struct side_link *link, short events, uint64_t deadline)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = PQsocket(link->connection), .events = events},
                               {.fd = link->stop_fd, .events = POLLIN}};
        uint64_t now = uv_hrtime();

        if (now >= deadline)
            break;

        int count = poll(fds, 2, (int)((deadline - now) / millisecond) + 1);

        if (count < 0 && errno != EINTR)
            break;
        if (count > 0 && fds[1].revents) {
            side_link_set_error(link, "stopping");
            return false;
        }
        if (count > 0)
            return true;
    }

    char text[64];

    snprintf(text, sizeof text, "no answer within %g seconds", (double)link->limit / 1e9);
    side_link_set_error(link, text);
    return false;
}

static bool
finish_connecting(struct side_link *link, uint64_t deadline)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        if (!side_link_wait(link, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
            return false;
        status = PQconnectPoll(link->connection);
    }
    if (status != PGRES_POLLING_OK)
        side_link_set_error(link, PQerrorMessage(link->connection));
    return status == PGRES_POLLING_OK;
}

static void
ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

bool
side_link_up(struct side_link *link, const struct target *target)
{
    const char *const keywords[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {target->connection_string, "pgrehearse", "UTF8", NULL};

    if (link->connection)
        return true;
    if (uv_hrtime() < link->retry_at)
        return false;
    link->connection = PQconnectStartParams(keywords, values, 1);
    if (!link->connection)
        side_link_set_error(link, "out of memory");
    else if (PQstatus(link->connection) == CONNECTION_BAD)
        side_link_set_error(link, PQerrorMessage(link->connection));
    else if (finish_connecting(link, uv_hrtime() + link->limit)) {
        PQsetNoticeReceiver(link->connection, ignore_notice, NULL);
        PQsetnonblocking(link->connection, 1);
        link->pause = pause_least;
        link->made++;
        link->error[0] = '\0';
        return true;
    }
    side_link_close(link);
    link->retry_at = uv_hrtime() + link->pause;
    link->pause = link->pause * 2 < pause_most ? link->pause * 2 : pause_most;
    return false;
}

void
side_link_attend(struct side_link *link)
{
    if (PQconsumeInput(link->connection))
        return;
    side_link_set_error(link, PQerrorMessage(link->connection));
    side_link_close(link);
}

// Takes everything of the answer to one statement; the last result is the answer.
static PGresult *
take_result(struct side_link *link, uint64_t deadline)
{
    PGresult *result = NULL;

    for (;;) {
        int unsent = PQflush(link->connection);

        if (unsent < 0)
            break;
        if (unsent == 0 && !PQisBusy(link->connection)) {
            PGresult *next = PQgetResult(link->connection);

            if (!next)
                return result;
            PQclear(result);
            result = next;
            continue;
        }
        if (!side_link_wait(link, unsent ? POLLIN | POLLOUT : POLLIN, deadline)) {
            PQclear(result);
            side_link_close(link); // the answer may still come, and would be taken for another's
            return NULL;
        }
        if (!PQconsumeInput(link->connection))
            break;
    }
    side_link_set_error(link, PQerrorMessage(link->connection));
    PQclear(result);
    side_link_close(link);
    return NULL;
}

PGresult *
side_link_take(struct side_link *link)
{
    PGresult *result = take_result(link, uv_hrtime() + link->limit);

    link->sqlstate[0] = '\0';
    if (!result) {
        if (link->connection) {
            side_link_set_error(link, "no answer");
            side_link_close(link);
        }
        return NULL;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
        return result;

    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    side_link_set_error(link, primary ? primary : PQresultErrorMessage(result));
    snprintf(link->sqlstate, sizeof link->sqlstate, "%s", sqlstate ? sqlstate : "");
    PQclear(result);
    if (PQstatus(link->connection) == CONNECTION_BAD)
        side_link_close(link);
    return NULL;
}

PGresult *
side_link_query(struct side_link *link, const char *sql, const char *parameter)
{
    const char *const values[] = {parameter};

    if (!link->connection)
        return NULL;
    if (!PQsendQueryParams(link->connection, sql, parameter ? 1 : 0, NULL, values, NULL, NULL, 0)) {
        side_link_set_error(link, PQerrorMessage(link->connection));
        side_link_close(link);
        return NULL;
    }
    return side_link_take(link);
}
