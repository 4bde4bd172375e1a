// What is sent to put a read once more: BEGIN READ ONLY, the read as it was put or its EXECUTE behind its PREPARE,
// and ROLLBACK, in READ_UNITS units whatever the protocol.
//
// Where the read is rewritten, new is sent the same with the other text. Under a whole other statement (`to`) the types
// that the client declared are old's: its parameters go to new as texts, of the types that new itself finds for them, as it did
// when it prepared `to` at load. A binary value whose type nobody declared can't be written as text; such a read is refused.
//
// Parameters' types that users made have other OIDs on new, in the Parse and inside of binary values: what can be put over is
// (compare/recode/recode_bind.h), else new is left to infer the type, as it is of what the client left open.
//
// The session's shadow thread.
#include "compare/recode/recode_bind.h"
#include "compare/sql/catalog_data.h"
#include "compare/sql/lexer.h"
#include "compare/sql/quote.h"
#include "compare/type.h"
#include "protocol/request.h"
#include "proxy/shadow/encoding.h"
#include "proxy/shadow/read.h"
#include <stdlib.h>
#include <string.h>

static const char BEGIN_READ[] = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY";
static const char END_READ[] = "ROLLBACK";
static const char END_EXECUTE[] = "ROLLBACK; DEALLOCATE ALL"; // a rollback does not undo PREPARE

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

struct put {         // how it is put to one side
    const char *sql; // one statement's, UTF-8
    size_t sql_length;
    const char *prepare;               // in front of an EXECUTE, else NULL
    bool is_whole;                     // replaced by a `to`
    const struct type_resolver *types; // old's
    const struct recode_sides *sides;  // it is put to new; NULL: to old
};

static void
write_parse(struct writer *writer, const char *encoding, const struct put *put,
            const uint32_t *types, size_t type_count)
{
    struct encoded text;
    encoding_write(&text, encoding, put->sql, put->sql_length);
    struct parse_request parse = {
        .statement = "",
        .sql = text.text,
        .types = (uint32_t *)(uintptr_t)types,
        .type_count = type_count,
    };
    request_write_parse(writer, &parse);
    encoding_fini(&text);
}

static uint32_t
type_of(const struct statement *statement, size_t parameter)
{
    uint32_t type = parameter < statement->type_count ? statement->types[parameter] : 0;
    return type != 0                                ? type
           : parameter < statement->described_count ? statement->described[parameter]
                                                    : 0;
}

// All values as texts, in `texts`. False: one can't be written so, or no memory.
static bool
as_texts(struct bind_request *bind, const struct statement *statement, const struct put *put,
         struct writer *texts)
{
    for (size_t i = 0; i < bind->value_count; i++) {
        struct bind_value *value = &bind->values[i];
        struct cell cell = {
            .bytes = value->bytes,
            .length = value->length,
            .type = type_of(statement, i),
            .format = value->format,
        };
        if (value->bytes && value->format != 0) {
            if (cell.type == 0 || !type_print(&cell, put->types, &texts[i]) || texts[i].failed)
                return false;
            value->bytes = texts[i].bytes ? texts[i].bytes : (const uint8_t *)"";
            value->length = texts[i].length;
        }
        value->format = 0;
    }
    return true;
}

static void
write_rest(struct writer *writer, struct bind_request *bind)
{
    bind->portal = "";
    bind->statement = "";
    request_write_bind(writer, bind);
    request_write_describe(writer, 'P', "");
    request_write_execute(writer, "", 0);
    request_write_sync(writer);
}

// Under a `to`: texts of types that nobody declares.
static bool
write_as_texts(struct writer *writer, const char *encoding, const struct statement *statement,
               struct bind_request *bind, const struct put *put)
{
    size_t count = bind->value_count;
    struct writer *texts = calloc(count + 1, sizeof(*texts));
    uint32_t *types = calloc(statement->type_count + 1, sizeof(*types));
    for (size_t i = 0; texts && i < count; i++)
        writer_init(&texts[i]);
    bool is_well = texts && types && as_texts(bind, statement, put, texts);
    if (is_well) {
        write_parse(writer, encoding, put, types, statement->type_count);
        write_rest(writer, bind);
    }
    for (size_t i = 0; texts && i < count; i++)
        writer_fini(&texts[i]);
    free(texts);
    free(types);
    return is_well;
}

static bool
write_to_new(struct writer *writer, const char *encoding, const struct statement *statement,
             struct bind_request *bind, const struct put *put)
{
    struct recode_bind recoded;
    uint32_t *open_types = NULL;
    if (recode_bind_init(&recoded, put->sides, statement->types, statement->type_count,
                         statement->described, statement->described_count, bind)) {
        write_parse(writer, encoding, put, recoded.types, recoded.type_count);
        write_rest(writer, &recoded.request);
        recode_bind_fini(&recoded);
        return true;
    }
    open_types = calloc(statement->type_count + 1, sizeof(*open_types));
    if (!open_types)
        return false;
    for (size_t i = 0; i < statement->type_count; i++)
        open_types[i] = statement->types[i] < CATALOG_FIRST_USER_OID ? statement->types[i] : 0;
    write_parse(writer, encoding, put, open_types, statement->type_count);
    write_rest(writer, bind);
    free(open_types);
    return true;
}

static bool
write_extended(struct writer *writer, const char *encoding, const struct read_facts *facts,
               const struct put *put)
{
    const struct statement *statement = facts->statement;
    struct bind_request bind;
    bool is_well = true;
    if (!request_read_bind(facts->bind, facts->bind_length, &bind))
        return false;
    if (put->is_whole) {
        is_well = write_as_texts(writer, encoding, statement, &bind, put);
    } else if (put->sides) {
        is_well = write_to_new(writer, encoding, statement, &bind, put);
    } else {
        write_parse(writer, encoding, put, statement->types, statement->type_count);
        write_rest(writer, &bind);
    }
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

// False: no memory, or of a `to`, a parameter that can't be put to it.
static bool
write_all(const struct read_facts *facts, const char *encoding, const struct put *put,
          struct read_messages *messages)
{
    struct writer writer;
    writer_init(&writer);
    bool is_well = write_begin(&writer, encoding, put->prepare);
    messages->begin_length = writer.length;
    if (facts->statement)
        is_well = is_well && write_extended(&writer, encoding, facts, put);
    else
        is_well = is_well && write_query(&writer, encoding, put->sql, put->sql_length);
    request_write_query(&writer, put->prepare ? END_EXECUTE : END_READ);
    if (is_well && !writer.failed)
        messages->bytes = writer_take(&writer, &messages->length);
    writer_fini(&writer);
    return messages->bytes != NULL;
}

// "PREPARE name (types) AS " with another statement behind it; of a `to`, without the types, which are old's. NULL: no memory.
static char *
prepare_again(const char *prepare, const char *sql, bool is_whole)
{
    struct lexer lexer;
    struct lexer_token token;
    struct text text = {0};
    const char *types = NULL;
    lexer_init(&lexer, prepare, strlen(prepare));
    do {
        lexer_next(&lexer, &token);
        if (!types && lexer_token_is(&token, "("))
            types = token.text;
    } while (token.kind != LEXER_END && token.kind != LEXER_JUNK && !lexer_token_is(&token, "as"));
    const char *end = is_whole && types ? types : token.text;
    text_add_bytes(&text, prepare, (size_t)(end - prepare));
    text_add(&text, " AS ");
    text_add(&text, sql);
    return text_take(&text);
}

static bool
write_for_new(struct read *read, const struct read_facts *facts, const char *encoding,
              const struct put *as_it_is, bool *refused)
{
    const char *sql = facts->executed ? facts->executed : as_it_is->sql;
    struct rewrite_subject subject = {
        .sql = sql,
        .length = facts->executed ? strlen(sql) : as_it_is->sql_length,
        .fingerprint = read->shape->analysis->fingerprint,
        .query = read->shape->analysis->query,
        .old_catalog = read->catalogs->catalogs[SIDE_OLD],
        .new_catalog = read->catalogs->catalogs[SIDE_NEW],
    };
    struct rewritten rewritten;
    enum rewrite_status status = rewrite_statement(read->settings->rewrites, &subject, &rewritten);
    *refused = status == REWRITE_REFUSED || status == REWRITE_SAME; // settings have moved since
    if (status != REWRITE_CHANGED)
        return *refused;
    struct put put = *as_it_is;
    char *prepare = NULL;
    put.is_whole = rewritten.is_whole;
    if (!facts->executed)
        shape_learn_rewrite(read->mirror->at->database->shapes, read->shape, subject.sql,
                            subject.length, rewritten.sql, rewritten.is_whole);
    if (facts->executed)
        put.prepare = prepare = prepare_again(facts->prepare, rewritten.sql, put.is_whole);
    else
        put.sql = rewritten.sql, put.sql_length = strlen(rewritten.sql);
    *refused = put.prepare == as_it_is->prepare || prepare
                   ? !write_all(facts, encoding, &put, &read->new_messages)
                   : true;
    free(prepare);
    rewritten_fini(&rewritten);
    return true;
}

// Does a parameter go to new in another way than to old?
static bool
has_types_to_put(const struct read_facts *facts)
{
    const struct statement *statement = facts->statement;
    for (size_t i = 0; statement && i < statement->type_count; i++)
        if (statement->types[i] >= CATALOG_FIRST_USER_OID)
            return true;
    return statement && statement->described_count > 0;
}

bool
read_write_messages(struct read *read, const struct read_facts *facts, bool *refused)
{
    const char *encoding = state_client_encoding(read->mirror->state);
    struct type_resolver types = catalog_type_resolver(read->catalogs->catalogs[SIDE_OLD]);
    const struct recode_sides sides = {
        .old_catalog = read->catalogs->catalogs[SIDE_OLD],
        .new_catalog = read->catalogs->catalogs[SIDE_NEW],
        .rewrites = read->settings->rewrites,
    };
    struct put put = {
        .sql = facts->statement ? facts->statement->sql : facts->sql,
        .sql_length = facts->statement ? strlen(facts->statement->sql) : facts->sql_length,
        .prepare = facts->prepare,
        .types = &types,
    };
    *refused = false;
    if (!write_all(facts, encoding, &put, &read->messages))
        return false;
    put.sides = &sides;
    if (read->shape->analysis->is_rewritten)
        return write_for_new(read, facts, encoding, &put, refused);
    return !has_types_to_put(facts) || write_all(facts, encoding, &put, &read->new_messages);
}
