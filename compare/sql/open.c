// What a statement leaves open. Rows that tie under a LIMIT, elements that an aggregate keeps in the order
// in which they come, row numbers of peers: PostgreSQL may give another answer each time, and so may
// two servers. Openness belongs to a value and travels with it; where such a value decides which rows
// there are, the query's rows are open; where it sorts them, their order is.
//
// What stays determined beside it is checked in full, so nothing is called open without need: of
// DISTINCT ON and of a LIMIT in a subquery the sort keys are as determined as ever.
#include "compare/sql/walk.h"

unsigned
open_blur(unsigned value)
{
    if ((value & (VALUE_SHUFFLED | VALUE_PIECES)) == 0)
        return value;
    return (value & ~(unsigned)(VALUE_SHUFFLED | VALUE_PIECES)) | VALUE_OPEN;
}

unsigned
open_of_rows(const struct rowset *rows)
{
    unsigned value = 0;
    for (size_t i = 0; i < rows->count; i++)
        value |= rows->columns[i].value;
    return value & VALUE_ANY_OPEN;
}

// USING and NATURAL, which have no expression.
void
open_join(struct walk *walk, const struct column *one, const struct column *other)
{
    walk_sink(walk, (one->value | other->value) & VALUE_ANY_OPEN);
}

bool
open_is_distinct_on(const PgQuery__SelectStmt *select)
{
    return select->n_distinct_clause > 0 &&
           select->distinct_clause[0]->node_case != PG_QUERY__NODE__NODE__NOT_SET;
}

static void
sink_positions(struct walk *walk, size_t count, PgQuery__Node *const *nodes, struct scope *scope,
               const struct rowset *rows, PgQuery__Node *const *sources)
{
    for (size_t i = 0; i < count; i++) {
        size_t position = order_position(nodes[i], scope, rows, sources);
        if (position != SIZE_MAX)
            walk_sink(walk, rows->columns[position].value & VALUE_ANY_OPEN);
    }
}

// Output columns that are grouped by or made distinct decide which rows there are.
void
open_rows(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
          const struct rowset *rows, PgQuery__Node *const *sources)
{
    sink_positions(walk, select->n_group_clause, select->group_clause, scope, rows, sources);
    if (open_is_distinct_on(select))
        sink_positions(walk, select->n_distinct_clause, select->distinct_clause, scope, rows,
                       sources);
    else if (select->n_distinct_clause > 0)
        walk_sink(walk, open_of_rows(rows));
}

// `sorted`: what the values of ORDER BY show.
void
open_order(struct walk *walk, const PgQuery__SelectStmt *select, struct rowset *rows,
           unsigned sorted)
{
    size_t determined = 0;
    while (determined < rows->sort_key_count &&
           (rows->columns[rows->sort_keys[determined]].value & VALUE_ANY_OPEN) == 0)
        determined++;
    if (determined == rows->sort_key_count && (sorted & VALUE_ANY_OPEN) == 0)
        return;
    if (rows->cuts_start || rows->cuts_end || open_is_distinct_on(select)) {
        walk_sink(walk, VALUE_OPEN);
        return;
    }
    rows->order = ORDER_HIDDEN;
    rows->sort_key_count = determined == rows->sort_key_count ? 0 : determined;
    rows->is_total = false;
}

static bool
is_sort_key(const struct rowset *rows, size_t column)
{
    for (size_t i = 0; i < rows->sort_key_count; i++)
        if (rows->sort_keys[i] == column)
            return true;
    return false;
}

static bool
is_position(size_t column, size_t count, PgQuery__Node *const *nodes, struct scope *scope,
            const struct rowset *rows, PgQuery__Node *const *sources)
{
    for (size_t i = 0; i < count; i++)
        if (order_position(nodes[i], scope, rows, sources) == column)
            return true;
    return false;
}

// Of each group one row comes: the first by ORDER BY. What it is sorted by is determined all the same,
// and what follows from that.
void
open_distinct_on(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
                 struct rowset *rows, PgQuery__Node *const *sources)
{
    bool is_grouped = select->n_group_clause > 0 || scope->has_aggregate;
    if (!open_is_distinct_on(select) ||
        (!is_grouped && !scope->returns_sets &&
         order_is_total(walk, scope, select->n_sort_clause, select->sort_clause,
                        select->n_distinct_clause, select->distinct_clause)) ||
        (is_grouped && rows->is_total))
        return;
    for (size_t i = 0; i < rows->count; i++) {
        struct column *column = &rows->columns[i];
        bool follows = !is_grouped && !scope->returns_sets && column->item != NULL &&
                       column->item->columns[column->number].is_determined;
        if (follows || is_sort_key(rows, i) ||
            is_position(i, select->n_distinct_clause, select->distinct_clause, scope, rows,
                        sources))
            continue;
        column->value |= VALUE_OPEN;
        walk->open_because = "DISTINCT ON without a total order";
    }
}

void
open_limit(struct walk *walk, struct rowset *rows)
{
    if (rows->is_total || (!rows->cuts_start && !rows->cuts_end))
        return;
    for (size_t i = 0; i < rows->count; i++)
        if (!is_sort_key(rows, i)) {
            rows->columns[i].value |= VALUE_OPEN;
            walk->open_because = "a subquery with LIMIT and no total order";
        }
}
