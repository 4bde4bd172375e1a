// The bodies of what servers send, taken to pieces and put together (manual 55.7, 55.8).
// Everything read is borrowed from the message unless it says owned.
#ifndef PROTOCOL_REPLY_H
#define PROTOCOL_REPLY_H

#include "protocol/writer.h"

struct reply_column { // one field of RowDescription
    const char *name;
    uint32_t table; // OID, 0: not a column of a table
    int16_t attribute;
    uint32_t type;
    int16_t type_size;
    int32_t type_modifier;
    int16_t format; // 0 text, 1 binary
};

struct reply_error {      // ErrorResponse and NoticeResponse; NULL where the field is missing
    const char *severity; // V, or S where V is missing
    const char *sqlstate; // 5 characters
    const char *message;
    const char *detail;
    const char *hint;
};

struct reply_error_text { // what we say ourselves
    const char *severity; // "ERROR", "FATAL"
    const char *sqlstate;
    const char *message;
    const char *detail; // may be NULL
    const char *hint;   // may be NULL
};

// Reads RowDescription; *columns is owned by the caller (free). False: malformed or no memory.
bool reply_read_row_description(const uint8_t *body, size_t length, struct reply_column **columns,
                                size_t *count);
// Columns that own their names, for those who keep them. Copying gives NULL without memory.
struct reply_column *reply_columns_copy(const struct reply_column *columns, size_t count);
void reply_columns_free(struct reply_column *columns, size_t count);
bool reply_columns_are_same(const struct reply_column *a, const struct reply_column *b,
                            size_t count); // formats aside
bool reply_read_error(const uint8_t *body, size_t length, struct reply_error *error);
// Reads ParameterDescription; *types is owned by the caller (free). False: malformed or no memory.
bool reply_read_parameter_types(const uint8_t *body, size_t length, uint32_t **types,
                                size_t *count);
bool reply_read_command_tag(const uint8_t *body, size_t length, const char **tag);
bool reply_read_parameter_status(const uint8_t *body, size_t length, const char **name,
                                 const char **value);
bool reply_read_backend_key(const uint8_t *body, size_t length, uint32_t *pid, const uint8_t **key,
                            size_t *key_length);
// DataRow, value by value.
struct reply_row {
    const uint8_t *at;
    const uint8_t *end;
    uint16_t left;
};
bool reply_row_begin(struct reply_row *row, const uint8_t *body, size_t length);
// The next value; *value NULL for SQL NULL. False: no more, or malformed.
bool reply_row_next(struct reply_row *row, const uint8_t **value, size_t *length);
bool
reply_row_is_done(const struct reply_row *row); // every value was read and nothing is left over

void reply_write_error(struct writer *writer, char type, const struct reply_error_text *error);
void reply_write_row_description(struct writer *writer, const struct reply_column *columns,
                                 size_t count);
void reply_write_command_complete(struct writer *writer, const char *tag);
void reply_write_ready(struct writer *writer, char status);
void reply_write_parameter_status(struct writer *writer, const char *name, const char *value);
void reply_write_authentication_ok(struct writer *writer);
// NegotiateProtocolVersion: the newest version that is served, and the options that are unknown.
void reply_write_negotiation(struct writer *writer, uint32_t version, const char *const *options,
                             size_t count);
void reply_write_backend_key(struct writer *writer, uint32_t pid, uint32_t key);

#endif
