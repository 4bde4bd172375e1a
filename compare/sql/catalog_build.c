// Rows come in any order and are put in order once, at the end; slices are then cut by bisection. What a catalog is built
// on is in order already, and far more than what comes on top: the two are merged.
#include "compare/sql/catalog_build.h"

#include "compare/sql/catalog_store.h"
#include "compare/sql/effect.h"
#include "compare/sql/known_function.h"
#include <stdlib.h>
#include <string.h>

struct catalog_build {
    struct catalog *catalog; // owned
    bool has_failed;
};

struct catalog_build *
catalog_build_new(void)
{
    struct catalog_build *build = calloc(1, sizeof(*build));
    if (build == NULL)
        return NULL;
    struct catalog *catalog = build->catalog = calloc(1, sizeof(*build->catalog));
    if (catalog == NULL) {
        free(build);
        return NULL;
    }
    atomic_init(&catalog->references, 1);
    catalog->search_path = "\"$user\", public";
    catalog->relations.size = sizeof(struct catalog_relation);
    catalog->functions.size = sizeof(struct catalog_function);
    catalog->operators.size = sizeof(struct catalog_operator);
    catalog->types.size = sizeof(struct catalog_type);
    catalog->columns.size = sizeof(struct catalog_column);
    catalog->keys.size = sizeof(struct catalog_key);
    catalog->policies.size = sizeof(struct catalog_policy);
    catalog->dependencies.size = sizeof(struct catalog_dependency);
    catalog->checks.size = sizeof(struct catalog_check);
    catalog->labels.size = sizeof(struct catalog_label);
    return build;
}

void
catalog_build_free(struct catalog_build **build)
{
    if (*build == NULL)
        return;
    catalog_unref(&(*build)->catalog);
    free(*build);
    *build = NULL;
}

static void *
add(struct catalog_build *build, struct catalog_table *table, const void *row)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        void *rows = reallocarray(table->rows, capacity, table->size);
        if (rows == NULL) {
            build->has_failed = true;
            return NULL;
        }
        table->rows = rows;
        table->capacity = capacity;
    }
    void *copy = (char *)table->rows + table->count * table->size;
    memcpy(copy, row, table->size);
    table->count++;
    return copy;
}

static void
keep_string(struct catalog_build *build, const char **string)
{
    if (*string == NULL)
        return;
    *string = arena_string(&build->catalog->arena, *string);
    build->has_failed = build->has_failed || *string == NULL;
}

static const void *
keep_array(struct catalog_build *build, const void *array, size_t size)
{
    if (size == 0)
        return NULL;
    void *copy = arena_take(&build->catalog->arena, size);
    if (copy == NULL)
        build->has_failed = true;
    else
        memcpy(copy, array, size);
    return copy;
}

bool
catalog_build_relation(struct catalog_build *build, const struct catalog_relation *row)
{
    struct catalog_relation *copy = add(build, &build->catalog->relations, row);
    if (copy == NULL)
        return false;
    keep_string(build, &copy->schema);
    keep_string(build, &copy->name);
    keep_string(build, &copy->definition);
    size_t length = strlen(row->schema) + strlen(row->name) + 2;
    char *name = arena_take(&build->catalog->arena, length);
    if (name == NULL)
        build->has_failed = true;
    else
        (void)stpcpy(stpcpy(stpcpy(name, row->schema), "."), row->name);
    copy->full_name = name;
    return !build->has_failed;
}

bool
catalog_build_column(struct catalog_build *build, const struct catalog_column *row)
{
    struct catalog_column *copy = add(build, &build->catalog->columns, row);
    if (copy != NULL)
        keep_string(build, &copy->name);
    return !build->has_failed;
}

bool
catalog_build_key(struct catalog_build *build, const struct catalog_key *row)
{
    struct catalog_key *copy = add(build, &build->catalog->keys, row);
    if (copy != NULL)
        copy->columns = keep_array(build, row->columns, row->column_count * sizeof(*row->columns));
    return !build->has_failed;
}

bool
catalog_build_policy(struct catalog_build *build, const struct catalog_policy *row)
{
    struct catalog_policy *copy = add(build, &build->catalog->policies, row);
    if (copy != NULL)
        keep_string(build, &copy->expression);
    return !build->has_failed;
}

bool
catalog_build_function(struct catalog_build *build, const struct catalog_function *row)
{
    struct catalog_function *copy = add(build, &build->catalog->functions, row);
    if (copy == NULL)
        return false;
    keep_string(build, &copy->schema);
    keep_string(build, &copy->name);
    keep_string(build, &copy->language);
    keep_string(build, &copy->source);
    keep_string(build, &copy->body);
    keep_string(build, &copy->defaults);
    copy->types = keep_array(build, row->types, row->type_count * sizeof(*row->types));
    copy->parts = keep_array(build, row->parts, row->part_count * sizeof(*row->parts));
    return !build->has_failed;
}

bool
catalog_build_operator(struct catalog_build *build, const struct catalog_operator *row)
{
    struct catalog_operator *copy = add(build, &build->catalog->operators, row);
    if (copy == NULL)
        return false;
    keep_string(build, &copy->schema);
    keep_string(build, &copy->name);
    return !build->has_failed;
}

bool
catalog_build_type(struct catalog_build *build, const struct catalog_type *row)
{
    struct catalog_type *copy = add(build, &build->catalog->types, row);
    if (copy == NULL)
        return false;
    keep_string(build, &copy->schema);
    keep_string(build, &copy->name);
    return !build->has_failed;
}

bool
catalog_build_dependency(struct catalog_build *build, const struct catalog_dependency *row)
{
    (void)add(build, &build->catalog->dependencies, row);
    return !build->has_failed;
}

bool
catalog_build_check(struct catalog_build *build, const struct catalog_check *row)
{
    struct catalog_check *copy = add(build, &build->catalog->checks, row);
    if (copy != NULL)
        keep_string(build, &copy->expression);
    return !build->has_failed;
}

bool
catalog_build_label(struct catalog_build *build, const struct catalog_label *row)
{
    struct catalog_label *copy = add(build, &build->catalog->labels, row);
    if (copy != NULL)
        keep_string(build, &copy->name);
    return !build->has_failed;
}

bool
catalog_build_search_path(struct catalog_build *build, const char *search_path)
{
    build->catalog->search_path = search_path;
    keep_string(build, &build->catalog->search_path);
    return !build->has_failed;
}

void
catalog_build_on(struct catalog_build *build, struct catalog *below)
{
    build->catalog->below = catalog_ref(below);
}

// Rows with a name start with {oid, schema, name} or {schema, name}: each order says how to get them.
#define ORDER_BY_NAME(function, type)                                                              \
    static int function(const void *left, const void *right)                                       \
    {                                                                                              \
        const struct type *one = left, *other = right;                                             \
        int order = strcmp(one->name, other->name);                                                \
        return order != 0 ? order : strcmp(one->schema, other->schema);                            \
    }

ORDER_BY_NAME(relation_order, catalog_relation)
ORDER_BY_NAME(function_order, catalog_function)
ORDER_BY_NAME(operator_order, catalog_operator)
ORDER_BY_NAME(type_order, catalog_type)

static int
number_order(uint32_t left, uint32_t right)
{
    return (left > right) - (left < right);
}

static int
column_order(const void *left, const void *right)
{
    const struct catalog_column *one = left, *other = right;
    int order = number_order(one->relation, other->relation);
    return order != 0 ? order : one->number - other->number;
}

static int
label_order(const void *left, const void *right)
{
    const struct catalog_label *one = left, *other = right;
    int order = number_order(one->type, other->type);
    return order != 0 ? order : strcmp(one->name, other->name);
}

// Keys, policies, dependencies and checks start with the OID that they belong to.
static int
owner_order(const void *left, const void *right)
{
    const uint32_t *one = left, *other = right;
    return number_order(*one, *other);
}

static int
pointer_order(const void *left, const void *right)
{
    const uint32_t *const *one = left, *const *other = right;
    return number_order(**one, **other);
}

typedef int row_order(const void *, const void *);

// Both tables are in order; `below` has rows.
static bool
merge(struct catalog_table *table, const struct catalog_table *below, row_order *order)
{
    size_t size = table->size, count = table->count + below->count;
    char *merged = reallocarray(NULL, count, size);
    if (merged == NULL)
        return false;
    const char *one = table->rows, *other = below->rows;
    size_t left = table->count, left_below = below->count;
    for (char *at = merged; left + left_below > 0; at += size) {
        bool is_below = left == 0 || (left_below > 0 && order(other, one) <= 0);
        memcpy(at, is_below ? other : one, size);
        other += is_below ? size : 0;
        one += is_below ? 0 : size;
        left_below -= is_below;
        left -= !is_below;
    }
    free(table->rows);
    table->rows = merged;
    table->count = table->capacity = count;
    return true;
}

static bool
sort(struct catalog_table *table, const struct catalog_table *below, row_order *order)
{
    if (table->count > 1)
        qsort(table->rows, table->count, table->size, order);
    return below->count == 0 || merge(table, below, order);
}

static bool
sort_all(struct catalog *catalog)
{
    row_order *const orders[CATALOG_TABLES] = {
        relation_order, function_order, operator_order, type_order,  column_order,
        owner_order,    owner_order,    owner_order,    label_order, owner_order};
    struct catalog_table *tables[CATALOG_TABLES], *belows[CATALOG_TABLES];
    struct catalog nothing = {.below = NULL};
    catalog_tables(catalog, tables);
    catalog_tables(catalog->below != NULL ? catalog->below : &nothing, belows);
    for (size_t i = 0; i < CATALOG_TABLES; i++)
        if (!sort(tables[i], belows[i], orders[i]))
            return false;
    return true;
}

// The rows of `owner` in a table whose rows start with their owner's OID.
static size_t
slice(const struct catalog_table *table, uint32_t owner, const void **first)
{
    size_t low = 0, high = table->count;
    const char *rows = table->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (*(const uint32_t *)(const void *)(rows + middle * table->size) < owner)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < table->count &&
           *(const uint32_t *)(const void *)(rows + end * table->size) == owner)
        end++;
    *first = end > low ? rows + low * table->size : NULL;
    return end - low;
}

// Pointers to the rows of a table whose rows start with their own OID, in its order.
static bool
index_by_oid(const struct catalog_table *table, void *pointers)
{
    const void **index = calloc(table->count + 1, sizeof(*index));
    if (index == NULL)
        return false;
    for (size_t i = 0; i < table->count; i++)
        index[i] = (const char *)table->rows + i * table->size;
    if (table->count > 1)
        qsort(index, table->count, sizeof(*index), pointer_order);
    memcpy(pointers, &index, sizeof(index));
    return true;
}

static void
cut_slices(struct catalog *catalog)
{
    struct catalog_relation *relations = catalog->relations.rows;
    struct catalog_type *types = catalog->types.rows;
    const void *first;
    for (size_t i = 0; i < catalog->relations.count; i++) {
        struct catalog_relation *relation = &relations[i];
        relation->column_count = slice(&catalog->columns, relation->oid, &first);
        relation->columns = first;
        relation->key_count = slice(&catalog->keys, relation->oid, &first);
        relation->keys = first;
        relation->policy_count = slice(&catalog->policies, relation->oid, &first);
        relation->policies = first;
    }
    for (size_t i = 0; i < catalog->types.count; i++) {
        types[i].dependency_count = slice(&catalog->dependencies, types[i].oid, &first);
        types[i].dependencies = first;
        types[i].check_count = slice(&catalog->checks, types[i].oid, &first);
        types[i].checks = first;
        types[i].label_count = slice(&catalog->labels, types[i].oid, &first);
        types[i].labels = first;
    }
}

// Most overloads of an operator are PostgreSQL's own: what a statement's proof need not look at again.
static void
find_plain_operators(struct catalog *catalog)
{
    struct catalog_operator *operators = catalog->operators.rows;
    for (size_t i = 0; i < catalog->operators.count; i++) {
        const uint32_t calls[] = {operators[i].function, operators[i].restriction,
                                  operators[i].join};
        operators[i].is_plain = true;
        for (size_t j = 0; j < sizeof(calls) / sizeof(calls[0]); j++)
            if (calls[j] != 0 && !known_function_is_plain(catalog_function_of(catalog, calls[j])))
                operators[i].is_plain = false;
    }
}

static bool
sets_config(const char *expression)
{
    return expression != NULL && strcasestr(expression, "set_config") != NULL;
}

static bool
is_keeper(const struct catalog_function *function)
{
    return sets_config(function->body) || sets_config(function->defaults) ||
           (function->source != NULL && effect_body_leaves(function->source));
}

// Wherever users' code may be.
static bool
has_keepers(const struct catalog *catalog)
{
    const struct catalog_function *functions = catalog->functions.rows;
    const struct catalog_relation *relations = catalog->relations.rows;
    const struct catalog_policy *policies = catalog->policies.rows;
    const struct catalog_check *checks = catalog->checks.rows;
    bool has_any = false;
    for (size_t i = 0; i < catalog->functions.count; i++)
        has_any =
            has_any || (functions[i].oid >= CATALOG_FIRST_USER_OID && is_keeper(&functions[i]));
    for (size_t i = 0; i < catalog->relations.count; i++)
        has_any = has_any || sets_config(relations[i].definition);
    for (size_t i = 0; i < catalog->policies.count; i++)
        has_any = has_any || sets_config(policies[i].expression);
    for (size_t i = 0; i < catalog->checks.count; i++)
        has_any = has_any || sets_config(checks[i].expression);
    return has_any;
}

struct catalog *
catalog_build_finish(struct catalog_build **build)
{
    struct catalog *catalog = (*build)->catalog;
    bool is_built = !(*build)->has_failed && sort_all(catalog) &&
                    index_by_oid(&catalog->relations, &catalog->relations_by_oid) &&
                    index_by_oid(&catalog->functions, &catalog->functions_by_oid) &&
                    index_by_oid(&catalog->types, &catalog->types_by_oid);
    if (is_built) {
        cut_slices(catalog);
        find_plain_operators(catalog);
        catalog->has_keepers = has_keepers(catalog);
        (*build)->catalog = NULL;
    }
    catalog_build_free(build);
    return is_built ? catalog : NULL;
}
