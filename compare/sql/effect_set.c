// SET and RESET in all their forms, as a statement that sets the same for a session, whatever the
// transaction does; what cannot be read (an expression) is a setting whose value is not known.
#include "compare/sql/effect_list.h"
#include "compare/sql/lexer.h"
#include "compare/sql/quote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
interval_of(const struct effect_list *list)
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
set_value(struct effect_list *list, const PgQuery__VariableSetStmt *set)
{
    if (!quote_is_replayed(set->name))
        return;
    if (set->n_args == 0) {
        effect_list_unknown(list, set->name, set->is_local);
        return;
    }
    if (strcasecmp(set->name, "role") == 0 || strcasecmp(set->name, "session_authorization") == 0) {
        effect_list_set(list, set->name, role_of(set), set->is_local);
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
        effect_list_set(list, set->name, text_take(&text), set->is_local);
        return;
    }
    text_fini(&text);
    char *interval = interval_of(list);
    if (interval == NULL)
        effect_list_unknown(list, set->name, set->is_local);
    else
        effect_list_set(list, set->name, interval, set->is_local);
}

// SET SESSION CHARACTERISTICS AS TRANSACTION … sets default_transaction_*.
static void
set_characteristics(struct effect_list *list, const PgQuery__VariableSetStmt *set)
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
            effect_list_set(list, setting, text_take(&text), false);
        text_fini(&text);
        free(setting);
    }
}

void
effect_list_of_set(struct effect_list *list, const PgQuery__VariableSetStmt *set)
{
    switch (set->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
        set_value(list, set);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
        if (quote_is_replayed(set->name))
            effect_list_reset(list, set->name, set->is_local);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
        if (strcmp(set->name, "SESSION CHARACTERISTICS") == 0)
            set_characteristics(list, set);
        else if (strcmp(set->name, "TRANSACTION SNAPSHOT") == 0)
            effect_list_taint(list, "snapshot", true);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
        (void)effect_list_add(list, EFFECT_RESET_ALL, NULL, NULL);
        break;
    default: // FROM CURRENT changes nothing in a session
        break;
    }
}
