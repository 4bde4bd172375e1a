// What is sent to put a read once more: BEGIN READ ONLY, the read as it was put or its EXECUTE behind its PREPARE,
// and ROLLBACK, in READ_UNITS units whatever the protocol.
//
// The session's shadow thread.
#include "compare/sql/quote.h"
#include "protocol/request.h"
#include "proxy/shadow/encoding.h"
#include "proxy/shadow/read.h"
#include <stdlib.h>
#include <string.h>

static const char BEGIN_READ[] = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY";
static const char END_READ[] = "ROLLBACK";
static const char END_EXECUTE[] = "ROLLBACK; DEALLOCATE ALL"; // a rollback does not undo PREPARE

enum { FIRST_USER_OID = 16384 };

// SQL goes out in the encoding that the session speaks, as the client's own did.
static bool
write_query(struct writer *writer, const char *encoding, const char *sql, size_t length)
{
    struct encoded text;
    encoding_write(&text, encoding, sql, length);
    request_write_query_of(writer, text.text, text.length);
    encoding_fini(&text);
    return !writer->failed;
}

// Types that users made have other OIDs on the other side: the server is left to infer them.
static bool
write_parse(struct writer *writer, const char *encoding, const struct statement *statement)
{
    uint32_t *types = calloc(statement->type_count + 1, sizeof(*types));
    if (!types)
        return false;
    for (size_t i = 0; i < statement->type_count; i++)
        types[i] = statement->types[i] < FIRST_USER_OID ? statement->types[i] : 0;
    struct encoded text;
    encoding_write(&text, encoding, statement->sql, strlen(statement->sql));
    struct parse_request parse = {
        .statement = "",
        .sql = text.text,
        .types = types,
        .type_count = statement->type_count,
    };
    request_write_parse(writer, &parse);
    encoding_fini(&text);
    free(types);
    return true;
}

static bool
write_extended(struct writer *writer, const char *encoding, const struct read_facts *facts)
{
    struct bind_request bind;
    if (!request_read_bind(facts->bind, facts->bind_length, &bind))
        return false;
    bind.portal = "";
    bind.statement = "";
    bool is_well = write_parse(writer, encoding, facts->statement);
    request_write_bind(writer, &bind);
    request_write_describe(writer, 'P', "");
    request_write_execute(writer, "", 0);
    request_write_sync(writer);
    request_bind_fini(&bind);
    return is_well;
}

// In front of an EXECUTE; in BEGIN's Query, which must be one.
static bool
write_begin(struct writer *writer, const char *encoding, const char *prepare)
{
    struct text sql = {0};
    text_add(&sql, BEGIN_READ);
    if (prepare) {
        text_add(&sql, "; ");
        text_add(&sql, prepare);
    }
    char *whole = text_take(&sql);
    bool is_well = whole && write_query(writer, encoding, whole, strlen(whole));
    free(whole);
    return is_well;
}

bool
read_write_messages(struct read *read, const struct read_facts *facts)
{
    struct writer writer;
    const char *encoding = state_client_encoding(read->mirror->state);
    writer_init(&writer);
    bool is_well = write_begin(&writer, encoding, facts->prepare);
    read->begin_length = writer.length;
    if (facts->statement)
        is_well = is_well && write_extended(&writer, encoding, facts);
    else
        is_well = is_well && write_query(&writer, encoding, facts->sql, facts->sql_length);
    request_write_query(&writer, facts->prepare ? END_EXECUTE : END_READ);
    if (is_well && !writer.failed)
        read->messages = writer_take(&writer, &read->messages_length);
    writer_fini(&writer);
    return read->messages != NULL;
}
