// Reads the values out of the parse tree. SET and set_config become a statement that sets the same for
// a session, whatever the transaction does; what cannot be read (a parameter, an expression) is a taint.
#include "compare/sql/effect.h"

#include "compare/sql/lexer.h"
#include "compare/sql/parse.h"
#include "compare/sql/quote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct list {
    struct effect *effects; // owned
    size_t count;
    bool has_failed;
    const char *sql; // the statement's text
    size_t length;
};

// Takes sql; copies name. Both may be NULL.
static struct effect *
add(struct list *list, enum effect_kind kind, const char *name, char *sql)
{
    struct effect *larger = reallocarray(list->effects, list->count + 1, sizeof(*list->effects));
    char *copy = name == NULL ? NULL : strdup(name);
    if (larger != NULL)
        list->effects = larger;
    if (larger == NULL || (name != NULL && copy == NULL)) {
        free(copy);
        free(sql);
        list->has_failed = true;
        return NULL;
    }
    larger[list->count] = (struct effect){.kind = kind, .name = copy, .sql = sql};
    return &larger[list->count++];
}

static void
add_taint(struct list *list, const char *what, bool is_local)
{
    struct effect *effect = add(list, EFFECT_TAINT, what, NULL);
    if (effect != NULL)
        effect->is_local = is_local;
}

static void
add_setting(struct list *list, const char *name, char *sql, bool is_local)
{
    if (sql == NULL) {
        list->has_failed = true;
        return;
    }
    bool is_role = strcasecmp(name, "role") == 0 || strcasecmp(name, "session_authorization") == 0;
    enum effect_kind kind = is_role ? EFFECT_SET_ROLE : is_local ? EFFECT_SET_LOCAL : EFFECT_SET;
    struct effect *effect = add(list, kind, name, sql);
    if (effect != NULL)
        effect->is_local = is_local;
}

static void
add_reset(struct list *list, const char *name, bool is_local)
{
    struct effect *effect = add(list, EFFECT_RESET, name, NULL);
    if (effect != NULL)
        effect->is_local = is_local;
}

static bool
add_value(struct text *text, const PgQuery__Node *node)
{
    char number[32];
    if (node->node_case != PG_QUERY__NODE__NODE_A_CONST)
        return false;
    switch (node->a_const->val_case) {
    case PG_QUERY__A__CONST__VAL_SVAL:
        text_add_literal(text, node->a_const->sval->sval);
        return true;
    case PG_QUERY__A__CONST__VAL_FVAL:
        text_add(text, node->a_const->fval->fval);
        return true;
    case PG_QUERY__A__CONST__VAL_IVAL:
        (void)snprintf(number, sizeof(number), "%d", node->a_const->ival->ival);
        text_add(text, number);
        return true;
    default:
        return false;
    }
}

// SET TIME ZONE INTERVAL '…' HOUR TO MINUTE: the text from INTERVAL on.
static char *
interval_of(const struct list *list)
{
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, list->sql, list->length);
    do
        lexer_next(&lexer, &token);
    while (token.kind != LEXER_END && !lexer_token_is(&token, "interval"));
    if (token.kind == LEXER_END)
        return NULL;
    const char *end = list->sql + list->length;
    const char *semicolon = memchr(token.text, ';', (size_t)(end - token.text));
    struct text text = {0};
    text_add(&text, "SET TIME ZONE ");
    text_add_bytes(&text, token.text, (size_t)((semicolon == NULL ? end : semicolon) - token.text));
    return text_take(&text);
}

static char *
role_of(const PgQuery__VariableSetStmt *set)
{
    const PgQuery__Node *node = set->args[0];
    if (node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL)
        return NULL;
    return quote_setting(set->name, node->a_const->sval->sval);
}

static void
set_value(struct list *list, const PgQuery__VariableSetStmt *set)
{
    if (!quote_is_replayed(set->name))
        return;
    if (set->n_args == 0) {
        add_taint(list, set->name, set->is_local);
        return;
    }
    if (strcasecmp(set->name, "role") == 0 || strcasecmp(set->name, "session_authorization") == 0) {
        add_setting(list, set->name, role_of(set), set->is_local);
        return;
    }
    struct text text = {0};
    text_add(&text, "SET ");
    text_add_setting(&text, set->name);
    text_add(&text, " TO ");
    bool is_read = true;
    for (size_t i = 0; i < set->n_args && is_read; i++) {
        text_add(&text, i == 0 ? "" : ", ");
        is_read = add_value(&text, set->args[i]);
    }
    if (is_read) {
        add_setting(list, set->name, text_take(&text), set->is_local);
        return;
    }
    text_fini(&text);
    char *interval = interval_of(list);
    if (interval == NULL)
        add_taint(list, set->name, set->is_local);
    else
        add_setting(list, set->name, interval, set->is_local);
}

// SET SESSION CHARACTERISTICS AS TRANSACTION … sets default_transaction_*.
static void
set_characteristics(struct list *list, const PgQuery__VariableSetStmt *set)
{
    for (size_t i = 0; i < set->n_args; i++) {
        const PgQuery__Node *node = set->args[i];
        if (node->node_case != PG_QUERY__NODE__NODE_DEF_ELEM || node->def_elem->arg == NULL)
            continue;
        struct text text = {0}, name = {0};
        text_add(&name, "default_");
        text_add(&name, node->def_elem->defname);
        char *setting = text_take(&name);
        if (setting == NULL) {
            list->has_failed = true;
            return;
        }
        text_add(&text, "SET ");
        text_add_setting(&text, setting);
        text_add(&text, " TO ");
        if (add_value(&text, node->def_elem->arg))
            add_setting(list, setting, text_take(&text), false);
        text_fini(&text);
        free(setting);
    }
}

static void
of_set(struct list *list, const PgQuery__VariableSetStmt *set)
{
    switch (set->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
        set_value(list, set);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
        if (quote_is_replayed(set->name))
            add_reset(list, set->name, set->is_local);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
        if (strcmp(set->name, "SESSION CHARACTERISTICS") == 0)
            set_characteristics(list, set);
        else if (strcmp(set->name, "TRANSACTION SNAPSHOT") == 0)
            add_taint(list, "snapshot", true);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
        (void)add(list, EFFECT_RESET_ALL, NULL, NULL);
        break;
    default: // FROM CURRENT changes nothing in a session
        break;
    }
}

static void
of_transaction(struct list *list, const PgQuery__TransactionStmt *transaction)
{
    static const enum effect_kind kinds[] = {
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN] = EFFECT_BEGIN,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START] = EFFECT_BEGIN,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT] = EFFECT_COMMIT,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK] = EFFECT_ROLLBACK,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT] = EFFECT_SAVEPOINT,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE] = EFFECT_RELEASE,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO] = EFFECT_ROLLBACK_TO,
        [PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE] = EFFECT_COMMIT,
    };
    size_t number = (size_t)transaction->kind;
    enum effect_kind kind = number < sizeof(kinds) / sizeof(kinds[0]) ? kinds[number] : EFFECT_NONE;
    if (kind == EFFECT_NONE)
        return;
    const char *name = transaction->savepoint_name[0] == '\0' ? NULL : transaction->savepoint_name;
    struct effect *effect = add(list, kind, name, NULL);
    if (effect != NULL)
        effect->is_chained = transaction->chain;
}

static void
of_discard(struct list *list, const PgQuery__DiscardStmt *discard)
{
    if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL)
        (void)add(list, EFFECT_DISCARD_ALL, NULL, NULL);
    else if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_TEMP)
        (void)add(list, EFFECT_DISCARD_TEMP, NULL, NULL);
    else if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_PLANS)
        (void)add(list, EFFECT_DISCARD_PLANS, NULL, NULL);
}

// The text behind AS: libpg_query gives no place for it.
static void
of_prepare(struct list *list, const PgQuery__PrepareStmt *prepare)
{
    struct lexer lexer;
    struct lexer_token token;
    size_t depth = 0;
    lexer_init(&lexer, list->sql, list->length);
    do {
        lexer_next(&lexer, &token);
        if (lexer_token_is(&token, "("))
            depth++;
        else if (lexer_token_is(&token, ")") && depth > 0)
            depth--;
    } while (token.kind != LEXER_END && (depth > 0 || !lexer_token_is(&token, "as")));
    struct text text = {0};
    size_t blanks = strspn(list->sql + lexer.at, " \t\r\n");
    text_add_bytes(&text, list->sql + lexer.at + blanks, list->length - lexer.at - blanks);
    char *sql = text_take(&text);
    list->has_failed = list->has_failed || sql == NULL;
    (void)add(list, EFFECT_PREPARE, prepare->name, sql);
}

static void
of_temporary(struct list *list, const PgQuery__RangeVar *relation)
{
    if (relation != NULL &&
        (relation->relpersistence[0] == 't' || strncmp(relation->schemaname, "pg_temp", 7) == 0))
        (void)add(list, EFFECT_TEMPORARY, relation->relname, NULL);
}

// A type, domain or function in pg_temp: nothing of it can be replayed.
static void
of_names(struct list *list, size_t count, PgQuery__Node *const *names)
{
    if (count > 1 && names[0]->node_case == PG_QUERY__NODE__NODE_STRING &&
        strncmp(names[0]->string->sval, "pg_temp", 7) == 0)
        add_taint(list, "temporary object", false);
}

static const char *
string_of(const PgQuery__Node *node)
{
    while (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST && node->type_cast->arg != NULL)
        node = node->type_cast->arg;
    return node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                   node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL
               ? node->a_const->sval->sval
               : NULL;
}

// true, false, 't', 'f'::bool; -1: not a literal.
static int
boolean_of(const PgQuery__Node *node)
{
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
        node->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL)
        return node->a_const->boolval->boolval ? 1 : 0;
    const char *string = string_of(node);
    if (string == NULL)
        return -1;
    return string[0] == 't' || string[0] == 'T' ? 1 : string[0] == 'f' || string[0] == 'F' ? 0 : -1;
}

static void
of_set_config(struct list *list, const PgQuery__FuncCall *call, bool is_certain)
{
    const char *name = call->n_args == 3 ? string_of(call->args[0]) : NULL;
    const char *value = call->n_args == 3 ? string_of(call->args[1]) : NULL;
    int is_local = call->n_args == 3 ? boolean_of(call->args[2]) : -1;
    if (name != NULL && !quote_is_replayed(name))
        return;
    if (name == NULL || value == NULL || is_local < 0 || !is_certain)
        add_taint(list, "set_config", is_local == 1);
    else
        add_setting(list, name, quote_setting(name, value), is_local == 1);
}

static void find_set_config(struct list *list, const ProtobufCMessage *message, bool is_certain);

static bool
is_set_config(const PgQuery__FuncCall *call)
{
    const PgQuery__Node *last = call->n_funcname == 0 ? NULL : call->funcname[call->n_funcname - 1];
    return last != NULL && last->node_case == PG_QUERY__NODE__NODE_STRING &&
           strcmp(last->string->sval, "set_config") == 0;
}

static void
find_in_field(struct list *list, const ProtobufCMessage *message,
              const ProtobufCFieldDescriptor *field, bool is_certain)
{
    const char *at = (const char *)message + field->offset;
    const void *quantifier = (const char *)message + field->quantifier_offset;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)quantifier != field->id)
        return;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        find_set_config(list, *(const ProtobufCMessage *const *)(const void *)at, is_certain);
        return;
    }
    const ProtobufCMessage *const *messages =
        *(const ProtobufCMessage *const *const *)(const void *)at;
    for (size_t i = 0; i < *(const size_t *)quantifier; i++)
        find_set_config(list, messages[i], is_certain);
}

// Certain to run once: in the output list of a SELECT with no FROM, WHERE and the like.
static void
find_set_config(struct list *list, const ProtobufCMessage *message, bool is_certain)
{
    if (message == NULL)
        return;
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (descriptor == &pg_query__func_call__descriptor) {
        const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)message;
        if (is_set_config(call))
            of_set_config(list, call, is_certain);
        is_certain = false;
    }
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            find_in_field(list, message, &descriptor->fields[i], is_certain);
}

static void
of_select(struct list *list, const PgQuery__SelectStmt *select)
{
    if (select->into_clause != NULL)
        of_temporary(list, select->into_clause->rel);
    // Looking through the whole tree is not needed where the name does not occur.
    if (strcasestr(list->sql, "set_config") == NULL)
        return;
    bool is_plain = select->n_from_clause == 0 && select->where_clause == NULL &&
                    select->having_clause == NULL && select->n_values_lists == 0 &&
                    select->op <= PG_QUERY__SET_OPERATION__SETOP_NONE &&
                    select->limit_count == NULL && select->limit_offset == NULL &&
                    select->with_clause == NULL;
    for (size_t i = 0; is_plain && i < select->n_target_list; i++) {
        const PgQuery__Node *node = select->target_list[i];
        const PgQuery__Node *value =
            node->node_case == PG_QUERY__NODE__NODE_RES_TARGET ? node->res_target->val : NULL;
        is_plain = value != NULL && value->node_case != PG_QUERY__NODE__NODE_CASE_EXPR &&
                   value->node_case != PG_QUERY__NODE__NODE_COALESCE_EXPR &&
                   value->node_case != PG_QUERY__NODE__NODE_SUB_LINK &&
                   value->node_case != PG_QUERY__NODE__NODE_BOOL_EXPR;
    }
    find_set_config(list, &select->base, is_plain);
}

static void
of_statement(struct list *list, const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        of_set(list, node->variable_set_stmt);
        break;
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        of_transaction(list, node->transaction_stmt);
        break;
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        of_select(list, node->select_stmt);
        break;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
        of_discard(list, node->discard_stmt);
        break;
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
        of_prepare(list, node->prepare_stmt);
        break;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        (void)add(list, EFFECT_EXECUTE, node->execute_stmt->name, NULL);
        break;
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
        if (node->deallocate_stmt->name[0] == '\0')
            (void)add(list, EFFECT_DEALLOCATE_ALL, NULL, NULL);
        else
            (void)add(list, EFFECT_DEALLOCATE, node->deallocate_stmt->name, NULL);
        break;
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        of_temporary(list, node->create_stmt->relation);
        break;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        of_temporary(list, node->view_stmt->view);
        break;
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        of_temporary(list, node->create_seq_stmt->sequence);
        break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        if (node->create_table_as_stmt->into != NULL)
            of_temporary(list, node->create_table_as_stmt->into->rel);
        break;
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
        of_temporary(list, node->composite_type_stmt->typevar);
        break;
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
        of_names(list, node->create_function_stmt->n_funcname,
                 node->create_function_stmt->funcname);
        break;
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        of_names(list, node->create_domain_stmt->n_domainname,
                 node->create_domain_stmt->domainname);
        break;
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        of_names(list, node->create_enum_stmt->n_type_name, node->create_enum_stmt->type_name);
        break;
    case PG_QUERY__NODE__NODE_LOAD_STMT:
        add_taint(list, "load", false);
        break;
    default:
        break;
    }
}

bool
effects_of(const char *sql, size_t length, struct effect **effects, size_t *count)
{
    *effects = NULL;
    *count = 0;
    PgQuery__ParseResult *tree;
    enum parse_status status = parse_sql(sql, length, &tree);
    if (status != PARSE_OK)
        return status != PARSE_NO_MEMORY;
    char *text = strndup(sql, length);
    struct list list = {.sql = text, .length = length, .has_failed = text == NULL};
    for (size_t i = 0; !list.has_failed && i < tree->n_stmts; i++)
        if (tree->stmts[i]->stmt != NULL)
            of_statement(&list, tree->stmts[i]->stmt);
    parse_free(&tree);
    free(text);
    if (list.has_failed) {
        effects_free(&list.effects, list.count);
        return false;
    }
    *effects = list.effects;
    *count = list.count;
    return true;
}

void
effects_free(struct effect **effects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((*effects)[i].name);
        free((*effects)[i].sql);
    }
    free(*effects);
    *effects = NULL;
}
