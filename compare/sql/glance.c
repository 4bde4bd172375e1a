// Goes through the tokens once. What leaves something in its session has a name that functions.tbl knows, or is reached
// through something of a user's: a function, and what can call one unseen (a view, a table with row security, a type, an
// operator). Few databases have any that does so (catalog_has_keepers); in the others, users' names are not looked at.

#include "compare/sql/glance.h"
#include "compare/sql/catalog_data.h"
#include "compare/sql/effect.h"
#include "compare/sql/known_function.h"
#include "compare/sql/lexer.h"
#include "compare/sql/parse.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { NAME_SIZE = 64 }; // NAMEDATALEN

// As the catalogs have it: folded, or without its quotes. False: it may be none of theirs.
static bool
name_of(const struct lexer_token *token, char name[NAME_SIZE])
{
    bool is_quoted = token->kind == LEXER_QUOTED_WORD;
    size_t used = 0;
    if (token->length >= NAME_SIZE || (is_quoted && token->text[0] != '"'))
        return false; // U&"…"
    for (size_t i = is_quoted; i + is_quoted < token->length; i++) {
        if (is_quoted && token->text[i] == '"')
            i++;
        name[used++] = is_quoted ? token->text[i] : (char)tolower((unsigned char)token->text[i]);
    }
    name[used] = '\0';
    return true;
}

static bool
names_users_function(const struct catalog *catalog, const char *name)
{
    const struct catalog_function *functions;
    size_t count = catalog_functions_named(catalog, name, &functions);
    bool is_users = false;
    for (size_t i = 0; i < count; i++)
        is_users = is_users || functions[i].oid >= CATALOG_FIRST_USER_OID;
    return is_users;
}

static bool
names_relation_with_code(const struct catalog *catalog, const char *name)
{
    const struct catalog_relation *relations;
    size_t count = catalog_relations_named(catalog, name, &relations);
    bool has_code = false;
    for (size_t i = 0; i < count; i++)
        has_code = has_code || relations[i].kind == 'v' || relations[i].has_row_security;
    return has_code;
}

static bool
is_row_type(const struct catalog *catalog, const struct catalog_type *type)
{
    const struct catalog_relation *relation =
        type->relation == 0 ? NULL : catalog_relation_of(catalog, type->relation);
    return relation != NULL && relation->kind != 'c';
}

static bool
names_users_type(const struct catalog *catalog, const char *name)
{
    const struct catalog_type *types;
    size_t count = catalog_types_named(catalog, name, &types);
    bool is_users = false;
    for (size_t i = 0; i < count; i++)
        is_users = is_users ||
                   (types[i].oid >= CATALOG_FIRST_USER_OID && !is_row_type(catalog, &types[i]));
    return is_users;
}

static bool
names_users_operator(const struct catalog *catalog, const char *name)
{
    const struct catalog_operator *operators;
    size_t count = catalog_operators_named(catalog, name, &operators);
    bool is_users = false;
    for (size_t i = 0; i < count; i++)
        is_users = is_users || operators[i].function >= CATALOG_FIRST_USER_OID ||
                   operators[i].restriction >= CATALOG_FIRST_USER_OID ||
                   operators[i].join >= CATALOG_FIRST_USER_OID;
    return is_users;
}

static bool
is_users(const struct lexer_token *token, const char *name, const struct catalog *catalog)
{
    if (token->kind == LEXER_OPERATOR)
        return names_users_operator(catalog, name);
    return names_users_function(catalog, name) || names_relation_with_code(catalog, name) ||
           names_users_type(catalog, name);
}

static bool
may_leave_something(const struct lexer_token *token, const struct catalog *catalog)
{
    char name[NAME_SIZE];
    bool is_name = token->kind == LEXER_WORD || token->kind == LEXER_QUOTED_WORD;
    bool has_keepers = catalog != NULL && catalog_has_keepers(catalog);
    if (!is_name && !(has_keepers && token->kind == LEXER_OPERATOR))
        return false;
    if (!name_of(token, name))
        return true;
    return (is_name && known_function_keeps(name)) ||
           (has_keepers && is_users(token, name, catalog));
}

static bool
may_be_temporary(const struct lexer_token *token)
{
    char name[NAME_SIZE];
    if (token->kind != LEXER_WORD && token->kind != LEXER_QUOTED_WORD)
        return false;
    return lexer_token_is(token, "TEMP") || lexer_token_is(token, "TEMPORARY") ||
           !name_of(token, name) || effect_is_temporary_schema(name);
}

// A statement by its first word. In no row is what an analysis would say something else of: SET, BEGIN, EXECUTE, DO.
struct form {
    const char *word;
    enum glance_kind kind;
    bool makes_by_into;    // a relation, which may be a temporary one
    const char *doubts[5]; // with one of these it is something else; NULL ends them
};

static const struct form *
form_of(const char *sql, size_t length)
{
    static const struct form forms[] = {
        {"SELECT", GLANCE_READ, true, {NULL}},
        {"VALUES", GLANCE_READ, true, {NULL}},
        {"TABLE", GLANCE_READ, true, {NULL}},
        {"WITH", GLANCE_READ, true, {"insert", "update", "delete", "merge"}},
        {"SHOW", GLANCE_READ, true, {NULL}},
        {"EXPLAIN", GLANCE_READ, false, {"analyze", "analyse"}}, // of whatever: it is only planned
        {"INSERT", GLANCE_WRITE, false, {NULL}},
        {"UPDATE", GLANCE_WRITE, false, {NULL}},
        {"DELETE", GLANCE_WRITE, false, {NULL}},
        {"MERGE", GLANCE_WRITE, false, {NULL}},
        {"COPY", GLANCE_WRITE, false, {NULL}},
        {"CALL", GLANCE_WRITE, false, {NULL}},
        {"TRUNCATE", GLANCE_WRITE, false, {NULL}},
        {"LOCK", GLANCE_WRITE, false, {NULL}},
        {"VACUUM", GLANCE_WRITE, false, {NULL}},
        {"ANALYZE", GLANCE_WRITE, false, {NULL}},
        {"ANALYSE", GLANCE_WRITE, false, {NULL}},
        {"CLUSTER", GLANCE_WRITE, false, {NULL}},
        {"REINDEX", GLANCE_WRITE, false, {NULL}},
        {"REFRESH", GLANCE_WRITE, false, {NULL}},
        {"DECLARE", GLANCE_WRITE, false, {"hold"}},
        {"FETCH", GLANCE_WRITE, false, {NULL}},
        {"MOVE", GLANCE_WRITE, false, {NULL}},
        {"CLOSE", GLANCE_WRITE, false, {NULL}},
        {"CREATE", GLANCE_DDL, false, {NULL}},
        {"ALTER", GLANCE_DDL, false, {NULL}},
        {"DROP", GLANCE_DDL, false, {NULL}},
        {"COMMENT", GLANCE_DDL, false, {NULL}},
        {"GRANT", GLANCE_DDL, false, {NULL}},
        {"REVOKE", GLANCE_DDL, false, {NULL}},
    };
    static const struct form unknown = {"", GLANCE_UNKNOWN, false, {NULL}};
    char word[32];
    lexer_first_word(sql, length, word);
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (strcasecmp(forms[i].word, word) == 0)
            return &forms[i];
    return &unknown;
}

// In quotes, too: EXPLAIN's options may be.
static bool
is_doubt(const struct form *form, const struct lexer_token *token)
{
    char name[NAME_SIZE];
    bool is_name = token->kind == LEXER_WORD || token->kind == LEXER_QUOTED_WORD;
    bool is_one = false;
    if (!is_name || form->doubts[0] == NULL || !name_of(token, name))
        return false;
    for (size_t i = 0; form->doubts[i] != NULL; i++)
        is_one = is_one || strcmp(form->doubts[i], name) == 0;
    return is_one;
}

struct glance
glance_at(const char *sql, size_t length, const struct catalog *catalog)
{
    const struct form *form = form_of(sql, length);
    struct glance glance = {.kind = form->kind};
    struct lexer lexer;
    struct lexer_token token = {.kind = LEXER_COMMENT};
    // Of DDL an analysis looks at the query of CREATE TABLE or MATERIALIZED VIEW … AS alone (not at what defaults call).
    bool is_run = form->kind != GLANCE_DDL, is_ended = false;
    lexer_init(&lexer, sql, length);
    while (!glance.may_leave && token.kind != LEXER_END) {
        lexer_next(&lexer, &token);
        if (token.kind == LEXER_COMMENT)
            continue;
        if (is_doubt(form, &token))
            glance.kind = GLANCE_UNKNOWN;
        bool is_made =
            glance.kind == GLANCE_READ && form->makes_by_into && lexer_token_is(&token, "INTO");
        bool is_another = is_ended && token.kind != LEXER_END;
        glance.may_leave = token.kind == LEXER_JUNK || is_made || is_another ||
                           (form->kind == GLANCE_DDL && may_be_temporary(&token)) ||
                           may_leave_something(&token, is_run ? catalog : NULL);
        is_run = is_run || lexer_token_is(&token, "AS");
        is_ended = is_ended || lexer_token_is(&token, ";");
    }
    return glance;
}

struct glance
glance_once(struct parsed *parsed, const struct catalog *catalog)
{
    if (!parsed->is_glanced_at)
        parsed->glance = glance_at(parsed->sql, parsed->length, catalog);
    parsed->is_glanced_at = true;
    return parsed->glance;
}

bool
glance_is_enough(const struct glance *glance)
{
    return glance->kind != GLANCE_UNKNOWN && !glance->may_leave;
}
