// Which output columns name a row, so that it is known again when the rest of it has changed: the unique key of a table,
// what is grouped by. Of a join the key of one table is enough where the others' rows follow from it (an order with
// its customer); else all keys that the output shows, and rows that these do not tell apart have one name.
//
// Also, which of the statement's references to relations a column's row is of: a self join has two of one table,
// and neither's key is the other's. Pure.
#include "compare/sql/walk.h"

size_t
row_key_place(const struct rowset *rows, const struct item *item, size_t number)
{
    for (size_t i = 0; i < rows->sure_count; i++)
        if (rows->columns[i].item == item && rows->columns[i].number == number)
            return i;
    return SIZE_MAX;
}

static bool
is_shown(const struct rowset *rows, const struct item *item, const struct key *key)
{
    for (size_t i = 0; i < key->count; i++)
        if (row_key_place(rows, item, key->numbers[i]) == SIZE_MAX)
            return false;
    return key->count > 0 && !key->is_whole;
}

static const struct key *
shown_key(const struct rowset *rows, const struct item *item)
{
    for (size_t i = 0; i < item->key_count; i++)
        if (is_shown(rows, item, &item->keys[i]))
            return &item->keys[i];
    return NULL;
}

// Another column of the output that names rows; `room` is for all of them.
static void
add(struct key *name, size_t room, size_t place)
{
    for (size_t i = 0; i < name->count; i++)
        if (name->numbers[i] == place)
            return;
    if (name->count < room)
        name->numbers[name->count++] = place;
}

static void
name_by_tables(struct walk *walk, struct scope *scope, struct rowset *rows)
{
    struct key *name = &rows->row_key;
    for (size_t i = 0; i < scope->item_count; i++) {
        struct item *item = scope->items[i];
        const struct key *key = item->is_group ? NULL : shown_key(rows, item);
        if (key == NULL)
            continue;
        bool is_enough = order_key_is_total(walk, scope, item, key);
        if (is_enough)
            name->count = 0;
        for (size_t k = 0; k < key->count; k++)
            add(name, rows->sure_count, row_key_place(rows, item, key->numbers[k]));
        if (is_enough)
            return;
    }
}

static void
name_by_key(struct rowset *rows)
{
    for (size_t i = 0; i < rows->key_count && rows->row_key.count == 0; i++)
        for (size_t k = 0; k < rows->keys[i].count && !rows->keys[i].is_whole; k++)
            add(&rows->row_key, rows->sure_count, rows->keys[i].numbers[k]);
}

void
row_key_find(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
             struct rowset *rows)
{
    bool is_grouped = select->n_group_clause > 0 || scope->has_aggregate ||
                      select->having_clause != NULL || open_is_distinct_on(select);
    rows->row_key.numbers = walk_take(walk, (rows->sure_count + 1) * sizeof(size_t));
    if (rows->row_key.numbers == NULL || scope->returns_sets)
        return;
    if (is_grouped)
        name_by_key(rows);
    else
        name_by_tables(walk, scope, rows);
}

void
row_key_refer(struct walk *walk, struct column *columns, size_t count)
{
    unsigned last = walk->references; // those after it are new
    unsigned *before = walk_take(walk, (count + 1) * sizeof(*before));
    for (size_t i = 0; before != NULL && i < count; i++) {
        before[i] = columns[i].reference;
        if (before[i] == 0)
            continue;
        size_t same = 0;
        while (before[same] != before[i])
            same++;
        columns[i].reference = same < i ? columns[same].reference : ++last;
    }
    walk->references = last;
}
