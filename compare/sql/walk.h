// One pass over a parse tree with one side's catalog: what the statement can call and touch, and what
// of it reaches the output. An allow-list: a node that no file here knows makes it unproven.
//
//   analysis.c    statements: which kind, both sides' walks, the result
//   select.c      SELECT, VALUES, set operations: scopes in, output columns out
//   from.c        FROM items; relation.c: what a relation is and hides (views, policies)
//   expression.c  expressions; call.c: function calls in them; name.c: what a column name means
//   prove.c       functions, operators, types by the catalog; body.c: SQL inside them
//   order.c       which order the result has; row_key.c: which columns name a row
//   open.c        what the statement leaves open: of which values, of which rows
#ifndef COMPARE_SQL_WALK_H
#define COMPARE_SQL_WALK_H

#include "compare/sql/analysis.h"
#include "compare/sql/arena.h"
#include "compare/sql/catalog_data.h"
#include "compare/sql/parse.h"

// What a value shows; travels from expressions through columns to the output.
enum value {
    VALUE_CLOCK = 1,
    VALUE_RANDOM = 2,     // a random source, the instance or the session
    VALUE_VOLATILE = 4,   // comes from a volatile function that is known to do no harm
    VALUE_SYSTEM = 8,     // OIDs, transaction ids and the like
    VALUE_OPEN = 16,      // the statement does not determine it
    VALUE_SHUFFLED = 32,  // an array or JSON whose elements come in any order
    VALUE_PIECES = 64,    // a text put together from pieces in any order
    VALUE_ROUNDED = 128,  // a sum of floats in any order
    VALUE_FLOAT = 256,    // may be a float
    VALUE_QUOTIENT = 512, // of such sums: rounding may be all of it
    VALUE_ANY_OPEN = VALUE_OPEN | VALUE_SHUFFLED | VALUE_PIECES,
};

// The columns that a value is made of, while they are one.
struct sources {
    bool has_any;
    int table;          // of all of them; -1: several
    const char *origin; // NULL: several
};

struct column {
    const char *name;   // NULL: has none that could be referred to
    int table;          // index into walk.tables, -1
    const char *origin; // the table's column; NULL: several of them
    bool is_computed;   // from it, not the column itself
    unsigned value;
    unsigned
        reference; // which of the statement's references to relations its row is of, from 1; 0: unknown
    uint32_t type;      // OID on this side, 0: unknown
    bool is_unsure;     // not a column of every relation that the name could mean
    bool is_determined; // scratch of order.c
    // The column of a FROM item that this output column is, to compare it with sort keys.
    const struct item *item;
    size_t number;
};

struct key { // columns that together are unique; none: there is at most one row
    size_t *numbers;
    size_t count;
    bool
        is_whole; // all columns of a query, made distinct: not what a row is known by when it changes
};

struct item {           // of a FROM clause
    const char *name;   // alias or relation, NULL: none
    const char *schema; // as the catalog has it, for schema.table.column
    struct column *columns;
    size_t column_count;
    bool is_known;    // these are all columns
    bool is_relation; // has system columns
    bool is_hidden;   // inside a join that has an alias of its own
    bool is_group;    // a join's alias: stands for items that are counted themselves
    bool has_open_rows;
    unsigned value; // of columns that are not known
    const struct key *keys;
    size_t key_count;
};

struct rowset { // what a query gives
    struct column *columns;
    size_t count;
    size_t sure_count; // so many of them stand where they stand; the others' places are not known
    bool is_known;     // these are all columns
    const struct key *keys;
    size_t key_count;
    struct key row_key; // what names a row, as in struct determinacy
    // The order, for the outermost query and for ARRAY(…).
    enum order_kind order;
    uint16_t *sort_keys;
    size_t sort_key_count;
    bool is_total, is_limited, cuts_start, cuts_end; // as in struct determinacy
    uint64_t limit;
    bool has_open_rows;
};

struct cte {
    const char *name;
    struct rowset rows;
    const struct cte *next; // outer ones follow
};

struct equality { // `to` is known where `from` is; from NULL: it equals a constant
    const struct column *from;
    struct column *to;
};

struct scope {
    struct scope *parent;
    const struct cte *ctes;
    const PgQuery__SelectStmt *select; // for named windows and GROUP BY; may be NULL
    struct item **items;
    size_t item_count, item_capacity;
    const struct column **visible; // what a star shows, in order
    size_t visible_count, visible_capacity;
    bool has_unknown;  // a star shows more than that,
    size_t unknown_at; // from there on
    struct equality *equalities;
    size_t equality_count, equality_capacity;
    bool has_aggregate; // one of this level was called
    bool returns_sets;  // the output list calls a function that returns a set
};

struct walk_table {
    const char *name;
    uint32_t oid;
    bool is_meant; // not only looked at for safety's sake
};

struct walk_tree { // a parsed body, kept while names of it are in use
    struct parse_tree tree;
    struct walk_tree *next;
};

struct walk {
    const struct catalog *catalog;
    const struct catalog *other; // the other side's, or NULL
    const char *search_path;     // NULL: not known, all schemas are considered
    bool is_old;
    const struct analysis_context *context;
    struct arena arena;
    struct walk_tree *trees;
    struct walk_table *tables; // in the arena
    size_t table_count, table_capacity;
    struct memo *memo;
    size_t memo_count, memo_capacity;
    bool is_aside;       // looks at what a name may mean besides
    unsigned references; // to relations, so far
    size_t steps;        // nodes seen, bounded
    size_t bodies;       // nested bodies of views, functions and policies, bounded
    // What was found:
    bool is_unproven; // can do what is not known to only read
    bool is_harmful;  // cannot be said to write nothing
    bool is_locking;
    bool is_temporary;
    bool is_sampled;
    bool is_volatile; // a harmless volatile function decides which rows there are
    bool needs_catalog;
    bool touches_user, touches_system, calls_user;
    bool keeps;       // leaves something behind in its session
    bool sets_config; // a setting, that is
    bool no_memory;
    const struct catalog_function *blamed; // the first that is why it is not proven; or NULL
    const struct catalog_function *moving; // one that is harmless, but volatile; or NULL
    const char *open_because;              // static; of a value that is not determined
    bool is_open;            // such a value decides which rows the query being walked has
    struct sources *sources; // where the columns of the value being walked are noted; or NULL
};

enum { WALK_MAX_STEPS = 1000 * 1000, WALK_MAX_BODIES = 24 };

// walk.c
void walk_init(struct walk *walk, const struct analysis_context *context, bool is_old);
void walk_fini(struct walk *walk);
void *walk_take(struct walk *walk, size_t size); // NULL: no memory, noted
void walk_refuse(struct walk *walk);             // not proven
void walk_blame(struct walk *walk, const struct catalog_function *function); // it is not proven
void walk_refuse_function(struct walk *walk, const struct catalog_function *function);
bool walk_step(struct walk *walk);                 // false: too much work, refused
void walk_sink(struct walk *walk, unsigned value); // a value that decides which rows there are
void walk_source(struct walk *walk, const struct column *column); // NULL: one that is not known
void *walk_grow(struct walk *walk, void *array, size_t count, size_t *capacity, size_t size);
int walk_table(struct walk *walk, const char *name, uint32_t oid);

// Results by name or OID, so that nothing is looked at twice and recursion ends.
enum memo_kind { MEMO_FUNCTION, MEMO_OPERATOR, MEMO_TYPE, MEMO_CAST_TYPE, MEMO_RELATION };
struct memo {
    enum memo_kind kind;
    uint32_t oid; // 0: by name
    const char *name;
    unsigned value;
    const struct item *item;
};
struct memo *memo_find(struct walk *walk, enum memo_kind kind, uint32_t oid, const char *name);
void memo_add(struct walk *walk, enum memo_kind kind, uint32_t oid, const char *name);
void memo_set(struct walk *walk, enum memo_kind kind, uint32_t oid, unsigned value,
              const struct item *item);

// expression.c: the values that reach the expression's own
unsigned expression_walk(struct walk *walk, const PgQuery__Node *node, struct scope *scope);
unsigned expression_walk_list(struct walk *walk, size_t count, PgQuery__Node *const *nodes,
                              struct scope *scope);
unsigned expression_walk_children(struct walk *walk, const ProtobufCMessage *message,
                                  struct scope *scope);
void expression_walk_condition(struct walk *walk, const PgQuery__Node *node, struct scope *scope);
const char *expression_string(const PgQuery__Node *node); // of a String node, or NULL

// call.c
unsigned call_walk(struct walk *walk, const PgQuery__FuncCall *call, struct scope *scope);

// name.c
unsigned name_walk(struct walk *walk, const PgQuery__ColumnRef *reference, struct scope *scope);
// The column that it names at this level, or NULL; *is_outer: it belongs to an outer query.
struct column *name_column(const PgQuery__ColumnRef *reference, struct scope *scope,
                           bool *is_outer);
struct item *name_item(const struct scope *scope, const char *schema, const char *name);

// prove.c
unsigned prove_function(struct walk *walk, const char *schema, const char *name, size_t arguments,
                        bool *is_known);
// Notes what a body that is not proven may leave behind in the session.
void prove_leaves(struct walk *walk, const struct catalog_function *function);
unsigned prove_function_row(struct walk *walk, const struct catalog_function *function);
void prove_operator(struct walk *walk, size_t count, PgQuery__Node *const *names);
void prove_operator_named(struct walk *walk, const char *schema, const char *name);
unsigned prove_type(struct walk *walk, uint32_t oid, bool is_cast);
unsigned prove_type_name(struct walk *walk, const PgQuery__TypeName *name);
bool prove_is_system_type(uint32_t type); // its values are OIDs and the like
void prove_globals(struct walk *walk);

// body.c
unsigned body_function(struct walk *walk, const struct catalog_function *function);
void body_expression(struct walk *walk, const char *expression, struct item *item);
bool body_query(struct walk *walk, const char *query, struct rowset *rows);

// relation.c, from.c
struct item *relation_item(struct walk *walk, const PgQuery__RangeVar *range, struct scope *scope);
void from_walk(struct walk *walk, const PgQuery__Node *node, struct scope *scope);
bool scope_add_item(struct walk *walk, struct scope *scope, struct item *item);
void scope_equate(struct walk *walk, struct scope *scope, const struct column *from,
                  struct column *to);

// open.c
// What is made of a value in an unknown way: any order within it may show.
unsigned open_blur(unsigned value);
unsigned open_of_rows(const struct rowset *rows); // of any column
void open_join(struct walk *walk, const struct column *one, const struct column *other);
void open_rows(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
               const struct rowset *rows, PgQuery__Node *const *sources);
void open_order(struct walk *walk, const PgQuery__SelectStmt *select, struct rowset *rows,
                unsigned sorted);
void open_distinct_on(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
                      struct rowset *rows, PgQuery__Node *const *sources);
void open_limit(struct walk *walk, struct rowset *rows); // of a subquery
bool open_is_distinct_on(const PgQuery__SelectStmt *select);

// row_key.c
void row_key_find(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
                  struct rowset *rows);
// Where the output shows an item's column; SIZE_MAX: nowhere.
size_t row_key_place(const struct rowset *rows, const struct item *item, size_t number);
// Columns as one more reference to the query that gives them: its relations' rows are others each time.
void row_key_refer(struct walk *walk, struct column *columns, size_t count);

// select.c: false: refused or no memory, *rows is then empty and unknown
bool select_walk(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *outer,
                 bool is_outermost, struct rowset *rows);

// order.c
// Equalities of the conjuncts. Items from `nullable` on (to `end`) may be missing: only they follow.
void order_equate(struct walk *walk, const PgQuery__Node *condition, struct scope *scope,
                  size_t nullable, size_t end, bool is_inner);
// Do these expressions, together with what is equated, tell one row from all others?
bool order_is_total(struct walk *walk, struct scope *scope, size_t count,
                    PgQuery__Node *const *nodes, size_t more, PgQuery__Node *const *more_nodes);
// Does a key of an item, alone?
bool order_key_is_total(struct walk *walk, struct scope *scope, struct item *item,
                        const struct key *key);
bool order_same(const PgQuery__Node *left, const PgQuery__Node *right, struct scope *scope);
void order_find(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
                struct rowset *rows, PgQuery__Node *const *sources);
// Where an output column shows this expression, by position, name or likeness; SIZE_MAX: nowhere.
size_t order_position(const PgQuery__Node *node, struct scope *scope, const struct rowset *rows,
                      PgQuery__Node *const *sources);
// False where the expression is a column of FROM other than the one shown.
bool order_shows(const PgQuery__Node *node, struct scope *scope, const struct column *shown);

#endif
