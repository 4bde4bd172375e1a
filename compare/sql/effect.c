// Reads the values out of the parse tree, statement by statement: which effects there are is told here, what
// SET, set_config and DDL say in the files beside this one.
#include "compare/sql/effect_list.h"
#include "compare/sql/lexer.h"
#include "compare/sql/quote.h"
#include "compare/type.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct effect *
effect_list_add(struct effect_list *list, enum effect_kind kind, const char *name, char *sql)
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

void
effect_list_taint(struct effect_list *list, const char *what, bool is_local)
{
    struct effect *effect = effect_list_add(list, EFFECT_TAINT, what, NULL);
    if (effect != NULL)
        effect->is_local = is_local;
}

static void
add_setting(struct effect_list *list, const char *name, char *sql, bool is_local)
{
    bool is_role = strcasecmp(name, "role") == 0 || strcasecmp(name, "session_authorization") == 0;
    enum effect_kind kind = is_role ? EFFECT_SET_ROLE : is_local ? EFFECT_SET_LOCAL : EFFECT_SET;
    struct effect *effect = effect_list_add(list, kind, name, sql);
    if (effect != NULL)
        effect->is_local = is_local;
}

void
effect_list_set(struct effect_list *list, const char *name, char *sql, bool is_local)
{
    if (sql == NULL)
        list->has_failed = true;
    else
        add_setting(list, name, sql, is_local);
}

void
effect_list_unknown(struct effect_list *list, const char *name, bool is_local)
{
    add_setting(list, name, NULL, is_local);
}

void
effect_list_reset(struct effect_list *list, const char *name, bool is_local)
{
    struct effect *effect = effect_list_add(list, EFFECT_RESET, name, NULL);
    if (effect != NULL)
        effect->is_local = is_local;
}

static void
of_transaction(struct effect_list *list, const PgQuery__TransactionStmt *transaction)
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
    struct effect *effect = effect_list_add(list, kind, name, NULL);
    if (effect != NULL)
        effect->is_chained = transaction->chain;
}

static void
of_discard(struct effect_list *list, const PgQuery__DiscardStmt *discard)
{
    if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL)
        (void)effect_list_add(list, EFFECT_DISCARD_ALL, NULL, NULL);
    else if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_TEMP)
        (void)effect_list_add(list, EFFECT_DISCARD_TEMP, NULL, NULL);
    else if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_PLANS)
        (void)effect_list_add(list, EFFECT_DISCARD_PLANS, NULL, NULL);
}

// Of a built-in type by its name, arrays included; 0: it is none.
static uint32_t
type_of(const PgQuery__Node *node)
{
    const PgQuery__TypeName *type =
        node->node_case == PG_QUERY__NODE__NODE_TYPE_NAME ? node->type_name : NULL;
    const PgQuery__Node *last =
        type == NULL || type->n_names == 0 ? NULL : type->names[type->n_names - 1];
    if (last == NULL || last->node_case != PG_QUERY__NODE__NODE_STRING || type->pct_type ||
        (type->n_names > 1 && strcmp(type->names[0]->string->sval, "pg_catalog") != 0))
        return 0;
    return type_find(last->string->sval, type->n_array_bounds > 0);
}

static void
note_types(struct effect_list *list, struct effect *effect, const PgQuery__PrepareStmt *prepare)
{
    effect->types = calloc(prepare->n_argtypes + 1, sizeof(*effect->types));
    if (effect->types == NULL) {
        list->has_failed = true;
        return;
    }
    effect->type_count = prepare->n_argtypes;
    for (size_t i = 0; i < prepare->n_argtypes; i++) {
        effect->types[i] = type_of(prepare->argtypes[i]);
        effect->has_unknown_type = effect->has_unknown_type || effect->types[i] == 0;
    }
}

// The text behind AS: libpg_query gives no place for it.
static void
of_prepare(struct effect_list *list, const PgQuery__PrepareStmt *prepare)
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
    struct effect *effect = effect_list_add(list, EFFECT_PREPARE, prepare->name, sql);
    if (effect != NULL)
        note_types(list, effect, prepare);
}

static void
of_deallocate(struct effect_list *list, const PgQuery__DeallocateStmt *deallocate)
{
    if (deallocate->name[0] == '\0')
        (void)effect_list_add(list, EFFECT_DEALLOCATE_ALL, NULL, NULL);
    else
        (void)effect_list_add(list, EFFECT_DEALLOCATE, deallocate->name, NULL);
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Is `at` where a statement of a body begins? (In UPDATE … SET it is a name that stands before.)
static bool
begins_statement(const char *body, const char *at)
{
    static const char *const words[] = {"begin", "then", "else", "loop"};
    while (at > body && strchr(" \t\r\n", at[-1]) != NULL)
        at--;
    if (at == body || !is_letter(at[-1]))
        return true;
    const char *end = at;
    while (at > body && is_letter(at[-1]))
        at--;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == (size_t)(end - at) &&
            strncasecmp(words[i], at, (size_t)(end - at)) == 0)
            return true;
    return false;
}

static bool
has_statement(const char *body, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strcasestr(body, word); at != NULL; at = strcasestr(at + 1, word))
        if (!is_letter(at[length]) && begins_statement(body, at))
            return true;
    return false;
}

// As a word of its own: not within "temperature".
static bool
has_word(const char *body, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strcasestr(body, word); at != NULL; at = strcasestr(at + 1, word))
        if ((at == body || strchr(" \t\r\n", at[-1]) != NULL) && at[length] != '\0' &&
            strchr(" \t\r\n", at[length]) != NULL)
            return true;
    return false;
}

bool
effect_is_temporary_schema(const char *schema)
{
    return strncmp(schema, "pg_temp", 7) == 0;
}

bool
effect_body_leaves(const char *body)
{
    return strcasestr(body, "set_config") != NULL || has_statement(body, "set") ||
           has_statement(body, "reset") || has_word(body, "temp") || has_word(body, "temporary") ||
           strcasestr(body, "pg_temp") != NULL;
}

// What a DO block does is not followed.
static void
of_do(struct effect_list *list)
{
    if (effect_body_leaves(list->sql))
        effect_list_taint(list, "do", false);
}

static void
of_statement(struct effect_list *list, const PgQuery__Node *node)
{
    if (effect_list_of_names(list, node)) {
        if (node->node_case == PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT)
            effect_list_of_calls(list, node);
        return;
    }
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        effect_list_of_set(list, node->variable_set_stmt);
        break;
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        of_transaction(list, node->transaction_stmt);
        break;
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        effect_list_of_into(list, node->select_stmt->into_clause);
        effect_list_of_configs(list, node->select_stmt);
        break;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
        of_discard(list, node->discard_stmt);
        break;
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
        of_prepare(list, node->prepare_stmt);
        break;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        (void)effect_list_add(list, EFFECT_EXECUTE, node->execute_stmt->name, NULL);
        break;
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
        of_deallocate(list, node->deallocate_stmt);
        break;
    case PG_QUERY__NODE__NODE_DO_STMT:
        of_do(list);
        break;
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
        break; // what it calls runs when it is fetched from
    case PG_QUERY__NODE__NODE_LOAD_STMT:
        effect_list_taint(list, "load", false);
        break;
    default:
        effect_list_of_calls(list, node);
    }
}

bool
effects_of_parsed(struct parsed *parsed, const struct effect_facts *facts, struct effect **effects,
                  size_t *count)
{
    *effects = NULL;
    *count = 0;
    enum parse_status status = parse_once(parsed);
    if (status != PARSE_OK)
        return status != PARSE_NO_MEMORY;
    const PgQuery__ParseResult *root = parsed->tree.root;
    char *text = strndup(parsed->sql, parsed->length);
    const struct effect_facts nothing = {0};
    struct effect_list list = {.sql = text,
                               .length = parsed->length,
                               .has_failed = text == NULL,
                               .facts = facts == NULL ? &nothing : facts};
    for (size_t i = 0; !list.has_failed && i < root->n_stmts; i++)
        if (root->stmts[i]->stmt != NULL)
            of_statement(&list, root->stmts[i]->stmt);
    free(text);
    if (list.has_failed) {
        effects_free(&list.effects, list.count);
        return false;
    }
    *effects = list.effects;
    *count = list.count;
    return true;
}

bool
effects_of(const char *sql, size_t length, const struct effect_facts *facts,
           struct effect **effects, size_t *count)
{
    *effects = NULL;
    *count = 0;
    struct parsed *parsed = parsed_new(sql, length);
    bool is_done = parsed != NULL && effects_of_parsed(parsed, facts, effects, count);
    parsed_free(&parsed);
    return is_done;
}

void
effects_free(struct effect **effects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((*effects)[i].name);
        free((*effects)[i].sql);
        free((*effects)[i].types);
    }
    free(*effects);
    *effects = NULL;
}
