// The first packet of a connection (manual 55.2.1, 55.2.10, 55.2.11): told apart by its code, and
// taken to pieces as strictly as PostgreSQL does it: at most STARTUP_MAX_LENGTH bytes, and a
// terminator that is exactly the last byte. Nothing is allocated before the whole packet is there.
#include "protocol/startup.h"

#include "protocol/reader.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    TLS_HANDSHAKE = 0x16, // first byte of a TLS record with a ClientHello
    HEADER = 8,           // length and code
    SPECIAL = 1234,       // "major version" of the requests that are no session
    CODE_CANCEL = 5678,
    CODE_SSL = 5679,
    CODE_GSSENC = 5680,
    CANCEL_KEY_MIN = 4,
    CANCEL_KEY_MAX = 256,
};

static enum startup_kind
read_cancel(struct startup *startup, struct reader *reader)
{
    startup->cancel_pid = reader_u32(reader);
    startup->cancel_key_length = reader_left(reader);
    startup->cancel_key = reader_bytes(reader, startup->cancel_key_length);
    bool is_sound = !reader->failed && startup->cancel_key_length >= CANCEL_KEY_MIN &&
                    startup->cancel_key_length <= CANCEL_KEY_MAX;
    return is_sound ? STARTUP_CANCEL : STARTUP_JUNK;
}

// Pairs of strings up to the terminator. Fills `parameters` unless it is NULL. False: malformed.
static bool
walk_parameters(struct reader reader, struct startup_parameter *parameters, size_t *count)
{
    *count = 0;
    for (;;) {
        const char *name = reader_string(&reader);
        if (name == NULL) {
            return false;
        }
        if (name[0] == '\0') {
            return reader_is_done(&reader);
        }
        const char *value = reader_string(&reader);
        if (value == NULL) {
            return false;
        }
        if (parameters != NULL) {
            parameters[*count] = (struct startup_parameter){.name = name, .value = value};
        }
        (*count)++;
    }
}

static enum startup_kind
read_session(struct startup *startup, const struct reader *reader)
{
    size_t count;
    if (!walk_parameters(*reader, NULL, &count)) {
        return STARTUP_JUNK;
    }
    if (count > 0) {
        startup->parameters = calloc(count, sizeof(*startup->parameters));
        if (startup->parameters == NULL) {
            return STARTUP_NO_MEMORY;
        }
        walk_parameters(*reader, startup->parameters, &startup->parameter_count);
    }
    return STARTUP_SESSION;
}

static enum startup_kind
read_request(struct startup *startup, struct reader *reader)
{
    switch (startup->minor) {
    case CODE_CANCEL:
        return read_cancel(startup, reader);
    case CODE_SSL:
        return reader_is_done(reader) ? STARTUP_SSL_REQUEST : STARTUP_JUNK;
    case CODE_GSSENC:
        return reader_is_done(reader) ? STARTUP_GSSENC_REQUEST : STARTUP_JUNK;
    default:
        return STARTUP_JUNK;
    }
}

void
startup_read(struct startup *startup, const uint8_t *bytes, size_t length)
{
    *startup = (struct startup){.kind = STARTUP_MORE};
    if (length > 0 && bytes[0] == TLS_HANDSHAKE) {
        startup->kind = STARTUP_TLS;
        return;
    }
    if (length < 4) {
        return;
    }
    struct reader reader = reader_over(bytes, length);
    uint32_t total = reader_u32(&reader);
    if (total < HEADER || total > STARTUP_MAX_LENGTH + 4) { // which does not count the length field
        startup->kind = STARTUP_BAD_LENGTH;
        return;
    }
    if (length < total) {
        return;
    }
    reader = reader_over(bytes + 4, total - 4);
    startup->length = total;
    startup->major = reader_u16(&reader);
    startup->minor = reader_u16(&reader);
    if (startup->major == SPECIAL) {
        startup->kind = read_request(startup, &reader);
    } else {
        startup->kind = startup->major == 3 ? read_session(startup, &reader) : STARTUP_JUNK;
    }
}

bool
startup_is_request(const struct startup *startup)
{
    return startup->major == SPECIAL && startup->minor >= CODE_CANCEL &&
           startup->minor <= CODE_GSSENC;
}

void
startup_fini(struct startup *startup)
{
    free(startup->parameters);
    *startup = (struct startup){.kind = STARTUP_MORE};
}

const char *
startup_parameter(const struct startup *startup, const char *name)
{
    for (size_t i = startup->parameter_count; i > 0; i--) { // the last one counts
        if (strcmp(startup->parameters[i - 1].name, name) == 0) {
            return startup->parameters[i - 1].value;
        }
    }
    return NULL;
}

// A true boolean as PostgreSQL reads settings: any case, any beginning that is unique.
static bool
is_true(const char *value)
{
    static const struct {
        const char *word;
        size_t shortest;
    } words[] = {{"true", 1}, {"yes", 1}, {"on", 2}, {"1", 1}};
    size_t length = strlen(value);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (length >= words[i].shortest && length <= strlen(words[i].word) &&
            strncasecmp(value, words[i].word, length) == 0) {
            return true;
        }
    }
    return false;
}

bool
startup_is_replication(const struct startup *startup)
{
    const char *value = startup_parameter(startup, "replication");
    return value != NULL && (strcmp(value, "database") == 0 || is_true(value));
}

static void
write_pair(struct writer *writer, const char *name, const char *value)
{
    if (value != NULL) {
        writer_string(writer, name);
        writer_string(writer, value);
    }
}

static void
write_options(struct writer *writer, const char *options, const char *extra)
{
    if (options == NULL || extra == NULL) {
        write_pair(writer, "options", options != NULL ? options : extra);
        return;
    }
    writer_string(writer, "options");
    writer_bytes(writer, options, strlen(options));
    writer_u8(writer, ' ');
    writer_string(writer, extra);
}

void
startup_write(struct writer *writer, const struct startup *startup, const char *user,
              const char *database, const char *extra_options)
{
    static const char *const ours[] = {"user", "database", "options"};
    size_t before = writer->length;
    writer_begin(writer, 0);
    writer_i16(writer, (int16_t)startup->major);
    writer_i16(writer, (int16_t)startup->minor);
    write_pair(writer, "user", user != NULL ? user : startup_parameter(startup, "user"));
    write_pair(writer, "database",
               database != NULL ? database : startup_parameter(startup, "database"));
    for (size_t i = 0; i < startup->parameter_count; i++) {
        const struct startup_parameter *parameter = &startup->parameters[i];
        bool is_ours = false;
        for (size_t j = 0; j < sizeof(ours) / sizeof(ours[0]); j++) {
            is_ours = is_ours || strcmp(parameter->name, ours[j]) == 0;
        }
        if (!is_ours) {
            write_pair(writer, parameter->name, parameter->value);
        }
    }
    write_options(writer, startup_parameter(startup, "options"), extra_options);
    writer_u8(writer, 0);
    writer_end(writer);
    if (!writer->failed && writer->length - before > STARTUP_MAX_LENGTH + 4) {
        writer->failed = true;
    }
}

static void
write_code(struct writer *writer, int16_t code)
{
    writer_i16(writer, SPECIAL);
    writer_i16(writer, code);
}

void
startup_write_ssl_request(struct writer *writer)
{
    writer_begin(writer, 0);
    write_code(writer, CODE_SSL);
    writer_end(writer);
}

void
startup_write_cancel(struct writer *writer, uint32_t pid, const uint8_t *key, size_t key_length)
{
    writer_begin(writer, 0);
    write_code(writer, CODE_CANCEL);
    writer_u32(writer, pid);
    writer_bytes(writer, key, key_length);
    writer_end(writer);
}
