// The first packet of a connection (manual 55.2.1, 55.2.10, 55.2.11): told apart and taken to pieces.
#ifndef PROTOCOL_STARTUP_H
#define PROTOCOL_STARTUP_H

#include "protocol/writer.h"

enum { STARTUP_MAX_LENGTH = 10000 }; // as PostgreSQL's MAX_STARTUP_PACKET_LENGTH

enum startup_kind {
    STARTUP_MORE,       // not enough bytes yet
    STARTUP_JUNK,       // not a packet that PostgreSQL would take; `major` is filled in, and not 3
                        // nor 1234, when the version is what is wrong
    STARTUP_BAD_LENGTH, // too short for any packet, or over STARTUP_MAX_LENGTH
    STARTUP_SSL_REQUEST,
    STARTUP_GSSENC_REQUEST,
    STARTUP_CANCEL,
    STARTUP_SESSION, // StartupMessage
    STARTUP_TLS,     // a TLS ClientHello: direct TLS
    STARTUP_NO_MEMORY,
};

struct startup_parameter {
    const char *name; // borrowed from the packet
    const char *value;
};

struct startup {
    enum startup_kind kind;
    size_t length; // bytes of the packet, when it is complete
    uint16_t major, minor;
    // STARTUP_CANCEL; the key is 4 bytes in 3.0, up to 256 in 3.2
    uint32_t cancel_pid;
    const uint8_t *cancel_key;
    size_t cancel_key_length;
    // STARTUP_SESSION; parameters in the order of the packet
    struct startup_parameter *parameters; // owned
    size_t parameter_count;
};

// Reads the packet at `bytes`. What it points to is borrowed from there. startup_fini frees.
void startup_read(struct startup *startup, const uint8_t *bytes, size_t length);
void startup_fini(struct startup *startup);
// The value that counts, which is the last one of that name; or NULL.
const char *startup_parameter(const struct startup *startup, const char *name);
// One of the requests that are no session, though perhaps a malformed one.
bool startup_is_request(const struct startup *startup);
bool startup_is_replication(const struct startup *startup);

// Packets to a server. `database` and `user` replace what the client sent (NULL: they stay); further
// `extra_options` are appended to the parameter `options` (NULL: none). A packet longer than a
// server takes marks the writer failed.
void startup_write(struct writer *writer, const struct startup *startup, const char *user,
                   const char *database, const char *extra_options);
void startup_write_ssl_request(struct writer *writer);
void startup_write_cancel(struct writer *writer, uint32_t pid, const uint8_t *key,
                          size_t key_length);

#endif
