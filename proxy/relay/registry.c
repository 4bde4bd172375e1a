// The registry of logged-in clients: a list for SHOW CLIENTS, and a hash by backend PID for cancels. The
// key itself is compared in constant time, and only where the PID fits.
#include "proxy/relay/registry.h"
#include <assert.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

struct registry {
    pthread_mutex_t lock;
    struct registry_client *first;
    struct registry_client *buckets[BUCKETS];
};

const char *
client_state_name(enum client_state state)
{
    static const char *const names[] = {
        [CLIENT_IDLE] = "idle",
        [CLIENT_ACTIVE] = "active",
        [CLIENT_IN_TRANSACTION] = "in transaction",
        [CLIENT_PAUSED] = "paused",
    };
    return names[state];
}

struct registry *
registry_new(void)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    if (registry && pthread_mutex_init(&registry->lock, NULL) != 0) {
        free(registry);
        return NULL;
    }
    return registry;
}

void
registry_free(struct registry **registry)
{
    if (!*registry) {
        return;
    }
    assert(!(*registry)->first);
    pthread_mutex_destroy(&(*registry)->lock);
    free(*registry);
    *registry = NULL;
}

static struct registry_client **
bucket_of(struct registry *registry, uint32_t pid)
{
    return &registry->buckets[(pid * 2654435761u) >> 20];
}

void
registry_add(struct registry *registry, struct registry_client *client)
{
    pthread_mutex_lock(&registry->lock);
    client->previous = NULL;
    client->next = registry->first;
    if (registry->first) {
        registry->first->previous = client;
    }
    registry->first = client;
    struct registry_client **bucket = bucket_of(registry, client->backend_pid);
    client->same_bucket = *bucket;
    *bucket = client;
    pthread_mutex_unlock(&registry->lock);
}

void
registry_remove(struct registry *registry, struct registry_client *client)
{
    pthread_mutex_lock(&registry->lock);
    if (client->previous) {
        client->previous->next = client->next;
    } else {
        registry->first = client->next;
    }
    if (client->next) {
        client->next->previous = client->previous;
    }
    struct registry_client **at = bucket_of(registry, client->backend_pid);
    while (*at != client) {
        at = &(*at)->same_bucket;
    }
    *at = client->same_bucket;
    pthread_mutex_unlock(&registry->lock);
}

bool
registry_find(struct registry *registry, uint32_t pid, const uint8_t *key, size_t key_length,
              struct registry_place *place)
{
    bool is_found = false;
    pthread_mutex_lock(&registry->lock);
    for (const struct registry_client *at = *bucket_of(registry, pid); at; at = at->same_bucket) {
        if (at->backend_pid != pid || at->key_length != key_length ||
            CRYPTO_memcmp(at->key, key, key_length) != 0) {
            continue;
        }
        *place = (struct registry_place){.session = at->session, .worker = at->worker};
        is_found = true;
        break;
    }
    pthread_mutex_unlock(&registry->lock);
    return is_found;
}

void
registry_each(struct registry *registry,
              void (*each)(void *context, const struct registry_client *client), void *context)
{
    pthread_mutex_lock(&registry->lock);
    for (const struct registry_client *at = registry->first; at; at = at->next) {
        each(context, at);
    }
    pthread_mutex_unlock(&registry->lock);
}
