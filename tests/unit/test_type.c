// Equality by type (DESIGN 3.4): what a real server sends in both formats (values.tbl), and pairs of
// values of one or two types that are equal or are not.
#include "compare/type.h"
#include "tables.h"

static const struct value {
    uint32_t type;
    const char *text;
    size_t text_length;
    const char *binary;
    size_t binary_length;
} values[] = {
#define VALUE(type, text, text_length, binary, binary_length)                                      \
    {type, text, text_length, binary, binary_length},
#include "values.tbl"
#undef VALUE
};

enum { VALUES = sizeof values / sizeof values[0] };
enum { BOX_ARRAY = 1020 }; // opaque: its formats do not compare

static const struct type_rules exact = {.float_tolerance = 0};

static struct cell
cell_of(uint32_t type, int16_t format, const char *bytes, size_t length)
{
    return (struct cell){.bytes = (const uint8_t *)bytes,
                         .length = length,
                         .type = type,
                         .format = format,
                         .type_modifier = -1};
}

static struct cell
text_of(const struct value *value)
{
    return cell_of(value->type, 0, value->text, value->text_length);
}

static struct cell
binary_of(const struct value *value)
{
    return cell_of(value->type, 1, value->binary, value->binary_length);
}

Test(type, both_formats_of_a_value_are_equal)
{
    for (size_t i = 0; i < VALUES; i++) {
        struct cell text = text_of(&values[i]);
        struct cell binary = binary_of(&values[i]);
        if (values[i].type == BOX_ARRAY)
            continue;
        cr_expect(type_equal(&text, &binary, &exact), "%u %s", values[i].type, values[i].text);
        cr_expect(type_equal(&binary, &text, &exact), "%u %s", values[i].type, values[i].text);
    }
}

// Numerics that differ in scale alone, and -0, are the same value.
static bool
is_same_value(const struct value *one, const struct value *other)
{
    static const char *const groups[][3] = {
        {"0", "0.00", "0"}, {"5", "5.00", "5"}, {"0", "-0", "0"}};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        bool one_is_in = false, other_is_in = false;
        for (size_t k = 0; k < 3; k++) {
            one_is_in |= strcmp(groups[i][k], one->text) == 0;
            other_is_in |= strcmp(groups[i][k], other->text) == 0;
        }
        if (one_is_in && other_is_in)
            return true;
    }
    return false;
}

Test(type, different_values_of_a_type_differ_in_every_format)
{
    for (size_t i = 0; i < VALUES; i++)
        for (size_t k = 0; k < VALUES; k++) {
            if (i == k || values[i].type != values[k].type || is_same_value(&values[i], &values[k]))
                continue;
            struct cell ones[] = {text_of(&values[i]), binary_of(&values[i])};
            struct cell others[] = {text_of(&values[k]), binary_of(&values[k])};
            for (int formats = 0; formats < 4; formats++)
                cr_expect(!type_equal(&ones[formats & 1], &others[formats >> 1], &exact),
                          "%u %s and %s, formats %d", values[i].type, values[i].text,
                          values[k].text, formats);
        }
}

// Forms are what digests are taken of: under each pair, both formats of a value have one form.
Test(type, equal_values_have_equal_forms)
{
    for (size_t i = 0; i < VALUES; i++) {
        struct type_pair pair;
        struct writer forms[2];
        struct cell text = text_of(&values[i]);
        struct cell binary = binary_of(&values[i]);
        if (values[i].type == BOX_ARRAY)
            continue;
        writer_init(&forms[0]);
        writer_init(&forms[1]);
        type_pair_init(&pair, values[i].type, values[i].type, &exact);
        type_pair_form(&pair, &text, false, &forms[0]);
        type_pair_form(&pair, &binary, true, &forms[1]);
        cr_expect_eq(forms[0].length, forms[1].length, "%s", values[i].text);
        if (forms[0].length == forms[1].length)
            cr_expect_arr_eq(forms[0].bytes, forms[1].bytes, forms[0].length, "%s", values[i].text);
        writer_fini(&forms[0]);
        writer_fini(&forms[1]);
    }
}

// Short values are compared without forms: the answer is the forms' all the same.
Test(type, quick_answers_are_those_of_forms)
{
    static const struct cell cells[] = {
#define CELL(type_, format_, text)                                                                 \
    {.bytes = (const uint8_t *)(text), .length = sizeof(text) - 1, .type = type_, .format = format_}
        CELL(1700, 0, ""),
        CELL(1700, 0, "-"),
        CELL(1700, 0, "."),
        CELL(1700, 0, "0"),
        CELL(1700, 0, "-0"),
        CELL(1700, 0, "-0.00"),
        CELL(1700, 0, "00"),
        CELL(1700, 0, "5."),
        CELL(1700, 0, ".5"),
        CELL(1700, 0, "0.50"),
        CELL(1700, 0, "-.5"),
        CELL(1700, 0, "+5"),
        CELL(1700, 0, "5"),
        CELL(1700, 0, "05"),
        CELL(1700, 0, "5.0"),
        CELL(1700, 0, "0.05"),
        CELL(1700, 0, "5e0"),
        CELL(1700, 0, "50"),
        CELL(1700, 0, "5e1"),
        CELL(1700, 0, "5.0.0"),
        CELL(1700, 0, "5 "),
        CELL(1700, 0, "NaN"),
        CELL(1700, 0, "Infinity"),
        CELL(1700, 0, "-5"),
        CELL(1700, 0, "999999999999999999"),
        CELL(1700, 0, "9999999999999999999"),
        CELL(1700, 0, "-9223372036854775808"),
        CELL(1700, 0, "9223372036854775807.0"),
        CELL(1700, 0, "0.00000000000000001"),
        CELL(1700, 0, "0.0000000000000000010"),
        CELL(21, 1, "\0\5"),
        CELL(23, 1, "\0\0\0\5"),
        CELL(20, 1, "\0\0\0\0\0\0\0\5"),
        CELL(23, 1, "\xff\xff\xff\xfb"),
        CELL(21, 1, "\xff\xfb"),
        CELL(21, 1, "\0\0\5"),
        CELL(20, 1, "\x80\0\0\0\0\0\0\0"),
        CELL(26, 1, "\0\0\0\5"),
        CELL(23, 1, ""),
        CELL(26, 1, "\xff\xff\xff\xfb"),
        CELL(16, 0, "t"),
        CELL(16, 0, "f"),
        CELL(16, 0, "T"),
        CELL(16, 0, "true"),
        CELL(16, 0, "0"),
        CELL(16, 1, "\1"),
        CELL(16, 1, "\2"),
        CELL(16, 1, "\0"),
        CELL(16, 1, "t"),
        CELL(16, 1, "\0\0"),
        CELL(16, 1, ""),
#undef CELL
    };
    size_t count = sizeof cells / sizeof cells[0], equal = 0;
    for (size_t i = 0; i < count * count; i++) {
        const struct cell *one = &cells[i / count], *other = &cells[i % count];
        struct type_pair pair;
        struct writer forms[2];
        writer_init(&forms[0]);
        writer_init(&forms[1]);
        type_pair_init(&pair, one->type, other->type, &exact);
        type_pair_form(&pair, one, false, &forms[0]);
        type_pair_form(&pair, other, true, &forms[1]);
        bool is_equal = type_pair_forms_agree(&pair, forms[0].bytes, forms[0].length,
                                              forms[1].bytes, forms[1].length);
        cr_expect_eq(type_equal(one, other, &exact), is_equal, "%zu and %zu", i / count, i % count);
        equal += is_equal;
        writer_fini(&forms[0]);
        writer_fini(&forms[1]);
    }
    cr_expect(equal > 2 * count);
}

Test(type, binary_prints_as_the_server_prints_it)
{
    size_t printed = 0;
    for (size_t i = 0; i < VALUES; i++) {
        struct writer text;
        struct cell binary = binary_of(&values[i]);
        writer_init(&text);
        bool is_range = strstr(type_name(values[i].type), "range") != NULL;
        if (!is_range && values[i].type != BOX_ARRAY) {
            cr_expect(type_print(&binary, NULL, &text), "%u %s", values[i].type, values[i].text);
            bool is_bpchar_or_char = values[i].type == 18;
            if (!is_bpchar_or_char) {
                writer_u8(&text, 0);
                cr_expect_str_eq((const char *)text.bytes, values[i].text, "%u", values[i].type);
            }
            printed++;
        }
        writer_fini(&text);
    }
    cr_expect(printed > 150);
}

struct pair {
    const char *old_type, *old_text, *new_type, *new_text;
    bool is_equal;
};

static void
expect_pairs(const struct pair *pairs, size_t count, const struct type_rules *rules)
{
    for (size_t i = 0; i < count; i++) {
        struct cell old_cell =
            cell_of(type_named(pairs[i].old_type), 0, pairs[i].old_text, strlen(pairs[i].old_text));
        struct cell new_cell =
            cell_of(type_named(pairs[i].new_type), 0, pairs[i].new_text, strlen(pairs[i].new_text));
        cr_assert(old_cell.type != 0 && new_cell.type != 0, "%s, %s", pairs[i].old_type,
                  pairs[i].new_type);
        cr_expect_eq(type_equal(&old_cell, &new_cell, rules), pairs[i].is_equal, "%s %s, %s %s",
                     pairs[i].old_type, pairs[i].old_text, pairs[i].new_type, pairs[i].new_text);
        cr_expect_eq(type_equal(&new_cell, &old_cell, rules), pairs[i].is_equal,
                     "the other way: %s %s, %s %s", pairs[i].old_type, pairs[i].old_text,
                     pairs[i].new_type, pairs[i].new_text);
    }
}

#define EXPECT_PAIRS(pairs, rules) expect_pairs(pairs, sizeof(pairs) / sizeof((pairs)[0]), rules)

Test(type, numbers_by_value)
{
    static const struct pair pairs[] = {
        {"int4", "5", "int8", "5", true},
        {"int2", "-5", "numeric", "-5.00", true},
        {"int4", "5", "numeric", "5.01", false},
        {"numeric", "0.10", "numeric", "0.1", true},
        {"numeric", "0", "numeric", "-0.00", true},
        {"numeric", "100", "numeric", "1e2", true},
        {"numeric", "9007199254740993", "int8", "9007199254740992", false},
        {"numeric", "0.1234567890123456789", "numeric", "0.1234567890123456788", false},
        {"numeric", "NaN", "numeric", "NaN", true},
        {"numeric", "Infinity", "numeric", "-Infinity", false},
        {"int4", "1", "int4", "10", false},
        {"int4", "12", "int4", "1.2", false},
        {"int8", "9007199254740993", "float8", "9007199254740992", false},
        {"numeric", "1.50", "float8", "1.5", true},
        {"oid", "5", "int8", "5", true},
        {"int4", "", "int4", "0", false},
        {"int4", "x", "int4", "x", true},
        {"numeric", "1e", "numeric", "1", false},
        {"numeric", "1e2000000000000000000000", "numeric", "1e2000000000000000000001", false},
    };
    EXPECT_PAIRS(pairs, &exact);
}

Test(type, floats_within_tolerance)
{
    static const struct type_rules rules = {.float_tolerance = 1e-12};
    static const struct pair pairs[] = {
        {"float8", "1", "float8", "1.0000000000001", true},
        {"float8", "1", "float8", "1.00000000001", false},
        {"float8", "0", "float8", "-0", true},
        {"float8", "NaN", "float8", "NaN", true},
        {"float8", "NaN", "float8", "1", false},
        {"float8", "Infinity", "float8", "Infinity", true},
        {"float8", "Infinity", "float8", "1e308", false},
        {"float8", "0", "float8", "1e-300", false},
        {"float4", "0.1", "float8", "0.10000000149011612", true},
        {"float4", "0.1", "float8", "0.1", true},
        {"float4", "0.1", "float8", "0.11", false},
        {"float8", "1", "float8", "one", false},
        {"_float8", "{1,2}", "_float8", "{1.0000000000001,2}", true},
        {"_float8", "{1,2}", "_float8", "{1.1,2}", false},
        {"_float8", "{1,2}", "_float8", "{1,2,3}", false},
        {"_float8", "{1,NULL}", "_float8", "{1,2}", false},
    };
    EXPECT_PAIRS(pairs, &rules);
    static const struct pair exact_pairs[] = {
        {"float8", "1", "float8", "1.0000000000001", false},
        {"float8", "1", "float8", "1.0", true},
    };
    EXPECT_PAIRS(exact_pairs, &exact);
}

Test(type, texts)
{
    static const struct pair pairs[] = {
        {"text", "a", "varchar", "a", true},
        {"text", "a", "text", "a ", false},
        {"text", "a", "bpchar", "a   ", true},
        {"bpchar", " a", "bpchar", "a", false},
        {"name", "a", "text", "a", true},
        {"text", "A", "text", "a", false},
        {"char", "", "char", "", true},
        {"char", "\\303", "char", "\303", true},
        {"bool", "t", "bool", "f", false},
        {"xml", "<a/>", "text", "<a/>", true},
        {"text", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "uuid",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", true},
        {"text", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "uuid",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", true},
        {"text", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "uuid",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", false},
        {"text", "none", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", false},
        {"bytea", "\\x616263", "bytea", "abc", true},
        {"bytea", "\\x00ff5c", "bytea", "\\000\\377\\\\", true},
        {"bytea", "\\x61", "bytea", "\\x62", false},
        {"inet", "10.0.0.1", "inet", "10.0.0.1", true},
        {"inet", "10.0.0.1", "text", "10.0.0.1", true},
        {"inet", "10.0.0.1", "inet", "10.0.0.2", false},
    };
    EXPECT_PAIRS(pairs, &exact);
}

Test(type, dates_and_times)
{
    static const struct pair pairs[] = {
        {"timestamptz", "2024-06-30 12:00:00+00", "timestamptz", "2024-06-30 14:00:00+02", true},
        {"timestamptz", "2024-06-30 12:00:00+05:30", "timestamptz", "2024-06-30 06:30:00+00", true},
        {"timestamptz", "2024-06-30 23:30:00-01", "timestamptz", "2024-07-01 00:30:00+00", true},
        {"timestamptz", "0044-03-15 12:00:00+00 BC", "timestamptz", "0044-03-15 13:00:00+01 BC",
         true},
        {"timestamptz", "0044-03-15 12:00:00+00 BC", "timestamptz", "0044-03-15 12:00:00+00",
         false},
        {"timestamptz", "0001-01-01 00:30:00+01", "timestamptz", "0001-12-31 23:30:00+00 BC", true},
        {"timestamptz", "1880-01-01 00:00:00+00:53:28", "timestamptz", "1879-12-31 23:06:32+00",
         true},
        {"timestamptz", "2024-06-30 12:00:00.5+00", "timestamptz", "2024-06-30 12:00:00.500000+00",
         true},
        {"timestamptz", "2024-06-30 12:00:00.000001+00", "timestamptz", "2024-06-30 12:00:00+00",
         false},
        {"timestamptz", "infinity", "timestamptz", "-infinity", false},
        {"timestamp", "2024-06-30 12:00:00", "timestamptz", "2024-06-30 12:00:00+00", false},
        {"timestamp", "Sun Jun 30 12:00:00 2024", "timestamp", "Sun Jun 30 12:00:00 2024", true},
        {"timestamp", "Sun Jun 30 12:00:00 2024", "timestamp", "2024-06-30 12:00:00", false},
        {"timetz", "12:00:00+02", "timetz", "12:00:00+02:00", true},
        {"timetz", "12:00:00+02", "timetz", "10:00:00+00", false},
        {"date", "2024-02-29", "date", "2024-03-01", false},
        {"date", "2024-13-01", "date", "2025-01-01", false},
        {"time", "24:00:00", "time", "00:00:00", false},
        {"interval", "1 year 2 mons 3 days 04:05:06.789", "interval", "P1Y2M3DT4H5M6.789S", true},
        {"interval", "-1 years -2 mons +3 days -04:05:06.5", "interval", "P-1Y-2M3DT-4H-5M-6.5S",
         true},
        {"interval", "00:00:00", "interval", "PT0S", true},
        {"interval", "1 mon", "interval", "30 days", false},
        {"interval", "24:00:00", "interval", "1 day", false},
        {"interval", "@ 1 day ago", "interval", "@ 1 day ago", true},
    };
    EXPECT_PAIRS(pairs, &exact);
}

Test(type, json_by_value)
{
    static const struct pair pairs[] = {
        {"json", "{\"a\":1,\"b\":[1,2]}", "jsonb", "{\"b\": [1, 2], \"a\": 1}", true},
        {"json", "{\"a\":1,\"a\":2}", "jsonb", "{\"a\": 2}", true},
        {"json", "{\"b\":0,\"a\":1,\"b\":9,\"a\":2}", "jsonb", "{\"a\": 2, \"b\": 9}", true},
        {"json", "{\"aa\":1,\"b\":2}", "jsonb", "{\"b\": 2, \"aa\": 1}", true},
        {"json", "{\"x\":{\"b\":1,\"a\":2}}", "json", "{\"x\":{\"a\":2,\"b\":1}}", true},
        {"json", "[1,2]", "json", "[2,1]", false},
        {"json", "1.0", "jsonb", "1", true},
        {"json", "1e2", "jsonb", "100", true},
        {"json", "-0", "jsonb", "0", true},
        {"json", "12345678901234567890.1", "json", "12345678901234567890.2", false},
        {"json", "0.1", "json", "0.10000000000000001", false},
        {"json", "1e400", "json", "1e401", false},
        {"json", "\"\\u00e4\\n\\/\"", "json", "\"ä\\n/\"", true},
        {"json", "\"\\ud83d\\ude00\"", "json", "\"😀\"", true},
        {"json", "\"\\ud83d\"", "json", "\"\\ud83e\"", false},
        {"json", "\"a\"", "json", "\"b\"", false},
        {"json", "\"1\"", "json", "1", false},
        {"json", "null", "json", "\"null\"", false},
        {"json", "true", "json", "false", false},
        {"json", "{}", "json", "[]", false},
        {"json", "{\"a\":null}", "json", "{}", false},
        {"json", "[[],1]", "json", "[[1]]", false},
        {"json", "[\"ab\",\"c\"]", "json", "[\"a\",\"bc\"]", false},
        {"json", " [ 1 , 2 ] ", "json", "[1,2]", true},
        {"json", "[1,]", "json", "[1]", false},
        {"json", "01", "json", "1", false},
        {"json", "{\"a\":1", "json", "{\"a\":1}", false},
        {"json", "nullx", "json", "null", false},
        {"json", "not json", "json", "not json", true},
    };
    EXPECT_PAIRS(pairs, &exact);
}

Test(type, json_nested_too_deep_is_compared_by_bytes)
{
    enum { DEEP = 100000 };
    char *one = malloc(2 * DEEP + 2);
    char *other = malloc(2 * DEEP + 2);
    memset(one, '[', DEEP);
    memset(one + DEEP, ']', DEEP);
    memcpy(other, one, 2 * DEEP);
    other[2 * DEEP] = ' ';
    struct cell cells[] = {cell_of(114, 0, one, 2 * DEEP), cell_of(114, 0, other, 2 * DEEP),
                           cell_of(114, 0, other, 2 * DEEP + 1)};
    cr_expect(type_equal(&cells[0], &cells[1], &exact));
    cr_expect(!type_equal(&cells[0], &cells[2], &exact));
    free(one);
    free(other);
}

Test(type, arrays_by_element)
{
    static const struct pair pairs[] = {
        {"_int4", "{1,2,3}", "_int8", "{1,2,3}", true},
        {"_int4", "{1,2}", "_numeric", "{1.0,2.00}", true},
        {"_int4", "{1,2}", "_int4", "{2,1}", false},
        {"_int4", "{1,NULL}", "_int8", "{1,NULL}", true},
        {"_int4", "{NULL}", "_int4", "{}", false},
        {"_int4", "{}", "_int8", "{}", true},
        {"_int4", "{{1,2},{3,4}}", "_int4", "{1,2,3,4}", false},
        {"_int4", "{{1,2},{3,4}}", "_int8", "{{1,2},{3,4}}", true},
        {"_int4", "[0:1]={1,2}", "_int4", "{1,2}", false},
        {"_int4", "[0:1]={1,2}", "_int8", "[0:1]={1,2}", true},
        {"_text", "{a,\"b\"}", "_text", "{\"a\",b}", true},
        {"_text", "{NULL}", "_text", "{\"NULL\"}", false},
        {"_text", "{\"a,b\"}", "_text", "{a,b}", false},
        {"_text", "{\"\"}", "_text", "{}", false},
        {"_bpchar", "{\"a  \"}", "_text", "{a}", true},
        {"_jsonb", "{\"{\\\"a\\\": 1, \\\"b\\\": 2}\"}", "_json", "{\"{\\\"b\\\":2,\\\"a\\\":1}\"}",
         true},
        {"_timestamptz", "{\"2024-06-30 12:00:00+00\"}", "_timestamptz",
         "{\"2024-06-30 14:00:00+02\"}", true},
        {"_int4", "{1,2", "_int4", "{1,2}", false},
        {"_int4", "{{1},{2,3}}", "_int4", "{{1},{2,3}}", true},
        {"_int4", "{1,2}", "text", "{1,2}", true},
        {"_int4range", "{\"[1,5)\"}", "_int8range", "{\"[1,5)\"}", true},
        {"int4range", "[1,5)", "int8range", "[1,5)", true},
        {"int4range", "[1,5)", "int4range", "[1,6)", false},
        {"int4range", "(,5)", "int4range", "[1,5)", false},
        {"int4range", "empty", "int8range", "empty", true},
        {"numrange", "[1.0,2)", "numrange", "[1.00,2)", true},
        {"numrange", "[1.0,2)", "numrange", "(1.0,2)", false},
        {"nummultirange", "{[1.0,2),[3,4)}", "nummultirange", "{[1,2),[3.0,4)}", true},
        {"nummultirange", "{[1.0,2)}", "nummultirange", "{[1,2),[3,4)}", false},
        {"tstzrange", "[\"2024-06-30 12:00:00+00\",)", "tstzrange", "[\"2024-06-30 14:00:00+02\",)",
         true},
        {"record", "(1,a)", "record", "(1,a)", true},
        {"record", "(1,a)", "record", "(2,a)", false},
    };
    EXPECT_PAIRS(pairs, &exact);
}

Test(type, rules_say_how_to_read)
{
    static const struct {
        enum type_as as;
        struct pair pair;
    } cases[] = {
        {TYPE_AS_INSTANT,
         {"timestamp", "2024-06-30 12:00:00", "timestamptz", "2024-06-30 14:00:00+02", true}},
        {TYPE_AS_INSTANT,
         {"text", "2024-06-30T12:00:00Z", "timestamptz", "2024-06-30 12:00:00+00", true}},
        {TYPE_AS_INSTANT, {"date", "2024-06-30", "timestamp", "2024-06-30 00:00:00", true}},
        {TYPE_AS_JSON, {"text", "{\"a\":1, \"b\":2}", "jsonb", "{\"b\": 2, \"a\": 1.0}", true}},
        {TYPE_AS_TEXT, {"numeric", "1.0", "numeric", "1.00", false}},
        {TYPE_AS_TEXT, {"_int4", "{1,2}", "_int8", "{1, 2}", false}},
        {TYPE_AS_TRIMMED, {"text", " a\t", "text", "a", true}},
        {TYPE_AS_CASE_INSENSITIVE, {"text", "STRASSE Ä Ω", "text", "strasse ä ω", true}},
        {TYPE_AS_CASE_INSENSITIVE, {"text", "a", "text", "b", false}},
        {TYPE_AS_CASE_INSENSITIVE, {"_text", "{A,b}", "_text", "{a,B}", true}},
        {TYPE_AS_NUMBER, {"text", "5.00", "int4", "5", true}},
        {TYPE_AS_NUMBER, {"text", "5.00", "int4", "6", false}},
        {TYPE_AS_BOOLEAN, {"int4", "1", "bool", "t", true}},
        {TYPE_AS_BOOLEAN, {"text", "No", "bool", "f", true}},
        {TYPE_AS_BOOLEAN, {"text", "maybe", "bool", "t", false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct type_rules rules = {.as = cases[i].as};
        expect_pairs(&cases[i].pair, 1, &rules);
    }
    static const struct type_rules unordered = {.unordered = true};
    static const struct pair pairs[] = {
        {"_int4", "{1,2,2}", "_int8", "{2,1,2}", true},
        {"_int4", "{1,2,2}", "_int8", "{2,1,1}", false},
        {"_text", "{a,NULL}", "_text", "{NULL,a}", true},
        {"_int4", "{1,2}", "_int4", "{1,2,2}", false},
    };
    EXPECT_PAIRS(pairs, &unordered);
}

static struct cell
binary(const char *type, const char *text)
{
    for (size_t i = 0; i < VALUES; i++)
        if (values[i].type == type_named(type) && strcmp(values[i].text, text) == 0)
            return binary_of(&values[i]);
    cr_assert_fail("no %s %s in values.tbl", type, text);
    return (struct cell){0};
}

Test(type, binary_across_types)
{
    static const struct pair pairs[] = {
        {"int4", "100", "float8", "100", true},
        {"int2", "5", "numeric", "5.00", true},
        {"_int4", "{1,2,3}", "_int8", "{1,2,3}", true},
        {"int4range", "[1,5)", "int8range", "[1,5)", true},
        {"float4", "0.1", "float8", "0.1", true},
        {"int4", "0", "bool", "f", false},
        {"text", "abc", "name", "abc", true},
        {"varchar", "abc", "bpchar", "abcde", false},
        {"timestamp", "2000-01-01 00:00:00", "timestamptz", "2000-01-01 00:00:00+00", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct cell old_cell = binary(pairs[i].old_type, pairs[i].old_text);
        struct cell new_cell = binary(pairs[i].new_type, pairs[i].new_text);
        cr_expect_eq(type_equal(&old_cell, &new_cell, &exact), pairs[i].is_equal, "%s, %s",
                     pairs[i].old_type, pairs[i].new_type);
    }
    struct cell number = binary("int4", "100");
    struct cell text = cell_of(25, 0, "100", 3);
    cr_expect(type_equal(&number, &text, &exact), "no rule: by text output");
}

Test(type, records_by_field_in_binary)
{
    // (7, 'a'): as int4 and text, as int8 and varchar, and another.
    static const char as_int4[] = "\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\7\0\0\0\x19\0\0\0\1"
                                  "a";
    static const char as_int8[] = "\0\0\0\2\0\0\0\x14\0\0\0\10\0\0\0\0\0\0\0\7\0\0\4\x13\0\0\0\1"
                                  "a";
    static const char other[] = "\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\10\0\0\0\x19\0\0\0\1"
                                "a";
    struct cell cells[] = {cell_of(2249, 1, as_int4, sizeof as_int4 - 1),
                           cell_of(2249, 1, as_int8, sizeof as_int8 - 1),
                           cell_of(2249, 1, other, sizeof other - 1)};
    cr_expect(type_equal(&cells[0], &cells[1], &exact));
    cr_expect(!type_equal(&cells[0], &cells[2], &exact));
}

Test(type, null_equals_null_alone)
{
    struct cell null = cell_of(25, 0, NULL, 0);
    struct cell other_null = cell_of(1043, 1, NULL, 0);
    struct cell empty = cell_of(25, 0, "", 0);
    cr_expect(type_equal(&null, &other_null, &exact));
    cr_expect(!type_equal(&null, &empty, &exact));
    cr_expect(!type_equal(&empty, &null, &exact));
}

Test(type, table_is_in_order)
{
    uint32_t before = 0;
#define TYPE(oid, name, FAMILY, element)                                                           \
    cr_expect(oid > before, #name);                                                                \
    cr_expect_str_eq(type_name(oid), #name);                                                       \
    before = oid;
#include "compare/type.tbl"
#undef TYPE
    cr_expect(type_name(1) == NULL);
    cr_expect(type_name(UINT32_MAX) == NULL);
}

// Every value cut short anywhere, and every byte of it turned: no crash, and equal to itself.
Test(type, junk_is_compared_by_bytes)
{
    for (size_t i = 0; i < VALUES; i++)
        for (int format = 0; format < 2; format++) {
            size_t length = format == 0 ? values[i].text_length : values[i].binary_length;
            const char *from = format == 0 ? values[i].text : values[i].binary;
            for (size_t at = 0; at <= length; at++) {
                char *bytes = malloc(length + 1);
                memcpy(bytes, from, length);
                struct cell whole = cell_of(values[i].type, (int16_t)format, from, length);
                struct cell cut = cell_of(values[i].type, (int16_t)format, bytes, at);
                type_equal(&whole, &cut, &exact);
                cr_expect(type_equal(&cut, &cut, &exact));
                if (at < length) {
                    bytes[at] = (char)~bytes[at];
                    cut.length = length;
                    type_equal(&whole, &cut, &exact);
                }
                free(bytes);
            }
        }
}
