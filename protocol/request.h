// The bodies of what clients send, taken to pieces and put together (manual 55.7).
// Everything read is borrowed from the message; arrays are owned by the struct until _fini.
#ifndef PROTOCOL_REQUEST_H
#define PROTOCOL_REQUEST_H

#include "protocol/writer.h"

struct parse_request {
    const char *statement; // name, "" for the unnamed one
    const char *sql;
    uint32_t *types; // owned; OIDs, 0 where the client left it open
    size_t type_count;
};

struct bind_value {
    const uint8_t *bytes; // NULL: SQL NULL
    size_t length;
    int16_t format; // 0 text, 1 binary; the shorthand of the wire is spread out
};

struct bind_request {
    const char *portal;
    const char *statement;
    struct bind_value *values; // owned
    size_t value_count;
    int16_t *result_formats; // owned; as on the wire: none, one for all, or one a column
    size_t result_format_count;
};

struct execute_request {
    const char *portal;
    int32_t row_limit; // 0: all
};

struct target_request { // Describe and Close
    char kind;          // 'S' statement, 'P' portal
    const char *name;
};

// Each is false for a body that is malformed; nothing is owned then.
bool request_read_query(const uint8_t *body, size_t length, const char **sql);
bool request_read_parse(const uint8_t *body, size_t length, struct parse_request *request);
void request_parse_fini(struct parse_request *request);
bool request_read_bind(const uint8_t *body, size_t length, struct bind_request *request);
void request_bind_fini(struct bind_request *request);
bool request_read_execute(const uint8_t *body, size_t length, struct execute_request *request);
bool request_read_target(const uint8_t *body, size_t length, struct target_request *request);

void request_write_query(struct writer *writer, const char *sql);
void request_write_query_of(struct writer *writer, const char *sql, size_t length);
void request_write_parse(struct writer *writer, const struct parse_request *request);
void request_write_bind(struct writer *writer, const struct bind_request *request);
void request_write_describe(struct writer *writer, char kind, const char *name);
void request_write_close(struct writer *writer, char kind, const char *name);
void request_write_execute(struct writer *writer, const char *portal, int32_t row_limit);
void request_write_sync(struct writer *writer);
void request_write_terminate(struct writer *writer);

#endif
