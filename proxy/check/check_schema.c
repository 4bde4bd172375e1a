// Does new have what old's readers read? Relations and columns are matched by name: what old's session
// finds without a schema must be found on new without one; anything else under the same schema; and
// `rewrite` says where they went. Partitions are left out (the partitioned table stands for them), and so
// is what belongs to extensions.
#include "proxy/check/check_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct column { // strings are the PGresult's
    const char *schema, *relation, *name, *type;
    bool is_visible; // found without its schema
};

struct side_columns {
    PGresult *result;
    struct column *columns; // by schema, relation, name
    size_t count;
    struct column *visible; // the visible ones, by relation, name
    size_t visible_count;
};

static const char columns_sql[] =
    "SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),"
    " pg_catalog.pg_table_is_visible(c.oid)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    " AND NOT a.attisdropped"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
    " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'"
    " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid)";

// A name of NULL is equal to every name: it stands for the relation.
static int
compare_names(const struct column *left, const struct column *right)
{
    int order = strcmp(left->relation, right->relation);

    return order || !left->name || !right->name ? order : strcmp(left->name, right->name);
}

static int
by_relation(const void *left, const void *right)
{
    return compare_names(left, right);
}

static int
by_schema(const void *left, const void *right)
{
    int order =
        strcmp(((const struct column *)left)->schema, ((const struct column *)right)->schema);

    return order ? order : compare_names(left, right);
}

static bool
side_columns_init(struct side_columns *side, PGresult *result)
{
    side->result = result;
    side->count = (size_t)PQntuples(result);
    side->columns = calloc(side->count + 1, sizeof *side->columns);
    side->visible = calloc(side->count + 1, sizeof *side->visible);
    side->visible_count = 0;
    if (!side->columns || !side->visible)
        return false;
    for (int row = 0; row < PQntuples(result); row++) {
        struct column *column = &side->columns[row];

        *column = (struct column){
            .schema = PQgetvalue(result, row, 0),
            .relation = PQgetvalue(result, row, 1),
            .name = PQgetvalue(result, row, 2),
            .type = PQgetvalue(result, row, 3),
            .is_visible = PQgetvalue(result, row, 4)[0] == 't',
        };
        if (column->is_visible)
            side->visible[side->visible_count++] = *column;
    }
    qsort(side->columns, side->count, sizeof *side->columns, by_schema);
    qsort(side->visible, side->visible_count, sizeof *side->visible, by_relation);
    return true;
}

static void
side_columns_fini(struct side_columns *side)
{
    free(side->columns);
    free(side->visible);
    PQclear(side->result);
}

// Where something of old is to be found on new.
struct wanted {
    char schema[64], relation[64], column[64];
    bool is_qualified; // by schema; else as new's session finds it
    bool is_moved;     // by a rewrite
};

// "name" or "schema.name" against what old calls it.
static bool
is_named(const char *text, const char *schema, const char *relation)
{
    size_t length = strlen(schema);

    return strcmp(text, relation) == 0 ||
           (strncmp(text, schema, length) == 0 && text[length] == '.' &&
            strcmp(text + length + 1, relation) == 0);
}

static void
follow_rewrite(const struct configuration_rewrite *rewrite, const struct column *column,
               struct wanted *wanted)
{
    for (size_t i = 0; i < rewrite->table_count; i++) {
        const char *to = rewrite->tables[i].to, *dot = strchr(to, '.');

        if (!is_named(rewrite->tables[i].from, column->schema, column->relation))
            continue;
        wanted->is_moved = true;
        wanted->is_qualified = dot != NULL;
        if (dot)
            snprintf(wanted->schema, sizeof wanted->schema, "%.*s", (int)(dot - to), to);
        snprintf(wanted->relation, sizeof wanted->relation, "%s", dot ? dot + 1 : to);
    }
    for (size_t i = 0; i < rewrite->column_count; i++) {
        const char *from = rewrite->columns[i].from, *dot = strrchr(from, '.');
        char relation[160];

        snprintf(relation, sizeof relation, "%.*s", (int)(dot - from), from);
        if (is_named(relation, column->schema, column->relation) &&
            strcmp(dot + 1, column->name) == 0)
            snprintf(wanted->column, sizeof wanted->column, "%s", rewrite->columns[i].to);
    }
}

static struct wanted
want(const struct configuration_database *entry, const struct column *column)
{
    struct wanted wanted = {.is_qualified = !column->is_visible};

    snprintf(wanted.schema, sizeof wanted.schema, "%s", column->schema);
    snprintf(wanted.relation, sizeof wanted.relation, "%s", column->relation);
    snprintf(wanted.column, sizeof wanted.column, "%s", column->name);
    for (size_t i = 0; i < entry->rewrite_count; i++)
        follow_rewrite(&entry->rewrites[i], column, &wanted);
    return wanted;
}

static const struct column *
find(const struct side_columns *side, const struct wanted *wanted, bool is_whole)
{
    struct column key = {
        .schema = wanted->schema,
        .relation = wanted->relation,
        .name = is_whole ? NULL : wanted->column,
    };

    return wanted->is_qualified
               ? bsearch(&key, side->columns, side->count, sizeof key, by_schema)
               : bsearch(&key, side->visible, side->visible_count, sizeof key, by_relation);
}

struct tally {
    unsigned relations, columns, types;
};

static void
judge_column(struct check *check, const struct side_columns *new_side, const struct column *column,
             bool is_first, bool *is_missing, struct tally *tally)
{
    struct wanted wanted = want(check->settings->entry, column);
    const struct column *found;

    if (is_first) {
        *is_missing = !find(new_side, &wanted, true);
        if (*is_missing && ++tally->relations <= CHECK_LINES)
            check_fail(check,
                       "%s.%s is not on new%s%s%s: reads of it would fail there; create it, or set "
                       "search_path in new's options, or say in rewrite: where it went",
                       column->schema, column->relation, wanted.is_moved ? " as " : "",
                       wanted.is_moved ? wanted.relation : "",
                       wanted.is_qualified ? "" : ", as far as its search_path finds it");
    }
    if (*is_missing)
        return;
    found = find(new_side, &wanted, false);
    if (!found) {
        if (++tally->columns <= CHECK_LINES)
            check_fail(check,
                       "column %s.%s.%s is not on new: reads of it would fail there; add it, or "
                       "say in rewrite: what it is called",
                       column->schema, column->relation, column->name);
    } else if (strcmp(found->type, column->type) != 0 && ++tally->types <= CHECK_LINES) {
        check_note(check, "column %s.%s.%s is %s on old and %s on new", column->schema,
                   column->relation, column->name, column->type, found->type);
    }
}

static void
say_rest(struct check *check, unsigned count, const char *what)
{
    if (count > CHECK_LINES)
        check_note(check, "and %u more %s", count - CHECK_LINES, what);
}

void
check_schema(struct check *check)
{
    PGresult *results[2];
    struct side_columns sides[2] = {0};
    struct tally tally = {0};
    bool is_missing = false;

    if (!check_ask_both(check, columns_sql, "the columns", results))
        return;
    bool is_made = side_columns_init(&sides[SIDE_OLD], results[SIDE_OLD]);

    is_made &= side_columns_init(&sides[SIDE_NEW], results[SIDE_NEW]);
    for (size_t i = 0; is_made && i < sides[SIDE_OLD].count; i++) {
        const struct column *column = &sides[SIDE_OLD].columns[i];
        bool is_first = i == 0 || strcmp(column[-1].schema, column->schema) != 0 ||
                        strcmp(column[-1].relation, column->relation) != 0;

        judge_column(check, &sides[SIDE_NEW], column, is_first, &is_missing, &tally);
    }
    if (!is_made)
        check_fail(check, "out of memory");
    say_rest(check, tally.relations, "relations that are not on new");
    say_rest(check, tally.columns, "columns that are not on new");
    say_rest(check, tally.types, "columns of another type");
    if (is_made && sides[SIDE_OLD].count == 0)
        check_warn(check, "old has no relations of its own in this database; is it the right one?");
    for (int side = 0; side < 2; side++)
        side_columns_fini(&sides[side]);
}
