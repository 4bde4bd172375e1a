// What opens further sessions as a client's user, as its login showed or yielded it: a cleartext password, SCRAM keys
// (protocol/scram_witness.h, protocol/challenge.h), or an MD5 hash. Immutable, shared by reference,
// any thread; wiped with the last reference.
#ifndef PROXY_TRANSPORT_SECRET_H
#define PROXY_TRANSPORT_SECRET_H

#include "protocol/scram.h"

struct secret {
    char *password; // NULL: not known
    char *md5;      // "md5" and 32 hex digits: opens servers that ask for MD5; NULL: not known
    bool has_keys;
    struct scram_keys keys;
};

// Copies. Each of the three may be NULL. NULL: no memory.
struct secret *secret_new(const char *password, const char *md5, const struct scram_keys *keys);
struct secret *secret_ref(struct secret *secret); // NULL stays NULL
void secret_unref(struct secret **secret);
bool secret_equals(const struct secret *one,
                   const struct secret *other); // constant time; NULLs too

#endif
