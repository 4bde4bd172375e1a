// How long after ROLLBACK CANARY is new still asked? Many clients read through one proxy, one read after the other, from a
// table whose one row names its side; the command is sent on a console connection in the midst of it. Every read is
// stamped when it is sent and when its answer is complete, by the clock of this one thread.
//
//     bench_rollback DATABASE CONSOLE CLIENTS ROUNDS        the first two are libpq connection strings
//
// A round: the canary at 100 % until new has served every client, then the command, then until every client has
// begun and ended three more reads. Exit 1 when new served a read that began behind the command's reply.
#include <errno.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { LOAD_MS = 500, READS_AFTER = 3, EVENTS = 64 };

static const char read_side[] = "SELECT name FROM side";

struct client {
    PGconn *connection;
    uint64_t begun;       // ns: its present read was sent
    uint64_t new_at;      // ns: new served one that was sent then; 0: none
    unsigned reads_after; // that began behind the command's reply
};

struct round {
    uint64_t told, replied;             // ns; 0: not yet
    uint64_t last_begun, last_answered; // of what new served, ns
    unsigned long reads, by_new,
        late; // from the round's beginning; late: by new, begun behind the reply
};

static struct client *clients;
static size_t client_count;
static PGconn *console;
static int poller;

static uint64_t
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void
fail(const char *what, const PGconn *connection)
{
    fprintf(stderr, "bench_rollback: %s: %s", what,
            connection ? PQerrorMessage(connection) : strerror(errno));
    exit(2);
}

static PGconn *
connect_to(const char *string)
{
    PGconn *connection = PQconnectdb(string);
    if (PQstatus(connection) != CONNECTION_OK) {
        fail("connecting", connection);
    }
    return connection;
}

static void
watch(PGconn *connection, void *context)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = context};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, PQsocket(connection), &event) != 0) {
        fail("epoll_ctl", NULL);
    }
}

static void
ask(struct client *client)
{
    client->begun = now();
    if (!PQsendQuery(client->connection, read_side)) {
        fail("sending", client->connection);
    }
}

static void
say(const char *command)
{
    PGresult *result = PQexec(console, command);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fail(command, console);
    }
    PQclear(result);
}

static void
note(struct client *client, struct round *round, bool is_new)
{
    bool is_behind = round->replied != 0 && client->begun > round->replied;
    round->reads++;
    client->reads_after += is_behind;
    if (!is_new) {
        return;
    }
    round->by_new++;
    round->late += is_behind;
    round->last_begun = client->begun > round->last_begun ? client->begun : round->last_begun;
    round->last_answered = now();
    client->new_at = client->begun;
}

static void
take(struct client *client, struct round *round)
{
    if (!PQconsumeInput(client->connection)) {
        fail("reading", client->connection);
    }
    while (!PQisBusy(client->connection)) {
        PGresult *result = PQgetResult(client->connection);
        if (!result) {
            ask(client);
            return;
        }
        if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
            fail("a read", client->connection);
        }
        note(client, round, strcmp(PQgetvalue(result, 0, 0), "new") == 0);
        PQclear(result);
    }
}

static void
take_reply(struct round *round)
{
    if (!PQconsumeInput(console)) {
        fail("the console", console);
    }
    while (!PQisBusy(console)) {
        PGresult *result = PQgetResult(console);
        if (!result) {
            round->replied = now();
            return;
        }
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            fail("ROLLBACK CANARY", console);
        }
        PQclear(result);
    }
}

static void
turn(struct round *round)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, 1000);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr) {
            take(events[i].data.ptr, round);
        } else if (round->told != 0 && round->replied == 0) {
            take_reply(round);
        }
    }
}

static bool
all_read_new_since(uint64_t since)
{
    for (size_t i = 0; i < client_count; i++) {
        if (clients[i].new_at < since) {
            return false;
        }
    }
    return true;
}

static bool
all_read_after(void)
{
    for (size_t i = 0; i < client_count; i++) {
        if (clients[i].reads_after < READS_AFTER) {
            return false;
        }
    }
    return true;
}

static double
milliseconds(uint64_t from, uint64_t to)
{
    return to > from ? (double)(to - from) / 1e6 : 0;
}

// False: a read came late.
static bool
run_round(unsigned number)
{
    struct round round = {0};
    say("SET canary_percent = 100");
    uint64_t begun = now();
    while (!all_read_new_since(begun) || now() - begun < LOAD_MS * 1000000u) {
        turn(&round);
    }
    double seconds = milliseconds(begun, now()) / 1000;
    unsigned long reads = round.reads, by_new = round.by_new;
    for (size_t i = 0; i < client_count; i++) {
        clients[i].reads_after = 0;
    }
    round.told = now();
    if (!PQsendQuery(console, "ROLLBACK CANARY")) {
        fail("the console", console);
    }
    while (round.replied == 0 || !all_read_after()) {
        turn(&round);
    }
    printf("%5u %9.0f %8.1f %10.3f %14.3f %16.3f %6lu\n", number, (double)reads / seconds,
           100.0 * (double)by_new / (double)reads, milliseconds(round.told, round.replied),
           milliseconds(round.told, round.last_begun),
           milliseconds(round.told, round.last_answered), round.late);
    fflush(stdout);
    say("ARM CANARY");
    return round.late == 0;
}

int
main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_rollback DATABASE CONSOLE CLIENTS ROUNDS\n");
        return 2;
    }
    client_count = strtoul(argv[3], NULL, 10);
    clients = calloc(client_count, sizeof(*clients));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || poller < 0) {
        fail("starting", NULL);
    }
    console = connect_to(argv[2]);
    watch(console, NULL);
    for (size_t i = 0; i < client_count; i++) {
        clients[i].connection = connect_to(argv[1]);
        watch(clients[i].connection, &clients[i]);
    }
    for (size_t i = 0; i < client_count; i++) {
        ask(&clients[i]);
    }
    printf("%5s %9s %8s %10s %14s %16s %6s\n", "round", "reads/s", "% by new", "reply ms",
           "last begun ms", "last answered ms", "late");
    bool is_fine = true;
    unsigned rounds = (unsigned)strtoul(argv[4], NULL, 10);
    for (unsigned i = 1; i <= rounds; i++) {
        is_fine = run_round(i) && is_fine;
    }
    for (size_t i = 0; i < client_count; i++) {
        PQfinish(clients[i].connection);
    }
    PQfinish(console);
    free(clients);
    return is_fine ? 0 : 1;
}
