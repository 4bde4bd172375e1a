// What a catalog holds, row by row, and how the analysis looks it up. Strings and slices belong to
// the catalog. A row's letters (kind, volatility, context) are those of the system catalogs (manual,
// chapter 53).
#ifndef COMPARE_SQL_CATALOG_DATA_H
#define COMPARE_SQL_CATALOG_DATA_H

#include "compare/sql/catalog.h"

enum { CATALOG_FIRST_USER_OID = 16384 }; // FirstNormalObjectId: below it is what initdb made

struct catalog_column {
    uint32_t relation;
    int16_t number; // attnum
    bool is_not_null;
    uint32_t type;
    const char *name;
    int32_t type_modifier; // atttypmod
};

struct catalog_key { // a unique index that is immediate, whole and over columns that are never NULL
    uint32_t relation;
    const int16_t *columns; // attnums
    size_t column_count;
};

struct catalog_policy { // a row security policy's USING for SELECT
    uint32_t relation;
    const char *expression;
};

struct catalog_relation {
    uint32_t oid;
    const char *schema, *name;
    char kind;              // relkind
    bool has_row_security;  // relrowsecurity
    bool is_foreign;        // it or one that inherits from it is a foreign table
    const char *definition; // views: the query
    // Filled by catalog_build_finish:
    const char *full_name; // "schema.name"
    const struct catalog_column *columns;
    size_t column_count;
    const struct catalog_key *keys;
    size_t key_count;
    const struct catalog_policy *policies;
    size_t policy_count;
};

struct catalog_function {
    uint32_t oid;
    const char *schema, *name;
    char kind;       // prokind
    char volatility; // provolatile
    const char *language;
    bool is_extension; // belongs to one
    bool returns_set;
    const char *source;    // prosrc
    const char *body;      // pg_get_function_sqlbody, or NULL
    const char *defaults;  // of its arguments, or NULL
    const uint32_t *types; // arguments, results and, of an aggregate, its state
    size_t type_count;
    const uint32_t *parts; // an aggregate's functions
    size_t part_count;
};

struct catalog_operator {
    const char *schema, *name;
    uint32_t function;
    uint32_t restriction, join; // estimators, called by the planner
    uint32_t left, right;
    bool is_plain; // known_function_is_plain of all it calls; found by catalog_build_finish
};

struct catalog_type {
    uint32_t oid;
    const char *schema, *name;
    char kind; // typtype
    bool is_array;
    uint32_t base;         // of a domain its base, of an array its element, of a range its subtype
    uint32_t array;        // the array type over it, or 0
    uint32_t relation;     // of a composite
    int32_t type_modifier; // of a domain: typtypmod
    // Filled by catalog_build_finish:
    const struct catalog_dependency *dependencies;
    size_t dependency_count;
    const struct catalog_check *checks;
    size_t check_count;
    const struct catalog_label *labels; // of an enum, by name
    size_t label_count;
};

// A function that values of a type can call without being named: input and output, casts, the
// support functions of operator classes. `type` 0: values of any type can call it.
struct catalog_dependency {
    uint32_t type;
    uint32_t function;
    bool is_explicit; // only where a cast names the type
};

struct catalog_label { // an enum's
    uint32_t type;
    const char *name;
};

struct catalog_check { // a domain's
    uint32_t type;
    const char *expression;
};

// Everything of one name, as a slice. `schema` NULL: in any.
size_t catalog_relations_named(const struct catalog *catalog, const char *name,
                               const struct catalog_relation **first);
size_t catalog_functions_named(const struct catalog *catalog, const char *name,
                               const struct catalog_function **first);
size_t catalog_operators_named(const struct catalog *catalog, const char *name,
                               const struct catalog_operator **first);
size_t catalog_types_named(const struct catalog *catalog, const char *name,
                           const struct catalog_type **first);
size_t catalog_global_dependencies(const struct catalog *catalog,
                                   const struct catalog_dependency **first);
const struct catalog_relation *catalog_relation_of(const struct catalog *catalog, uint32_t oid);
const struct catalog_function *catalog_function_of(const struct catalog *catalog, uint32_t oid);
const struct catalog_type *catalog_type_of(const struct catalog *catalog, uint32_t oid);
// Does something of a user's seem to leave settings or temporary objects in the session that uses it: a function, or the
// expression of a view, a policy, a check?
bool catalog_has_keepers(const struct catalog *catalog);
// Position of a relation's schema in the default search_path, SIZE_MAX: it is not there.
size_t catalog_path_position(const struct catalog *catalog, const char *path, const char *schema);

#endif
