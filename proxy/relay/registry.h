// Who is logged in: cancel keys to sessions (DESIGN 3.8), and what SHOW CLIENTS shows. One in the process,
// behind one lock that is taken at login, at the end, for a cancel and for a list: never for a query.
#ifndef PROXY_RELAY_REGISTRY_H
#define PROXY_RELAY_REGISTRY_H

#include "proxy/database.h"
#include "proxy/relay/unit.h"
#include <stdbool.h>

struct registry;

enum client_state { CLIENT_IDLE, CLIENT_ACTIVE, CLIENT_IN_TRANSACTION, CLIENT_PAUSED };
const char *client_state_name(enum client_state state);

enum { REGISTRY_KEY_MAX = 256 }; // bytes of a cancel key, as protocol 3.2 allows

// One logged-in client. Owned by its session; the strings are the session's too. Only what is atomic
// changes while it is registered.
struct registry_client {
    uint64_t session;
    unsigned worker;
    struct database *database;
    const char *user, *application_name, *address;
    const char *cohort_key; // for canary.key: session
    int port;               // 0: Unix socket
    bool is_tls;
    int64_t connected_at; // microseconds since 1970
    uint32_t backend_pid;
    uint8_t key[REGISTRY_KEY_MAX];
    size_t key_length;
    atomic_int state;           // enum client_state
    atomic_int route;           // enum unit_route of the last unit
    atomic_uint_fast64_t units; // answered
    // The registry's.
    struct registry_client *next, *previous, *same_bucket;
};

struct registry *registry_new(void);
void registry_free(struct registry **registry); // when nobody is in it
void registry_add(struct registry *registry, struct registry_client *client);
void registry_remove(struct registry *registry, struct registry_client *client);

struct registry_place { // where a cancel goes
    uint64_t session;
    unsigned worker;
};
bool registry_find(struct registry *registry, uint32_t pid, const uint8_t *key, size_t key_length,
                   struct registry_place *place);
// Calls `each` for every client, under the lock: it copies what it wants and is quick.
void registry_each(struct registry *registry,
                   void (*each)(void *context, const struct registry_client *client),
                   void *context);

#endif
