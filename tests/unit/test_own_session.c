// Own sessions against a server of the test's own, on the same loop: logins, state, limits, time-outs,
// junk, and a side that is down.
#include "moment.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/startup.h"
#include "proxy/own/own_session.h"
#include "proxy/transport/stream.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

// ---- what stands in for the rest of the program ----

static struct configuration_database entry;
static struct configuration configuration = {.auth.file = ""};
static struct database_settings settings;
static struct database database;

__attribute__((weak)) struct database_settings *
database_settings(struct database *of)
{
    atomic_fetch_add(&of->settings->references, 1);
    return of->settings;
}

__attribute__((weak)) void
database_settings_unref(struct database_settings **unreferenced)
{
    atomic_fetch_sub(&(*unreferenced)->references, 1);
    *unreferenced = NULL;
}

__attribute__((weak)) void
state_snapshot_unref(struct state_snapshot **snapshot)
{
    if (atomic_fetch_sub(&(*snapshot)->references, 1) == 1) {
        free((*snapshot)->replay);
        free(*snapshot);
    }
    *snapshot = NULL;
}

// ---- the server ----

enum manner {
    ANSWERS,
    ASKS_FOR_PASSWORD, // cleartext; admits "right"
    REFUSES_OPTIONS,
    IS_FULL,
    REFUSES_AS_A_POOLER,
    IS_SILENT_AT_LOGIN,
    SENDS_JUNK_AT_LOGIN,
    IS_SILENT, // to queries
    SENDS_JUNK,
    SENDS_A_BAD_LENGTH,
    CLOSES,
    FAILS_STATE,
    SENDS_TOO_MUCH,
    LEAVES_A_TRANSACTION,
    SENDS_A_LONG_ERROR,
};

enum { CONNECTION_LIMIT = 32 };

struct connection {
    struct stream *stream;
    uint8_t bytes[65536];
    size_t length;
    bool is_in;
};

static uv_loop_t loop;
static uv_poll_t poll_handle;
static int listener;
static int port;
static enum manner manner;
static struct connection connections[CONNECTION_LIMIT];
static unsigned accepted, server_closed, cancels;
static char queries[65536]; // all, each followed by a line end
static char startups[8192];

static void
say(struct connection *connection, struct writer *writer)
{
    stream_write_copy(connection->stream, writer->bytes, writer->length);
    writer_fini(writer);
}

static void
say_error(struct connection *connection, const char *severity, const char *sqlstate,
          const char *message)
{
    struct writer writer;
    writer_init(&writer);
    struct reply_error_text text = {severity, sqlstate, message, NULL, NULL};
    reply_write_error(&writer, 'E', &text);
    say(connection, &writer);
}

static void
admit(struct connection *connection)
{
    struct writer writer;
    writer_init(&writer);
    reply_write_authentication_ok(&writer);
    reply_write_parameter_status(&writer, "server_version", "15.0");
    reply_write_backend_key(&writer, 4711, 42);
    reply_write_ready(&writer, 'I');
    say(connection, &writer);
}

static void
take_startup(struct connection *connection, const struct startup *startup)
{
    const char *options = startup_parameter(startup, "options");
    struct writer writer;
    snprintf(startups + strlen(startups), sizeof startups - strlen(startups), "%s/%s/%s/%s\n",
             startup_parameter(startup, "user"), startup_parameter(startup, "database"),
             startup_parameter(startup, "application_name"), options != NULL ? options : "-");
    connection->is_in = true;
    switch (manner) {
    case ASKS_FOR_PASSWORD:
        writer_init(&writer);
        writer_begin(&writer, 'R');
        writer_i32(&writer, 3);
        writer_end(&writer);
        say(connection, &writer);
        break;
    case REFUSES_OPTIONS:
        if (options != NULL) {
            say_error(connection, "FATAL", "08P01", "unsupported startup parameter: options");
            stream_stop(connection->stream);
        } else {
            admit(connection);
        }
        break;
    case IS_FULL:
        say_error(connection, "FATAL", "53300", "sorry, too many clients already");
        stream_stop(connection->stream);
        break;
    case REFUSES_AS_A_POOLER:
        say_error(connection, "FATAL", "08P01", "password authentication failed");
        stream_stop(connection->stream);
        break;
    case IS_SILENT_AT_LOGIN:
        break;
    case SENDS_JUNK_AT_LOGIN:
        stream_write_copy(connection->stream, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        break;
    default:
        admit(connection);
    }
}

static void
answer_query(struct connection *connection, const char *sql, size_t length)
{
    struct writer writer;
    bool is_state = strstr(sql, "set_config") != NULL;
    size_t used = strlen(queries);
    snprintf(queries + used, sizeof queries - used, "%.*s\n", (int)length, sql);
    if (manner == IS_SILENT && !is_state) {
        return;
    }
    if (manner == SENDS_JUNK) {
        stream_write_copy(connection->stream, "~~~~~~~~", 8);
        return;
    }
    if (manner == SENDS_A_BAD_LENGTH) {
        stream_write_copy(connection->stream, "D\0\0\0\1abc", 8);
        return;
    }
    if (manner == CLOSES) {
        say_error(connection, "FATAL", "57P01", "terminating connection");
        stream_stop(connection->stream);
        return;
    }
    writer_init(&writer);
    if (manner == FAILS_STATE && is_state) {
        struct reply_error_text text = {"ERROR", "42704", "role does not exist", NULL, NULL};
        reply_write_error(&writer, 'E', &text);
    } else if (manner == SENDS_A_LONG_ERROR) {
        static char quoted[100001];
        memset(quoted, 'x', sizeof quoted - 1);
        struct reply_error_text text = {"ERROR", "22P02", quoted, NULL, NULL};
        reply_write_error(&writer, 'E', &text);
    } else if (manner == SENDS_TOO_MUCH) {
        char tag[20000];
        memset(tag, 'x', sizeof tag - 1);
        tag[sizeof tag - 1] = '\0';
        reply_write_command_complete(&writer, tag);
    } else {
        reply_write_command_complete(&writer, sql);
    }
    reply_write_ready(&writer, manner == LEAVES_A_TRANSACTION ? 'T' : 'I');
    say(connection, &writer);
}

static void
take_message(struct connection *connection, char type, const uint8_t *body, size_t length)
{
    if (type == 'Q') {
        answer_query(connection, (const char *)body, length - 1);
    } else if (type == 'p') {
        if (strcmp((const char *)body, "right") == 0) {
            admit(connection);
        } else {
            say_error(connection, "FATAL", "28P01", "password authentication failed");
            stream_stop(connection->stream);
        }
    } else if (type == 'X') {
        stream_stop(connection->stream);
    }
}

static void
take_first(struct connection *connection)
{
    struct startup startup;
    startup_read(&startup, connection->bytes, connection->length);
    if (startup.kind == STARTUP_MORE) {
        startup_fini(&startup);
        return;
    }
    if (startup.kind == STARTUP_CANCEL) {
        cr_expect_eq(startup.cancel_pid, 4711);
        cancels++;
        stream_stop(connection->stream);
    } else {
        cr_expect_eq(startup.kind, STARTUP_SESSION);
        take_startup(connection, &startup);
    }
    connection->length = 0;
    startup_fini(&startup);
}

static void
server_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct connection *connection = context;
    cr_assert_leq(connection->length + length, sizeof connection->bytes);
    memcpy(connection->bytes + connection->length, chunk->bytes + offset, length);
    connection->length += length;
    if (!connection->is_in) {
        take_first(connection);
        return;
    }
    size_t at = 0;
    while (connection->length - at >= 5) {
        uint32_t size;
        memcpy(&size, connection->bytes + at + 1, 4);
        size = ntohl(size);
        if (connection->length - at < size + 1) {
            break;
        }
        take_message(connection, (char)connection->bytes[at], connection->bytes + at + 5, size - 4);
        at += size + 1;
    }
    memmove(connection->bytes, connection->bytes + at, connection->length - at);
    connection->length -= at;
}

static void
server_end(void *context, enum stream_end why)
{
    (void)why;
    stream_stop(((struct connection *)context)->stream);
}

static void
on_server_closed(void *context)
{
    ((struct connection *)context)->stream = NULL;
    server_closed++;
}

static const struct stream_callbacks server_callbacks = {
    .on_bytes = server_bytes, .on_end = server_end, .on_closed = on_server_closed};

static void
on_connection(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    int fd = accept(listener, NULL, NULL);
    cr_assert(fd >= 0 && accepted < CONNECTION_LIMIT);
    struct connection *connection = &connections[accepted++];
    connection->stream = stream_open(&loop, fd, &server_callbacks, connection);
    stream_resume(connection->stream);
}

static int holder = -1; // keeps the port while there is no listener

static void
start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    if (holder >= 0) {
        close(holder);
        holder = -1;
    }
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(listener, 64), 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    port = ntohs(address.sin_port);
    uv_poll_init(&loop, &poll_handle, listener);
    uv_poll_start(&poll_handle, UV_READABLE, on_connection);
}

// The port stays bound, so that no other test's server takes it, and refuses.
static void
stop_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    uv_close((uv_handle_t *)&poll_handle, NULL);
    close(listener);
    listener = -1;
    holder = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(holder, (struct sockaddr *)&address, sizeof address), 0);
}

// ---- jobs ----

static struct own_pool *pool;
static bool pool_is_closed;
static unsigned done_count;
static bool is_within_run;

static void
on_done(struct own_job *job)
{
    cr_expect_not(is_within_run);
    *(bool *)job->context = true;
    done_count++;
}

struct case_of_job {
    struct own_job *job;
    bool is_done;
};

static struct state_snapshot *
snapshot(uint64_t digest, const char *replay)
{
    struct state_snapshot *made = calloc(1, sizeof *made);
    atomic_init(&made->references, 1);
    made->digest = digest;
    made->replay = strdup(replay);
    return made;
}

static void
run_as(struct case_of_job *at, const char *user, const char *password, const char *sql)
{
    struct writer writer;
    writer_init(&writer);
    request_write_query(&writer, sql);
    at->is_done = false;
    at->job = at->job != NULL ? at->job : own_job_new();
    struct secret *secret = password != NULL ? secret_new(password, NULL, NULL) : NULL;
    at->job->identity = (struct own_identity){&database, user, secret};
    at->job->side = SIDE_NEW;
    at->job->messages = writer_take(&writer, &at->job->messages_length);
    at->job->units = 1;
    at->job->max_reply = 10000;
    at->job->timeout = at->job->timeout != 0 ? at->job->timeout : 10000000000u;
    at->job->queue_timeout = at->job->queue_timeout != 0 ? at->job->queue_timeout : 10000000000u;
    at->job->done = on_done;
    at->job->context = &at->is_done;
    is_within_run = true;
    own_pool_run(pool, at->job);
    is_within_run = false;
    at->job->identity.secret = NULL; // the pool has its own reference
    secret_unref(&secret);
}

static enum own_outcome
finish(struct case_of_job *at)
{
    WAIT_FOR(at->is_done);
    enum own_outcome outcome = at->job->outcome;
    own_job_free(&at->job);
    return outcome;
}

static enum own_outcome
run(const char *sql)
{
    struct case_of_job at = {0};
    run_as(&at, "alice", NULL, sql);
    return finish(&at);
}

static enum own_outcome
run_in_state(const char *sql, uint64_t digest, const char *replay)
{
    struct case_of_job at = {.job = own_job_new()};
    at.job->state = snapshot(digest, replay);
    run_as(&at, "alice", NULL, sql);
    return finish(&at);
}

// ---- around each test ----

static void
set_target(const char *extra)
{
    char string[256];
    char error[256];
    snprintf(string, sizeof string, "host=127.0.0.1 port=%d sslmode=disable user=service %s", port,
             extra);
    target_unref(&settings.targets[SIDE_NEW]);
    settings.targets[SIDE_NEW] = target_new(string, error, sizeof error);
    cr_assert_not_null(settings.targets[SIDE_NEW], "%s", error);
}

static void
set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    setenv("PGPASSFILE", "/nonexistent", 1);
    setenv("PGREHEARSE_LOG", "error", 1);
    uv_loop_init(&loop);
    start_server();
    entry.shadow.connections = 2;
    entry.shadow.max_connections = 3;
    entry.shadow.timeout = 9000000000u;
    entry.shadow.idle_timeout = entry.shadow.lifetime = 3600000000000u;
    settings.entry = &entry;
    settings.configuration = &configuration;
    atomic_init(&settings.references, 1);
    set_target("");
    database.name = "app";
    database.settings = &settings;
    pthread_mutex_init(&database.lock, NULL);
    pool = own_pool_new(&loop);
}

static void
on_pool_closed(void *context)
{
    (void)context;
    pool_is_closed = true;
}

static void
tear_down(void)
{
    own_pool_stop(pool, on_pool_closed, NULL);
    WAIT_FOR(pool_is_closed);
    own_pool_free(&pool);
    cr_expect_eq(atomic_load(&database.own_sessions[SIDE_NEW]), 0, "every place was given back");
    cr_expect_eq(atomic_load(&settings.references), 1);
    if (listener >= 0) {
        stop_server();
    }
    for (unsigned i = 0; i < accepted; i++) {
        if (connections[i].stream != NULL) {
            stream_abort(connections[i].stream);
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
    target_unref(&settings.targets[SIDE_NEW]);
}

TestSuite(own_session, .init = set_up, .fini = tear_down, .timeout = 60);

// ---- the guarantees ----

Test(own_session, logs_in_as_the_clients_user_and_brings_the_reply)
{
    set_target("options='-c search_path=v2'");
    struct case_of_job at = {0};
    run_as(&at, "alice", NULL, "SELECT 1");
    WAIT_FOR(at.is_done);
    cr_assert_eq(at.job->outcome, OWN_DONE, "%s", at.job->error);
    cr_expect_eq(at.job->backend_pid, 4711);
    cr_expect(at.job->sent > 0 && at.job->answered >= at.job->sent &&
              at.job->ended >= at.job->answered);
    struct capture_cursor cursor;
    struct message message;
    capture_cursor_init(&cursor, &at.job->reply);
    cr_assert_eq(capture_cursor_next(&cursor, &message), CAPTURE_MESSAGE);
    cr_expect_eq(message.type, 'C');
    cr_assert_eq(capture_cursor_next(&cursor, &message), CAPTURE_MESSAGE);
    cr_expect_eq(message.type, 'Z');
    cr_expect_eq(capture_cursor_next(&cursor, &message), CAPTURE_END);
    capture_cursor_fini(&cursor);
    own_job_free(&at.job);
    cr_expect_str_eq(startups,
                     "alice/app/pgrehearse/-c search_path=v2 -c statement_timeout=9000 -c "
                     "lock_timeout=4501 -c idle_in_transaction_session_timeout=18000\n");
    cr_expect_str_eq(queries, "SELECT 1\n", "a fresh session needs no state");
}

Test(own_session, a_session_is_used_again)
{
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(run("SELECT 1"), OWN_DONE);
    }
    cr_expect_eq(accepted, 1);
}

Test(own_session, state_is_replayed_when_it_differs_and_only_then)
{
    cr_expect_eq(run_in_state("A", 7, "SET work_mem TO '1MB'"), OWN_DONE);
    cr_expect_not_null(strstr(queries, "SET work_mem TO '1MB'"));
    cr_expect_null(strstr(queries, "RESET ALL"));
    queries[0] = '\0';
    cr_expect_eq(run_in_state("B", 7, "SET work_mem TO '1MB'"), OWN_DONE);
    cr_expect_str_eq(queries, "B\n");
    queries[0] = '\0';
    cr_expect_eq(run_in_state("C", 8, "SET work_mem TO '2MB'"), OWN_DONE);
    const char *reset = strstr(queries, "RESET ALL");
    const char *replay = strstr(queries, "SET work_mem TO '2MB'");
    const char *timeout = strstr(queries, "E'statement_timeout', E'9000'");
    cr_assert(reset != NULL && replay != NULL && timeout != NULL);
    cr_expect(reset < replay && replay < timeout, "our time-outs win");
}

Test(own_session, the_targets_options_win_over_the_clients_state)
{
    set_target("options='-c search_path=v2,public --work-mem=3MB'");
    cr_expect_eq(run_in_state("A", 7, "SET search_path TO mine"), OWN_DONE);
    const char *replay = strstr(queries, "SET search_path TO mine");
    const char *pinned = strstr(queries, "E'search_path', E'v2,public'");
    cr_assert(replay != NULL && pinned != NULL);
    cr_expect(replay < pinned);
    cr_expect_not_null(strstr(queries, "E'work_mem', E'3MB'"));
}

Test(own_session, a_state_that_fails_spoils_the_job_and_not_the_session)
{
    manner = FAILS_STATE;
    struct case_of_job at = {.job = own_job_new()};
    at.job->state = snapshot(7, "SET ROLE nobody");
    run_as(&at, "alice", NULL, "SELECT 1");
    WAIT_FOR(at.is_done);
    cr_expect_eq(at.job->outcome, OWN_STATE);
    cr_expect_str_eq(at.job->sqlstate, "42704");
    cr_expect_eq(at.job->reply.length, 0);
    own_job_free(&at.job);
    manner = ANSWERS;
    cr_expect_eq(run_in_state("SELECT 2", 7, "SET ROLE nobody"), OWN_DONE);
    cr_expect_eq(accepted, 1);
}

Test(own_session, set_role_logs_in_as_the_service_and_becomes_the_user)
{
    entry.identity = IDENTITY_SET_ROLE;
    struct case_of_job at = {0};
    run_as(&at, "o\"brien", NULL, "SELECT 1");
    cr_expect_eq(finish(&at), OWN_DONE);
    cr_expect_eq(strncmp(startups, "service/", 8), 0);
    const char *role = strstr(queries, "SET ROLE E'o\"brien'");
    const char *read = strstr(queries, "SELECT 1\n");
    cr_assert(role != NULL && read != NULL);
    cr_expect(role < read);
}

Test(own_session, a_role_that_cannot_be_had_is_no_login)
{
    entry.identity = IDENTITY_SET_ROLE;
    manner = FAILS_STATE;
    cr_expect_eq(run("SELECT 1"), OWN_LOGIN);
    manner = ANSWERS;
    queries[0] = '\0';
    cr_expect_eq(run("SELECT 2"), OWN_DONE);
    cr_expect_not_null(strstr(queries, "SET ROLE"), "nothing of the failed one holds");
}

Test(own_session, a_long_error_is_an_answer)
{
    manner = SENDS_A_LONG_ERROR;
    struct case_of_job at = {.job = own_job_new()};
    run_as(&at, "alice", NULL, "SELECT 1");
    at.job->max_reply = 1000000;
    WAIT_FOR(at.is_done);
    cr_expect_eq(at.job->outcome, OWN_DONE, "%s", at.job->error);
    cr_expect_gt(at.job->reply.length, 100000);
    cr_expect_str_eq(at.job->sqlstate, "");
    own_job_free(&at.job);
}

Test(own_session, a_password_that_the_login_showed_is_used)
{
    manner = ASKS_FOR_PASSWORD;
    struct case_of_job at = {0};
    run_as(&at, "alice", "right", "SELECT 1");
    cr_expect_eq(finish(&at), OWN_DONE);
}

Test(own_session, a_refusal_is_remembered_until_another_password_comes)
{
    manner = ASKS_FOR_PASSWORD;
    struct case_of_job at = {0};
    run_as(&at, "alice", "wrong", "SELECT 1");
    WAIT_FOR(at.is_done);
    cr_expect_eq(at.job->outcome, OWN_LOGIN);
    cr_expect_str_eq(at.job->sqlstate, "28P01");
    own_job_free(&at.job);
    run_as(&at, "alice", "wrong", "SELECT 1");
    cr_expect_eq(finish(&at), OWN_LOGIN);
    cr_expect_eq(accepted, 1, "not tried again");
    run_as(&at, "alice", "right", "SELECT 1");
    cr_expect_eq(finish(&at), OWN_DONE);
}

Test(own_session, no_secret_is_a_refusal)
{
    manner = ASKS_FOR_PASSWORD;
    struct case_of_job at = {0};
    run_as(&at, "alice", NULL, "SELECT 1");
    WAIT_FOR(at.is_done);
    cr_expect_eq(at.job->outcome, OWN_LOGIN);
    cr_expect_not_null(strstr(at.job->error, "\"alice\""), "%s", at.job->error);
    own_job_free(&at.job);
}

Test(own_session, settings_that_a_pooler_refuses_are_set_after_login)
{
    manner = REFUSES_OPTIONS;
    set_target("options='-c search_path=v2'");
    cr_expect_eq(run("SELECT 1"), OWN_DONE);
    cr_expect_eq(accepted, 2);
    cr_expect_not_null(strstr(queries, "E'search_path', E'v2'"));
    cr_expect_not_null(strstr(queries, "E'statement_timeout', E'9000'"));
}

Test(own_session, limits_hold_and_jobs_wait_in_order)
{
    struct case_of_job jobs[8] = {0};
    for (int i = 0; i < 8; i++) {
        run_as(&jobs[i], "alice", NULL, "SELECT 1");
    }
    WAIT_FOR(jobs[7].is_done);
    cr_expect_eq(accepted, 2);
    cr_expect_eq(done_count, 8);
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(finish(&jobs[i]), OWN_DONE);
    }
}

Test(own_session, another_user_gets_the_place_of_an_idle_session)
{
    static const char *const users[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        struct case_of_job at = {0};
        run_as(&at, users[i], NULL, "SELECT 1");
        cr_expect_eq(finish(&at), OWN_DONE);
        cr_expect_leq(atomic_load(&database.own_sessions[SIDE_NEW]), 3);
    }
    cr_expect_eq(accepted, 5);
}

Test(own_session, another_pool_gets_the_places_of_sessions_that_idle)
{
    static const char *const users[] = {"a", "b", "c"};
    struct own_pool *first = pool;
    atomic_store(&database.clients, 1);
    for (int i = 0; i < 3; i++) {
        struct case_of_job at = {0};
        run_as(&at, users[i], NULL, "SELECT 1");
        cr_expect_eq(finish(&at), OWN_DONE);
    }
    cr_expect_eq(atomic_load(&database.own_sessions[SIDE_NEW]), 3, "all that there may be");
    pool = own_pool_new(&loop);
    struct case_of_job jobs[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        run_as(&jobs[i], "alice", NULL, "SELECT 1");
    }
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(finish(&jobs[i]), OWN_DONE);
        cr_expect_leq(atomic_load(&database.own_sessions[SIDE_NEW]), 3);
    }
    own_pool_stop(pool, on_pool_closed, NULL);
    WAIT_FOR(pool_is_closed);
    own_pool_free(&pool);
    pool_is_closed = false;
    pool = first;
}

Test(own_session, who_has_none_that_idles_does_not_hide_that_room_is_wanted)
{
    static const char *const users[] = {"a", "b"};
    struct case_of_job slow[2] = {{0}}, idle = {0}, wanted = {0};
    struct own_pool *first = pool;
    atomic_store(&database.clients, 1);
    run_as(&idle, "idle", NULL, "SELECT 1"); // looked at last
    cr_expect_eq(finish(&idle), OWN_DONE);
    manner = IS_SILENT;
    for (int i = 0; i < 2; i++) {
        run_as(&slow[i], users[i], NULL, "SELECT 1");
        WAIT_FOR(slow[i].job->sent != 0);
    }
    uint64_t begun = uv_hrtime();
    WAIT_FOR(uv_hrtime() - begun > 300000000u); // what was sent has come
    manner = ANSWERS;
    pool = own_pool_new(&loop);
    wanted.job = own_job_new();
    wanted.job->queue_timeout = 5000000000u; // before the slow ones are given up
    run_as(&wanted, "alice", NULL, "SELECT 1");
    cr_expect_eq(finish(&wanted), OWN_DONE);
    own_pool_stop(pool, on_pool_closed, NULL);
    WAIT_FOR(pool_is_closed);
    own_pool_free(&pool);
    pool_is_closed = false;
    pool = first;
    for (int i = 0; i < 2; i++) {
        own_pool_abandon(pool, &slow[i].job);
    }
}

Test(own_session, a_session_that_idles_for_too_long_is_closed)
{
    atomic_store(&database.clients, 1); // else it goes at once
    entry.shadow.idle_timeout = 300000000u;
    cr_expect_eq(run("SELECT 1"), OWN_DONE);
    cr_expect_eq(run("SELECT 1"), OWN_DONE);
    cr_expect_eq(accepted, 1, "it is kept meanwhile");
    WAIT_FOR(atomic_load(&database.own_sessions[SIDE_NEW]) == 0);
    cr_expect_eq(run("SELECT 1"), OWN_DONE);
    cr_expect_eq(accepted, 2);
}

Test(own_session, a_session_that_never_idles_is_replaced_when_it_is_too_old)
{
    atomic_store(&database.clients, 1);
    entry.shadow.lifetime = 200000000u;
    uint64_t begun = uv_hrtime();
    unsigned jobs = 0;
    for (; accepted < 4 && uv_hrtime() - begun < UINT64_C(20000000000); jobs++) {
        cr_expect_eq(run("SELECT 1"), OWN_DONE, "nobody hears of it");
    }
    cr_expect_eq(accepted, 4);
    cr_expect_geq(uv_hrtime() - begun, 3 * entry.shadow.lifetime);
    cr_expect_gt(jobs, 4, "each is kept meanwhile");
}

Test(own_session, a_side_that_is_down_fails_jobs_at_once_and_comes_back)
{
    stop_server();
    cr_expect_eq(run("SELECT 1"), OWN_UNAVAILABLE);
    struct case_of_job at = {0};
    uint64_t begun = uv_hrtime();
    for (int i = 0; i < 50; i++) {
        run_as(&at, "alice", NULL, "SELECT 1");
        WAIT_FOR(at.is_done);
        cr_expect_eq(at.job->outcome, OWN_UNAVAILABLE);
        cr_expect_not_null(strstr(at.job->error, "refused"), "%s", at.job->error);
        own_job_free(&at.job);
    }
    cr_expect_lt(uv_hrtime() - begun, UINT64_C(20000000000));
    start_server();
    enum own_outcome outcome = OWN_UNAVAILABLE;
    for (int i = 0; i < 500 && outcome != OWN_DONE; i++) {
        uv_sleep(10);
        outcome = run("SELECT 1");
    }
    cr_expect_eq(outcome, OWN_DONE);
}

Test(own_session, a_full_server_is_unavailable)
{
    manner = IS_FULL;
    struct case_of_job at = {0};
    run_as(&at, "alice", NULL, "SELECT 1");
    WAIT_FOR(at.is_done);
    cr_expect_eq(at.job->outcome, OWN_UNAVAILABLE);
    cr_expect_str_eq(at.job->sqlstate, "53300");
    own_job_free(&at.job);
    uint64_t begun = uv_hrtime();
    for (int i = 0; i < 28; i++) {
        cr_expect_eq(run("SELECT 1"), OWN_UNAVAILABLE);
    }
    // At least 100 ms lie between two attempts, however slow this machine is.
    cr_expect_leq(accepted, 2 + (uv_hrtime() - begun) / 100000000);
}

Test(own_session, a_poolers_words_for_a_wrong_password_are_a_refusal)
{
    manner = REFUSES_AS_A_POOLER;
    cr_expect_eq(run("SELECT 1"), OWN_LOGIN);
    manner = ANSWERS;
    struct case_of_job at = {0};
    run_as(&at, "bob", NULL, "SELECT 1");
    cr_expect_eq(finish(&at), OWN_DONE, "the side is not down for others");
}

Test(own_session, a_silent_answer_times_out_and_is_cancelled)
{
    manner = IS_SILENT;
    struct case_of_job at = {.job = own_job_new()};
    at.job->timeout = 50000000;
    run_as(&at, "alice", NULL, "SELECT 1");
    cr_expect_eq(finish(&at), OWN_TIMEOUT);
    WAIT_FOR(cancels == 1);
    manner = ANSWERS;
    cr_expect_eq(run("SELECT 1"), OWN_DONE);
}

Test(own_session, a_job_that_waits_too_long_is_given_back)
{
    manner = IS_SILENT_AT_LOGIN;
    struct case_of_job at = {.job = own_job_new()};
    at.job->queue_timeout = 50000000;
    run_as(&at, "alice", NULL, "SELECT 1");
    cr_expect_eq(finish(&at), OWN_UNAVAILABLE);
}

Test(own_session, junk_ends_the_session_and_says_so)
{
    static const struct {
        enum manner manner;
        enum own_outcome outcome;
    } cases[] = {
        {SENDS_JUNK, OWN_JUNK},
        {SENDS_A_BAD_LENGTH, OWN_JUNK},
        {CLOSES, OWN_UNAVAILABLE},
        {SENDS_TOO_MUCH, OWN_TOO_BIG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        manner = cases[i].manner;
        cr_expect_eq(run("SELECT 1"), cases[i].outcome, "manner %d", (int)manner);
        manner = ANSWERS;
        cr_expect_eq(run("SELECT 1"), OWN_DONE);
    }
}

Test(own_session, junk_at_the_login_is_no_login)
{
    manner = SENDS_JUNK_AT_LOGIN;
    cr_expect_neq(run("SELECT 1"), OWN_DONE);
    manner = ANSWERS;
}

Test(own_session, a_session_left_in_a_transaction_is_not_used_again)
{
    manner = LEAVES_A_TRANSACTION;
    cr_expect_eq(run("BEGIN"), OWN_DONE);
    manner = ANSWERS;
    cr_expect_eq(run("SELECT 1"), OWN_DONE);
    cr_expect_eq(accepted, 2);
}

Test(own_session, an_abandoned_job_is_never_heard_of_again)
{
    struct case_of_job at[4] = {0};
    manner = IS_SILENT;
    for (int i = 0; i < 4; i++) {
        run_as(&at[i], "alice", NULL, "SELECT 1");
    }
    WAIT_FOR(strlen(queries) == 2 * strlen("SELECT 1\n"));
    for (int i = 3; i >= 0; i--) {
        own_pool_abandon(pool, &at[i].job);
        cr_expect_null(at[i].job);
    }
    WAIT_FOR(cancels == 2);
    cr_expect_eq(done_count, 0);
}

static size_t streamed;
static unsigned pauses;

static bool
on_job_bytes(struct own_job *job, struct chunk *chunk, size_t offset, size_t length)
{
    (void)job, (void)chunk, (void)offset;
    streamed += length;
    pauses++;
    return false;
}

Test(own_session, bytes_can_be_had_as_they_come)
{
    struct case_of_job at = {.job = own_job_new()};
    at.job->on_bytes = on_job_bytes;
    at.job->state = snapshot(7, "SET work_mem TO '1MB'");
    manner = SENDS_TOO_MUCH; // max_reply does not matter here
    run_as(&at, "alice", NULL, "SELECT 1");
    struct own_job *job = at.job;
    for (int turn = 0; !at.is_done; turn++) {
        cr_assert_lt(turn, 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
        if (!at.is_done) {
            own_job_resume(job);
            moment_wait(&loop);
        }
    }
    cr_expect_eq(streamed, 5 + 20000 + 6, "the job's bytes, without the state's");
    cr_expect_eq(finish(&at), OWN_DONE);
}

Test(own_session, stopping_ends_jobs)
{
    struct case_of_job at[3] = {0};
    manner = IS_SILENT;
    for (int i = 0; i < 3; i++) {
        run_as(&at[i], "alice", NULL, "SELECT 1");
    }
    WAIT_FOR(strlen(queries) > 0);
    own_pool_stop(pool, on_pool_closed, NULL);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(finish(&at[i]), OWN_STOPPED);
    }
    WAIT_FOR(pool_is_closed);
    own_pool_free(&pool);
    pool = own_pool_new(&loop); // for the end of the test
    pool_is_closed = false;
}
