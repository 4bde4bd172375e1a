// Which units may go to new, by their messages alone. What is out of the ordinary (rows in portions, a portal
// that is executed twice or never, Flush, reads behind SET TRANSACTION) is left to old: rare, and not worth a
// wrong answer.
#include "proxy/canary/canary_unit.h"
#include "compare/sql/lexer.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "proxy/own/own_statements.h"
#include <stdlib.h>
#include <string.h>

// A unit that is being read.
struct reading {
    struct canary_unit *unit;
    void *const *statements;
    enum canary_command command; // of its commands so far
    bool portal_is_commands;     // the unnamed portal is a command's
};

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

// Room for one more, at powers of two. NULL: no memory; the list stays as it was.
static void *
grown(void *list, size_t count, size_t size)
{
    return (count & (count - 1)) != 0 ? list : reallocarray(list, count == 0 ? 1 : count * 2, size);
}

static bool
add_step(struct canary_unit *unit, enum canary_step_kind kind, const struct message *message,
         size_t read)
{
    struct canary_step *steps = grown(unit->steps, unit->step_count, sizeof(*steps));
    if (!steps) {
        return false;
    }
    unit->steps = steps;
    steps[unit->step_count++] = (struct canary_step){kind, message ? message->raw : NULL,
                                                     message ? message->raw_length : 0, read};
    return true;
}

static bool
add_old(struct canary_unit *unit, const struct message *message)
{
    if (unit->read_count == 0) {
        unit->prefix_length += message->raw_length;
        unit->prefix_steps++;
    }
    unit->old_steps++;
    return add_step(unit, CANARY_STEP_OLD, message, 0);
}

static struct canary_read *
add_read(struct canary_unit *unit)
{
    struct canary_read *reads = grown(unit->reads, unit->read_count, sizeof(*reads));
    if (!reads) {
        return NULL;
    }
    unit->reads = reads;
    reads[unit->read_count] = (struct canary_read){0};
    return &reads[unit->read_count++];
}

// ---- commands ----

// BEGIN may be followed by SET TRANSACTION, and by reads; an end stands alone.
static bool
take_command(struct reading *reading, enum canary_command command)
{
    struct canary_unit *unit = reading->unit;
    enum canary_command before = reading->command;
    bool may_follow = before == CANARY_COMMAND_NONE ||
                      (before != CANARY_COMMAND_END && command == CANARY_COMMAND_SET);
    if (unit->read_count > 0 || !may_follow) {
        return false;
    }
    reading->command = before == CANARY_COMMAND_NONE ? command : before;
    unit->has_begin = reading->command == CANARY_COMMAND_BEGIN;
    return true;
}

// ---- the simple protocol ----

struct splitting {
    struct reading *reading;
    const char *text; // the whole Query's
    bool is_well;
};

static bool
take_statement(void *context, const char *statement, size_t length)
{
    struct splitting *splitting = context;
    struct reading *reading = splitting->reading;
    struct canary_unit *unit = reading->unit;
    enum canary_command command = canary_command_of(statement, length, &unit->modes);
    if (command != CANARY_COMMAND_NONE) {
        splitting->is_well = splitting->is_well && take_command(reading, command);
        return splitting->is_well;
    }
    // The commands of a Query can't be put to old alone.
    struct canary_read *read = reading->command == CANARY_COMMAND_NONE ? add_read(unit) : NULL;
    if (read) {
        *read = (struct canary_read){.sql = statement,
                                     .sql_length = length,
                                     .text = splitting->text,
                                     .has_describe = true,
                                     .is_executed = true};
    }
    splitting->is_well = splitting->is_well && read &&
                         add_step(unit, CANARY_STEP_EXECUTE, NULL, unit->read_count - 1);
    return splitting->is_well;
}

static bool
read_simple(struct reading *reading, const struct message *message)
{
    struct splitting splitting = {.reading = reading, .is_well = true};
    reading->unit->is_simple = true;
    return request_read_query(message->body, message->length, &splitting.text) &&
           lexer_split(splitting.text, strlen(splitting.text), take_statement, &splitting) &&
           splitting.is_well;
}

// ---- the extended protocol ----

static bool
take_parse(struct reading *reading, const struct message *message)
{
    struct canary_unit *unit = reading->unit;
    struct parse_request *parses = grown(unit->parses, unit->parse_count, sizeof(*parses));
    if (!parses) {
        return false;
    }
    unit->parses = parses;
    if (!request_read_parse(message->body, message->length, &parses[unit->parse_count])) {
        return false;
    }
    bool is_named = parses[unit->parse_count++].statement[0] != '\0';
    unit->has_statements = unit->has_statements || is_named;
    unit->old_can_begin_again = unit->old_can_begin_again && !is_named;
    return add_old(unit, message);
}

// Has a Close in the unit taken the session's statement of this name?
static bool
is_closed(const struct canary_unit *unit, const char *name)
{
    for (size_t i = 0; i < unit->step_count; i++) {
        const struct canary_step *step = &unit->steps[i];
        if (step->kind == CANARY_STEP_OLD && step->raw[0] == MESSAGE_CLIENT_CLOSE &&
            strcmp((const char *)step->raw + 6, name) == 0) {
            return true;
        }
    }
    return false;
}

// What the Bind's statement is. `name` was closed in this unit: it is not looked for, even if prepared again.
static bool
find_statement(const struct reading *reading, const char *name, struct canary_read *found)
{
    const struct canary_unit *unit = reading->unit;
    if (is_closed(unit, name)) {
        return false;
    }
    for (size_t i = unit->parse_count; i-- > 0;) {
        const struct parse_request *parse = &unit->parses[i];
        if (strcmp(parse->statement, name) == 0) {
            found->sql = found->text = parse->sql;
            found->types = parse->types;
            found->type_count = parse->type_count;
            return true;
        }
    }
    const struct statement *statement =
        name[0] != '\0' ? statements_find(reading->statements, name) : NULL;
    if (!statement || statement->is_cut) {
        return false;
    }
    found->sql = found->text = statement->sql;
    found->types = statement->types;
    found->type_count = statement->type_count;
    found->described = statement->described;
    found->described_count = statement->described_count;
    return true;
}

// The latest that was bound to this portal; NULL: none in this unit.
static struct canary_read *
find_portal(struct canary_unit *unit, const char *portal, size_t *index)
{
    for (size_t i = unit->read_count; i-- > 0;) {
        if (strcmp(unit->reads[i].bind.portal, portal) == 0) {
            *index = i;
            return &unit->reads[i];
        }
    }
    return NULL;
}

static bool
bind_command(struct reading *reading, const struct message *message, enum canary_command command,
             const struct bind_request *bind)
{
    reading->portal_is_commands = bind->portal[0] == '\0' && bind->value_count == 0;
    reading->unit->old_can_begin_again = false;
    return reading->portal_is_commands && take_command(reading, command) &&
           add_old(reading->unit, message);
}

static bool
take_bind(struct reading *reading, const struct message *message)
{
    struct canary_unit *unit = reading->unit;
    struct canary_read found = {0};
    if (!request_read_bind(message->body, message->length, &found.bind)) {
        return false;
    }
    bool is_found = find_statement(reading, found.bind.statement, &found);
    found.sql_length = is_found ? strlen(found.sql) : 0;
    enum canary_command command = is_found
                                      ? canary_command_of(found.sql, found.sql_length, &unit->modes)
                                      : CANARY_COMMAND_NONE;
    if (command != CANARY_COMMAND_NONE) {
        bool is_well = bind_command(reading, message, command, &found.bind);
        request_bind_fini(&found.bind);
        return is_well;
    }
    size_t index;
    const struct canary_read *before = find_portal(unit, found.bind.portal, &index);
    // Only a BEGIN may stand in front, and what a portal held before was executed.
    bool is_well = is_found && (!before || before->is_executed) &&
                   (reading->command == CANARY_COMMAND_NONE || unit->has_begin);
    struct canary_read *read = is_well ? add_read(unit) : NULL;
    if (!read) {
        request_bind_fini(&found.bind);
        return false;
    }
    *read = found;
    unit->has_named_portal = unit->has_named_portal || found.bind.portal[0] != '\0';
    reading->portal_is_commands = false;
    return add_step(unit, CANARY_STEP_BIND, message, unit->read_count - 1);
}

static bool
take_describe(struct reading *reading, const struct message *message)
{
    struct canary_unit *unit = reading->unit;
    struct target_request target;
    size_t index;
    if (!request_read_target(message->body, message->length, &target)) {
        return false;
    }
    if (target.kind == 'S') { // behind a read, what it says would have to be put in between
        unit->old_can_begin_again = false;
        return unit->read_count == 0 && add_old(unit, message);
    }
    if (reading->portal_is_commands && target.name[0] == '\0') {
        return add_old(unit, message);
    }
    struct canary_read *read = find_portal(unit, target.name, &index);
    if (!read || read->has_describe || read->is_executed) {
        return false;
    }
    read->has_describe = true;
    return add_step(unit, CANARY_STEP_DESCRIBE, message, index);
}

static bool
take_execute(struct reading *reading, const struct message *message)
{
    struct canary_unit *unit = reading->unit;
    struct execute_request execute;
    size_t index;
    if (!request_read_execute(message->body, message->length, &execute)) {
        return false;
    }
    if (reading->portal_is_commands && execute.portal[0] == '\0') {
        reading->portal_is_commands = false;
        return add_old(unit, message);
    }
    struct canary_read *read = find_portal(unit, execute.portal, &index);
    if (!read || read->is_executed || execute.row_limit != 0) {
        return false;
    }
    read->is_executed = true;
    return add_step(unit, CANARY_STEP_EXECUTE, message, index);
}

static bool
take_close(struct reading *reading, const struct message *message)
{
    struct canary_unit *unit = reading->unit;
    struct target_request target;
    if (!request_read_target(message->body, message->length, &target)) {
        return false;
    }
    if (target.kind == 'P') {
        size_t index;
        const struct canary_read *read = find_portal(unit, target.name, &index);
        if (read) {
            return read->is_executed && add_step(unit, CANARY_STEP_CLOSE, message, 0);
        }
        return unit->read_count == 0 && add_old(unit, message);
    }
    unit->has_statements = true;
    unit->old_can_begin_again = false;
    return add_old(unit, message);
}

static bool
read_extended(struct reading *reading, struct reader *reader, struct message *message)
{
    static const struct {
        char type;
        bool (*take)(struct reading *reading, const struct message *message);
    } takers[] = {
        {MESSAGE_CLIENT_PARSE, take_parse},       {MESSAGE_CLIENT_BIND, take_bind},
        {MESSAGE_CLIENT_DESCRIBE, take_describe}, {MESSAGE_CLIENT_EXECUTE, take_execute},
        {MESSAGE_CLIENT_CLOSE, take_close},
    };
    reading->unit->old_can_begin_again = true;
    while (message->type != MESSAGE_CLIENT_SYNC) {
        size_t i = 0;
        while (i < sizeof(takers) / sizeof(*takers) && takers[i].type != message->type) {
            i++;
        }
        if (i == sizeof(takers) / sizeof(*takers) || !takers[i].take(reading, message) ||
            !next_message(reader, message)) {
            return false;
        }
    }
    return message->length == 0 && !reading->portal_is_commands;
}

// ---- the whole ----

// Comments at most, as drivers send to see whether the server is there.
static bool
is_blank(const struct canary_read *read)
{
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, read->sql, read->sql_length);
    do {
        lexer_next(&lexer, &token);
    } while (token.kind == LEXER_COMMENT);
    return token.kind == LEXER_END;
}

static bool
are_blank(const struct canary_unit *unit)
{
    bool are = true;
    for (size_t i = 0; i < unit->read_count && are; i++) {
        are = is_blank(&unit->reads[i]);
    }
    return are;
}

static enum canary_unit_kind
kind_of(const struct reading *reading)
{
    static const enum canary_unit_kind kinds[] = {
        [CANARY_COMMAND_NONE] = CANARY_UNIT_STATEMENTS,
        [CANARY_COMMAND_BEGIN] = CANARY_UNIT_BEGIN,
        [CANARY_COMMAND_SET] = CANARY_UNIT_SET,
        [CANARY_COMMAND_END] = CANARY_UNIT_END,
    };
    const struct canary_unit *unit = reading->unit;
    for (size_t i = 0; i < unit->read_count; i++) {
        if (!unit->reads[i].is_executed) {
            return CANARY_UNIT_OTHER;
        }
    }
    bool has_command = reading->command != CANARY_COMMAND_NONE;
    if (unit->read_count > 0 && (has_command || !are_blank(unit))) {
        return CANARY_UNIT_READS;
    }
    return kinds[reading->command];
}

enum canary_unit_kind
canary_unit_read(struct canary_unit *unit, const uint8_t *bytes, size_t length,
                 void *const *statements)
{
    *unit = (struct canary_unit){.bytes = bytes, .length = length};
    struct reading reading = {.unit = unit, .statements = statements};
    struct reader reader = reader_over(bytes, length);
    struct message message;
    bool is_well =
        next_message(&reader, &message) &&
        (message.type == MESSAGE_CLIENT_QUERY ? read_simple(&reading, &message)
                                              : read_extended(&reading, &reader, &message)) &&
        reader_is_done(&reader);
    unit->kind = is_well ? kind_of(&reading) : CANARY_UNIT_OTHER;
    return unit->kind;
}

void
canary_unit_fini(struct canary_unit *unit)
{
    for (size_t i = 0; i < unit->parse_count; i++) {
        request_parse_fini(&unit->parses[i]);
    }
    for (size_t i = 0; i < unit->read_count; i++) {
        request_bind_fini(&unit->reads[i].bind);
        free(unit->reads[i].new_sql);
    }
    free(unit->parses);
    free(unit->reads);
    free(unit->steps);
    *unit = (struct canary_unit){0};
}

bool
canary_unit_is_mixed(const struct canary_unit *unit)
{
    return unit->old_steps > unit->prefix_steps;
}
