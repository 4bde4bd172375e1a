// The running proxy: what `serve` puts together, for those who need to reach across (console,
// workers). Made before any thread starts; the pointers never change while threads run.
#ifndef PROXY_INSTANCE_H
#define PROXY_INSTANCE_H

#include "config/configuration.h"
#include "proxy/databases.h"
#include "proxy/relay/bucket.h"
#include <pthread.h>
#include <stdatomic.h>

struct builtin_catalogs;
struct registry;
struct shadows;
struct reporter;
struct guard;
struct workers;
struct tls_context;
struct credentials;

struct instance {
    pthread_mutex_t lock; // for `configuration` and `client_tls`, held for a ref at most
    const struct configuration *configuration;
    struct tls_context *client_tls; // NULL: TLS is off
    atomic_uint_fast64_t configuration_epoch;
    struct databases *databases;
    struct builtin_catalogs *builtin_catalogs;
    struct registry *registry; // cancel keys to sessions
    struct workers *workers;
    struct shadows *shadows;
    struct reporter *reporter;
    struct guard *guard;               // guardrails and ramps
    struct credentials *credentials;   // users' secrets, where auth.file or auth.query has them
    atomic_uint client_connections;    // against listen.max_client_connections
    atomic_uint_fast64_t next_session; // ids, from 1
    struct bucket unknown_cancels;     // tokens of cancels whose key the registry does not know
    struct bucket cancel_warnings;     // and of log lines about those that were lost
    atomic_uint waiting_cancels;       // for a token
    atomic_bool is_stopping;
    uint8_t mock_seed[32]; // random; salts for users who do not exist come from it
};

// Takes the configuration's reference. False: `error`; nothing is left to free then.
bool instance_init(struct instance *instance, const struct configuration *configuration,
                   char error[CONFIGURATION_ERROR_SIZE]);
void instance_fini(struct instance *instance); // when all threads have ended
const struct configuration *instance_configuration(struct instance *instance); // a reference
struct tls_context *instance_client_tls(struct instance *instance); // a reference, or NULL
// RELOAD and SIGHUP. False: nothing changed, `error` says why. Any thread.
bool instance_reload(struct instance *instance, char error[CONFIGURATION_ERROR_SIZE]);
// SHUTDOWN, SIGTERM: `wait`: until the clients have left by themselves. Any thread, idempotent.
void instance_shutdown(struct instance *instance, bool wait);
// PAUSE and RESUME: sets database->is_paused; sessions stop between units.

#endif
