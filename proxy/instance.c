// What all threads share: the configuration in force, the clients' TLS, and the way to change both (reload)
// and to end (shutdown). A reload makes everything new first and swaps pointers last, so that a bad
// file changes nothing. What listen's addresses, workers and `store` say is read at start alone.
#include "proxy/instance.h"
#include "proxy/control/builtin_catalogs.h"
#include "proxy/log.h"
#include "proxy/relay/registry.h"
#include "proxy/relay/workers.h"
#include "proxy/report/reporter.h"
#include "proxy/transport/tls.h"
#include <openssl/rand.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

static pthread_mutex_t reloading = PTHREAD_MUTEX_INITIALIZER; // one reload at a time

// NULL with `error` empty: TLS is off.
static struct tls_context *
client_tls(const struct configuration *configuration, char error[CONFIGURATION_ERROR_SIZE])
{
    error[0] = '\0';
    return configuration->listen.tls.mode == TLS_DISABLE
               ? NULL
               : tls_context_for_clients(&configuration->listen.tls, error,
                                         CONFIGURATION_ERROR_SIZE);
}

bool
instance_init(struct instance *instance, const struct configuration *configuration,
              char error[CONFIGURATION_ERROR_SIZE])
{
    *instance = (struct instance){.configuration = configuration};
    atomic_init(&instance->next_session, 1);
    atomic_init(&instance->configuration_epoch, 1);
    pthread_mutex_init(&instance->lock, NULL);
    if (RAND_bytes(instance->mock_seed, sizeof(instance->mock_seed)) != 1) {
        snprintf(error, CONFIGURATION_ERROR_SIZE, "no random numbers");
        goto no_tls;
    }
    instance->client_tls = client_tls(configuration, error);
    if (error[0] != '\0') {
        goto no_tls;
    }
    instance->databases = databases_new(configuration, error, CONFIGURATION_ERROR_SIZE);
    if (!instance->databases) {
        goto no_databases;
    }
    instance->builtin_catalogs = builtin_catalogs_new();
    instance->registry = registry_new();
    if (!instance->registry || !instance->builtin_catalogs) {
        snprintf(error, CONFIGURATION_ERROR_SIZE, "out of memory");
        goto no_registry;
    }
    return true;
no_registry:
    registry_free(&instance->registry);
    builtin_catalogs_free(&instance->builtin_catalogs);
    databases_free(&instance->databases);
no_databases:
    tls_context_unref(&instance->client_tls);
no_tls:
    configuration_unref(&instance->configuration);
    pthread_mutex_destroy(&instance->lock);
    return false;
}

void
instance_fini(struct instance *instance)
{
    registry_free(&instance->registry);
    builtin_catalogs_free(&instance->builtin_catalogs);
    databases_free(&instance->databases);
    tls_context_unref(&instance->client_tls);
    configuration_unref(&instance->configuration);
    pthread_mutex_destroy(&instance->lock);
}

const struct configuration *
instance_configuration(struct instance *instance)
{
    pthread_mutex_lock(&instance->lock);
    const struct configuration *configuration = configuration_ref(instance->configuration);
    pthread_mutex_unlock(&instance->lock);
    return configuration;
}

struct tls_context *
instance_client_tls(struct instance *instance)
{
    pthread_mutex_lock(&instance->lock);
    struct tls_context *tls = instance->client_tls ? tls_context_ref(instance->client_tls) : NULL;
    pthread_mutex_unlock(&instance->lock);
    return tls;
}

static void
put_in_force(struct instance *instance, const struct configuration *configuration,
             struct tls_context *tls)
{
    pthread_mutex_lock(&instance->lock);
    const struct configuration *before = instance->configuration;
    struct tls_context *tls_before = instance->client_tls;
    instance->configuration = configuration;
    instance->client_tls = tls;
    atomic_fetch_add(&instance->configuration_epoch, 1);
    pthread_mutex_unlock(&instance->lock);
    configuration_unref(&before);
    tls_context_unref(&tls_before);
}

// The other proxies of a fleet were told of a configuration that did not come into force.
static void
take_back_admission(struct instance *instance)
{
    const struct configuration *in_force = instance_configuration(instance);
    char ignored[CONFIGURATION_ERROR_SIZE];
    if (instance->reporter) {
        (void)reporter_admits(instance->reporter, in_force, ignored, sizeof(ignored));
    }
    configuration_unref(&in_force);
}

static bool
load(struct instance *instance, const char *path, char error[CONFIGURATION_ERROR_SIZE])
{
    const struct configuration *configuration = configuration_load(path, error);
    if (!configuration) {
        return false;
    }
    struct tls_context *tls = NULL;
    tls = client_tls(configuration, error);
    if (error[0] != '\0' ||
        (instance->reporter &&
         !reporter_admits(instance->reporter, configuration, error, CONFIGURATION_ERROR_SIZE))) {
        goto refused;
    }
    if (!databases_reload(instance->databases, configuration, error, CONFIGURATION_ERROR_SIZE)) {
        take_back_admission(instance);
        goto refused;
    }
    put_in_force(instance, configuration, tls);
    return true;
refused:
    tls_context_unref(&tls);
    configuration_unref(&configuration);
    return false;
}

static void
notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

bool
instance_reload(struct instance *instance, char error[CONFIGURATION_ERROR_SIZE])
{
    pthread_mutex_lock(&reloading);
    notify_reloading();
    const struct configuration *before = instance_configuration(instance);
    bool is_loaded = load(instance, before->path, error);
    if (is_loaded) {
        log_event(LOG_INFO_LEVEL, "reloaded", "file=%s", before->path);
    } else {
        log_event(LOG_ERROR_LEVEL, "reload_refused", "file=%s error=\"%s\"", before->path, error);
    }
    configuration_unref(&before);
    sd_notify(0, "READY=1");
    pthread_mutex_unlock(&reloading);
    return is_loaded;
}

void
instance_shutdown(struct instance *instance, bool wait)
{
    log_event(LOG_INFO_LEVEL, "stopping", "wait=%s", wait ? "yes" : "no");
    sd_notify(0, "STOPPING=1");
    atomic_store(&instance->is_stopping, true);
    workers_stop(instance->workers, wait ? WORKERS_WAIT : WORKERS_SHUT_DOWN);
}
