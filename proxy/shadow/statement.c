// Names to statements and portals in glibc's search trees: sessions hold from one to a few hundred.
// One thread, the session's.

#include "proxy/shadow/statement.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct statement *
statement_new(const struct parse_request *request, bool is_cut)
{
    struct statement *statement = calloc(1, sizeof(*statement));
    if (!statement)
        return NULL;
    statement->references = 1;
    statement->is_cut = is_cut;
    statement->name = strdup(request->statement);
    statement->sql = strdup(request->sql);
    statement->types = malloc((request->type_count ? request->type_count : 1) * sizeof(uint32_t));
    if (!statement->name || !statement->sql || !statement->types) {
        statement_unref(&statement);
        return NULL;
    }
    statement->type_count = request->type_count;
    if (request->type_count)
        memcpy(statement->types, request->types, request->type_count * sizeof(uint32_t));
    return statement;
}

struct statement *
statement_ref(struct statement *statement)
{
    statement->references++;
    return statement;
}

void
statement_unref(struct statement **statement)
{
    struct statement *gone = *statement;
    *statement = NULL;
    if (!gone || --gone->references > 0)
        return;
    for (enum side side = SIDE_OLD; side <= SIDE_NEW; side++)
        reply_columns_free(gone->columns[side].list, gone->columns[side].count);
    free(gone->name);
    free(gone->sql);
    free(gone->prepare);
    free(gone->types);
    free(gone->described);
    free(gone);
}

void
statement_set_described(struct statement *statement, const uint8_t *body, size_t length)
{
    uint32_t *types;
    size_t count;
    if (!reply_read_parameter_types(body, length, &types, &count))
        return;
    free(statement->described);
    statement->described = types;
    statement->described_count = count;
}

void
statement_set_columns(struct statement *statement, enum side side,
                      const struct reply_column *columns, size_t count)
{
    struct statement_columns *known = &statement->columns[side];
    if (known->list && known->count == count && reply_columns_are_same(known->list, columns, count))
        return;
    reply_columns_free(known->list, known->count);
    known->list = reply_columns_copy(columns, count);
    known->count = known->list ? count : 0;
}

static int
statement_order(const void *a, const void *b)
{
    return strcmp(((const struct statement *)a)->name, ((const struct statement *)b)->name);
}

static int
portal_order(const void *a, const void *b)
{
    return strcmp(((const struct portal *)a)->name, ((const struct portal *)b)->name);
}

static void
portal_free(void *node)
{
    struct portal *portal = node;
    statement_unref(&portal->statement);
    free(portal->name);
    free(portal->bind);
    free(portal);
}

static void
statement_drop(void *node)
{
    struct statement *statement = node;
    statement_unref(&statement);
}

bool
statements_put(void **statements, struct statement *statement)
{
    statements_remove(statements, statement->name);
    if (tsearch(statement, statements, statement_order))
        return true;
    statement_unref(&statement);
    return false;
}

struct statement *
statements_find(void *const *statements, const char *name)
{
    struct statement key = {.name = (char *)name};
    struct statement **found = tfind(&key, statements, statement_order);
    return found ? *found : NULL;
}

void
statements_remove(void **statements, const char *name)
{
    struct statement *statement = statements_find(statements, name);
    if (!statement)
        return;
    tdelete(statement, statements, statement_order);
    statement_unref(&statement);
}

void
statements_clear(void **statements)
{
    tdestroy(*statements, statement_drop);
    *statements = NULL;
}

struct portal *
portals_put(void **portals, const char *name, struct statement *statement, const uint8_t *bind,
            size_t bind_length)
{
    portals_remove(portals, name);
    struct portal *portal = calloc(1, sizeof(*portal));
    if (!portal)
        return NULL;
    portal->name = strdup(name);
    portal->bind = malloc(bind_length ? bind_length : 1);
    portal->statement = statement_ref(statement);
    if (!portal->name || !portal->bind || !tsearch(portal, portals, portal_order)) {
        portal_free(portal);
        return NULL;
    }
    memcpy(portal->bind, bind, bind_length);
    portal->bind_length = bind_length;
    return portal;
}

struct portal *
portals_find(void *const *portals, const char *name)
{
    struct portal key = {.name = (char *)name};
    struct portal **found = tfind(&key, portals, portal_order);
    return found ? *found : NULL;
}

void
portals_remove(void **portals, const char *name)
{
    struct portal *portal = portals_find(portals, name);
    if (!portal)
        return;
    tdelete(portal, portals, portal_order);
    portal_free(portal);
}

void
portals_clear(void **portals)
{
    tdestroy(*portals, portal_free);
    *portals = NULL;
}
