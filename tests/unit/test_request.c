#include "protocol/request.h"

#include "exact.h"
#include <criterion/criterion.h>

// Reads a body of the type and frees what it owns.
static bool
is_sound(char type, const uint8_t *body, size_t length)
{
    const char *sql;
    struct parse_request parse;
    struct bind_request bind;
    struct execute_request execute;
    struct target_request target;
    bool result = false;
    switch (type) {
    case 'Q':
        return request_read_query(body, length, &sql);
    case 'P':
        result = request_read_parse(body, length, &parse);
        if (result) {
            request_parse_fini(&parse);
        }
        return result;
    case 'B':
        result = request_read_bind(body, length, &bind);
        if (result) {
            request_bind_fini(&bind);
        }
        return result;
    case 'E':
        return request_read_execute(body, length, &execute);
    default:
        return request_read_target(body, length, &target);
    }
}

struct body {
    char type;
    const char *bytes;
    size_t length;
};

#define BODY(type, bytes)                                                                          \
    {                                                                                              \
        type, bytes, sizeof(bytes) - 1                                                             \
    }

static const struct body sound[] = {
    BODY('Q', "select 1\0"),
    BODY('Q', "\0"),
    BODY('P', "s\0select $1\0\0\0"),
    BODY('P', "\0select $1\0\0\2\0\0\0\27\0\0\0\0"),
    BODY('B', "\0\0\0\0\0\0\0\0"),
    BODY('B', "p\0s\0\0\0\0\2\0\0\0\1x\377\377\377\377\0\0"),
    BODY('B', "\0\0\0\1\0\1\0\2\0\0\0\0\0\0\0\1y\0\2\0\0\0\1"),
    BODY('B', "\0\0\0\2\0\1\0\0\0\2\0\0\0\0\0\0\0\1y\0\1\0\1"),
    BODY('E', "\0\0\0\0\0"),
    BODY('E', "p\0\0\0\0\12"),
    BODY('D', "Sname\0"),
    BODY('C', "P\0"),
};

static const struct body malformed[] = {
    BODY('P', "\0\0\377\377"),                     // more types than bytes
    BODY('P', "\0\0\0\1\0\0\0"),                   // half a type
    BODY('B', "\0\0\377\377\0\0\0\0"),             // more formats than bytes
    BODY('B', "\0\0\0\0\377\377\0\0"),             // more values than bytes
    BODY('B', "\0\0\0\0\0\1\377\377\377\376\0\0"), // length -2
    BODY('B', "\0\0\0\0\0\1\177\377\377\377\0\0"), // a value longer than the body
    BODY('B', "\0\0\0\0\0\1\200\0\0\0\0\0"),       // the smallest length
    BODY('B', "\0\0\0\2\0\0\0\0\0\1\0\0\0\0\0\0"), // two formats, one value
    BODY('B', "\0\0\0\0\0\0\377\377"),             // more result formats than bytes
    BODY('D', "Tname\0"),                          // neither statement nor portal
};

Test(request, sound_bodies_are_read_and_no_part_or_extension_of_them)
{
    for (size_t i = 0; i < COUNT(sound); i++) {
        const struct body *body = &sound[i];
        for (size_t length = 0; length <= body->length + 1; length++) {
            uint8_t *bytes = malloc(length);
            memset(bytes, 0, length);
            memcpy(bytes, body->bytes, length < body->length ? length : body->length);
            cr_expect_eq(is_sound(body->type, bytes, length), length == body->length,
                         "%c, case %zu, %zu of %zu bytes", body->type, i, length, body->length);
            free(bytes);
        }
    }
}

Test(request, malformed_bodies_are_refused)
{
    for (size_t i = 0; i < COUNT(malformed); i++) {
        uint8_t *bytes = exact(malformed[i].bytes, malformed[i].length);
        cr_expect_not(is_sound(malformed[i].type, bytes, malformed[i].length), "case %zu", i);
        free(bytes);
    }
}

static void
expect_same(const struct bind_request *seen, const struct bind_request *request)
{
    cr_expect_str_eq(seen->portal, request->portal);
    cr_expect_str_eq(seen->statement, request->statement);
    cr_assert_eq(seen->value_count, request->value_count);
    for (size_t i = 0; i < request->value_count; i++) {
        cr_expect_eq(seen->values[i].format, request->values[i].format);
        cr_expect_eq(seen->values[i].bytes == NULL, request->values[i].bytes == NULL);
        cr_assert_eq(seen->values[i].length, request->values[i].length);
        if (request->values[i].length > 0) {
            cr_expect_arr_eq(seen->values[i].bytes, request->values[i].bytes,
                             request->values[i].length);
        }
    }
    cr_assert_eq(seen->result_format_count, request->result_format_count);
    for (size_t i = 0; i < request->result_format_count; i++) {
        cr_expect_eq(seen->result_formats[i], request->result_formats[i]);
    }
}

Test(request, a_bind_that_was_written_reads_the_same)
{
    const uint8_t *x = (const uint8_t *)"xyz";
    struct bind_value texts[] = {{x, 3, 0}, {NULL, 0, 0}, {x, 0, 0}};
    struct bind_value binaries[] = {{x, 3, 1}, {NULL, 0, 1}};
    struct bind_value mixed[] = {{x, 1, 1}, {x, 2, 0}, {x, 3, 1}};
    int16_t formats[] = {1, 0};
    const struct {
        struct bind_request request;
        size_t format_bytes; // the shorthands are used
    } cases[] = {
        {{"", "", NULL, 0, NULL, 0}, 0},
        {{"p", "s", texts, 3, NULL, 0}, 0},
        {{"p", "s", binaries, 2, formats, 1}, 2},
        {{"", "", mixed, 3, formats, 2}, 6},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct writer writer;
        struct bind_request seen;
        writer_init(&writer);
        request_write_bind(&writer, &cases[i].request);
        cr_assert_not(writer.failed);
        cr_assert(request_read_bind(writer.bytes + 5, writer.length - 5, &seen));
        expect_same(&seen, &cases[i].request);
        size_t names = strlen(seen.portal) + strlen(seen.statement) + 2;
        cr_expect_eq((writer.bytes[5 + names] << 8 | writer.bytes[6 + names]) * 2,
                     (int)cases[i].format_bytes, "case %zu", i);
        request_bind_fini(&seen);
        writer_fini(&writer);
    }
}

Test(request, what_was_written_reads_the_same)
{
    uint32_t types[] = {23, 0};
    struct parse_request parse = {"s", "select $1", types, 2};
    struct parse_request seen;
    struct execute_request execute;
    struct target_request target;
    const char *sql;
    struct writer writer;
    writer_init(&writer);
    request_write_parse(&writer, &parse);
    cr_assert(request_read_parse(writer.bytes + 5, writer.length - 5, &seen));
    cr_expect_str_eq(seen.sql, "select $1");
    cr_expect_eq(seen.type_count, 2u);
    cr_expect_eq(seen.types[0], 23u);
    request_parse_fini(&seen);
    writer_clear(&writer);
    request_write_query(&writer, "select 1");
    cr_assert(request_read_query(writer.bytes + 5, writer.length - 5, &sql));
    cr_expect_str_eq(sql, "select 1");
    writer_clear(&writer);
    request_write_execute(&writer, "p", 7);
    cr_assert(request_read_execute(writer.bytes + 5, writer.length - 5, &execute));
    cr_expect_eq(execute.row_limit, 7);
    writer_clear(&writer);
    request_write_close(&writer, 'S', "n");
    cr_assert(request_read_target(writer.bytes + 5, writer.length - 5, &target));
    cr_expect_eq(target.kind, 'S');
    writer_clear(&writer);
    request_write_describe(&writer, 'P', "");
    request_write_sync(&writer);
    request_write_terminate(&writer);
    cr_expect_arr_eq(writer.bytes, "D\0\0\0\6P\0S\0\0\0\4X\0\0\0\4", 17);
    writer_fini(&writer);
}

Test(request, a_negative_row_limit_is_all)
{
    struct execute_request execute;
    cr_assert(request_read_execute((const uint8_t *)"\0\377\377\377\377", 5, &execute));
    cr_expect_eq(execute.row_limit, 0);
}

Test(request, a_statement_with_a_nul_is_not_written)
{
    struct writer writer;
    writer_init(&writer);
    request_write_query_of(&writer, "select 1\0; drop", 15);
    cr_expect(writer.failed);
    writer_fini(&writer);
}
