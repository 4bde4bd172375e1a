// A unit is taken to pieces so that each request has what was answered to it, and nothing else.

#include "protocol/message.h"
#include "protocol/request.h"
#include "proxy/shadow/dissect.h"
#include <criterion/criterion.h>
#include <string.h>

static void
capture_writer(struct capture *capture, struct writer *writer)
{
    cr_assert(!writer->failed);
    cr_assert(capture_copy(capture, writer->bytes, writer->length));
    writer_fini(writer);
}

static void
write_row(struct writer *writer, const char *value)
{
    writer_begin(writer, 'D');
    writer_i16(writer, 1);
    writer_i32(writer, (int32_t)strlen(value));
    writer_bytes(writer, value, strlen(value));
    writer_end(writer);
}

static void
write_columns(struct writer *writer)
{
    struct reply_column column = {.name = "a", .type = 25, .type_size = -1, .type_modifier = -1};
    reply_write_row_description(writer, &column, 1);
}

static void
write_failure(struct writer *writer, const char *sqlstate)
{
    struct reply_error_text error = {.severity = "ERROR", .sqlstate = sqlstate, .message = "no"};
    reply_write_error(writer, 'E', &error);
}

Test(dissect, a_query_of_two_statements_has_two_results)
{
    struct unit *unit = unit_new(1, 1, 'I', 1);
    struct writer writer;
    writer_init(&writer);
    request_write_query(&writer, "SELECT 1; SELECT 2");
    capture_writer(&unit->request, &writer);
    writer_init(&writer);
    for (int i = 0; i < 2; i++) {
        write_columns(&writer);
        write_row(&writer, i ? "two" : "one");
        reply_write_command_complete(&writer, "SELECT 1");
    }
    reply_write_ready(&writer, 'I');
    capture_writer(&unit->reply, &writer);

    struct dissected dissected;
    cr_assert(dissect(unit, &dissected));
    cr_assert(!dissected.is_junk);
    cr_assert_eq(dissected.count, 1);
    cr_assert_eq(dissected.steps[0].outcome, STEP_COMPLETED);
    cr_assert_eq(dissected.steps[0].result_count, 2);
    cr_assert_eq(dissected.steps[0].results[1].row_count, 1);
    cr_assert_eq(dissected.steps[0].results[1].kind, RESULT_ROWS);
    dissected_fini(&dissected);
    unit_free(&unit);
}

Test(dissect, behind_a_message_that_is_cut_each_request_has_its_answer)
{
    struct unit *unit = unit_new(1, 1, 'I', 1);
    struct parse_request parse = {.statement = "", .sql = "SELECT 1"};
    uint8_t cut[] = {MESSAGE_CLIENT_BIND | UNIT_CUT, 0, 0, 0, 7, 0, 0, 1};
    struct writer writer;
    writer_init(&writer);
    request_write_parse(&writer, &parse);
    writer_bytes(&writer, cut, sizeof(cut));
    request_write_execute(&writer, "", 0);
    request_write_sync(&writer);
    capture_writer(&unit->request, &writer);
    writer_init(&writer);
    writer_bytes(&writer,
                 "1\0\0\0\4"
                 "2\0\0\0\4",
                 10);
    write_row(&writer, "one");
    reply_write_command_complete(&writer, "SELECT 1");
    reply_write_ready(&writer, 'I');
    capture_writer(&unit->reply, &writer);

    struct dissected dissected;
    cr_assert(dissect(unit, &dissected));
    cr_assert(!dissected.is_junk);
    cr_assert_eq(dissected.count, 4);
    cr_expect_not(dissected.steps[0].is_cut);
    cr_expect(dissected.steps[1].is_cut);
    cr_expect_eq(dissected.steps[1].type, MESSAGE_CLIENT_BIND);
    cr_expect_eq(dissected.steps[1].length, 3);
    cr_expect_eq(dissected.steps[1].outcome, STEP_COMPLETED);
    cr_expect_eq(dissected.steps[2].result_count, 1);
    cr_expect_eq(dissected.steps[2].results[0].row_count, 1);
    dissected_fini(&dissected);
    unit_free(&unit);
}

Test(dissect, what_follows_an_error_is_skipped)
{
    struct unit *unit = unit_new(1, 1, 'I', 1);
    struct parse_request parse = {.statement = "", .sql = "SELECT 1"};
    struct bind_request bind = {.portal = "", .statement = ""};
    struct writer writer;
    writer_init(&writer);
    request_write_parse(&writer, &parse);
    request_write_bind(&writer, &bind);
    request_write_execute(&writer, "", 0);
    request_write_sync(&writer);
    capture_writer(&unit->request, &writer);
    writer_init(&writer);
    writer_begin(&writer, '1');
    writer_end(&writer);
    write_failure(&writer, "22P02");
    reply_write_ready(&writer, 'I');
    capture_writer(&unit->reply, &writer);

    struct dissected dissected;
    cr_assert(dissect(unit, &dissected));
    cr_assert_eq(dissected.count, 4);
    cr_assert_eq(dissected.steps[0].outcome, STEP_COMPLETED);
    cr_assert_eq(dissected.steps[1].outcome, STEP_FAILED);
    cr_assert_str_eq(dissected.steps[1].results[0].sqlstate, "22P02");
    cr_assert_eq(dissected.steps[2].outcome, STEP_SKIPPED);
    dissected_fini(&dissected);
    unit_free(&unit);
}

Test(dissect, a_reply_that_was_cut_away_leaves_outcomes_unknown)
{
    struct unit *unit = unit_new(1, 1, 'I', 1);
    struct writer writer;
    unit->is_reply_cut = true;
    writer_init(&writer);
    request_write_query(&writer, "SET x TO 1");
    capture_writer(&unit->request, &writer);

    struct dissected dissected;
    cr_assert(dissect(unit, &dissected));
    cr_assert_eq(dissected.steps[0].outcome, STEP_UNKNOWN);
    dissected_fini(&dissected);
    unit_free(&unit);
}

Test(dissect, replies_that_answer_nothing_are_junk)
{
    struct unit *unit = unit_new(1, 1, 'I', 1);
    struct writer writer;
    writer_init(&writer);
    request_write_sync(&writer);
    capture_writer(&unit->request, &writer);
    writer_init(&writer);
    writer_begin(&writer, '2');
    writer_end(&writer);
    capture_writer(&unit->reply, &writer);

    struct dissected dissected;
    cr_assert(dissect(unit, &dissected));
    cr_assert(dissected.is_junk);
    dissected_fini(&dissected);
    unit_free(&unit);
}
