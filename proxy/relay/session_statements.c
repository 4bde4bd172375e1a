// The session's prepared statements, as old has them, so that a read by name can be put to new. Followed at
// the end of the units that prepare or close some; what is not known for sure is forgotten, and such a
// statement's reads are served by old.
#include "protocol/request.h"
#include "proxy/relay/session_parts.h"
#include "proxy/shadow/statement.h"
#include <string.h>

struct outcomes { // of the unit's Parses and Closes
    unsigned parsed, closed;
    struct capture_cursor descriptions; // where the next ParameterDescription is looked for
};

static bool
count_outcomes(const struct unit *unit, struct outcomes *outcomes)
{
    struct capture_cursor cursor;
    struct message message;
    enum capture_status status;
    *outcomes = (struct outcomes){0};
    capture_cursor_init(&cursor, &unit->reply);
    while ((status = capture_cursor_next(&cursor, &message)) == CAPTURE_MESSAGE) {
        outcomes->parsed += message.type == MESSAGE_SERVER_PARSE_COMPLETE;
        outcomes->closed += message.type == MESSAGE_SERVER_CLOSE_COMPLETE;
    }
    capture_cursor_fini(&cursor);
    return status == CAPTURE_END;
}

static bool
add(struct session *session, const struct message *message)
{
    struct parse_request parse;
    if (!request_read_parse(message->body, message->length, &parse)) {
        return false;
    }
    struct statement *statement = parse.statement[0] != '\0' ? statement_new(&parse, false) : NULL;
    bool is_fine = parse.statement[0] == '\0' ||
                   (statement && statements_put(&session->statements, statement));
    request_parse_fini(&parse);
    return is_fine;
}

// What old said of a statement's parameters; Describes are answered in their order.
static void
describe(struct session *session, const char *name, struct outcomes *outcomes)
{
    struct message message;
    struct statement *statement = statements_find(&session->statements, name);
    while (capture_cursor_next(&outcomes->descriptions, &message) == CAPTURE_MESSAGE) {
        if (message.type == MESSAGE_SERVER_PARAMETER_DESCRIPTION) {
            if (statement) {
                statement_set_described(statement, message.body, message.length);
            }
            return;
        }
    }
}

// In order, as far as old accepted them.
static bool
follow(struct session *session, const struct message *message, struct outcomes *outcomes)
{
    struct target_request target;
    if (message->type == MESSAGE_CLIENT_PARSE) {
        return outcomes->parsed-- > 0 && add(session, message);
    }
    if (message->type == MESSAGE_CLIENT_DESCRIBE) {
        if (!request_read_target(message->body, message->length, &target)) {
            return false;
        }
        if (target.kind == 'S') {
            describe(session, target.name, outcomes);
        }
    }
    if (message->type == MESSAGE_CLIENT_CLOSE) {
        if (outcomes->closed-- == 0 ||
            !request_read_target(message->body, message->length, &target)) {
            return false;
        }
        if (target.kind == 'S') {
            statements_remove(&session->statements, target.name);
        }
    }
    return true;
}

// A Query may drop statements by SQL.
static bool
drops_statements(const struct message *message)
{
    const char *sql;
    return message->type == MESSAGE_CLIENT_QUERY &&
           request_read_query(message->body, message->length, &sql) &&
           (strcasestr(sql, "deallocate") || strcasestr(sql, "discard"));
}

static bool
is_query(const struct unit *unit)
{
    const struct slice *first = unit->request.count > 0 ? &unit->request.slices[0] : NULL;
    return first && (first->chunk->bytes[first->offset] & ~UNIT_CUT) == MESSAGE_CLIENT_QUERY;
}

void
session_statements_follow(struct session *session, const struct unit *unit)
{
    struct outcomes outcomes = {0};
    struct capture_cursor cursor;
    struct message message;
    if (!unit->has_statements && (!session->statements || !is_query(unit))) {
        return;
    }
    bool is_known = !unit->is_request_cut;
    if (unit->has_statements) {
        is_known = is_known && !unit->is_reply_cut && count_outcomes(unit, &outcomes);
    }
    capture_cursor_init(&outcomes.descriptions, &unit->reply);
    capture_cursor_init(&cursor, &unit->request);
    while (is_known && capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        is_known = !drops_statements(&message);
        if (is_known && unit->has_statements && !follow(session, &message, &outcomes)) {
            break; // it failed here, and the rest was skipped
        }
    }
    capture_cursor_fini(&cursor);
    capture_cursor_fini(&outcomes.descriptions);
    if (!is_known) {
        statements_clear(&session->statements);
    }
}
