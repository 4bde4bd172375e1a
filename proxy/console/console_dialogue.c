// The console's side of the protocol: simple and extended (manual 55.2.2, 55.2.3). Statements of a Query are
// run one after the other; a portal is run at its first Execute, and gives its rows in parts where it
// is asked to. There are no transactions: ReadyForQuery always says idle.
#include "compare/sql/lexer.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "proxy/console/console_objects.h"
#include "proxy/console/console_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
ready(struct console_session *session)
{
    reply_write_ready(&session->output, 'I');
    console_send(session);
}

static void
empty_message(struct console_session *session, char type)
{
    writer_begin(&session->output, type);
    writer_end(&session->output);
}

static void
fail(struct console_session *session, const struct console_error *error)
{
    console_write_error(&session->output, "ERROR", error);
    session->is_skipping = true;
    console_send(session);
}

// Simple protocol.

static void
drop_queue(struct console_session *session)
{
    for (size_t i = 0; i < session->queue_length; i++)
        free(session->queue[i]);
    free(session->queue);
    session->queue = NULL;
    session->queue_length = 0;
    session->queue_next = 0;
}

static bool
add_statement(void *context, const char *statement, size_t length)
{
    struct console_session *session = context;
    char **queue = realloc(session->queue, (session->queue_length + 1) * sizeof *queue);

    if (queue == NULL)
        return false;
    session->queue = queue;
    queue[session->queue_length] = strndup(statement, length);
    return queue[session->queue_length++] != NULL;
}

static void
simple_error(struct console_session *session, const struct console_error *error)
{
    drop_queue(session);
    console_write_error(&session->output, "ERROR", error);
    ready(session);
}

static void
next_statement(struct console_session *session)
{
    struct console_error error;

    console_call_fini(&session->call);
    if (session->queue_next == session->queue_length) {
        drop_queue(session);
        ready(session);
        return;
    }

    const char *statement = session->queue[session->queue_next++];

    if (!console_parse(statement, strlen(statement), &session->call, &error)) {
        simple_error(session, &error);
    } else if (session->call.parameter_count > 0) {
        console_fail(&error, "42P02", NULL, "there is no parameter $%u",
                     session->call.parameter_count);
        simple_error(session, &error);
    } else {
        session->portal = NULL;
        console_run_call(session, &session->call);
    }
}

static void
query(struct console_session *session, const uint8_t *body, size_t length)
{
    const char *sql;
    struct console_error error;

    drop_queue(session);
    session->is_skipping = false;
    if (!request_read_query(body, length, &sql)) {
        console_fail(&error, "08P01", NULL, "malformed Query message");
        simple_error(session, &error);
    } else if (!lexer_split(sql, strlen(sql), add_statement, session)) {
        console_fail(&error, "42601", "SHOW HELP lists the commands.",
                     "the statement is not complete");
        simple_error(session, &error);
    } else if (session->queue_length == 0) {
        empty_message(session, 'I'); // EmptyQueryResponse
        ready(session);
    } else {
        next_statement(session);
    }
}

static void
simple_answered(struct console_session *session)
{
    struct console_run *run = &session->run;

    if (run->error.sqlstate[0] != '\0') {
        answer_fini(&run->answer);
        simple_error(session, &run->error);
        return;
    }
    if (run->answer.shape != NULL) {
        console_write_description(&session->output, run->answer.shape, NULL);
        (void)console_write_rows(&session->output, &run->answer, 0, 0, NULL);
    }
    console_write_notice(&session->output, &run->notice);
    reply_write_command_complete(&session->output, run->tag);
    answer_fini(&run->answer);
    console_send(session); // console_go_on has the next one run
}

bool
console_go_on(struct console_session *session)
{
    if (session->state != CONSOLE_READY || session->queue == NULL)
        return false;
    next_statement(session);
    return true;
}

// Extended protocol.

static void
parse(struct console_session *session, const uint8_t *body, size_t length)
{
    struct parse_request request;
    struct console_error error = {0};

    if (!request_read_parse(body, length, &request)) {
        console_fail(&error, "08P01", NULL, "malformed Parse message");
    } else {
        console_statement_add(session, &request, &error);
        request_parse_fini(&request);
    }
    if (error.sqlstate[0] != '\0')
        fail(session, &error);
    else
        empty_message(session, '1'); // ParseComplete
}

static void
bind_portal(struct console_session *session, const uint8_t *body, size_t length)
{
    struct bind_request request;
    struct console_error error = {0};

    if (!request_read_bind(body, length, &request)) {
        console_fail(&error, "08P01", NULL, "malformed Bind message");
    } else {
        console_portal_add(session, &request, &error);
        request_bind_fini(&request);
    }
    if (error.sqlstate[0] != '\0')
        fail(session, &error);
    else
        empty_message(session, '2'); // BindComplete
}

static void
describe_statement(struct console_session *session, const struct console_statement *statement)
{
    writer_begin(&session->output, 't'); // ParameterDescription
    writer_i16(&session->output, (int16_t)statement->parameter_count);
    for (size_t i = 0; i < statement->parameter_count; i++)
        writer_u32(&session->output, statement->types[i]);
    writer_end(&session->output);
    console_write_description(&session->output, statement->shape, NULL);
}

static void
describe(struct console_session *session, const uint8_t *body, size_t length)
{
    struct target_request request;
    struct console_error error = {0};

    if (!request_read_target(body, length, &request)) {
        console_fail(&error, "08P01", NULL, "malformed Describe message");
    } else if (request.kind == 'S') {
        struct console_statement *statement = console_statement_find(session, request.name, &error);

        if (statement != NULL)
            describe_statement(session, statement);
    } else {
        struct console_portal *portal = console_portal_find(session, request.name, &error);

        if (portal != NULL)
            console_write_description(&session->output,
                                      portal->is_empty ? NULL : portal->call.command->shape,
                                      &portal->formats);
    }
    if (error.sqlstate[0] != '\0')
        fail(session, &error);
}

static void
give_rows(struct console_session *session, struct console_portal *portal, int32_t row_limit)
{
    size_t limit = row_limit > 0 ? (size_t)row_limit : 0;

    if (portal->answer.shape != NULL)
        portal->next_row += console_write_rows(&session->output, &portal->answer, portal->next_row,
                                               limit, &portal->formats);
    if (portal->answer.shape != NULL && limit > 0 &&
        portal->next_row < answer_rows(&portal->answer))
        empty_message(session, 's'); // PortalSuspended
    else
        reply_write_command_complete(&session->output, portal->tag);
    console_send(session);
}

static void
execute(struct console_session *session, const uint8_t *body, size_t length)
{
    struct execute_request request;
    struct console_error error = {0};
    struct console_portal *portal = NULL;

    if (!request_read_execute(body, length, &request))
        console_fail(&error, "08P01", NULL, "malformed Execute message");
    else
        portal = console_portal_find(session, request.portal, &error);
    if (portal == NULL) {
        fail(session, &error);
    } else if (portal->is_empty) {
        empty_message(session, 'I'); // EmptyQueryResponse
    } else if (portal->is_run) {
        give_rows(session, portal, request.row_limit);
    } else {
        session->portal = portal;
        session->row_limit = request.row_limit;
        console_run_call(session, &portal->call);
    }
}

static void
portal_answered(struct console_session *session, struct console_portal *portal)
{
    session->portal = NULL;
    if (session->run.error.sqlstate[0] != '\0') {
        answer_fini(&session->run.answer);
        fail(session, &session->run.error);
        return;
    }
    console_write_notice(&session->output, &session->run.notice);
    portal->answer = session->run.answer;
    portal->is_run = true;
    snprintf(portal->tag, sizeof portal->tag, "%s", session->run.tag);
    give_rows(session, portal, session->row_limit);
}

void
console_answered(struct console_session *session)
{
    if (session->portal == NULL)
        simple_answered(session);
    else
        portal_answered(session, session->portal);
}

static void
close_object(struct console_session *session, const uint8_t *body, size_t length)
{
    struct target_request request;
    struct console_error error = {0};

    if (!request_read_target(body, length, &request)) {
        console_fail(&error, "08P01", NULL, "malformed Close message");
        fail(session, &error);
        return;
    }
    if (request.kind == 'S')
        console_statement_remove(session, request.name);
    else
        console_portal_remove(session, request.name);
    empty_message(session, '3'); // CloseComplete
}

static void
synchronize(struct console_session *session, const uint8_t *body, size_t length)
{
    (void)body;
    (void)length;
    session->is_skipping = false;
    console_portals_remove(session); // they end with the transaction that the Sync ends
    ready(session);
}

static void
flush(struct console_session *session, const uint8_t *body, size_t length)
{
    (void)body;
    (void)length;
    console_send(session);
}

static void
function_call(struct console_session *session, const uint8_t *body, size_t length)
{
    struct console_error error;

    (void)body;
    (void)length;
    console_fail(&error, "0A000", "SHOW HELP lists the commands.",
                 "the console calls no functions");
    simple_error(session, &error);
}

static void
terminate(struct console_session *session, const uint8_t *body, size_t length)
{
    (void)body;
    (void)length;
    console_stop(session);
}

static void
pass_over(struct console_session *session, const uint8_t *body, size_t length)
{
    (void)session;
    (void)body;
    (void)length;
}

static const struct handler {
    char type;
    bool is_skipped; // after an error, up to Sync
    void (*handle)(struct console_session *session, const uint8_t *body, size_t length);
} handlers[] = {
    {'Q', true, query},
    {'P', true, parse},
    {'B', true, bind_portal},
    {'D', true, describe},
    {'E', true, execute},
    {'C', true, close_object},
    {'H', true, flush},
    {'S', false, synchronize},
    {'F', true, function_call},
    {'X', false, terminate},
    // As PostgreSQL: the rest of a COPY that never began.
    {'d', true, pass_over},
    {'c', true, pass_over},
    {'f', true, pass_over},
};

void
console_message(struct console_session *session, char type, const uint8_t *body, size_t length)
{
    struct console_error error;

    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].type == type) {
            if (!session->is_skipping || !handlers[i].is_skipped)
                handlers[i].handle(session, body, length);
            return;
        }
    console_fail(&error, "08P01", NULL, "invalid frontend message type %d", (unsigned char)type);
    console_end(session, &error);
}

void
console_dialogue_fini(struct console_session *session)
{
    drop_queue(session);
    console_call_fini(&session->call);
    console_portals_remove(session);
    console_statements_remove(session);
}
