// Columns of the relations that both sides have: missing, more, of other types, of other collations, in another order.
// Types are held against what the comparison of values can do (compare/type.h).
#include "compare/type.h"
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"
#include "proxy/check/exemption.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value { VALUE_TYPE, VALUE_COLLATION, VALUE_OID, VALUE_NUMBER };
enum { TEXT_OID = 25 };

// The type's OID is the built-in type's whose values look the same: an enum is text, a domain its base.
static const char columns_sql[] = ASK_RELATIONS
    "SELECT r.object, a.attname, r.label || '.' || a.attname, true,"
    " format_type(a.atttypid, a.atttypmod), coalesce(l.collname, ''),"
    " CASE t.typtype WHEN 'e' THEN 25 WHEN 'd' THEN t.typbasetype ELSE t.oid END, a.attnum"
    " FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0"
    " AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_collation l ON l.oid = a.attcollation";

// "schema.relation" of "schema.relation.column", in `relation`.
static void
relation_of(const struct fact *column, char relation[256])
{
    size_t length = strlen(column->label) - strlen(column->member) - 1;

    snprintf(relation, 256, "%.*s", (int)length, column->label);
}

static void
column_is_missing(struct check *check, const struct facts sides[2], const struct fact *fact)
{
    const struct configuration_database *entry = check->settings->entry;
    char relation[256];

    relation_of(fact, relation);
    if (exemption_of_relation(entry, relation))
        return;

    (void)sides;
    if (exemption_moved_column(entry, relation, fact->member))
        return; // check_rewrites looks at what it says
    findings_add(&check->findings, FINDING_missing_column, fact->label, "not on new");
}

static void
column_is_extra(struct check *check, const struct fact *fact)
{
    char relation[256];

    relation_of(fact, relation);
    if (!exemption_of_extra_column(check->settings->entry, relation))
        findings_add(&check->findings, FINDING_extra_column, fact->label, "on new only");
}

static enum type_family
family_of(uint32_t old_type, uint32_t new_type)
{
    struct type_rules rules = {0};
    struct type_pair pair;

    type_pair_init(&pair, old_type, new_type, &rules);
    return pair.family;
}

// Text is also what types meet in that have nothing else in common.
static bool
has_rule(uint32_t old_type, uint32_t new_type)
{
    bool are_texts = family_of(old_type, old_type) == TYPE_FAMILY_TEXT &&
                     family_of(new_type, new_type) == TYPE_FAMILY_TEXT;

    return old_type == new_type || are_texts || family_of(old_type, new_type) != TYPE_FAMILY_TEXT;
}

static void
types_differ(const struct difference *difference)
{
    uint32_t oids[2];
    char relation[256];
    const struct fact *fact = difference->facts[SIDE_OLD];

    for (int side = 0; side < 2; side++)
        oids[side] = (uint32_t)strtoul(
            facts_value(&difference->sides[side], difference->facts[side], VALUE_OID), NULL, 10);
    relation_of(fact, relation);
    if (!exemption_of_column(difference->check->settings->entry, relation, fact->member))
        findings_add(&difference->check->findings,
                     has_rule(oids[0], oids[1]) ? FINDING_type_change : FINDING_type_by_text,
                     fact->label, "%s on old and %s on new", difference->values[SIDE_OLD],
                     difference->values[SIDE_NEW]);
}

static void
collations_differ(const struct difference *difference)
{
    if (*difference->values[SIDE_OLD] && *difference->values[SIDE_NEW])
        comparison_say(difference);
}

static const struct aspect aspects[] = {
    [VALUE_TYPE] = {.name = "type", .kind = FINDING_type_change, .differ = types_differ},
    [VALUE_COLLATION] = {.name = "its collation",
                         .kind = FINDING_collation,
                         .differ = collations_differ},
};

struct place { // of a column that both have
    int numbers[2];
    const char *name;
};

static int
by_old_number(const void *left, const void *right)
{
    return ((const struct place *)left)->numbers[0] - ((const struct place *)right)->numbers[0];
}

// `places`: the columns of one relation that both sides have.
static void
compare_order(struct check *check, struct place *places, size_t count, const struct fact *fact)
{
    char relation[256];

    qsort(places, count, sizeof *places, by_old_number);
    for (size_t i = 1; i < count; i++) {
        if (places[i - 1].numbers[SIDE_NEW] < places[i].numbers[SIDE_NEW])
            continue;
        relation_of(fact, relation);
        if (!exemption_of_relation(check->settings->entry, relation))
            findings_add(&check->findings, FINDING_column_order, relation,
                         "%s comes before %s on old and after it on new", places[i - 1].name,
                         places[i].name);
        return;
    }
}

static void
compare_orders(struct check *check, const struct facts columns[2])
{
    enum { COLUMNS = 1600 }; // MaxHeapAttributeNumber
    struct place places[COLUMNS];
    const struct facts *old_columns = &columns[SIDE_OLD];
    size_t count = 0;

    for (size_t i = 0; i < old_columns->count; i++) {
        const struct fact *fact = &old_columns->list[i];
        const struct fact *other = facts_find(&columns[SIDE_NEW], fact->object, fact->member);
        bool is_last = i + 1 == old_columns->count || strcmp(fact[1].object, fact->object) != 0;

        if (other && count < COLUMNS)
            places[count++] = (struct place){
                {atoi(facts_value(old_columns, fact, VALUE_NUMBER)),
                 atoi(facts_value(&columns[SIDE_NEW], other, VALUE_NUMBER))},
                fact->member,
            };
        if (is_last) {
            compare_order(check, places, count, fact);
            count = 0;
        }
    }
}

void
check_columns(struct check *check)
{
    const struct comparison comparison = {
        .what = "columns",
        .sql = columns_sql,
        .owners = check->relations,
        .is_missing = column_is_missing,
        .is_extra = column_is_extra,
        ASPECTS(aspects),
    };
    struct facts columns[2];

    if (!comparison_run(check, &comparison, columns))
        return;
    compare_orders(check, columns);
    for (int side = 0; side < 2; side++)
        facts_fini(&columns[side]);
}
