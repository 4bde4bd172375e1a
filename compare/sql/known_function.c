// Looked up for every function that a statement may call, all overloads of it, so names are bisected. The few prefixes are
// gone through; no name of the first table begins with one of them.
#include "compare/sql/known_function.h"

#include "compare/sql/walk.h"
#include <stdlib.h>
#include <string.h>

static const struct known_function functions[] = {
#define FUNCTION(name, CLASS, value) {name, sizeof(name) - 1, CLASS, value},
#include "compare/sql/functions.tbl"
};

static const struct known_function families[] = {
#define FUNCTIONS(prefix, CLASS, value) {prefix, sizeof(prefix) - 1, CLASS, value},
#include "compare/sql/functions.tbl"
};

static int
compare_name(const void *name, const void *function)
{
    return strcmp(name, ((const struct known_function *)function)->name);
}

const struct known_function *
known_function(const char *name)
{
    const struct known_function *found =
        bsearch(name, functions, sizeof(functions) / sizeof(functions[0]), sizeof(functions[0]),
                compare_name);
    for (size_t i = 0; found == NULL && i < sizeof(families) / sizeof(families[0]); i++)
        if (strncmp(name, families[i].name, families[i].length) == 0)
            found = &families[i];
    return found;
}

// For every word of a statement: few are looked up.
bool
known_function_keeps(const char *name)
{
    static const char first_letters[] = {
#define FUNCTION(name, CLASS, value) CLASS == KEEPS ? (name)[0] : '\0',
#define FUNCTIONS(prefix, CLASS, value) CLASS == KEEPS ? (prefix)[0] : '\0',
#include "compare/sql/functions.tbl"
    };
    if (memchr(first_letters, name[0], sizeof(first_letters)) == NULL)
        return false;
    const struct known_function *known = known_function(name);
    return known != NULL && known->class == KEEPS;
}

bool
known_function_is_plain(const struct catalog_function *function)
{
    return function != NULL && function->oid < CATALOG_FIRST_USER_OID && function->kind == 'f' &&
           function->volatility != 'v' && strcmp(function->language, "internal") == 0 &&
           known_function(function->name) == NULL;
}
