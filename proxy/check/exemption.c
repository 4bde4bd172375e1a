// See exemption.h. Only what holds for every query shape exempts: rules with a fingerprint are about one of many.
#include "proxy/check/exemption.h"
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static const char *
bare(const char *relation)
{
    const char *dot = strchr(relation, '.');

    return dot ? dot + 1 : relation;
}

// As `rules.c` holds a rule's globs against a table and a column; NULL matches everything.
static bool
is_about(const struct configuration_rule *rule, const char *relation, const char *column)
{
    if (rule->fingerprint && strcmp(rule->fingerprint, "*") != 0)
        return false;
    if (rule->table && fnmatch(rule->table, relation, 0) != 0 &&
        fnmatch(rule->table, bare(relation), 0) != 0)
        return false;
    return !rule->column || (column && fnmatch(rule->column, column, 0) == 0);
}

bool
exemption_of_relation(const struct configuration_database *entry, const char *relation)
{
    for (size_t i = 0; i < entry->compare.rule_count; i++) {
        const struct configuration_rule *rule = &entry->compare.rules[i];

        if (rule->skip && is_about(rule, relation, NULL))
            return true;
    }
    return false;
}

bool
exemption_of_column(const struct configuration_database *entry, const char *relation,
                    const char *column)
{
    for (size_t i = 0; i < entry->compare.rule_count; i++) {
        const struct configuration_rule *rule = &entry->compare.rules[i];

        if (!rule->skip && !rule->allow_extra_columns &&
            is_about(rule, relation, column)) // the first one that matches wins
            return rule->ignore || rule->accept || rule->as != RULE_AS_ITSELF;
    }
    return exemption_of_relation(entry, relation);
}

bool
exemption_of_extra_column(const struct configuration_database *entry, const char *relation)
{
    for (size_t i = 0; i < entry->compare.rule_count; i++) {
        const struct configuration_rule *rule = &entry->compare.rules[i];

        if (rule->allow_extra_columns && is_about(rule, relation, "*"))
            return true;
    }
    return exemption_of_relation(entry, relation);
}

// "name", "schema.name" or "schema.*" against "schema.name".
static bool
is_named(const char *text, const char *relation)
{
    size_t length = strlen(text);

    if (length > 2 && strcmp(text + length - 2, ".*") == 0)
        return strncmp(text, relation, length - 1) == 0;
    return strcmp(text, relation) == 0 || strcmp(text, bare(relation)) == 0;
}

const char *
exemption_moved_relation(const struct configuration_database *entry, const char *relation)
{
    for (size_t i = 0; i < entry->rewrite_count; i++) {
        const struct configuration_rewrite *rewrite = &entry->rewrites[i];

        for (size_t t = 0; t < rewrite->table_count; t++) {
            if (is_named(rewrite->tables[t].from, relation))
                return rewrite->tables[t].to;
        }
    }
    return NULL;
}

const char *
exemption_moved_column(const struct configuration_database *entry, const char *relation,
                       const char *column)
{
    for (size_t i = 0; i < entry->rewrite_count; i++) {
        const struct configuration_rewrite *rewrite = &entry->rewrites[i];

        for (size_t c = 0; c < rewrite->column_count; c++) {
            const char *from = rewrite->columns[c].from, *dot = strrchr(from, '.');
            char table[256];

            if (!dot || strcmp(dot + 1, column) != 0)
                continue;
            snprintf(table, sizeof table, "%.*s", (int)(dot - from), from);
            if (is_named(table, relation))
                return rewrite->columns[c].to;
        }
    }
    return NULL;
}
