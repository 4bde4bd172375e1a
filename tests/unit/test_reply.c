#include "protocol/reply.h"

#include "exact.h"
#include <criterion/criterion.h>

static bool
is_sound_row(const uint8_t *body, size_t length)
{
    struct reply_row row;
    const uint8_t *value;
    size_t size;
    if (!reply_row_begin(&row, body, length)) {
        return false;
    }
    while (reply_row_next(&row, &value, &size)) {
        cr_assert(value == NULL || (value >= body && value + size <= body + length));
    }
    return reply_row_is_done(&row);
}

static bool
is_sound(char type, const uint8_t *body, size_t length)
{
    struct reply_column *columns;
    struct reply_error error;
    const char *text;
    const char *value;
    const uint8_t *key;
    uint32_t pid;
    size_t count;
    bool result;
    switch (type) {
    case 'T':
        result = reply_read_row_description(body, length, &columns, &count);
        if (result) {
            free(columns);
        }
        return result;
    case 'E':
        return reply_read_error(body, length, &error);
    case 'C':
        return reply_read_command_tag(body, length, &text);
    case 'S':
        return reply_read_parameter_status(body, length, &text, &value);
    case 'K':
        return reply_read_backend_key(body, length, &pid, &key, &count);
    default:
        return is_sound_row(body, length);
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
    BODY('T', "\0\0"),
    BODY('T', "\0\1\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"),
    BODY('T', "\0\1a\0\0\0\0\1\0\2\0\0\0\27\0\4\377\377\377\377\0\1"),
    BODY('E', "\0"),
    BODY('E', "SERROR\0VERROR\0C42P01\0Mno\0\0"),
    BODY('C', "SELECT 1\0"),
    BODY('S', "TimeZone\0UTC\0"),
    BODY('D', "\0\0"),
    BODY('D', "\0\3\0\0\0\1x\377\377\377\377\0\0\0\0"),
};

static const struct body malformed[] = {
    BODY('T', "\377\377"),
    BODY('T', "\0\2a\0\0\0\0\1\0\2\0\0\0\27\0\4\377\377\377\377\0\1"),
    BODY('E', "Sx"),
    BODY('E', "Sx\0"),
    BODY('K', "\0\0\0\1abc"),
    BODY('K', ""),
    BODY('D', "\377\377"),
    BODY('D', "\0\1\377\377\377\376"),
    BODY('D', "\0\1\200\0\0\0"),
    BODY('D', "\0\1\177\377\377\377x"),
    BODY('D', "\0\2\0\0\0\4abcd"),
};

Test(reply, sound_bodies_are_read_and_no_part_or_extension_of_them)
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

Test(reply, malformed_bodies_are_refused)
{
    for (size_t i = 0; i < COUNT(malformed); i++) {
        uint8_t *bytes = exact(malformed[i].bytes, malformed[i].length);
        cr_expect_not(is_sound(malformed[i].type, bytes, malformed[i].length), "case %zu", i);
        free(bytes);
    }
}

Test(reply, keys_have_4_to_256_bytes)
{
    uint8_t body[4 + 257] = {0, 0, 0, 9};
    for (size_t length = 0; length <= 257; length++) {
        uint32_t pid;
        const uint8_t *key;
        size_t key_length;
        bool is_read = reply_read_backend_key(body, 4 + length, &pid, &key, &key_length);
        cr_expect_eq(is_read, length >= 4 && length <= 256, "%zu bytes", length);
        cr_expect(!is_read || (pid == 9 && key == body + 4 && key_length == length));
    }
}

Test(reply, an_error_gives_its_fields)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *severity, *sqlstate, *message, *detail, *hint;
    } cases[] = {
        {"SFEHLER\0VERROR\0C42P01\0Mm\0Dd\0Hh\0Fx.c\0", 37, "ERROR", "42P01", "m", "d", "h"},
        {"SFATAL\0C57P01\0", 15, "FATAL", "57P01", NULL, NULL, NULL},
        {"C123\0", 6, NULL, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply_error error;
        const char *const *expected = &cases[i].severity;
        cr_assert(reply_read_error((const uint8_t *)cases[i].bytes, cases[i].length, &error), "%zu",
                  i);
        const char *seen[] = {error.severity, error.sqlstate, error.message, error.detail,
                              error.hint};
        for (size_t j = 0; j < COUNT(seen); j++) {
            cr_expect_eq(seen[j] == NULL, expected[j] == NULL, "case %zu, field %zu", i, j);
            cr_expect(seen[j] == NULL || strcmp(seen[j], expected[j]) == 0, "%zu, %zu", i, j);
        }
    }
}

Test(reply, a_row_gives_its_values)
{
    static const uint8_t body[] = "\0\3\0\0\0\1x\377\377\377\377\0\0\0\0";
    struct reply_row row;
    const uint8_t *value;
    size_t length;
    cr_assert(reply_row_begin(&row, body, sizeof(body) - 1));
    cr_assert(reply_row_next(&row, &value, &length));
    cr_expect(value != NULL && length == 1 && value[0] == 'x');
    cr_assert(reply_row_next(&row, &value, &length));
    cr_expect(value == NULL && length == 0);
    cr_assert(reply_row_next(&row, &value, &length));
    cr_expect(value != NULL && length == 0, "an empty value is not NULL");
    cr_expect_not(reply_row_next(&row, &value, &length));
    cr_expect(reply_row_is_done(&row));
}

Test(reply, what_was_written_reads_the_same)
{
    struct reply_column columns[] = {{"a", 1, 2, 23, 4, -1, 0}, {"", 0, 0, 25, -1, 7, 1}};
    struct reply_column *seen;
    size_t count;
    struct reply_error error;
    struct reply_error_text text = {"FATAL", "28000", "m", NULL, "h"};
    struct writer writer;
    writer_init(&writer);
    reply_write_row_description(&writer, columns, 2);
    cr_assert(reply_read_row_description(writer.bytes + 5, writer.length - 5, &seen, &count));
    cr_assert_eq(count, 2u);
    cr_expect_str_eq(seen[0].name, "a");
    cr_expect(seen[0].table == 1 && seen[0].attribute == 2 && seen[0].type == 23);
    cr_expect(seen[1].type_size == -1 && seen[1].type_modifier == 7 && seen[1].format == 1);
    free(seen);
    writer_clear(&writer);
    reply_write_error(&writer, 'E', &text);
    cr_assert(reply_read_error(writer.bytes + 5, writer.length - 5, &error));
    cr_expect_str_eq(error.severity, "FATAL");
    cr_expect_str_eq(error.sqlstate, "28000");
    cr_expect_null(error.detail);
    cr_expect_str_eq(error.hint, "h");
    writer_clear(&writer);
    reply_write_authentication_ok(&writer);
    reply_write_parameter_status(&writer, "a", "b");
    reply_write_backend_key(&writer, 1, 2);
    reply_write_command_complete(&writer, "SET");
    reply_write_ready(&writer, 'T');
    static const char bytes[] = "R\0\0\0\10\0\0\0\0S\0\0\0\10a\0b\0K\0\0\0\14\0\0\0\1\0\0\0\2"
                                "C\0\0\0\10SET\0Z\0\0\0\5T";
    cr_assert_eq(writer.length, sizeof(bytes) - 1);
    cr_expect_arr_eq(writer.bytes, bytes, sizeof(bytes) - 1);
    writer_fini(&writer);
}
