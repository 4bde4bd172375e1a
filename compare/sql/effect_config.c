// set_config in a statement. In a SELECT its name, value and scope are literals, parameters of the execution, or what the
// answer shows of them: set_config returns the value that it has set. What cannot be told is a setting whose
// value is not known, and without its name a taint.
#include "compare/sql/effect_list.h"
#include "compare/sql/quote.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Where a call stands.
struct place {
    const struct effect_value *shown; // its value in the answer; NULL: the answer does not show it
    bool is_certain;                  // it ran, and it was the last to run
};

static const PgQuery__Node *
without_casts(const PgQuery__Node *node)
{
    while (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST && node->type_cast->arg != NULL)
        node = node->type_cast->arg;
    return node;
}

static const char *
string_of(const PgQuery__Node *node)
{
    node = without_casts(node);
    return node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                   node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL
               ? node->a_const->sval->sval
               : NULL;
}

static bool
is_null(const PgQuery__Node *node)
{
    node = without_casts(node);
    return node->node_case == PG_QUERY__NODE__NODE_A_CONST && node->a_const->isnull;
}

static const struct effect_value *
parameter_of(const struct effect_list *list, const PgQuery__Node *node)
{
    if (node->node_case != PG_QUERY__NODE__NODE_PARAM_REF || node->param_ref->number < 1)
        return NULL;
    size_t at = (size_t)node->param_ref->number - 1;
    const struct effect_value *value =
        at < list->facts->parameter_count ? &list->facts->parameters[at] : NULL;
    return value != NULL && value->is_known ? value : NULL;
}

// A copy as a string; NULL: not known, SQL NULL, or no memory.
static char *
copy_of(const struct effect_value *value)
{
    return value == NULL || !value->is_known || value->is_null
               ? NULL
               : strndup(value->bytes, value->length);
}

static int
boolean_of_text(const char *text, size_t length)
{
    if (length == 1 && (text[0] == 0 || text[0] == 1)) // binary
        return text[0];
    if (length == 0)
        return -1;
    if (strchr("tTyY1", text[0]) != NULL || (length > 1 && strncasecmp(text, "on", 2) == 0))
        return 1;
    return strchr("fFnN0oO", text[0]) != NULL ? 0 : -1;
}

// true, false, 't', 'f'::bool, $1; -1: not known.
static int
boolean_of(const struct effect_list *list, const PgQuery__Node *node)
{
    const PgQuery__Node *bare = without_casts(node);
    if (bare->node_case == PG_QUERY__NODE__NODE_A_CONST &&
        bare->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL)
        return bare->a_const->boolval->boolval ? 1 : 0;
    const char *string = string_of(node);
    if (string != NULL)
        return boolean_of_text(string, strlen(string));
    const struct effect_value *value = parameter_of(list, bare);
    return value == NULL || value->is_null ? -1 : boolean_of_text(value->bytes, value->length);
}

static void
of_value(struct effect_list *list, const char *name, const PgQuery__Node *node,
         const struct place *place, bool is_local)
{
    const char *literal = node->node_case == PG_QUERY__NODE__NODE_A_CONST ? string_of(node) : NULL;
    const struct effect_value *given = parameter_of(list, node);
    if (!place->is_certain) {
        effect_list_unknown(list, name, is_local);
        return;
    }
    if (is_null(node) || (given != NULL && given->is_null)) {
        effect_list_reset(list, name, is_local);
        return;
    }
    char *value = literal != NULL ? strdup(literal) : copy_of(given != NULL ? given : place->shown);
    if (value == NULL && string_of(node) != NULL) // a literal behind a cast, and no answer
        value = strdup(string_of(node));
    if (value == NULL)
        effect_list_unknown(list, name, is_local);
    else
        effect_list_set(list, name, quote_setting(name, value), is_local);
    free(value);
}

static void
of_call(struct effect_list *list, const PgQuery__FuncCall *call, const struct place *place)
{
    if (call->n_args != 3) {
        effect_list_taint(list, "set_config", false);
        return;
    }
    const PgQuery__Node *first = without_casts(call->args[0]);
    char *name =
        string_of(first) != NULL ? strdup(string_of(first)) : copy_of(parameter_of(list, first));
    int is_local = boolean_of(list, call->args[2]);
    if (name == NULL)
        effect_list_taint(list, "set_config", is_local == 1);
    else if (!quote_is_replayed(name))
        (void)effect_list_add(list, EFFECT_NONE, NULL, NULL);
    else if (is_local < 0)
        effect_list_unknown(list, name, false);
    else
        of_value(list, name, call->args[1], place, is_local == 1);
    free(name);
}

static bool
is_set_config(const PgQuery__FuncCall *call)
{
    const char *name = parse_called(call);
    return name != NULL && strcmp(name, "set_config") == 0;
}

static void
note_call(void *context, const ProtobufCMessage *message)
{
    static const struct place anywhere = {NULL, false};
    if (message->descriptor == &pg_query__func_call__descriptor &&
        is_set_config((const PgQuery__FuncCall *)message))
        of_call(context, (const PgQuery__FuncCall *)message, &anywhere);
}

// Calls anywhere: whether they ran, and in which order, cannot be told.
static void
find_calls(struct effect_list *list, const ProtobufCMessage *message)
{
    parse_each(message, note_call, list);
}

// Looking through the whole tree is not needed where the name does not occur.
static bool
may_call(const struct effect_list *list)
{
    return strcasestr(list->sql, "set_config") != NULL;
}

void
effect_list_of_calls(struct effect_list *list, const PgQuery__Node *node)
{
    if (may_call(list))
        find_calls(list, &node->base);
}

// Its output list is evaluated once a row of the answer, in their order.
static bool
is_plain(const struct effect_list *list, const PgQuery__SelectStmt *select)
{
    bool is_bare = select->n_from_clause == 0 && select->where_clause == NULL;
    return select->having_clause == NULL && select->n_values_lists == 0 &&
           select->op <= PG_QUERY__SET_OPERATION__SETOP_NONE && select->limit_count == NULL &&
           select->limit_offset == NULL && select->with_clause == NULL &&
           select->n_group_clause == 0 && select->n_sort_clause == 0 &&
           select->n_distinct_clause == 0 && select->into_clause == NULL &&
           (is_bare || list->facts->has_answer);
}

// One of the output list: the call itself is certain; within another call it is not looked for further.
static void
of_target(struct effect_list *list, const PgQuery__Node *value, const struct effect_value *shown)
{
    const PgQuery__Node *bare = value == NULL ? NULL : without_casts(value);
    struct place place = {bare == value ? shown : NULL, true};
    if (bare == NULL)
        return;
    if (bare->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && is_set_config(bare->func_call)) {
        of_call(list, bare->func_call, &place);
        for (size_t i = 0; i < bare->func_call->n_args; i++)
            find_calls(list, &bare->func_call->args[i]->base);
    } else {
        find_calls(list, &bare->base);
    }
}

void
effect_list_of_configs(struct effect_list *list, const PgQuery__SelectStmt *select)
{
    const struct effect_facts *facts = list->facts;
    if (!may_call(list))
        return;
    if (!is_plain(list, select)) {
        find_calls(list, &select->base);
        return;
    }
    if (select->n_from_clause > 0 || select->where_clause != NULL) {
        for (size_t i = 0; i < select->n_from_clause; i++)
            find_calls(list, &select->from_clause[i]->base);
        if (select->where_clause != NULL)
            find_calls(list, &select->where_clause->base);
        if (facts->row_count == 0) { // of the output list nothing ran
            (void)effect_list_add(list, EFFECT_NONE, NULL, NULL);
            return;
        }
    }
    bool shows = facts->row != NULL && facts->row_width == select->n_target_list;
    for (size_t i = 0; i < select->n_target_list; i++) {
        const PgQuery__Node *node = select->target_list[i];
        if (node->node_case == PG_QUERY__NODE__NODE_RES_TARGET)
            of_target(list, node->res_target->val, shows ? &facts->row[i] : NULL);
    }
}
