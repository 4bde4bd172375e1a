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

static enum glance_kind
kind_of(const char *sql, size_t length)
{
    static const struct {
        const char *word;
        enum glance_kind kind;
    } words[] = {
        {"SELECT", GLANCE_READ},  {"VALUES", GLANCE_READ},    {"TABLE", GLANCE_READ},
        {"SHOW", GLANCE_READ},    {"INSERT", GLANCE_WRITE},   {"UPDATE", GLANCE_WRITE},
        {"DELETE", GLANCE_WRITE}, {"TRUNCATE", GLANCE_WRITE}, {"VACUUM", GLANCE_WRITE},
        {"CREATE", GLANCE_DDL},   {"ALTER", GLANCE_DDL},      {"DROP", GLANCE_DDL},
        {"COMMENT", GLANCE_DDL},  {"GRANT", GLANCE_DDL},      {"REVOKE", GLANCE_DDL},
    };
    char word[32];
    lexer_first_word(sql, length, word);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcasecmp(words[i].word, word) == 0)
            return words[i].kind;
    return GLANCE_UNKNOWN;
}

struct glance
glance_at(const char *sql, size_t length, const struct catalog *catalog)
{
    struct glance glance = {.kind = kind_of(sql, length)};
    struct lexer lexer;
    struct lexer_token token = {.kind = LEXER_COMMENT};
    lexer_init(&lexer, sql, length);
    while (!glance.may_leave && token.kind != LEXER_END) {
        lexer_next(&lexer, &token);
        bool is_into = glance.kind == GLANCE_READ && lexer_token_is(&token, "INTO");
        glance.may_leave = token.kind == LEXER_JUNK || is_into ||
                           (glance.kind == GLANCE_DDL && may_be_temporary(&token)) ||
                           may_leave_something(&token, catalog);
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
