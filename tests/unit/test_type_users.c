// Types that users define, and composites: read by what the catalogs say of them, on each side its own,
// in text, in binary output, and in one against the other.
#include "tables.h"
#include "users_types.h"

static const struct type_rules exact = {.old_types = &users_types, .new_types = &users_types};

static struct cell
text_cell(uint32_t type, const char *text)
{
    return (struct cell){.bytes = (const uint8_t *)text, .length = strlen(text), .type = type};
}

#define BINARY(type_, bytes_)                                                                      \
    (struct cell)                                                                                  \
    {                                                                                              \
        .bytes = (const uint8_t *)(bytes_), .length = sizeof(bytes_) - 1, .type = type_,           \
        .format = 1                                                                                \
    }

static const struct pair {
    uint32_t old_type, new_type;
    const char *old_text, *new_text;
    bool is_equal;
} pairs[] = {
    {USERS_MOOD, 25, "red", "red", true},
    {USERS_MOOD, USERS_MOOD, "red", "blue", false},
    {USERS_MOODS, 1009, "{red,\"blue\"}", "{\"red\",blue}", true},
    {USERS_COUNT, 1700, "5", "5.0", true},
    {USERS_TOTAL, 20, "5", "5", true},
    {USERS_TOTAL, 1700, "5", "5.0", true},
    {USERS_ITSELF, USERS_ITSELF, "x", "x", true},
    {30000, 30001, "5", "5", true},
    {30000, 23, "5", "5.0", false},
    {USERS_SPAN, USERS_SPAN, "[1,2)", "[1.0,2e0)", true},
    {USERS_SPAN, USERS_SPAN, "[1,2)", "[1,2]", false},
    {USERS_SPAN, USERS_SPAN, "[1,)", "[1,2)", false},
    {USERS_SPANS, USERS_SPANS, "{[1,2),[3,4)}", "{[1,2),[3.0,4)}", true},
    {USERS_SPANS, USERS_SPANS, "{[1,2)}", "{[1,2),[3,4)}", false},
    {USERS_PLACE, USERS_PLACE, "(a,1,{x})", "(\"a\",1,\"{x}\")", true},
    {USERS_PLACE, USERS_PLACE, "(a,1,{x})", "(a,1,{x,y})", false},
    {USERS_PLACE, USERS_PLACE, "(a,1,{x})", "(a,,{x})", false},
    {USERS_PLACE, USERS_PLACE, "(,1,{x})", "(\"\",1,{x})", false},
    {USERS_PLACE, USERS_PLACE, "(a,1)", "(a,1)", true},
    {USERS_PLACE, USERS_PLACE, "(a,1)", "(a,1,)", false},
    {USERS_PLACE, USERS_WIDE_PLACE, "(a,1,{x})", "(a,1,\"{\"\"x\"\"}\")", true},
    {USERS_PLACE, USERS_WIDE_PLACE, "(a,1,{x})", "(b,1,{x})", false},
    {USERS_PLACE, 2249, "(a,1,{x})", "(a,1,{x})", true},
    {USERS_PLACE, 2249, "(a,1,{x})", "(\"a\",1,{x})", false},
    {USERS_PLACES, USERS_PLACES, "{\"(a,1,{x})\"}", "{\"(a,1,\\\"{x}\\\")\"}", true},
    {USERS_PLACES, USERS_PLACES, "{\"(a,1,{x})\"}", "{\"(a,2,{x})\"}", false},
    {USERS_HSTORE, USERS_HSTORE, "\"a\"=>\"1\"", "\"a\"=>\"1\"", true},
    {USERS_HSTORE, USERS_HSTORE, "\"a\"=>\"1\"", "\"a\"=>NULL", false},
    {USERS_VISIT, USERS_VISIT, "(\"(a,1,{x})\",\"[1,2)\",ok,0.5)",
     "(\"(a,1,\"\"{x}\"\")\",\"[1,2.0)\",ok,0.50)", true},
    {USERS_VISIT, USERS_VISIT, "(\"(a,1,{x})\",\"[1,2)\",ok,0.5)",
     "(\"(a,1,{x})\",\"[1,2)\",ok,0.6)", false},
    {USERS_STATIONS, USERS_STATIONS, "[\"(a,1,)\",\"(b,1,)\")", "[\"(\"\"a\"\",1,)\",\"(b,1,)\")",
     true},
};

Test(type_users, are_read_as_the_catalog_says)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct cell old_cell = text_cell(pairs[i].old_type, pairs[i].old_text);
        struct cell new_cell = text_cell(pairs[i].new_type, pairs[i].new_text);
        cr_expect_eq(type_equal(&old_cell, &new_cell, &exact), pairs[i].is_equal, "%s and %s",
                     pairs[i].old_text, pairs[i].new_text);
        cr_expect_eq(type_equal(&new_cell, &old_cell, &exact), pairs[i].is_equal, "%s and %s",
                     pairs[i].new_text, pairs[i].old_text);
    }
    cr_expect_eq(type_shape_of(USERS_TOTAL, &users_types).type, 23);
    cr_expect_eq(type_shape_of(30000, &users_types).type, 0);
    cr_expect_eq(type_shape_of(23, NULL).type, 23);
}

// What a server sends for one value in the two formats.
static const struct both {
    const char *text;
    struct cell binary;
} both[] = {
    {"[1,2)", BINARY(USERS_SPAN, "\2\0\0\0\10\x3f\xf0\0\0\0\0\0\0\0\0\0\10\x40\0\0\0\0\0\0\0")},
    {"empty", BINARY(USERS_SPAN, "\1")},
    {"(,)", BINARY(USERS_SPAN, "\x18")},
    {"{[1,),empty}", BINARY(USERS_SPANS, "\0\0\0\2\0\0\0\15\x12\0\0\0\10\x3f\xf0\0\0\0\0\0\0"
                                         "\0\0\0\1\1")},
    {"(\"a b\",7,)", BINARY(USERS_PLACE, "\0\0\0\3\0\0\0\x19\0\0\0\3"
                                         "a b"
                                         "\0\0\0\x17\0\0\0\4\0\0\0\7\0\0\3\xf1\xff\xff\xff\xff")},
    {"(\"\",,)", BINARY(USERS_PLACE, "\0\0\0\3\0\0\0\x19\0\0\0\0\0\0\0\x17\xff\xff\xff\xff"
                                     "\0\0\3\xf1\xff\xff\xff\xff")},
    {"{\"(\\\"\\\"\\\"\\\\\\\\(\\\",,)\"}",
     BINARY(USERS_PLACES, "\0\0\0\1\0\0\0\0\0\0\x4e\x26\0\0\0\1\0\0\0\1\0\0\0\x1f"
                          "\0\0\0\3\0\0\0\x19\0\0\0\3\"\\("
                          "\0\0\0\x17\xff\xff\xff\xff\0\0\3\xf1\xff\xff\xff\xff")},
    {"\"a\"=>\"1\", \"b\\\"\\\\\"=>NULL", BINARY(USERS_HSTORE, "\0\0\0\2\0\0\0\1"
                                                               "a\0\0\0\1"
                                                               "1\0\0\0\3"
                                                               "b\"\\\xff\xff\xff\xff")},
    {"", BINARY(USERS_HSTORE, "\0\0\0\0")},
    {"$1,234.56", BINARY(790, "\0\0\0\0\0\1\xe2\x40")},
    {"(1.234.56 \xe2\x82\xac)", BINARY(790, "\xff\xff\xff\xff\xff\xfe\x1d\xc0")},
    {"-$0.05", BINARY(790, "\xff\xff\xff\xff\xff\xff\xff\xfb")},
    {"$0.00", BINARY(790, "\0\0\0\0\0\0\0\0")},
    {"-$92,233,720,368,547,758.08", BINARY(790, "\x80\0\0\0\0\0\0\0")},
};

enum { BOTH = sizeof both / sizeof both[0] };

Test(type_users, meet_in_the_two_formats)
{
    for (size_t i = 0; i < BOTH; i++)
        for (size_t k = 0; k < BOTH; k++) {
            if (both[i].binary.type != both[k].binary.type)
                continue;
            struct cell text = text_cell(both[i].binary.type, both[i].text);
            cr_expect_eq(type_equal(&text, &both[k].binary, &exact), i == k, "%s and %s",
                         both[i].text, both[k].text);
            cr_expect_eq(type_equal(&both[k].binary, &text, &exact), i == k, "%s and %s",
                         both[k].text, both[i].text);
        }
}

Test(type_users, binary_prints_as_the_server_prints_it)
{
    for (size_t i = 0; i < BOTH && both[i].binary.type != 790; i++) {
        struct writer text;
        writer_init(&text);
        cr_expect(type_print(&both[i].binary, &users_types, &text), "%s", both[i].text);
        writer_u8(&text, 0);
        cr_expect_str_eq((const char *)text.bytes, both[i].text);
        writer_fini(&text);
    }
}

// A name of no catalog: ROW(1, 'a b') has no type but record.
Test(type_users, record_without_a_name_meets_its_text)
{
    struct cell binary = BINARY(2249, "\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\1\0\0\0\x19\0\0\0\3"
                                      "a b");
    struct cell text = text_cell(2249, "(1,\"a b\")"), other = text_cell(2249, "(1,\"a c\")");
    cr_expect(type_equal(&text, &binary, &exact));
    cr_expect(type_equal(&binary, &text, &exact));
    cr_expect(!type_equal(&binary, &other, &exact));
}

// In one format its currency counts, too.
Test(type_users, money_in_one_format_by_its_bytes)
{
    struct cell dollars = text_cell(790, "$1.00"), yen = text_cell(790, "¥100");
    cr_expect(!type_equal(&dollars, &yen, &exact));
    cr_expect(type_equal(&dollars, &dollars, &exact));
}

Test(type_users, floats_in_composites_and_ranges_have_their_tolerance)
{
    struct type_rules rules = exact;
    rules.float_tolerance = 1e-9;
    struct cell cells[] = {text_cell(USERS_VISIT, "(,\"[1,2)\",ok,0.5)"),
                           text_cell(USERS_VISIT, "(,\"[1.0000000000001,2)\",ok,0.5000000000001)"),
                           text_cell(USERS_VISIT, "(,\"[1.00001,2)\",ok,0.5)"),
                           text_cell(USERS_VISIT, "(,\"[1,2)\",ok,0.50001)")};
    cr_expect(type_equal(&cells[0], &cells[1], &rules));
    cr_expect(!type_equal(&cells[0], &cells[2], &rules));
    cr_expect(!type_equal(&cells[0], &cells[3], &rules));
    cr_expect(!type_equal(&cells[0], &cells[1], &exact));
}

// Equal bytes are equal rows only where the two types are one, whatever their OIDs are.
Test(type_users, are_alike_when_they_are_made_of_the_same)
{
    static const struct {
        uint32_t one, other;
        bool is_alike;
    } cases[] = {
        {USERS_MOOD, 25, true},
        {USERS_SPAN, USERS_SPAN, true},
        {USERS_PLACE, USERS_PLACE, true},
        {USERS_PLACE, USERS_WIDE_PLACE, false},
        {USERS_PLACES, USERS_PLACES, true},
        {USERS_MOODS, 1009, true},
        {USERS_SPAN, 3906, false},
        {USERS_HSTORE, USERS_HSTORE, true},
        {USERS_HSTORE, 25, false},
        {23, 20, false},
        {30000, 30001, true},
        {30000, 25, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct type_pair pair;
        type_pair_init(&pair, cases[i].one, cases[i].other, &exact);
        cr_expect_eq(pair.is_alike, cases[i].is_alike, "%u and %u", cases[i].one, cases[i].other);
    }
}

// Cut short anywhere and turned anywhere: no crash, and equal to itself.
Test(type_users, junk_is_compared_by_bytes)
{
    for (size_t i = 0; i < BOTH; i++)
        for (size_t at = 0; at <= both[i].binary.length; at++) {
            struct cell text = text_cell(both[i].binary.type, both[i].text);
            struct cell cut = both[i].binary;
            uint8_t *bytes = malloc(cut.length + 1);
            memcpy(bytes, cut.bytes, cut.length);
            cut.bytes = bytes;
            if (at < cut.length)
                bytes[at] = (uint8_t)~bytes[at];
            cr_expect(type_equal(&cut, &cut, &exact));
            (void)type_equal(&text, &cut, &exact);
            cut.length = at;
            cr_expect(type_equal(&cut, &cut, &exact));
            (void)type_equal(&text, &cut, &exact);
            free(bytes);
        }
}
