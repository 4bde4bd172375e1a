// Plans: what two types are in the end (domains are taken to their bases), and then by kind. Containers of one kind meet part by
// part, in binary also where nothing but an OID differs; a pair of single values is looked up in recode_pairs.tbl.
//
// Catalogs come from servers: how deep and how large a plan becomes is bounded. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "compare/type.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_PARTS = 4096, LEAST_MODIFIER = 0 };

enum kind {
    BOOL = 1 << 0,
    INT2 = 1 << 1,
    INT4 = 1 << 2,
    INT8 = 1 << 3,
    NUMERIC = 1 << 4,
    FLOAT4 = 1 << 5,
    FLOAT8 = 1 << 6,
    TEXT = 1 << 7, // and citext
    VARCHAR = 1 << 8,
    BPCHAR = 1 << 9,
    NAME = 1 << 10,
    ENUM = 1 << 11,
    BIT = 1 << 12,
    VARBIT = 1 << 13,
    JSON = 1 << 14,
    JSONB = 1 << 15,
    TIME = 1 << 16,
    TIMETZ = 1 << 17,
    TIMESTAMP = 1 << 18,
    TIMESTAMPTZ = 1 << 19,
    OTHER = 1 << 20, // equal to itself alone
    ARRAY = 1 << 21,
    COMPOSITE = 1 << 22,
    RANGE = 1 << 23,
    MULTIRANGE = 1 << 24,
    RECORD = 1 << 25, // of nobody knows what
    UNKNOWN = 1 << 26,
    INTEGERS = INT2 | INT4 | INT8,
    TEXTS = TEXT | VARCHAR,
};

static const struct {
    uint32_t type;
    enum kind kind;
} kinds[] = {
    {16, BOOL},      {19, NAME},     {20, INT8},        {21, INT2},          {23, INT4},
    {25, TEXT},      {114, JSON},    {700, FLOAT4},     {701, FLOAT8},       {1042, BPCHAR},
    {1043, VARCHAR}, {1083, TIME},   {1114, TIMESTAMP}, {1184, TIMESTAMPTZ}, {1266, TIMETZ},
    {1560, BIT},     {1562, VARBIT}, {1700, NUMERIC},   {3802, JSONB},
};

struct resolved {
    const struct catalog *catalog;
    const struct catalog_type *row; // of a user's type, else NULL
    uint32_t type;                  // a domain's base
    int32_t modifier;
    enum kind kind;
};

struct planning {
    const struct recode_rules *rules;
    unsigned depth, parts;
};

static enum kind
kind_of_own(uint32_t type) // of PostgreSQL's own types
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return kinds[i].kind;
    switch (type_shape_of(type, NULL).family) {
    case TYPE_FAMILY_ARRAY:
        return ARRAY;
    case TYPE_FAMILY_RANGE:
        return RANGE;
    case TYPE_FAMILY_MULTIRANGE:
        return MULTIRANGE;
    case TYPE_FAMILY_RECORD:
        return RECORD;
    default:
        return OTHER;
    }
}

static enum kind
kind_of_users(const struct catalog_type *row)
{
    switch (row->kind) {
    case 'e':
        return ENUM;
    case 'c':
        return COMPOSITE;
    case 'r':
        return RANGE;
    case 'm':
        return MULTIRANGE;
    case 'b':
        return row->is_array ? ARRAY : strcmp(row->name, "citext") == 0 ? TEXT : OTHER;
    default:
        return UNKNOWN;
    }
}

static struct resolved
resolve(const struct recode_type *type)
{
    struct resolved resolved = {
        .catalog = type->catalog, .type = type->type, .modifier = type->modifier};
    for (int i = 0; resolved.type >= CATALOG_FIRST_USER_OID && i < MAX_DEPTH; i++) {
        resolved.row = resolved.catalog ? catalog_type_of(resolved.catalog, resolved.type) : NULL;
        if (resolved.row == NULL || resolved.row->kind != 'd') {
            resolved.kind = resolved.row != NULL ? kind_of_users(resolved.row) : UNKNOWN;
            return resolved;
        }
        resolved.type = resolved.row->base;
        resolved.modifier = resolved.row->type_modifier;
    }
    resolved.row = NULL;
    resolved.kind = resolved.type < CATALOG_FIRST_USER_OID ? kind_of_own(resolved.type) : UNKNOWN;
    return resolved;
}

static enum recode_outcome plan(struct planning *planning, const struct recode_type *to,
                                const struct recode_type *from, struct recode **recode);

static struct recode *
recode_new(struct planning *planning, const struct resolved *to, size_t parts)
{
    planning->parts += (unsigned)parts + 1;
    struct recode *recode = planning->parts <= MAX_PARTS ? calloc(1, sizeof(*recode)) : NULL;
    if (recode == NULL)
        return NULL;
    recode->parts = parts > 0 ? calloc(parts, sizeof(*recode->parts)) : NULL;
    if (parts > 0 && recode->parts == NULL) {
        free(recode);
        return NULL;
    }
    recode->part_count = parts;
    recode->type = to->type;
    recode->modifier = planning->rules->is_parameter ? -1 : to->modifier;
    recode->is_utf8 = planning->rules->is_utf8;
    recode->enum_type = to->kind == ENUM ? to->row : NULL;
    return recode;
}

void
recode_free(struct recode **recode)
{
    struct recode *gone = *recode;
    *recode = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->part_count; i++)
        recode_free(&gone->parts[i].recode);
    free(gone->parts);
    free(gone);
}

// ---- single values ----

enum modifier { ANY, GIVEN, NONE, PARAMETER };

static const struct pair {
    unsigned to, from;
    enum modifier modifier;
    recode_function *put[2]; // by format
    enum recode_outcome outcome;
} pairs[] = {
#define PAIR(to, from, modifier, text, binary, outcome)                                            \
    {to, from, modifier, {text, binary}, RECODE_##outcome},
#include "compare/recode/recode_pairs.tbl"
#undef PAIR
};

static const struct pair *
find_pair(const struct planning *planning, const struct resolved *to, const struct resolved *from)
{
    bool is_parameter = planning->rules->is_parameter;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pair *pair = &pairs[i];
        bool has_modifier = pair->modifier == ANY ||
                            (pair->modifier == PARAMETER && is_parameter) ||
                            (pair->modifier == GIVEN && !is_parameter && to->modifier >= 0) ||
                            (pair->modifier == NONE && (is_parameter || to->modifier < 0));
        if ((pair->to & (unsigned)to->kind) != 0 && (pair->from & (unsigned)from->kind) != 0 &&
            has_modifier)
            return pair;
    }
    return NULL;
}

static bool
has_label(const struct catalog_type *type, const char *name)
{
    for (size_t low = 0, high = type->label_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(type->labels[middle].name, name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool
has_all_labels(const struct catalog_type *to, const struct catalog_type *from)
{
    for (size_t i = 0; i < from->label_count; i++)
        if (!has_label(to, from->labels[i].name))
            return false;
    return from->label_count > 0;
}

// Are values of the one type, whatever they are, values of the other with the same bytes?
static bool
is_same(const struct planning *planning, const struct resolved *to, const struct resolved *from)
{
    if (to->kind != from->kind)
        return false;
    if (to->kind == ENUM)
        return planning->rules->is_parameter || has_all_labels(to->row, from->row);
    if (to->row != NULL && from->row != NULL ? strcmp(to->row->name, from->row->name) != 0
                                             : to->type != from->type)
        return false;
    bool looks_alike = to->modifier < 0 && (to->kind & (NUMERIC | BPCHAR)) == 0;
    return planning->rules->is_parameter || to->modifier == from->modifier || looks_alike;
}

static enum recode_outcome
plan_single(struct planning *planning, const struct resolved *to, const struct resolved *from,
            struct recode **recode)
{
    if (is_same(planning, to, from))
        return RECODE_AS_IS;
    const struct pair *pair = find_pair(planning, to, from);
    if (pair == NULL)
        return RECODE_IMPOSSIBLE;
    recode_function *put = pair->put[planning->rules->format != 0];
    if (put == NULL)
        return RECODE_AS_IS;
    if (put == recode_float_text && !planning->rules->has_short_floats)
        return RECODE_IMPOSSIBLE;
    *recode = recode_new(planning, to, 0);
    if (*recode == NULL)
        return RECODE_IMPOSSIBLE;
    (*recode)->put = put;
    return pair->outcome;
}

// ---- containers ----

static recode_function *
container_function(enum kind kind, bool is_binary)
{
    static const struct {
        enum kind kind;
        recode_function *put[2];
    } functions[] = {
        {ARRAY, {recode_array_text, recode_array_binary}},
        {COMPOSITE, {recode_composite_text, recode_composite_binary}},
        {RANGE, {recode_range_text, recode_range_binary}},
        {MULTIRANGE, {recode_multirange_text, recode_multirange_binary}},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (functions[i].kind == kind)
            return functions[i].put[is_binary];
    return NULL;
}

// What an array's elements, a range's bounds or a multirange's ranges are.
static struct recode_type
inner(const struct resolved *type)
{
    return (struct recode_type){
        .catalog = type->catalog,
        .type = type->row != NULL ? type->row->base : type_shape_of(type->type, NULL).element,
        .modifier = type->kind == ARRAY ? type->modifier : -1,
    };
}

// Where ranges of the one type are put down as closed intervals, and those of the other as half open ones, bounds do not tell.
static bool
are_ranges_alike(const struct resolved *to, const struct resolved *from)
{
    enum { INT4RANGE = 3904, INT8RANGE = 3926 };
    if (to->row != NULL && from->row != NULL)
        return true;
    bool are_integers = (to->type == INT4RANGE || to->type == INT8RANGE) &&
                        (from->type == INT4RANGE || from->type == INT8RANGE);
    return to->type == from->type || are_integers;
}

static const struct catalog_relation *
row_of(const struct resolved *type)
{
    return catalog_relation_of(type->catalog, type->row->relation);
}

// The parts and what of them is to be done; each has its OID in binary.
static enum recode_outcome
plan_part(struct planning *planning, const struct recode_type *to, const struct recode_type *from,
          struct recode_part *part)
{
    part->to = to->type;
    part->from = from->type;
    enum recode_outcome outcome = plan(planning, to, from, &part->recode);
    bool is_renumbered = planning->rules->format != 0 && to->type != from->type;
    return outcome == RECODE_AS_IS && is_renumbered ? RECODE_SURE : outcome;
}

static enum recode_outcome
plan_fields(struct planning *planning, const struct resolved *to, const struct resolved *from,
            struct recode *recode)
{
    const struct catalog_column *theirs = row_of(from)->columns, *ours = row_of(to)->columns;
    enum recode_outcome outcome = RECODE_AS_IS;
    for (size_t i = 0; i < recode->part_count; i++) {
        if (strcmp(theirs[i].name, ours[i].name) != 0)
            return RECODE_IMPOSSIBLE;
        struct recode_type one = {to->catalog, ours[i].type, ours[i].type_modifier};
        struct recode_type other = {from->catalog, theirs[i].type, theirs[i].type_modifier};
        enum recode_outcome part = plan_part(planning, &one, &other, &recode->parts[i]);
        outcome = part > outcome ? part : outcome;
    }
    return outcome;
}

static enum recode_outcome
plan_container(struct planning *planning, const struct resolved *to, const struct resolved *from,
               struct recode **recode)
{
    size_t parts = 1;
    if (to->kind == COMPOSITE) {
        const struct catalog_relation *ours = row_of(to), *theirs = row_of(from);
        if (ours == NULL || theirs == NULL || ours->column_count != theirs->column_count)
            return RECODE_IMPOSSIBLE;
        parts = ours->column_count;
    } else if (to->kind == RANGE && !are_ranges_alike(to, from)) {
        return RECODE_IMPOSSIBLE;
    }
    *recode = recode_new(planning, to, parts);
    if (*recode == NULL)
        return RECODE_IMPOSSIBLE;
    (*recode)->put = container_function(to->kind, planning->rules->format != 0);
    enum recode_outcome outcome;
    if (to->kind == COMPOSITE) {
        outcome = plan_fields(planning, to, from, *recode);
    } else {
        struct recode_type one = inner(to), other = inner(from);
        struct recode_part *part = &(*recode)->parts[0];
        // Only an array says in binary what its elements are.
        outcome = to->kind == ARRAY ? plan_part(planning, &one, &other, part)
                                    : plan(planning, &one, &other, &part->recode);
    }
    return outcome;
}

static enum recode_outcome
plan(struct planning *planning, const struct recode_type *to, const struct recode_type *from,
     struct recode **recode)
{
    struct resolved one = resolve(to), other = resolve(from);
    enum { CONTAINERS = ARRAY | COMPOSITE | RANGE | MULTIRANGE };
    enum recode_outcome outcome = RECODE_IMPOSSIBLE;
    bool are_containers = one.kind == other.kind && (one.kind & CONTAINERS) != 0;
    *recode = NULL;
    if (++planning->depth <= MAX_DEPTH && one.kind != UNKNOWN && other.kind != UNKNOWN) {
        if (are_containers)
            outcome = plan_container(planning, &one, &other, recode);
        else if (one.kind != RECORD)
            outcome = plan_single(planning, &one, &other, recode);
        else if (other.kind == RECORD && planning->rules->format == 0)
            outcome = RECODE_AS_IS;
    }
    planning->depth--;
    if (outcome == RECODE_AS_IS || outcome == RECODE_IMPOSSIBLE)
        recode_free(recode);
    return outcome;
}

enum recode_outcome
recode_plan(const struct recode_type *to, const struct recode_type *from,
            const struct recode_rules *rules, struct recode **recode)
{
    struct planning planning = {.rules = rules};
    return plan(&planning, to, from, recode);
}

// ---- values ----

bool
recode_add(struct recode_run *run, const void *bytes, size_t length)
{
    if (run->writer->length > run->limit || length > run->limit - run->writer->length)
        return false;
    writer_bytes(run->writer, bytes, length);
    return !run->writer->failed;
}

bool
recode_part_put(const struct recode_part *part, const uint8_t *bytes, size_t length,
                struct recode_run *run)
{
    return part->recode != NULL ? part->recode->put(part->recode, bytes, length, run)
                                : recode_add(run, bytes, length);
}

bool
recode_value(const struct recode *recode, const uint8_t *bytes, size_t length, size_t limit,
             struct writer *writer)
{
    struct recode_run run = {writer, limit};
    return recode->put(recode, bytes, length, &run) && !writer->failed;
}
