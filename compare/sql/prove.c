// What a name can call, by the catalog: functions with all their overloads, operators by their
// functions, types by what their values call unasked. A proof that recursion comes back to is
// assumed: whatever refutes it refutes the statement.
#include "compare/sql/effect.h"
#include "compare/sql/known_function.h"
#include "compare/sql/walk.h"

#include <string.h>

static bool
is_safe(const struct walk *walk, const struct catalog_function *function)
{
    size_t length = strlen(function->schema);
    for (size_t i = 0; i < walk->context->safe_function_count; i++) {
        const char *name = walk->context->safe_functions[i];
        if (strncmp(name, function->schema, length) == 0 && name[length] == '.' &&
            strcmp(name + length + 1, function->name) == 0)
            return true;
    }
    return false;
}

static bool
is_compiled(const struct catalog_function *function)
{
    return strcmp(function->language, "c") == 0 || strcmp(function->language, "internal") == 0;
}

// PostgreSQL's own, and compiled functions of extensions: their word is taken, with known exceptions.
static unsigned
prove_trusted(struct walk *walk, const struct catalog_function *function)
{
    const struct known_function *known = known_function(function->name);
    if (known != NULL && known->class == NEVER) {
        walk_refuse_function(walk, function);
        return 0;
    }
    if (known != NULL && known->class == KEEPS) {
        walk->is_unproven = true; // but not harmful
        walk_blame(walk, function);
        walk->keeps = true;
        walk->sets_config = walk->sets_config || strcmp(function->name, "set_config") == 0;
        return 0;
    }
    if (function->volatility != 'v')
        return known == NULL ? 0 : known->value;
    if (known == NULL || known->class != HARMLESS) {
        walk_refuse_function(walk, function);
        return 0;
    }
    walk->moving = function;
    return known->value | VALUE_VOLATILE;
}

void
prove_leaves(struct walk *walk, const struct catalog_function *function)
{
    if (function->source != NULL && effect_body_leaves(function->source))
        walk->keeps = walk->sets_config = true;
}

// What CREATE TYPE … AS RANGE makes beside the type (manual, 8.17.8): PostgreSQL's own code under a user's name, which calls what
// the type is proven with.
static bool
is_range_constructor(const struct catalog_function *function)
{
    static const char *const sources[] = {"range_constructor2", "range_constructor3",
                                          "multirange_constructor0", "multirange_constructor1",
                                          "multirange_constructor2"};
    bool is_one = false;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && function->source != NULL; i++)
        is_one = is_one || strcmp(function->source, sources[i]) == 0;
    return is_one && strcmp(function->language, "internal") == 0;
}

// Whatever in its text is not proven, without being a function's fault, is its own.
static unsigned
prove_body(struct walk *walk, const struct catalog_function *function)
{
    bool was_unproven = walk->is_unproven;
    unsigned value = body_function(walk, function);
    if (walk->is_unproven && !was_unproven)
        walk_blame(walk, function);
    return value;
}

static unsigned
prove_users(struct walk *walk, const struct catalog_function *function)
{
    if (function->kind == 'a')
        return 0; // its parts were looked at
    if (is_range_constructor(function))
        return 0;
    if (function->is_extension && is_compiled(function))
        return prove_trusted(walk, function);
    if (function->volatility != 'v' && strcmp(function->language, "sql") == 0)
        return prove_body(walk, function);
    prove_leaves(walk, function);
    walk_refuse_function(walk, function);
    return 0;
}

unsigned
prove_function_row(struct walk *walk, const struct catalog_function *function)
{
    const struct memo *memo = memo_find(walk, MEMO_FUNCTION, function->oid, NULL);
    if (memo != NULL)
        return memo->value;
    memo_add(walk, MEMO_FUNCTION, function->oid, NULL);
    if (!walk_step(walk))
        return 0;
    unsigned value = 0;
    if (function->oid < CATALOG_FIRST_USER_OID) {
        bool is_own = is_compiled(function) || strcmp(function->language, "sql") == 0;
        if (is_own && function->kind != 'p')
            value = prove_trusted(walk, function);
        else
            walk_refuse_function(walk, function);
    } else if (function->kind != 'p') { // a procedure here can only fail
        walk->calls_user = true;
        for (size_t i = 0; i < function->type_count; i++)
            (void)prove_type(walk, function->types[i], false);
        if (!is_safe(walk, function)) {
            for (size_t i = 0; i < function->part_count; i++) {
                const struct catalog_function *part =
                    catalog_function_of(walk->catalog, function->parts[i]);
                if (part == NULL)
                    walk_refuse_function(walk, function);
                else
                    value |= prove_function_row(walk, part);
            }
            value |= prove_users(walk, function);
        }
        if (function->defaults != NULL)
            body_expression(walk, function->defaults, NULL);
    }
    memo_set(walk, MEMO_FUNCTION, function->oid, value, NULL);
    return value;
}

static bool
is_in_schema(const char *wanted, const char *schema)
{
    return wanted == NULL || strcmp(wanted, schema) == 0;
}

static bool
other_has_function(const struct walk *walk, const char *schema, const char *name)
{
    const struct catalog_function *functions;
    size_t count = walk->other == NULL ? 0 : catalog_functions_named(walk->other, name, &functions);
    for (size_t i = 0; i < count; i++)
        if (is_in_schema(schema, functions[i].schema))
            return true;
    return false;
}

// A name that is no function may be a type: then it is a cast (manual, 4.2.9).
static unsigned
prove_functional_cast(struct walk *walk, const char *schema, const char *name, bool *is_known)
{
    const struct catalog_type *types;
    unsigned value = 0;
    size_t count = catalog_types_named(walk->catalog, name, &types);
    for (size_t i = 0; i < count; i++)
        if (is_in_schema(schema, types[i].schema)) {
            *is_known = true;
            value |= prove_type(walk, types[i].oid, true);
            value |= prove_is_system_type(types[i].oid) ? VALUE_SYSTEM : 0;
        }
    return value;
}

unsigned
prove_function(struct walk *walk, const char *schema, const char *name, size_t arguments,
               bool *is_known)
{
    const struct catalog_function *functions;
    size_t count = catalog_functions_named(walk->catalog, name, &functions);
    unsigned value = 0;
    *is_known = false;
    if (schema != NULL && strncmp(schema, "pg_temp", 7) == 0)
        walk_refuse(walk); // a function of this session alone
    for (size_t i = 0; i < count; i++)
        if (is_in_schema(schema, functions[i].schema)) {
            *is_known = true;
            value |= prove_function_row(walk, &functions[i]);
        }
    if (arguments == 1)
        value |= prove_functional_cast(walk, schema, name, is_known);
    if (*is_known)
        return value;
    walk->needs_catalog = true;
    walk->is_harmful = true; // it may have been made since the catalog was read
    if (walk->is_old && other_has_function(walk, schema, name))
        walk_refuse(walk);
    return value;
}

static void
prove_oid(struct walk *walk, uint32_t oid)
{
    if (oid == 0)
        return;
    const struct catalog_function *function = catalog_function_of(walk->catalog, oid);
    if (function == NULL)
        walk_refuse(walk);
    else
        walk_sink(walk, prove_function_row(walk, function));
}

void
prove_operator_named(struct walk *walk, const char *schema, const char *name)
{
    if (schema == NULL) { // by name only once; a qualified one is rare
        if (memo_find(walk, MEMO_OPERATOR, 0, name) != NULL)
            return;
        memo_add(walk, MEMO_OPERATOR, 0, name);
    }
    const struct catalog_operator *operators;
    size_t count = catalog_operators_named(walk->catalog, name, &operators);
    bool is_known = false, uses_users = walk->calls_user;
    for (size_t i = 0; i < count; i++)
        if (is_in_schema(schema, operators[i].schema)) {
            is_known = true;
            if (operators[i].is_plain)
                continue;
            prove_oid(walk, operators[i].function);
            prove_oid(walk, operators[i].restriction);
            prove_oid(walk, operators[i].join);
        }
    // That some overload is a user's does not say that this statement calls it.
    walk->calls_user = uses_users;
    if (!is_known) {
        walk->needs_catalog = true;
        walk->is_harmful = true;
        if (walk->is_old && walk->other != NULL &&
            catalog_operators_named(walk->other, name, &operators) > 0)
            walk_refuse(walk);
    }
}

void
prove_operator(struct walk *walk, size_t count, PgQuery__Node *const *names)
{
    const char *name = count == 0 ? NULL : expression_string(names[count - 1]);
    if (name == NULL) {
        walk_refuse(walk);
        return;
    }
    if (strcmp(name, "!=") == 0)
        name = "<>";
    prove_operator_named(walk, count < 2 ? NULL : expression_string(names[count - 2]), name);
}

static void
prove_parts_of_type(struct walk *walk, const struct catalog_type *type)
{
    if (type->base != 0)
        (void)prove_type(walk, type->base, false);
    if (type->relation == 0)
        return;
    const struct catalog_relation *relation = catalog_relation_of(walk->catalog, type->relation);
    for (size_t i = 0; relation != NULL && i < relation->column_count; i++)
        (void)prove_type(walk, relation->columns[i].type, false);
}

unsigned
prove_type(struct walk *walk, uint32_t oid, bool is_cast)
{
    const struct catalog_type *type = oid == 0 ? NULL : catalog_type_of(walk->catalog, oid);
    if (type == NULL) {
        if (oid >= CATALOG_FIRST_USER_OID)
            walk->needs_catalog = true;
        return 0;
    }
    if (oid < CATALOG_FIRST_USER_OID && type->dependency_count == 0)
        return 0;
    enum memo_kind kind = is_cast ? MEMO_CAST_TYPE : MEMO_TYPE;
    if (memo_find(walk, kind, oid, NULL) != NULL || !walk_step(walk))
        return 0;
    memo_add(walk, kind, oid, NULL);
    bool calls_user = walk->calls_user;
    for (size_t i = 0; i < type->dependency_count; i++)
        if (is_cast || !type->dependencies[i].is_explicit)
            prove_oid(walk, type->dependencies[i].function);
    for (size_t i = 0; i < type->check_count; i++)
        body_expression(walk, type->checks[i].expression, NULL);
    prove_parts_of_type(walk, type);
    walk->calls_user = calls_user;
    return 0;
}

void
prove_globals(struct walk *walk)
{
    const struct catalog_dependency *dependencies;
    size_t count = catalog_global_dependencies(walk->catalog, &dependencies);
    for (size_t i = 0; i < count; i++)
        prove_oid(walk, dependencies[i].function);
}

bool
prove_is_system_type(uint32_t type)
{
    // regproc, oid, tid, xid, cid, the other reg* types, xid8: pg_type.dat
    static const uint32_t types[] = {24,   26,   27,   28,   29,   2202, 2203, 2204,
                                     2205, 2206, 3734, 3769, 4089, 4096, 4191, 5069};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i] == type)
            return true;
    return false;
}

unsigned
prove_type_name(struct walk *walk, const PgQuery__TypeName *type_name)
{
    size_t count = type_name->n_names;
    const char *name = count == 0 ? NULL : expression_string(type_name->names[count - 1]);
    const char *schema = count < 2 ? NULL : expression_string(type_name->names[count - 2]);
    if (name == NULL || type_name->pct_type) {
        walk_refuse(walk);
        return 0;
    }
    const struct catalog_type *types;
    size_t found = catalog_types_named(walk->catalog, name, &types);
    unsigned value = 0;
    bool is_known = false;
    for (size_t i = 0; i < found; i++)
        if (is_in_schema(schema, types[i].schema)) {
            is_known = true;
            (void)prove_type(walk, types[i].oid, true);
            if (prove_is_system_type(types[i].oid))
                value = VALUE_SYSTEM;
        }
    if (!is_known) {
        walk->needs_catalog = true;
        walk->is_harmful = true;
        if (walk->is_old && walk->other != NULL &&
            catalog_types_named(walk->other, name, &types) > 0)
            walk_refuse(walk);
    }
    return value;
}
