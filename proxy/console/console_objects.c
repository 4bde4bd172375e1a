// Prepared statements and portals of a console session: two short lists. A portal has its own copy of
// the call, so that it outlives its statement.
#include "proxy/console/console_objects.h"
#include "compare/sql/lexer.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25 };

static void
statement_free(struct console_statement *statement)
{
    if (statement == NULL)
        return;
    free(statement->name);
    free(statement->sql);
    free(statement->types);
    free(statement);
}

static void
portal_free(struct console_portal *portal)
{
    if (portal == NULL)
        return;
    free(portal->name);
    free(portal->formats.list);
    if (portal->is_run)
        answer_fini(&portal->answer);
    console_call_fini(&portal->call);
    free(portal);
}

struct console_statement *
console_statement_find(struct console_session *session, const char *name,
                       struct console_error *error)
{
    for (struct console_statement *at = session->statements; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    console_fail(error, "26000", NULL, "prepared statement \"%s\" does not exist", name);
    return NULL;
}

void
console_statement_remove(struct console_session *session, const char *name)
{
    for (struct console_statement **at = &session->statements; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0) {
            struct console_statement *gone = *at;

            *at = gone->next;
            statement_free(gone);
            return;
        }
}

void
console_statements_remove(struct console_session *session)
{
    while (session->statements != NULL)
        console_statement_remove(session, session->statements->name);
}

struct console_portal *
console_portal_find(struct console_session *session, const char *name, struct console_error *error)
{
    for (struct console_portal *at = session->portals; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    console_fail(error, "34000", NULL, "portal \"%s\" does not exist", name);
    return NULL;
}

void
console_portal_remove(struct console_session *session, const char *name)
{
    for (struct console_portal **at = &session->portals; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0) {
            struct console_portal *gone = *at;

            *at = gone->next;
            portal_free(gone);
            return;
        }
}

void
console_portals_remove(struct console_session *session)
{
    while (session->portals != NULL)
        console_portal_remove(session, session->portals->name);
}

struct single { // what a Parse holds: one statement at most
    const char *statement;
    size_t length;
    unsigned count;
};

static bool
take_single(void *context, const char *statement, size_t length)
{
    struct single *single = context;

    single->statement = statement;
    single->length = length;
    single->count++;
    return true;
}

// The statement's SQL understood, into `call`. *is_empty: there is none. False: the error says why.
static bool
understand(const char *sql, struct console_call *call, bool *is_empty, struct console_error *error)
{
    struct single single = {0};

    memset(call, 0, sizeof *call);
    if (!lexer_split(sql, strlen(sql), take_single, &single)) {
        console_fail(error, "42601", NULL, "the statement is not complete");
        return false;
    }
    if (single.count > 1) {
        console_fail(error, "42601", NULL,
                     "cannot insert multiple commands into a prepared statement");
        return false;
    }
    *is_empty = single.count == 0;
    if (*is_empty)
        return true;
    // What it found is no error of this session's yet.
    bool ok = console_parse(single.statement, single.length, call, error);

    if (ok)
        memset(error, 0, sizeof *error);
    return ok;
}

static bool
set_types(struct console_statement *statement, const struct parse_request *request,
          size_t parameter_count)
{
    statement->parameter_count =
        request->type_count > parameter_count ? request->type_count : parameter_count;
    statement->types = calloc(statement->parameter_count + 1, sizeof *statement->types);
    if (statement->types == NULL)
        return false;
    for (size_t i = 0; i < statement->parameter_count; i++) {
        uint32_t type = i < request->type_count ? request->types[i] : 0;

        statement->types[i] = type == 0 ? OID_TEXT : type;
    }
    return true;
}

static size_t
count_statements(const struct console_session *session)
{
    size_t count = 0;

    for (const struct console_statement *at = session->statements; at != NULL; at = at->next)
        count++;
    return count;
}

void
console_statement_add(struct console_session *session, const struct parse_request *request,
                      struct console_error *error)
{
    struct console_call call;
    bool is_empty;

    if (request->statement[0] == '\0') {
        console_statement_remove(session, "");
    } else {
        struct console_error missing;

        if (console_statement_find(session, request->statement, &missing) != NULL) {
            console_fail(error, "42P05", NULL, "prepared statement \"%s\" already exists",
                         request->statement);
            return;
        }
    }
    if (count_statements(session) >= CONSOLE_OBJECTS_MAX) {
        console_fail(error, "53400", "Close some.", "too many prepared statements");
        return;
    }
    if (!understand(request->sql, &call, &is_empty, error))
        return;

    struct console_statement *statement = calloc(1, sizeof *statement);

    if (statement != NULL) {
        statement->name = strdup(request->statement);
        statement->sql = strdup(request->sql);
        statement->is_empty = is_empty;
        statement->shape = is_empty ? NULL : call.command->shape;
    }
    if (statement == NULL || statement->name == NULL || statement->sql == NULL ||
        !set_types(statement, request, call.parameter_count)) {
        statement_free(statement);
        console_fail(error, "53200", NULL, "out of memory");
    } else {
        statement->next = session->statements;
        session->statements = statement;
    }
    console_call_fini(&call);
}

// The value as text: binary integers are written out, every other type's bytes are its text. NULL for
// SQL NULL, or without memory.
static char *
value_text(const struct bind_value *value, uint32_t type)
{
    size_t width = type == OID_INT8 ? 8 : type == OID_INT4 ? 4 : type == OID_INT2 ? 2 : 0;
    uint64_t number = 0;
    char text[24];

    if (value->bytes == NULL)
        return NULL;
    if (value->format != 1 || width == 0 || value->length != width)
        return strndup((const char *)value->bytes, value->length);
    for (size_t i = 0; i < width; i++)
        number = number << 8 | value->bytes[i];

    int64_t wide = width == 8   ? (int64_t)number
                   : width == 4 ? (int32_t)(uint32_t)number
                                : (int16_t)(uint16_t)number;

    snprintf(text, sizeof text, "%" PRId64, wide);
    return strdup(text);
}

static bool
put_values(struct console_portal *portal, const struct console_statement *statement,
           const struct bind_request *request)
{
    char **values = calloc(request->value_count + 1, sizeof *values);

    if (values == NULL)
        return false;
    for (size_t i = 0; i < request->value_count; i++)
        values[i] = value_text(&request->values[i], statement->types[i]);

    bool ok = console_call_bind(&portal->call, (const char *const *)values, request->value_count);

    for (size_t i = 0; i < request->value_count; i++)
        free(values[i]);
    free(values);
    return ok;
}

static bool
set_formats(struct console_portal *portal, const struct bind_request *request)
{
    portal->formats.list = calloc(request->result_format_count + 1, sizeof(int16_t));
    if (portal->formats.list == NULL)
        return false;
    portal->formats.count = request->result_format_count;
    if (portal->formats.count > 0)
        memcpy(portal->formats.list, request->result_formats,
               portal->formats.count * sizeof(int16_t));
    return true;
}

static bool
check_counts(const struct console_statement *statement, const struct bind_request *request,
             struct console_error *error)
{
    size_t columns = statement->shape == NULL ? 0 : statement->shape->count;

    if (request->value_count != statement->parameter_count)
        console_fail(error, "08P01", NULL,
                     "bind message supplies %zu parameters, but prepared statement \"%s\" requires "
                     "%zu",
                     request->value_count, statement->name, statement->parameter_count);
    else if (request->result_format_count > 1 && request->result_format_count != columns)
        console_fail(error, "08P01", NULL,
                     "bind message has %zu result formats but query has %zu columns",
                     request->result_format_count, columns);
    return error->sqlstate[0] == '\0';
}

void
console_portal_add(struct console_session *session, const struct bind_request *request,
                   struct console_error *error)
{
    struct console_statement *statement =
        console_statement_find(session, request->statement, error);
    struct console_portal *portal = NULL;
    struct console_error missing;

    if (statement == NULL)
        return;
    if (request->portal[0] == '\0') {
        console_portal_remove(session, "");
    } else if (console_portal_find(session, request->portal, &missing) != NULL) {
        console_fail(error, "42P03", NULL, "portal \"%s\" already exists", request->portal);
        return;
    }
    portal = calloc(1, sizeof *portal);
    if (portal == NULL || (portal->name = strdup(request->portal)) == NULL ||
        !set_formats(portal, request)) {
        portal_free(portal);
        console_fail(error, "53200", NULL, "out of memory");
        return;
    }
    if (!check_counts(statement, request, error) ||
        !understand(statement->sql, &portal->call, &portal->is_empty, error)) {
        portal_free(portal);
        return;
    }
    if (!put_values(portal, statement, request)) {
        portal_free(portal);
        console_fail(error, "53200", NULL, "out of memory");
        return;
    }
    portal->next = session->portals;
    session->portals = portal;
}
