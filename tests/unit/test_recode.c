// A value of new's type becomes what old would have said, byte for byte, or is refused; types that users made have other OIDs on
// the other side; and parameters are put to new the same way.
#include "compare/recode/recode_bind.h"
#include "compare/sql/catalog_build.h"
#include "compare/sql/counterpart.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOOL = 16,
    NAME = 19,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    TEXT = 25,
    JSON = 114,
    FLOAT4 = 700,
    FLOAT8 = 701,
    INT4_ARRAY = 1007,
    TEXT_ARRAY = 1009,
    VARCHAR_ARRAY = 1015,
    INT8_ARRAY = 1016,
    BPCHAR = 1042,
    VARCHAR = 1043,
    TIMESTAMP = 1114,
    TIMESTAMPTZ = 1184,
    INTERVAL = 1186,
    BIT = 1560,
    VARBIT = 1562,
    NUMERIC = 1700,
    RECORD = 2249,
    JSONB = 3802,
    INT4RANGE = 3904,
    NUMRANGE = 3906,
    INT8RANGE = 3926,
    INT4MULTIRANGE = 4451,
    INT8MULTIRANGE = 4536,
    // Users' types: on new the same ones, in another order.
    USERS = 20000,
};

enum {
    MOOD,
    MOODS,
    AGE,
    AGES,
    PAIR,
    PAIRS,
    SPAN,
    SPANS,
    HSTORE,
    CITEXT,
    PARTED,
    OTHER_MOOD,
    ONLY,
    COUNT
};

// How a type is called: one of the above; on new users' types have their numbers from the end.
static uint32_t
of_user(unsigned type, bool is_new)
{
    return USERS + (is_new ? 100 + COUNT - type : type);
}

static void
type(struct catalog_build *build, bool is_new, unsigned which, const char *name, char kind,
     uint32_t base, bool is_array)
{
    struct catalog_type row = {.oid = of_user(which, is_new),
                               .schema = "public",
                               .name = name,
                               .kind = kind,
                               .base = base,
                               .is_array = is_array,
                               .relation = kind == 'c' ? of_user(which, is_new) + 1000 : 0,
                               .array = is_array ? 0 : of_user(which + 1, is_new),
                               .type_modifier = -1};
    cr_assert(catalog_build_type(build, &row));
    if (kind == 'c') {
        struct catalog_relation relation = {
            .oid = row.relation, .schema = "public", .name = name, .kind = 'c'};
        cr_assert(catalog_build_relation(build, &relation));
    }
}

static void
field(struct catalog_build *build, bool is_new, unsigned of, int16_t number, const char *name,
      uint32_t type, int32_t modifier)
{
    struct catalog_column row = {.relation = of_user(of, is_new) + 1000,
                                 .number = number,
                                 .type = type,
                                 .name = name,
                                 .type_modifier = modifier};
    cr_assert(catalog_build_column(build, &row));
}

static void
label(struct catalog_build *build, bool is_new, unsigned of, const char *name)
{
    cr_assert(catalog_build_label(build, &(struct catalog_label){of_user(of, is_new), name}));
}

// mood, age int, pair (a, b mood) with a int on old and bigint on new, span a range of it, parted with a numeric(6,2) on old.
static struct catalog *
make_catalog(bool is_new)
{
    struct catalog_build *build = catalog_build_new();
    type(build, is_new, MOOD, "mood", 'e', 0, false);
    label(build, is_new, MOOD, "sad");
    label(build, is_new, MOOD, "glad");
    if (is_new)
        label(build, is_new, MOOD, "new");
    type(build, is_new, MOODS, "_mood", 'b', of_user(MOOD, is_new), true);
    type(build, is_new, AGE, "age", 'd', is_new ? INT8 : INT4, false);
    type(build, is_new, AGES, "_age", 'b', of_user(AGE, is_new), true);
    type(build, is_new, PAIR, "pair", 'c', 0, false);
    field(build, is_new, PAIR, 1, "a", is_new ? INT8 : INT4, -1);
    field(build, is_new, PAIR, 3, "b", of_user(OTHER_MOOD, is_new), -1);
    type(build, is_new, PAIRS, "_pair", 'b', of_user(PAIR, is_new), true);
    type(build, is_new, SPAN, "span", 'r', is_new ? INT8 : INT4, false);
    type(build, is_new, SPANS, "spans", 'm', of_user(SPAN, is_new), false);
    type(build, is_new, HSTORE, "hstore", 'b', 0, false);
    type(build, is_new, CITEXT, "citext", 'b', 0, false);
    type(build, is_new, PARTED, "parted", 'c', 0, false);
    field(build, is_new, PARTED, 1, "n", NUMERIC, is_new ? -1 : (6 << 16 | 2) + 4);
    field(build, is_new, PARTED, 2, "t", is_new ? TEXT : VARCHAR, is_new ? -1 : 9);
    type(build, is_new, OTHER_MOOD, "other_mood", 'e', 0, false);
    label(build, is_new, OTHER_MOOD, "glad");
    type(build, is_new, ONLY, is_new ? "only_new" : "only_old", 'e', 0, false);
    struct catalog *catalog = catalog_build_finish(&build);
    cr_assert_not_null(catalog);
    return catalog;
}

static struct catalog *old_catalog, *new_catalog;

static void
setup(void)
{
    old_catalog = make_catalog(false);
    new_catalog = make_catalog(true);
}

static void
teardown(void)
{
    catalog_unref(&old_catalog);
    catalog_unref(&new_catalog);
}

TestSuite(recode, .init = setup, .fini = teardown);

static uint32_t
numbered(uint32_t type, bool is_new)
{
    return type < COUNT ? of_user(type, is_new) : type;
}

struct value {
    uint32_t to, from; // users' types by their number above
    int32_t to_modifier, from_modifier;
    const char *value;
    const char *expected; // NULL: refused; IMPOSSIBLE: whatever the value
};

static const char IMPOSSIBLE[] = "impossible", SAME[] = "as it is";

static void
check(const struct value *value, size_t i, int16_t format, const uint8_t *bytes, size_t length,
      const uint8_t *expected, size_t expected_length)
{
    struct recode_type to = {old_catalog, numbered(value->to, false), value->to_modifier};
    struct recode_type from = {new_catalog, numbered(value->from, true), value->from_modifier};
    struct recode_rules rules = {.format = format, .is_utf8 = true, .has_short_floats = true};
    struct recode *recode;
    struct writer writer;
    enum recode_outcome outcome = recode_plan(&to, &from, &rules, &recode);
    if (value->expected == IMPOSSIBLE || value->expected == SAME) {
        cr_assert_eq(outcome, value->expected == SAME ? RECODE_AS_IS : RECODE_IMPOSSIBLE,
                     "case %zu: %d", i, (int)outcome);
        return;
    }
    cr_assert(outcome == RECODE_SURE || outcome == RECODE_MAY_REFUSE, "case %zu: %d", i,
              (int)outcome);
    writer_init(&writer);
    uint8_t *exact = malloc(length + !length); // so that reading past it is seen
    memcpy(exact, bytes, length);
    bool is_put = recode_value(recode, exact, length, 1 << 20, &writer);
    cr_assert_eq(is_put, expected != NULL, "case %zu (%s): %.*s", i, value->value,
                 (int)writer.length, (const char *)writer.bytes);
    if (is_put)
        cr_assert(
            writer.length == expected_length &&
                (expected_length == 0 || memcmp(writer.bytes, expected, expected_length) == 0),
            "case %zu (%s): %.*s", i, value->value, (int)writer.length, (const char *)writer.bytes);
    // Whatever is cut off, nothing is read behind the end.
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *part = malloc(cut + !cut);
        memcpy(part, bytes, cut);
        writer_clear(&writer);
        recode_value(recode, part, cut, 1 << 20, &writer);
        free(part);
    }
    free(exact);
    writer_fini(&writer);
    recode_free(&recode);
}

#define NUM(precision, scale) (((precision) << 16 | (scale)) + 4)
#define CHARS(n) ((n) + 4)

Test(recode, text_is_what_old_would_print)
{
    static const struct value values[] = {
        {INT4, INT4, -1, -1, "1", SAME},
        {INT4, INT8, -1, -1, "2147483647", "2147483647"},
        {INT4, INT8, -1, -1, "-2147483648", "-2147483648"},
        {INT4, INT8, -1, -1, "2147483648", NULL},
        {INT2, INT4, -1, -1, "32768", NULL},
        {INT8, INT4, -1, -1, "1", SAME},
        {INT8, NUMERIC, -1, -1, "-9223372036854775808", "-9223372036854775808"},
        {INT8, NUMERIC, -1, -1, "9223372036854775808", NULL},
        {INT4, NUMERIC, -1, -1, "5.00", "5"},
        {INT4, NUMERIC, -1, -1, "-0.00", "0"},
        {INT4, NUMERIC, -1, -1, "5.01", NULL},
        {INT4, NUMERIC, -1, -1, "NaN", NULL},
        {INT4, NUMERIC, -1, -1, "", NULL},
        {INT4, TEXT, -1, -1, "5", IMPOSSIBLE},
        {BOOL, INT4, -1, -1, "1", "t"},
        {BOOL, INT4, -1, -1, "2", NULL},
        {INT4, BOOL, -1, -1, "f", "0"},
        {NUMERIC, NUMERIC, NUM(10, 2), NUM(10, 2), "5", SAME},
        {NUMERIC, NUMERIC, -1, -1, "5", SAME},
        {NUMERIC, NUMERIC, -1, NUM(10, 2), "5.00", IMPOSSIBLE},
        {NUMERIC, NUMERIC, NUM(10, 2), -1, "5", "5.00"},
        {NUMERIC, NUMERIC, NUM(10, 2), NUM(12, 4), "-5.1000", "-5.10"},
        {NUMERIC, NUMERIC, NUM(10, 2), NUM(12, 4), "5.1001", NULL},
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "99.99", "99.99"},
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "100", NULL},
        {NUMERIC, NUMERIC, NUM(2, 2), -1, "0.05", "0.05"},
        {NUMERIC, NUMERIC, NUM(2, 3), -1, "0.1", NULL},
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "Infinity", NULL},
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "NaN", "NaN"},
        {NUMERIC, INT8, NUM(10, 2), -1, "7", "7.00"},
        {NUMERIC, INT8, NUM(10, 0), -1, "7", "7"},
        {NUMERIC, INT8, -1, -1, "7", IMPOSSIBLE},
        {FLOAT4, FLOAT8, -1, -1, "0.5", "0.5"},
        {FLOAT4, FLOAT8, -1, -1, "0.10000000149011612", "0.1"},
        {FLOAT4, FLOAT8, -1, -1, "0.1", NULL},
        {FLOAT4, FLOAT8, -1, -1, "1e+300", NULL},
        {FLOAT4, FLOAT8, -1, -1, "1000000", "1e+06"},
        {FLOAT4, FLOAT8, -1, -1, "-Infinity", "-Infinity"},
        {FLOAT8, FLOAT4, -1, -1, "0.1", "0.10000000149011612"},
        {TEXT, VARCHAR, -1, CHARS(5), "x", SAME},
        {TEXT, BPCHAR, -1, CHARS(5), "x    ", IMPOSSIBLE},
        {VARCHAR, TEXT, -1, -1, "x", SAME},
        {VARCHAR, TEXT, CHARS(3), -1, "abc", "abc"},
        {VARCHAR, TEXT, CHARS(3), -1, "abcd", NULL},
        {VARCHAR, TEXT, CHARS(3), -1, "\xc3\xa4\xc3\xb6\xc3\xbc", "\xc3\xa4\xc3\xb6\xc3\xbc"},
        {VARCHAR, VARCHAR, CHARS(3), CHARS(9), "abcd", NULL},
        {BPCHAR, TEXT, CHARS(3), -1, "a", "a  "},
        {BPCHAR, BPCHAR, CHARS(3), CHARS(5), "\xc3\xa4    ", "\xc3\xa4  "},
        {BPCHAR, TEXT, CHARS(3), -1, "abcd", NULL},
        {BPCHAR, TEXT, CHARS(3), -1, "abc  ", "abc"},
        {BPCHAR, TEXT, CHARS(10000000), -1, "a", NULL}, // more than the caller holds
        {NAME, TEXT, -1, -1, "x", "x"},
        {JSON, JSONB, -1, -1, "{}", SAME},
        {JSONB, JSON, -1, -1, "{\"b\": [1, 2.50, true], \"aa\": \"\\u0001\\n\"}",
         "{\"b\": [1, 2.50, true], \"aa\": \"\\u0001\\n\"}"},
        {JSONB, JSON, -1, -1, "{\"aa\": 1, \"b\": 2}", NULL},
        {JSONB, JSON, -1, -1, "{\"a\":1}", NULL},
        {JSONB, JSON, -1, -1, "{\"a\": 1, \"a\": 1}", NULL},
        {JSONB, JSON, -1, -1, "1e3", NULL},
        {JSONB, JSON, -1, -1, "\"\\u0041\"", NULL},
        {JSONB, JSON, -1, -1, "-0.0", NULL},
        {TIMESTAMP, TIMESTAMP, 3, -1, "2020-02-02 01:02:03.123", "2020-02-02 01:02:03.123"},
        {TIMESTAMP, TIMESTAMP, 3, -1, "2020-02-02 01:02:03.1234", NULL},
        {TIMESTAMPTZ, TIMESTAMPTZ, 0, -1, "02.02.2020 01:02:03 CET", "02.02.2020 01:02:03 CET"},
        {TIMESTAMPTZ, TIMESTAMPTZ, 0, 6, "2020-02-02 01:02:03.5+05:30", NULL},
        {TIMESTAMP, TIMESTAMP, -1, 3, "2020-02-02 01:02:03.123", SAME},
        {TIMESTAMP, TIMESTAMPTZ, -1, -1, "2020-02-02", IMPOSSIBLE},
        {INTERVAL, INTERVAL, 0x7fff0003, -1, "1 day", IMPOSSIBLE},
        {BIT, VARBIT, 3, -1, "101", "101"},
        {BIT, VARBIT, 3, -1, "10", NULL},
        {VARBIT, VARBIT, 3, -1, "10", "10"},
        {MOOD, MOOD, -1, -1, "sad", "sad"}, // new has a label more
        {MOOD, MOOD, -1, -1, "new", NULL},
        {OTHER_MOOD, OTHER_MOOD, -1, -1, "glad", SAME},
        {MOOD, TEXT, -1, -1, "glad", "glad"},
        {MOOD, TEXT, -1, -1, "mad", NULL},
        {TEXT, MOOD, -1, -1, "new", SAME},
        {AGE, INT8, -1, -1, "7", "7"},
        {INT4, AGE, -1, -1, "2147483648", NULL},
        {HSTORE, HSTORE, -1, -1, "\"a\"=>\"1\"", SAME},
        {HSTORE, CITEXT, -1, -1, "x", IMPOSSIBLE},
        {CITEXT, TEXT, -1, -1, "x", SAME},
        {VARCHAR, CITEXT, CHARS(1), -1, "xy", NULL},
        {RECORD, RECORD, -1, -1, "(1)", SAME},
        {USERS - 1, USERS - 1, -1, -1, "x", IMPOSSIBLE}, // nobody knows it
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check(&values[i], i, 0, (const uint8_t *)values[i].value, strlen(values[i].value),
              (const uint8_t *)values[i].expected,
              values[i].expected != NULL ? strlen(values[i].expected) : 0);
}

Test(recode, text_inside_of_containers_is_quoted_as_old_would)
{
    static const struct value values[] = {
        {INT4_ARRAY, INT8_ARRAY, -1, -1, "{1,NULL,-3}", "{1,NULL,-3}"},
        {INT4_ARRAY, INT8_ARRAY, -1, -1, "{}", "{}"},
        {INT4_ARRAY, INT8_ARRAY, -1, -1, "[0:1][2:2]={{1},{2}}", "[0:1][2:2]={{1},{2}}"},
        {INT4_ARRAY, INT8_ARRAY, -1, -1, "{1,5000000000}", NULL},
        {INT4_ARRAY, INT8_ARRAY, -1, -1, "{{1,2},{3", NULL},
        {VARCHAR_ARRAY, TEXT_ARRAY, CHARS(4), -1, "{\"a,\\\"\",\"\",\"NULL\",NULL,b}",
         "{\"a,\\\"\",\"\",\"NULL\",NULL,b}"},
        {VARCHAR_ARRAY, TEXT_ARRAY, CHARS(2), -1, "{\"a,\\\"\"}", NULL},
        {MOODS, MOODS, -1, -1, "{sad,glad}", "{sad,glad}"},
        {MOODS, TEXT_ARRAY, -1, -1, "{sad,mad}", NULL},
        {AGES, AGES, -1, -1, "{1}", "{1}"},
        {INT4RANGE, INT8RANGE, -1, -1, "[1,10)", "[1,10)"},
        {INT4RANGE, INT8RANGE, -1, -1, "(,10)", "(,10)"},
        {INT4RANGE, INT8RANGE, -1, -1, "empty", "empty"},
        {INT4RANGE, INT8RANGE, -1, -1, "[1,5000000000)", NULL},
        {INT4RANGE, NUMRANGE, -1, -1, "[1,10)", IMPOSSIBLE},
        {INT4MULTIRANGE, INT8MULTIRANGE, -1, -1, "{[1,2),[5,)}", "{[1,2),[5,)}"},
        {INT4MULTIRANGE, INT8MULTIRANGE, -1, -1, "{}", "{}"},
        {SPAN, SPAN, -1, -1, "[1,2]", "[1,2]"},
        {SPANS, SPANS, -1, -1, "{[1,2],(3,5000000000)}", NULL},
        {PAIR, PAIR, -1, -1, "(1,glad)", "(1,glad)"},
        {PAIR, PAIR, -1, -1, "(,)", "(,)"},
        {PAIR, PAIR, -1, -1, "(5000000000,glad)", NULL},
        {PAIR, PAIR, -1, -1, "(1)", NULL},
        {PAIRS, PAIRS, -1, -1, "{\"(1,glad)\",\"(,)\"}", "{\"(1,glad)\",\"(,)\"}"},
        {PARTED, PARTED, -1, -1, "(5,\"a \"\"b\")", "(5.00,\"a \"\"b\")"},
        {PARTED, PARTED, -1, -1, "(5.100,\"a \\\\b\")", "(5.10,\"a \\\\b\")"},
        {PARTED, PARTED, -1, -1, "(5,abcdef)", NULL},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check(&values[i], i, 0, (const uint8_t *)values[i].value, strlen(values[i].value),
              (const uint8_t *)values[i].expected,
              values[i].expected != NULL ? strlen(values[i].expected) : 0);
}

// "0001 0a" and names of OIDs: <mood> is new's, <MOOD> old's.
static size_t
bytes_of(const char *text, uint8_t *bytes)
{
    static const struct {
        const char *name;
        unsigned type;
    } names[] = {{"mood", MOOD}, {"age", AGE}, {"pair", PAIR}, {"other", OTHER_MOOD}};
    size_t length = 0;
    for (const char *at = text; *at != '\0';) {
        if (*at == ' ') {
            at++;
        } else if (*at == '<') {
            const char *end = strchr(at, '>');
            for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (strncasecmp(names[i].name, at + 1, (size_t)(end - at - 1)) == 0) {
                    uint32_t oid = of_user(names[i].type, at[1] >= 'a');
                    for (int b = 0; b < 4; b++)
                        bytes[length++] = (uint8_t)(oid >> (24 - 8 * b));
                }
            at = end + 1;
        } else {
            char pair[3] = {at[0], at[1], '\0'};
            bytes[length++] = (uint8_t)strtoul(pair, NULL, 16);
            at += 2;
        }
    }
    return length;
}

#define WORD(hex) "00000004" hex
#define LONG(hex) "00000008 00000000" hex

Test(recode, binary_has_olds_widths_and_numbers_of_types)
{
    static const struct value values[] = {
        {INT4, INT8, -1, -1, "fffffffffffffffe", "fffffffe"},
        {INT4, INT8, -1, -1, "0000000100000000", NULL},
        {INT8, INT4, -1, -1, "fffffffe", "fffffffffffffffe"},
        {INT4, NUMERIC, -1, -1, "0002 0001 4000 0002 0001 0002", "ffffd8ee"}, // -10002.00
        {INT4, NUMERIC, -1, -1, "0001 0001 0000 0000 0001", "00002710"},
        {INT4, NUMERIC, -1, -1, "0001 ffff 0000 0001 1388", NULL}, // 0.5
        {INT4, NUMERIC, -1, -1, "0000 0000 c000 0000", NULL},
        {INT8, NUMERIC, -1, -1, "0001 7fff 0000 0000 0001", NULL},
        {BOOL, INT4, -1, -1, "00000001", "01"},
        {BOOL, INT4, -1, -1, "00000002", NULL},
        {INT2, BOOL, -1, -1, "01", "0001"},
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "0002 0000 0000 0001 0005 1388",
         "0002 0000 0000 0002 0005 1388"}, // 5.5
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "0002 0000 0000 0003 0005 1389", NULL},
        {NUMERIC, NUMERIC, NUM(4, 2), -1, "0001 0000 0000 0000 0064", NULL}, // 100
        {NUMERIC, INT4, NUM(9, 2), -1, "00002711", "0002 0001 0000 0002 0001 0001"},
        {NUMERIC, INT8, NUM(9, 2), -1, "ffffffffffffd8f0", "0001 0001 4000 0002 0001"},
        {NUMERIC, INT8, NUM(9, 2), -1, "0000000000000000", "0000 0000 0000 0002"},
        {FLOAT4, FLOAT8, -1, -1, "3fe0000000000000", "3f000000"},
        {FLOAT4, FLOAT8, -1, -1, "3fb999999999999a", NULL},
        {FLOAT8, FLOAT4, -1, -1, "3f000000", "3fe0000000000000"},
        {VARCHAR, TEXT, CHARS(1), -1, "6162", NULL},
        {BPCHAR, TEXT, CHARS(2), -1, "61", "6120"},
        {JSON, JSONB, -1, -1, "01 7b7d", "7b7d"},
        {JSON, JSONB, -1, -1, "02 7b7d", NULL},
        {JSONB, JSON, -1, -1, "7b7d", "01 7b7d"},
        {TIMESTAMP, TIMESTAMP, 3, -1, "00000000000003e8", "00000000000003e8"},
        {TIMESTAMP, TIMESTAMP, 3, -1, "00000000000003e9", NULL},
        {TIMESTAMP, TIMESTAMP, 3, -1, "7fffffffffffffff", "7fffffffffffffff"},
        {BIT, VARBIT, 3, -1, "00000003 a0", "00000003 a0"},
        {BIT, VARBIT, 3, -1, "00000004 a0", NULL},
        {MOOD, MOOD, -1, -1, "736164", "736164"},
        {INT4_ARRAY, INT8_ARRAY, -1, -1,
         "00000001 00000001 00000014 00000002 00000001" LONG("00000007") "ffffffff",
         "00000001 00000001 00000017 00000002 00000001" WORD("00000007") "ffffffff"},
        {MOODS, MOODS, -1, -1, "00000000 00000000 <mood>", "00000000 00000000 <MOOD>"},
        {MOODS, MOODS, -1, -1, "00000001 00000000 <mood> 00000001 00000001 00000003 736164",
         "00000001 00000000 <MOOD> 00000001 00000001 00000003 736164"},
        {MOODS, MOODS, -1, -1, "00000001 00000000 <pair> 00000001 00000001 00000003 736164", NULL},
        {MOODS, MOODS, -1, -1, "00000002 00000000 <mood> ffffffff 00000001 ffffffff 00000001",
         NULL},
        {AGES, AGES, -1, -1, "00000001 00000000 <age> 00000001 00000001" LONG("00000007"),
         "00000001 00000000 <AGE> 00000001 00000001" WORD("00000007")},
        {PAIR, PAIR, -1, -1, "00000002 00000014" LONG("00000007") "<other> 00000004 676c6164",
         "00000002 00000017" WORD("00000007") "<OTHER> 00000004 676c6164"},
        {PAIR, PAIR, -1, -1, "00000001 00000014" LONG("00000007"), NULL},
        {PAIRS, PAIRS, -1, -1,
         "00000001 00000000 <pair> 00000001 00000000"
         "0000001c 00000002 00000014" LONG("00000007") "<other> ffffffff",
         "00000001 00000000 <PAIR> 00000001 00000000"
         "00000018 00000002 00000017" WORD("00000007") "<OTHER> ffffffff"},
        {SPAN, SPAN, -1, -1, "02" LONG("00000001") LONG("00000009"),
         "02" WORD("00000001") WORD("00000009")},
        {SPAN, SPAN, -1, -1, "12" LONG("00000001"), "12" WORD("00000001")},
        {SPANS, SPANS, -1, -1, "00000002 00000001 01 0000000d 12" LONG("00000001"),
         "00000002 00000001 01 00000009 12" WORD("00000001")},
        {RECORD, RECORD, -1, -1, "00000000", IMPOSSIBLE},
        {HSTORE, HSTORE, -1, -1, "00000000", SAME},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t bytes[256], expected[256];
        const char *text = values[i].expected;
        bool is_put = text != NULL && text != SAME && text != IMPOSSIBLE;
        size_t length = bytes_of(values[i].value, bytes);
        size_t expected_length = is_put ? bytes_of(text, expected) : 0;
        check(&values[i], i, 1, bytes, length, is_put ? expected : NULL, expected_length);
    }
}

Test(recode, what_is_not_known_is_not_put)
{
    struct recode *recode;
    struct recode_type to = {old_catalog, VARCHAR, CHARS(3)}, from = {NULL, TEXT, -1};
    struct recode_rules rules = {.format = 0};
    struct writer writer;
    writer_init(&writer);
    cr_assert_eq(recode_plan(&to, &from, &rules, &recode), RECODE_MAY_REFUSE);
    cr_assert(recode_value(recode, (const uint8_t *)"abc", 3, 100, &writer));
    cr_assert_not(recode_value(recode, (const uint8_t *)"\xc3\xa4\xc3\xb6", 4, 100, &writer),
                  "how long it is depends on the encoding");
    recode_free(&recode);
    from = (struct recode_type){NULL, of_user(MOOD, true), -1};
    cr_assert_eq(recode_plan(&to, &from, &rules, &recode), RECODE_IMPOSSIBLE, "no catalog");
    to.type = FLOAT4;
    from.type = FLOAT8;
    cr_assert_eq(recode_plan(&to, &from, &rules, &recode), RECODE_IMPOSSIBLE,
                 "floats without all their digits");
    writer_fini(&writer);
}

Test(recode, types_are_matched_by_name_or_as_the_rewrites_say)
{
    struct rewrite_pair moved[] = {{"public.*", "elsewhere.*"}};
    struct rewrite list[] = {{.tables = moved, .table_count = 1}};
    struct rewrites rewrites = {.list = list, .count = 1};
    static const unsigned types[] = {MOOD, MOODS, AGE, AGES, PAIR, PAIRS, SPAN, SPANS, HSTORE};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        cr_assert_eq(counterpart_type(old_catalog, new_catalog, NULL, of_user(types[i], false)),
                     of_user(types[i], true), "type %u", types[i]);
    cr_assert_eq(counterpart_type(old_catalog, new_catalog, NULL, INT4), INT4);
    cr_assert_eq(counterpart_type(old_catalog, new_catalog, NULL, of_user(ONLY, false)), 0);
    cr_assert_eq(counterpart_type(old_catalog, NULL, NULL, of_user(MOOD, false)), 0);
    cr_assert_eq(counterpart_type(old_catalog, new_catalog, &rewrites, of_user(MOOD, false)), 0,
                 "it is not where the rewrites say");
}

struct parameters {
    uint32_t declared, described;
    int16_t format;
    const char *value; // as above
    bool is_put;
    uint32_t type; // that new is told
    const char *expected;
};

Test(recode, parameters_have_news_numbers_of_types)
{
    const uint32_t mood = of_user(MOOD, false), moods = of_user(MOODS, false);
    const uint32_t pair = of_user(PAIR, false), only = of_user(ONLY, false);
    const struct parameters cases[] = {
        {INT4, 0, 1, "00000007", true, INT4, "00000007"},
        {mood, 0, 0, "736164", true, of_user(MOOD, true), "736164"},
        {mood, 0, 1, "736164", true, of_user(MOOD, true), "736164"},
        {moods, 0, 1, "00000001 00000000 <MOOD> 00000001 00000001 00000003 736164", true,
         of_user(MOODS, true), "00000001 00000000 <mood> 00000001 00000001 00000003 736164"},
        {pair, 0, 1, "00000002 00000017" WORD("00000007") "<OTHER> ffffffff", true,
         of_user(PAIR, true), "00000002 00000014" LONG("00000007") "<other> ffffffff"},
        {pair, 0, 1, "00000002 00000017" WORD("00000007") "<MOOD> ffffffff", false, 0, ""},
        {only, 0, 0, "6162", false, 0, ""},
        {0, 0, 1, "00000007", true, 0, "00000007"},
        {0, INT4, 0, "37", true, 0, "37"},
        {0, INT4, 1, "00000007", true, INT4, "00000007"}, // or new would find its own
        {0, VARCHAR, 1, "6162", true, 0, "6162"},
        {0, mood, 1, "736164", true, 0, "736164"},
        {0, moods, 1, "00000000 00000000 <MOOD>", true, of_user(MOODS, true),
         "00000000 00000000 <mood>"},
    };
    struct recode_sides sides = {old_catalog, new_catalog, NULL};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct parameters *one = &cases[i];
        uint8_t bytes[128], expected[128];
        struct bind_value value = {bytes, bytes_of(one->value, bytes), one->format};
        struct bind_request request = {
            .portal = "", .statement = "", .values = &value, .value_count = 1};
        struct recode_bind bind;
        size_t length = bytes_of(one->expected, expected);
        bool is_put = recode_bind_init(&bind, &sides, &one->declared, 1, &one->described,
                                       one->described != 0, &request);
        cr_assert_eq(is_put, one->is_put, "case %zu", i);
        if (!is_put)
            continue;
        cr_assert_eq(bind.types[0], one->type, "case %zu: %u", i, bind.types[0]);
        cr_assert(bind.request.values[0].length == length &&
                      memcmp(bind.request.values[0].bytes, expected, length) == 0,
                  "case %zu", i);
        recode_bind_fini(&bind);
    }
}
