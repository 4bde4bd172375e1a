// Which units may go to new, by their messages alone. What is out of the ordinary (named portals, rows in
// portions, several executions, Flush) is left to old: rare, and not worth a wrong answer.
#include "proxy/canary/canary_unit.h"
#include "compare/sql/lexer.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include <string.h>

static const char begin_read[] = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY";
static const char end_read[] = "ROLLBACK";

static bool
next_message(struct reader *reader, struct message *message)
{
    const uint8_t *raw = reader->at;
    char type = (char)reader_u8(reader);
    uint32_t length = reader_u32(reader);
    if (reader->failed || length < 4) {
        return false;
    }
    const uint8_t *body = reader_bytes(reader, length - 4);
    *message = (struct message){type, body, length - 4, raw, (size_t)length + 1};
    return body != NULL && !reader->failed;
}

struct only_one {
    struct canary_unit *unit;
    unsigned count;
};

static bool
note_statement(void *context, const char *statement, size_t length)
{
    struct only_one *only = context;
    only->unit->sql = statement;
    only->unit->sql_length = length;
    only->count++;
    return true;
}

static bool
read_simple(struct canary_unit *unit, const struct message *message)
{
    const char *sql;
    struct only_one only = {.unit = unit};
    unit->is_simple = true;
    if (!request_read_query(message->body, message->length, &sql)) {
        return false;
    }
    unit->text = sql;
    return lexer_split(sql, strlen(sql), note_statement, &only) && only.count == 1;
}

// Parse and Close in front. Leaves `message` as the first that is neither. A Parse is kept, since the
// Bind may mean it; with more than one it is left to old to tell them apart.
static bool
read_prefix(struct canary_unit *unit, struct reader *reader, struct message *message)
{
    unsigned parses = 0;
    while (message->type == MESSAGE_CLIENT_PARSE || message->type == MESSAGE_CLIENT_CLOSE) {
        struct target_request target;
        bool is_fine =
            message->type == MESSAGE_CLIENT_PARSE
                ? ++parses == 1 && request_read_parse(message->body, message->length, &unit->parse)
                : parses == 0 && request_read_target(message->body, message->length, &target);
        if (!is_fine) {
            return false;
        }
        unit->prefix_count++;
        unit->prefix_length += message->raw_length;
        if (!next_message(reader, message)) {
            return false;
        }
    }
    return true;
}

static bool
finds_statement(struct canary_unit *unit, void *const *statements)
{
    if (unit->parse.sql && strcmp(unit->parse.statement, unit->bind.statement) == 0) {
        unit->sql = unit->parse.sql;
        unit->types = unit->parse.types;
        unit->type_count = unit->parse.type_count;
    } else {
        const struct statement *statement = statements_find(statements, unit->bind.statement);
        if (!statement || statement->is_cut || unit->bind.statement[0] == '\0' ||
            unit->prefix_count > 0) {
            return false;
        }
        unit->sql = statement->sql;
        unit->types = statement->types;
        unit->type_count = statement->type_count;
        unit->described = statement->described;
        unit->described_count = statement->described_count;
    }
    unit->sql_length = strlen(unit->sql);
    unit->text = unit->sql;
    return true;
}

static bool
read_extended(struct canary_unit *unit, struct reader *reader, struct message *message,
              void *const *statements)
{
    struct target_request target;
    struct execute_request execute;
    if (!read_prefix(unit, reader, message) || message->type != MESSAGE_CLIENT_BIND ||
        !request_read_bind(message->body, message->length, &unit->bind) ||
        unit->bind.portal[0] != '\0' || !finds_statement(unit, statements) ||
        !next_message(reader, message)) {
        return false;
    }
    if (message->type == MESSAGE_CLIENT_DESCRIBE) {
        unit->has_describe = true;
        if (!request_read_target(message->body, message->length, &target) || target.kind != 'P' ||
            target.name[0] != '\0' || !next_message(reader, message)) {
            return false;
        }
    }
    return message->type == MESSAGE_CLIENT_EXECUTE &&
           request_read_execute(message->body, message->length, &execute) &&
           execute.portal[0] == '\0' && execute.row_limit == 0 && next_message(reader, message) &&
           message->type == MESSAGE_CLIENT_SYNC && message->length == 0;
}

bool
canary_unit_read(struct canary_unit *unit, const uint8_t *bytes, size_t length,
                 void *const *statements)
{
    *unit = (struct canary_unit){.bytes = bytes, .length = length};
    struct reader reader = reader_over(bytes, length);
    struct message message;
    bool is_fine = next_message(&reader, &message) &&
                   (message.type == MESSAGE_CLIENT_QUERY
                        ? read_simple(unit, &message)
                        : read_extended(unit, &reader, &message, statements)) &&
                   reader_is_done(&reader);
    if (!is_fine) {
        canary_unit_fini(unit);
    }
    return is_fine;
}

void
canary_unit_fini(struct canary_unit *unit)
{
    request_parse_fini(&unit->parse);
    request_bind_fini(&unit->bind);
}

static bool
write_extended(struct writer *writer, const struct canary_unit *unit,
               const struct recode_sides *sides)
{
    struct recode_bind bind;
    if (!recode_bind_init(&bind, sides, unit->types, unit->type_count, unit->described,
                          unit->described_count, &unit->bind)) {
        return false;
    }
    struct parse_request parse = {
        .statement = "", .sql = unit->sql, .types = bind.types, .type_count = bind.type_count};
    bind.request.statement = "";
    request_write_parse(writer, &parse);
    request_write_bind(writer, &bind.request);
    request_write_describe(writer, 'P', "");
    request_write_execute(writer, "", 0);
    request_write_sync(writer);
    recode_bind_fini(&bind);
    return true;
}

bool
canary_unit_write(const struct canary_unit *unit, const struct recode_sides *sides,
                  uint8_t **messages, size_t *length)
{
    bool is_fine = true;
    struct writer writer;
    writer_init(&writer);
    request_write_query(&writer, begin_read);
    if (unit->is_simple) {
        request_write_query_of(&writer, unit->sql, unit->sql_length);
    } else {
        is_fine = write_extended(&writer, unit, sides);
    }
    request_write_query(&writer, end_read);
    is_fine = is_fine && !writer.failed;
    if (is_fine) {
        *messages = writer_take(&writer, length);
    }
    writer_fini(&writer);
    return is_fine;
}

bool
canary_unit_capture(const struct canary_unit *unit, struct capture *capture)
{
    if (unit->is_simple || unit->has_describe) {
        return capture_copy(capture, unit->bytes, unit->length);
    }
    // Behind the Bind, which is the first message after the prefix.
    struct reader reader =
        reader_over(unit->bytes + unit->prefix_length, unit->length - unit->prefix_length);
    struct message bind;
    struct writer writer;
    bool is_fine = next_message(&reader, &bind);
    size_t front = unit->prefix_length + bind.raw_length;
    writer_init(&writer);
    request_write_describe(&writer, 'P', "");
    is_fine = is_fine && !writer.failed && capture_copy(capture, unit->bytes, front) &&
              capture_copy(capture, writer.bytes, writer.length) &&
              capture_copy(capture, unit->bytes + front, unit->length - front);
    writer_fini(&writer);
    return is_fine;
}
