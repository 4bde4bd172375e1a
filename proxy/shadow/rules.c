// The first matching rule wins per column (DESIGN 3.5). A rule's globs are held against the
// fingerprint, the table ("schema.table" or the bare name) and the column that the output column comes
// from. Rules that name no column and no table hold for every column of the fingerprint. What is about the read as a
// whole (skip, extra_columns) is asked apart, and stands in no column's way.

#include "proxy/shadow/rules.h"
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static bool
glob_holds(const char *glob, const char *text)
{
    return !glob || fnmatch(glob, text, 0) == 0;
}

static bool
table_holds(const char *glob, const char *table)
{
    const char *dot = strchr(table, '.');
    return glob_holds(glob, table) || (dot && glob_holds(glob, dot + 1));
}

void
rules_column_origin(const struct analysis *analysis, const struct catalog *old_catalog,
                    const struct reply_column *column, size_t number, const char **table,
                    const char **name)
{
    *table = "";
    *name = "expression";
    const struct analysis_column *told =
        number < analysis->column_count ? &analysis->columns[number] : NULL;
    // Of a view's column the statement's text knows more: whose table's it is.
    bool is_view = column && column->table && old_catalog &&
                   catalog_is_view(old_catalog, column->table) && told && told->table >= 0;
    if (column && column->table && old_catalog && !is_view) {
        const char *known = catalog_table_name(old_catalog, column->table);
        const char *attribute = catalog_column_name(old_catalog, column->table, column->attribute);
        if (known && attribute) {
            *table = known;
            *name = attribute;
            return;
        }
    }
    if (told) {
        if (told->table >= 0 && (size_t)told->table < analysis->table_count)
            *table = analysis->tables[told->table].name;
        if (told->column)
            *name = told->column;
    }
    if (!**table && analysis->table_count == 1)
        *table = analysis->tables[0].name;
}

static struct column_rule
column_rule_of(const struct configuration_rule *rule)
{
    return (struct column_rule){
        .as = (enum type_as)rule->as,
        .tolerance = rule->tolerance,
        .ignore = rule->ignore,
        .unordered = rule->unordered,
        .accept = rule->accept,
    };
}

static const struct configuration_rule *
find_rule(const struct configuration_compare *settings, const struct analysis *analysis,
          const char *table, const char *column)
{
    for (size_t i = 0; i < settings->rule_count; i++) {
        const struct configuration_rule *rule = &settings->rules[i];
        if (!rule->skip && !rule->allow_extra_columns &&
            glob_holds(rule->fingerprint, analysis->fingerprint) &&
            table_holds(rule->table, table) && glob_holds(rule->column, column))
            return rule;
    }
    return NULL;
}

// Does it read a table that the rule is about and, where the rule names a column, show that one?
static bool
is_about(const struct configuration_rule *rule, const struct analysis *analysis)
{
    if (!glob_holds(rule->fingerprint, analysis->fingerprint))
        return false;
    if (!rule->table && !rule->column)
        return true;
    for (size_t t = 0; !rule->column && t < analysis->table_count; t++) {
        if (table_holds(rule->table, analysis->tables[t].name))
            return true;
    }
    for (size_t c = 0; rule->column && c < analysis->column_count; c++) {
        const char *table, *name;
        rules_column_origin(analysis, NULL, NULL, c, &table, &name);
        if (table_holds(rule->table, table) && glob_holds(rule->column, name))
            return true;
    }
    return false;
}

bool
rules_exclude(const struct configuration_compare *settings, const struct analysis *analysis)
{
    for (size_t i = 0; i < settings->rule_count; i++) {
        const struct configuration_rule *rule = &settings->rules[i];
        if (rule->skip && is_about(rule, analysis))
            return true;
    }
    return false;
}

bool
rules_for_read(struct read_rules *rules, const struct configuration_compare *settings,
               const struct analysis *analysis, const struct database_catalogs *catalogs,
               const struct reply_column *columns, size_t column_count)
{
    memset(rules, 0, sizeof(*rules));
    rules->difference.float_tolerance = settings->float_tolerance;
    for (enum side side = SIDE_OLD; side <= SIDE_NEW; side++) {
        if (catalogs->catalogs[side])
            rules->types[side] = catalog_type_resolver(catalogs->catalogs[side]);
    }
    if (catalogs->catalogs[SIDE_OLD])
        rules->difference.old_types = &rules->types[SIDE_OLD];
    if (catalogs->catalogs[SIDE_NEW])
        rules->difference.new_types = &rules->types[SIDE_NEW];
    if (settings->rule_count == 0)
        return true;

    rules->is_excluded = rules_exclude(settings, analysis);
    rules->columns = calloc(column_count ? column_count : 1, sizeof(*rules->columns));
    if (!rules->columns)
        return false;
    for (size_t i = 0; i < column_count; i++) {
        const char *table, *name;
        rules_column_origin(analysis, catalogs->catalogs[SIDE_OLD], &columns[i], i, &table, &name);
        // A rule for a column is not meant for what is computed from it.
        if (!columns[i].table && i < analysis->column_count && analysis->columns[i].is_computed)
            name = "expression";
        const struct configuration_rule *rule = find_rule(settings, analysis, table, name);
        if (rule)
            rules->columns[i] = column_rule_of(rule);
        else
            rules->columns[i].tolerance = -1;
    }
    for (size_t i = 0; i < settings->rule_count; i++) {
        if (settings->rules[i].allow_extra_columns && is_about(&settings->rules[i], analysis))
            rules->difference.allow_extra_columns = true;
    }
    rules->difference.columns = rules->columns;
    rules->difference.column_count = column_count;
    return true;
}

void
rules_fini(struct read_rules *rules)
{
    free(rules->columns);
    memset(rules, 0, sizeof(*rules));
}
