// The requests of a unit, one after the other, as the server did them: Parse and Bind fill the session's tables of
// statements and portals, each statement of a Query and each Execute is an execution (execution.h). What the
// server refused or passed over moves nothing. The session's shadow thread.

#include "proxy/shadow/mirror_requests.h"
#include "compare/sql/lexer.h"
#include "protocol/message.h"
#include "proxy/shadow/classify.h"
#include "proxy/shadow/encoding.h"
#include "proxy/shadow/execution.h"
#include "proxy/shadow/read.h"
#include <string.h>

struct query { // a Query's statements on their way
    struct mirror *mirror;
    const struct unit *unit;
    struct step *step;
    size_t number; // of the statement
    bool has_failed;
};

static bool
query_statement(void *context, const char *statement, size_t length)
{
    struct query *query = context;
    struct step *step = query->step;
    if (query->has_failed)
        return true; // the server passed it over
    struct result *result =
        query->number < step->result_count ? &step->results[query->number] : NULL;
    if (!result && step->outcome != STEP_UNKNOWN && step->outcome != STEP_UNANSWERED)
        return true;
    struct execution execution = {
        .sql = statement,
        .sql_length = length,
        .result = result,
        .is_unknown = step->outcome == STEP_UNKNOWN && !result,
    };
    query->has_failed = result && result->kind == RESULT_ERROR;
    query->number++;
    execution_run(query->mirror, query->unit, &execution);
    return true;
}

static bool
count_statement(void *context, const char *statement, size_t length)
{
    (void)statement;
    (void)length;
    ++*(size_t *)context;
    return true;
}

// A Query fails as a whole when it does not parse, whichever of its statements is at fault.
static bool
failed_to_parse(const struct step *step)
{
    return step->result_count == 1 && step->results[0].kind == RESULT_ERROR &&
           strncmp(step->results[0].sqlstate, "42601", 5) == 0;
}

static void
take_query(struct mirror *mirror, const struct unit *unit, struct step *step)
{
    const char *body = (const char *)step->body;
    struct encoded text;
    encoding_read(&text, state_client_encoding(mirror->state), body,
                  step->is_cut ? step->length : strnlen(body, step->length));
    const char *sql = text.text;
    size_t length = text.length;
    struct query query = {.mirror = mirror, .unit = unit, .step = step};
    statements_remove(&mirror->statements, "");
    portals_remove(&mirror->portals, "");
    if (step->outcome == STEP_SKIPPED)
        goto done;
    if (step->is_cut && step->result_count > 1)
        mirror_lose(mirror, "a Query of several statements was over shadow.max_request");
    size_t count = 0;
    bool is_split = !step->is_cut && !failed_to_parse(step) &&
                    lexer_split(sql, length, count_statement, &count);
    if (is_split && count > 0)
        lexer_split(sql, length, query_statement, &query);
    else if (!is_split)
        query_statement(&query, sql, length);
    // Of a text that is cut the results tell what the others were.
    while (step->is_cut && query.number < step->result_count && !query.has_failed)
        query_statement(&query, sql, length);
done:
    encoding_fini(&text);
}

static void
take_parse(struct mirror *mirror, const struct step *step)
{
    struct parse_request request;
    if (step->outcome != STEP_COMPLETED && step->outcome != STEP_UNKNOWN)
        return;
    if (step->is_cut || !request_read_parse(step->body, step->length, &request)) {
        const char *name = (const char *)step->body;
        request = (struct parse_request){
            .statement = strnlen(name, step->length) < step->length ? name : "", .sql = ""};
        struct statement *cut = statement_new(&request, true);
        if (cut)
            statements_put(&mirror->statements, cut);
        return;
    }
    struct encoded text;
    encoding_read(&text, state_client_encoding(mirror->state), request.sql, strlen(request.sql));
    request.sql = text.text;
    struct statement *statement = statement_new(&request, false);
    if (!statement || !statements_put(&mirror->statements, statement))
        mirror_lose(mirror, "no memory for a prepared statement");
    encoding_fini(&text);
    request_parse_fini(&request);
}

static void
take_bind(struct mirror *mirror, const struct step *step)
{
    const char *portal = (const char *)step->body;
    size_t portal_length = strnlen(portal, step->length);
    if ((step->outcome != STEP_COMPLETED && step->outcome != STEP_UNKNOWN) ||
        portal_length == step->length)
        return;
    const char *name = portal + portal_length + 1;
    size_t rest = step->length - portal_length - 1;
    struct statement *statement =
        strnlen(name, rest) < rest ? statements_find(&mirror->statements, name) : NULL;
    struct portal *put =
        statement ? portals_put(&mirror->portals, portal, statement, step->body, step->length)
                  : NULL;
    if (put)
        put->is_cut = step->is_cut;
    else
        portals_remove(&mirror->portals, portal);
}

static void
take_describe(struct mirror *mirror, const struct unit *unit, const struct step *step)
{
    struct target_request target;
    if (step->is_cut || !request_read_target(step->body, step->length, &target))
        return;
    struct statement *statement = NULL;
    if (target.kind == 'S') {
        statement = statements_find(&mirror->statements, target.name);
    } else {
        struct portal *portal = portals_find(&mirror->portals, target.name);
        statement = portal ? portal->statement : NULL;
    }
    if (statement && step->parameters)
        statement_set_described(statement, step->parameters, step->parameters_length);
    if (statement && step->result_count > 0 && step->results[0].has_columns)
        statement_set_columns(statement, unit->route == UNIT_ROUTE_NEW ? SIDE_NEW : SIDE_OLD,
                              step->results[0].columns, step->results[0].column_count);
}

// What is no read and has no effect on the session's state, as far as its command tag tells.
static bool
is_tag_of_data(const char *tag)
{
    static const char *const tags[] = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "FETCH"};
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
        if (strncmp(tag, tags[i], strlen(tags[i])) == 0)
            return true;
    return false;
}

// An Execute of a portal that we know nothing of: a cursor's, or its Parse was too large.
static void
execute_unknown(struct mirror *mirror, const struct unit *unit, struct step *step,
                enum skip_reason skip)
{
    struct result *result = step->result_count ? &step->results[0] : NULL;
    bool is_read = classify_is_read(NULL, "", 0, result ? result->tag : NULL);
    if (!is_read && result && result->tag && !is_tag_of_data(result->tag)) {
        mirror_lose(mirror, "a statement that changes state was not at hand");
        mirror->has_ddl = mirror->has_made_keepers = true; // as far as is known
    }
    struct read_facts facts = {.unit = unit, .sql = "", .result = result, .skip = skip};
    if (is_read)
        read_begin(mirror, &facts);
    else
        books_other(&mirror->at->database->books);
    mirror->has_written = mirror->has_written || !is_read;
}

static void
take_execute(struct mirror *mirror, const struct unit *unit, struct step *step)
{
    struct execute_request request;
    if (step->outcome == STEP_SKIPPED || step->is_cut ||
        !request_read_execute(step->body, step->length, &request))
        return;
    struct portal *portal = portals_find(&mirror->portals, request.portal);
    if (!portal || portal->statement->is_cut || portal->statement->has_unknown_type) {
        bool is_cut = portal && portal->statement->is_cut;
        execute_unknown(mirror, unit, step, is_cut ? SKIP_REQUEST_SIZE : SKIP_SESSION_STATE);
        return;
    }
    if (portal->is_begun && step->result_count && step->results[0].kind == RESULT_ROWS)
        step->results[0].kind = RESULT_PARTIAL; // the rest of a portal that was run in parts
    bool may_be_partial =
        step->outcome == STEP_UNKNOWN && (portal->is_begun || request.row_limit != 0);
    portal->is_begun = true;
    struct execution execution = {
        .sql = portal->statement->sql,
        .sql_length = strlen(portal->statement->sql),
        .statement = portal->statement,
        .bind = portal->is_cut ? NULL : portal->bind,
        .bind_length = portal->is_cut ? 0 : portal->bind_length,
        .is_cut = portal->is_cut,
        .result = step->result_count ? &step->results[0] : NULL,
        .is_unknown = step->outcome == STEP_UNKNOWN,
        .may_be_partial = may_be_partial,
    };
    execution_run(mirror, unit, &execution);
}

static void
take_close(struct mirror *mirror, const struct step *step)
{
    struct target_request target;
    if (step->is_cut || step->outcome == STEP_SKIPPED ||
        !request_read_target(step->body, step->length, &target))
        return;
    if (target.kind == 'S')
        statements_remove(&mirror->statements, target.name);
    else
        portals_remove(&mirror->portals, target.name);
}

static void
take_function_call(struct mirror *mirror)
{
    mirror->has_written = true;
    books_other(&mirror->at->database->books);
}

void
mirror_take_step(struct mirror *mirror, const struct unit *unit, struct step *step)
{
    switch (step->type) {
    case MESSAGE_CLIENT_QUERY:
        take_query(mirror, unit, step);
        break;
    case MESSAGE_CLIENT_PARSE:
        take_parse(mirror, step);
        break;
    case MESSAGE_CLIENT_BIND:
        take_bind(mirror, step);
        break;
    case MESSAGE_CLIENT_DESCRIBE:
        take_describe(mirror, unit, step);
        break;
    case MESSAGE_CLIENT_EXECUTE:
        take_execute(mirror, unit, step);
        break;
    case MESSAGE_CLIENT_CLOSE:
        take_close(mirror, step);
        break;
    case MESSAGE_CLIENT_FUNCTION_CALL:
        take_function_call(mirror);
        break;
    default:
        break;
    }
}
