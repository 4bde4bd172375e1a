// Which columns of two results are held against each other, by place or name, and how: by the types
// that meet, the rules of the column, and what the statement leaves open of it. Pure.
#include "compare/difference_rows.h"
#include "compare/type_family.h"
#include <math.h>
#include <string.h>

enum { FIRST_USER_OID = 16384 }; // FirstNormalObjectId

// How far sums of floats in any order may be apart: a float4 holds 7 digits, a float8 16, and each
// addition rounds. Where terms cancel, what is left of them is small, and the rounding as large as
// before: it is bounded by the terms, which nobody knows, not by the sum. So a distance is allowed,
// too: what terms leave that come to 1e12 or so in all, of float4 1e6.
static const struct {
    double tolerance, slack;
} rounding_of_float4 = {1e-3, 0.1}, rounding_of_float8 = {1e-9, 1e-3};

// A result whose columns nobody said is read with the other's, else as texts.
struct reply_column
columns_description(const struct rows *rows, size_t side, size_t column)
{
    for (size_t i = 0; i < 2; i++) {
        const struct result *result = rows->results[i == 0 ? side : 1 - side];
        if (result->has_columns && column < result->column_count)
            return result->columns[column];
    }
    return (struct reply_column){.name = ""};
}

static bool
find_column(const struct rows *rows, size_t old_column, bool allow_extra, size_t *new_column)
{
    const char *name = columns_description(rows, 0, old_column).name;
    if (!allow_extra) {
        *new_column = old_column;
        return strcmp(columns_description(rows, 1, old_column).name, name) == 0;
    }
    size_t namesakes = 0; // of the same name, before it
    for (size_t i = 0; i < old_column; i++)
        namesakes += strcmp(columns_description(rows, 0, i).name, name) == 0;
    for (size_t i = 0; i < rows->widths[1]; i++)
        if (strcmp(columns_description(rows, 1, i).name, name) == 0 && namesakes-- == 0) {
            *new_column = i;
            return true;
        }
    return false;
}

static struct type_rules
type_rules_of(const struct difference_rules *rules, const struct column_rule *rule)
{
    struct type_rules type_rules = {
        .float_tolerance = rules->float_tolerance,
        .old_types = rules->old_types,
        .new_types = rules->new_types,
    };
    if (rule == NULL)
        return type_rules;
    type_rules.as = rule->as;
    type_rules.unordered = rule->unordered;
    if (rule->tolerance >= 0) {
        type_rules.float_tolerance = rule->tolerance;
        type_rules.has_tolerance = true;
    }
    return type_rules;
}

// OIDs of users' types say nothing across two clusters; what they are made of does.
static bool
is_type_change(const struct type_pair *pair, uint32_t old_type, uint32_t new_type)
{
    if (old_type >= FIRST_USER_OID && new_type >= FIRST_USER_OID)
        return !pair->is_alike;
    return old_type != new_type;
}

static bool
is_key(const struct determinacy *determinacy, size_t column)
{
    for (size_t i = 0; i < determinacy->key_count; i++)
        if (determinacy->keys[i] == column)
            return true;
    return false;
}

static bool
is_row_key(const struct determinacy *determinacy, size_t column)
{
    for (size_t i = 0; i < determinacy->row_key_count; i++)
        if (determinacy->row_key[i] == column)
            return true;
    return false;
}

static enum open_kind
open_kind_of(const struct determinacy *determinacy, size_t column)
{
    if (determinacy->open == NULL)
        return OPEN_NOTHING;
    return column < determinacy->open_count ? (enum open_kind)determinacy->open[column]
                                            : determinacy->open_rest;
}

static void
allow_rounding(enum type_family family, struct type_rules *rules)
{
    bool is_short = family == TYPE_FAMILY_FLOAT4;
    double tolerance = is_short ? rounding_of_float4.tolerance : rounding_of_float8.tolerance;
    rules->float_tolerance = fmax(rules->float_tolerance, tolerance);
    rules->float_slack = is_short ? rounding_of_float4.slack : rounding_of_float8.slack;
}

// Makes the column's equality as wide as what is open of it. False: all of it is.
static bool
widen(struct rows_column *column, enum open_kind open, uint32_t old_type, uint32_t new_type,
      struct type_rules *rules)
{
    enum type_family family = column->pair.family;
    switch (open) {
    case OPEN_NOTHING:
        return true;
    case OPEN_ROUNDING:
        if (family != TYPE_FAMILY_FLOAT4 && family != TYPE_FAMILY_FLOAT8)
            return false;
        allow_rounding(family, rules);
        type_pair_init(&column->pair, old_type, new_type, rules);
        return true;
    case OPEN_SEQUENCE:
        if (family == TYPE_FAMILY_ARRAY || family == TYPE_FAMILY_JSON) {
            rules->unordered = true;
            type_pair_init(&column->pair, old_type, new_type, rules);
            return true;
        }
        column->is_bag = family == TYPE_FAMILY_TEXT;
        return column->is_bag;
    case OPEN_VALUE:
        return false;
    }
    return false;
}

bool
columns_match(struct rows *rows, const struct determinacy *determinacy,
              const struct difference_rules *rules, unsigned scope)
{
    bool allow_extra = rules->allow_extra_columns;
    if (allow_extra ? rows->widths[0] > rows->widths[1] : rows->widths[0] != rows->widths[1])
        return false;
    rows->is_alike = rows->widths[0] == rows->widths[1];
    for (size_t i = 0; i < rows->widths[0]; i++) {
        const struct column_rule *rule =
            rules->columns != NULL && i < rules->column_count ? &rules->columns[i] : NULL;
        struct rows_column *column = &rows->columns[rows->column_count];
        if (rule != NULL && rule->ignore)
            continue;
        size_t partner;
        if (!find_column(rows, i, allow_extra, &partner))
            return false;
        struct reply_column old_column = columns_description(rows, 0, i);
        struct reply_column new_column = columns_description(rows, 1, partner);
        struct type_rules type_rules = type_rules_of(rules, rule);
        type_rules.formats[0] = old_column.format;
        type_rules.formats[1] = new_column.format;
        type_pair_init(&column->pair, old_column.type, new_column.type, &type_rules);
        rows->has_type_change |= is_type_change(&column->pair, old_column.type, new_column.type);
        rows->is_alike &=
            partner == i && old_column.format == new_column.format && column->pair.is_alike;
        column->at[0] = i;
        column->at[1] = partner;
        column->is_key = is_key(determinacy, i);
        column->is_bag = false;
        column->is_accepted = rule != NULL && rule->accept != NULL;
        if (column->is_accepted && (scope & ROWS_ACCEPTED) == 0)
            continue;
        enum open_kind open = open_kind_of(determinacy, i);
        column->is_row_key = open == OPEN_NOTHING && is_row_key(determinacy, i);
        rows->has_open |= open != OPEN_NOTHING;
        if ((scope & ROWS_OPEN) != 0 ||
            widen(column, open, old_column.type, new_column.type, &type_rules))
            rows->column_count++;
    }
    return true;
}
