// What is made of a unit: the messages for new, those that are old's, and the request as the shadow is to see it.
// New runs the reads in a transaction of their own, always described, so that what it sends can be presented as
// old's; a Query goes as the client wrote it where nothing of it is rewritten.
#include "compare/sql/quote.h"
#include "protocol/message.h"
#include "proxy/canary/canary_unit.h"
#include "proxy/own/own_statements.h"
#include <string.h>

static const char begin_read[] =
    "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;SET LOCAL statement_timeout = ";
static const char end_read[] = "ROLLBACK";

static void
write_begin(struct writer *writer, const char *statement_timeout)
{
    struct text sql = {0};
    text_add(&sql, begin_read);
    text_add_literal(&sql, statement_timeout);
    if (sql.has_failed) {
        writer->failed = true;
    } else {
        request_write_query_of(writer, sql.bytes, sql.length);
    }
    text_fini(&sql);
}

static void
write_sql(struct writer *writer, const struct canary_unit *unit)
{
    bool is_rewritten = false;
    struct writer sql;
    writer_init(&sql);
    for (size_t i = 0; i < unit->read_count; i++) {
        const struct canary_read *read = &unit->reads[i];
        is_rewritten = is_rewritten || read->new_sql;
        writer_bytes(&sql, i == 0 ? "" : ";", i == 0 ? 0 : 1);
        writer_bytes(&sql, read->new_sql ? read->new_sql : read->sql,
                     read->new_sql ? strlen(read->new_sql) : read->sql_length);
    }
    if (sql.failed) {
        writer->failed = true;
    } else if (is_rewritten || unit->read_count == 1) {
        request_write_query_of(writer, (const char *)sql.bytes, sql.length);
    } else { // as it is, with the client's own line breaks between: errors tell a position
        writer_bytes(writer, unit->bytes, unit->length);
    }
    writer_fini(&sql);
}

static void
write_parse_and_bind(struct writer *writer, const struct canary_read *read, const uint32_t *types,
                     size_t type_count, const struct bind_request *bind)
{
    const char *name = read->bind.statement[0] != '\0' ? OWN_KEPT : "";
    struct parse_request parse = {.statement = name,
                                  .sql = read->new_sql ? read->new_sql : read->sql,
                                  .types = (uint32_t *)(uintptr_t)types,
                                  .type_count = type_count};
    struct bind_request named = *bind;
    named.statement = name;
    request_write_parse(writer, &parse);
    request_write_bind(writer, &named);
}

static bool
write_bind(struct writer *writer, const struct canary_read *read, const struct recode_sides *sides)
{
    struct recode_bind bind;
    if (read->is_replaced) {
        write_parse_and_bind(writer, read, NULL, 0, &read->bind);
        return true;
    }
    if (!recode_bind_init(&bind, sides, read->types, read->type_count, read->described,
                          read->described_count, &read->bind)) {
        return false;
    }
    write_parse_and_bind(writer, read, bind.types, bind.type_count, &bind.request);
    recode_bind_fini(&bind);
    return true;
}

static bool
write_step(struct writer *writer, const struct canary_unit *unit, const struct recode_sides *sides,
           const struct canary_step *step)
{
    const struct canary_read *read = &unit->reads[step->read];
    switch (step->kind) {
    case CANARY_STEP_OLD:
        break;
    case CANARY_STEP_BIND:
        return write_bind(writer, read, sides);
    case CANARY_STEP_DESCRIBE:
    case CANARY_STEP_CLOSE:
        writer_bytes(writer, step->raw, step->raw_length);
        break;
    case CANARY_STEP_EXECUTE:
        if (!read->has_describe) {
            request_write_describe(writer, 'P', read->bind.portal);
        }
        request_write_execute(writer, read->bind.portal, 0);
        break;
    }
    return true;
}

bool
canary_unit_write(const struct canary_unit *unit, const struct recode_sides *sides,
                  const char *statement_timeout, uint8_t **messages, size_t *length)
{
    struct writer writer;
    bool is_fine = true;
    writer_init(&writer);
    write_begin(&writer, statement_timeout);
    if (unit->is_simple) {
        write_sql(&writer, unit);
    } else {
        for (size_t i = 0; i < unit->step_count && is_fine; i++) {
            is_fine = write_step(&writer, unit, sides, &unit->steps[i]);
        }
        request_write_sync(&writer);
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
canary_unit_write_old(const struct canary_unit *unit, struct writer *writer)
{
    for (size_t i = 0; i < unit->step_count; i++) {
        if (unit->steps[i].kind == CANARY_STEP_OLD) {
            writer_bytes(writer, unit->steps[i].raw, unit->steps[i].raw_length);
        }
    }
    return !writer->failed;
}

bool
canary_unit_capture(const struct canary_unit *unit, struct capture *capture)
{
    bool is_fine = true;
    const uint8_t *from = unit->bytes;
    for (size_t i = 0; i < unit->step_count && is_fine && !unit->is_simple; i++) {
        const struct canary_step *step = &unit->steps[i];
        const struct canary_read *read = &unit->reads[step->read];
        if (step->kind != CANARY_STEP_EXECUTE || read->has_describe) {
            continue;
        }
        struct writer writer;
        writer_init(&writer);
        request_write_describe(&writer, 'P', read->bind.portal);
        is_fine = !writer.failed && capture_copy(capture, from, (size_t)(step->raw - from)) &&
                  capture_copy(capture, writer.bytes, writer.length);
        writer_fini(&writer);
        from = step->raw;
    }
    return is_fine && capture_copy(capture, from, (size_t)(unit->bytes + unit->length - from));
}
