// Where old or new is: a libpq connection string taken to pieces by PQconninfoParse (service files,
// passfiles, PG* environment and defaults as in psql). Immutable, shared by reference, any thread.
#ifndef PROXY_TRANSPORT_TARGET_H
#define PROXY_TRANSPORT_TARGET_H

#include "config/configuration.h"
#include <stdatomic.h>
#include <stdint.h>

struct target_host {
    char *host;    // name, address, or a directory ('/' or '@' first) for a Unix socket
    char *address; // hostaddr: where to connect to while `host` is what TLS checks; "" if none
    uint16_t port;
};

struct target {
    atomic_uint references;
    char *connection_string;   // for libpq
    struct target_host *hosts; // tried in order
    size_t host_count;
    char *user, *password, *database,
        *options;                // "" where not given (user and database: libpq's default)
    char *passfile;              // "" if none
    bool has_user, has_database; // given in the string itself
    enum tls_mode tls_mode;
    bool direct_tls;                                        // sslnegotiation=direct
    char *tls_root_certificate, *tls_certificate, *tls_key; // "" where not given
    char *tls_key_password;                                 // likewise
    char *tls_revocation_list, *tls_revocation_folder;      // likewise
    char *tls_minimum, *tls_maximum; // "TLSv1.2" and the like, "" where not given
    bool tls_sends_name;             // sslsni
    uint64_t connect_timeout;        // ns; 0: none
    // uv_hrtime: up to then its only server, which has just said that it has no TLS, is not asked (connector_attempt.c).
    atomic_uint_fast64_t plain_until;
};

// NULL: `error` says what is wrong with the string. Reads files (service, passfile): not on a loop.
struct target *target_new(const char *connection_string, char *error, size_t error_size);
struct target *target_ref(struct target *target);
void target_unref(struct target **target);
// The password for `user`: the string's own when it names that user, else the passfile's, else NULL.
// The caller frees (and wipes) it. Reads the passfile: a small local file.
char *target_password_for(const struct target *target, const char *user, const char *database);

#endif
