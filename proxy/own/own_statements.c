// A session has few statements: they are looked for one by one. What was sent is only there when the server says so: a
// Parse may fail, or be passed over behind an error.
#include "proxy/own/own_statements.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "protocol/request.h"
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { NAME_SIZE = 32 };

struct raw { // a message
    char type;
    const uint8_t *bytes, *body;
    size_t length, body_length;
};

static bool
next_message(struct reader *reader, struct raw *raw)
{
    raw->bytes = reader->at;
    raw->type = (char)reader_u8(reader);
    uint32_t length = reader_u32(reader);
    if (reader->failed || length < 4) {
        return false;
    }
    raw->body_length = length - 4;
    raw->body = reader_bytes(reader, raw->body_length);
    raw->length = (size_t)length + 1;
    return !reader->failed;
}

static void
name_of(unsigned number, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "pgrehearse_%u", number);
}

static struct own_statement *
find(struct own_statements *statements, XXH128_hash_t digest)
{
    for (size_t i = 0; i < statements->count; i++) {
        struct own_statement *at = &statements->list[i];
        if (at->high == digest.high64 && at->low == digest.low64) {
            return at;
        }
    }
    return NULL;
}

// Closes the longest unused for it, if there is no room. NULL: all are of this job.
static struct own_statement *
make_room(struct own_statements *statements, struct writer *writer)
{
    if (statements->count < OWN_STATEMENTS) {
        return &statements->list[statements->count++];
    }
    struct own_statement *oldest = NULL;
    char name[NAME_SIZE];
    for (size_t i = 0; i < statements->count; i++) {
        struct own_statement *at = &statements->list[i];
        if (!at->is_pending && (!oldest || at->used < oldest->used)) {
            oldest = at;
        }
    }
    if (oldest) {
        name_of(oldest->number, name);
        request_write_close(writer, 'S', name);
    }
    return oldest;
}

// A name, in place of OWN_KEPT, with which the body begins at `at`.
static void
write_renamed(struct writer *writer, const struct raw *raw, size_t at, const char *name)
{
    size_t front = at, behind = at + sizeof(OWN_KEPT);
    writer_u8(writer, (uint8_t)raw->type);
    writer_u32(writer, (uint32_t)(raw->body_length - sizeof(OWN_KEPT) + strlen(name) + 1 + 4));
    writer_bytes(writer, raw->body, front);
    writer_bytes(writer, name, strlen(name) + 1);
    writer_bytes(writer, raw->body + behind, raw->body_length - behind);
}

static bool
is_kept_at(const struct raw *raw, size_t at)
{
    return raw->body_length >= at + sizeof(OWN_KEPT) &&
           memcmp(raw->body + at, OWN_KEPT, sizeof(OWN_KEPT)) == 0;
}

// The Parse, if it has to be; `name` is what its Bind calls it.
static void
write_parse(struct own_statements *statements, struct writer *writer, const struct raw *raw,
            char name[NAME_SIZE])
{
    name[0] = '\0';
    if (statements) {
        XXH128_hash_t digest =
            XXH3_128bits(raw->body + sizeof(OWN_KEPT), raw->body_length - sizeof(OWN_KEPT));
        struct own_statement *found = find(statements, digest);
        bool is_new = !found;
        found = found ? found : make_room(statements, writer);
        if (found && is_new) {
            *found = (struct own_statement){.high = digest.high64,
                                            .low = digest.low64,
                                            .number = ++statements->next_number,
                                            .parse = statements->parses + 1,
                                            .is_pending = true};
        }
        if (found) {
            found->used = ++statements->clock;
            name_of(found->number, name);
        }
        if (found && !is_new) {
            return;
        }
        statements->parses++;
    }
    write_renamed(writer, raw, 0, name);
}

bool
own_statements_write(struct own_statements *statements, const uint8_t *messages, size_t length,
                     struct writer *writer)
{
    struct reader reader = reader_over(messages, length);
    struct raw raw;
    char name[NAME_SIZE] = "";
    if (statements) {
        statements->parses = statements->parsed = 0;
    }
    while (!reader_is_done(&reader)) {
        if (!next_message(&reader, &raw)) {
            return false;
        }
        size_t statement = raw.type == MESSAGE_CLIENT_BIND
                               ? strnlen((const char *)raw.body, raw.body_length) + 1
                               : 0;
        if (raw.type == MESSAGE_CLIENT_PARSE && is_kept_at(&raw, 0)) {
            write_parse(statements, writer, &raw, name);
        } else if (raw.type == MESSAGE_CLIENT_BIND && is_kept_at(&raw, statement)) {
            write_renamed(writer, &raw, statement, name);
        } else {
            if (statements && raw.type == MESSAGE_CLIENT_PARSE) {
                statements->parses++;
            }
            writer_bytes(writer, raw.bytes, raw.length);
        }
    }
    return !writer->failed;
}

void
own_statements_parsed(struct own_statements *statements)
{
    statements->parsed++;
    for (size_t i = 0; i < statements->count; i++) {
        struct own_statement *at = &statements->list[i];
        if (at->is_pending && at->parse == statements->parsed) {
            at->is_pending = false;
        }
    }
}

void
own_statements_settle(struct own_statements *statements)
{
    size_t kept = 0;
    for (size_t i = 0; i < statements->count; i++) {
        if (!statements->list[i].is_pending) {
            statements->list[kept++] = statements->list[i];
        }
    }
    statements->count = kept;
}

void
own_statements_clear(struct own_statements *statements)
{
    statements->count = 0;
}
