// The order of start and stop. Each part may use those above it:
//
//   configuration, TLS, databases, registry    instance_init
//   catalogs and lag, shapes                   per database, as it is made
//   reporter                                   brings the kept percentages back
//   guard                                      guardrails and ramps
//   shadows
//   HTTP                                       reads, and changes by way of the reporter
//   workers                                    the first clients come
//
// The stop runs the other way: when the last client has gone the workers end, then the shadows drop what
// waits as `shutdown`, and the reporter writes the last figures. The main thread does nothing in between but
// take signals.
#include "proxy/serve.h"
#include "proxy/control/control.h"
#include "proxy/control/credentials.h"
#include "proxy/guard/guard.h"
#include "proxy/instance.h"
#include "proxy/log.h"
#include "proxy/relay/worker.h"
#include "proxy/relay/workers.h"
#include "proxy/report/http.h"
#include "proxy/report/reporter.h"
#include "proxy/shadow/masking.h"
#include "proxy/shadow/shadow.h"
#include "proxy/shadow/shapes.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

struct serve {
    struct instance instance;
    uv_loop_t loop;
    uv_signal_t terminate, interrupt, hang_up;
    uv_async_t ended; // the last worker has
    unsigned stops;   // SIGTERMs and SIGINTs so far
};

static void
on_stop(uv_signal_t *signal, int number)
{
    struct serve *serve = signal->data;
    log_event(LOG_INFO_LEVEL, "signal", "number=%d", number);
    serve->stops++;
    if (serve->stops == 1) {
        instance_shutdown(&serve->instance, false);
    } else {
        workers_stop(serve->instance.workers, WORKERS_ABORT);
    }
}

static void
on_hang_up(uv_signal_t *signal, int number)
{
    (void)number;
    struct serve *serve = signal->data;
    char error[CONFIGURATION_ERROR_SIZE]; // logged there
    instance_reload(&serve->instance, error);
}

// On the last worker's thread.
static void
workers_have_ended(void *context)
{
    struct serve *serve = context;
    uv_async_send(&serve->ended);
}

// Signals are still taken, and pass unheard: what is left to be done is to be done whole.
static void
on_ended(uv_async_t *async)
{
    uv_stop(async->loop);
}

static bool
start_loop(struct serve *serve)
{
    if (uv_loop_init(&serve->loop) != 0) {
        return false;
    }
    serve->terminate.data = serve->interrupt.data = serve->hang_up.data = serve;
    uv_signal_init(&serve->loop, &serve->terminate);
    uv_signal_init(&serve->loop, &serve->interrupt);
    uv_signal_init(&serve->loop, &serve->hang_up);
    return uv_async_init(&serve->loop, &serve->ended, on_ended) == 0 &&
           uv_signal_start(&serve->terminate, on_stop, SIGTERM) == 0 &&
           uv_signal_start(&serve->interrupt, on_stop, SIGINT) == 0 &&
           uv_signal_start(&serve->hang_up, on_hang_up, SIGHUP) == 0;
}

static void
close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void
end_loop(struct serve *serve)
{
    uv_walk(&serve->loop, close_handle, NULL);
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    uv_loop_close(&serve->loop);
}

static void
start_database(void *context, struct database *database)
{
    struct instance *instance = context;
    database->shapes = shapes_new();
    database->control = control_start(database, instance->builtin_catalogs);
    if (!database->shapes || !database->control || !guard_watch(instance->guard, database)) {
        log_event(LOG_ERROR_LEVEL, "database_failed", "database=%s error=\"out of memory\"",
                  database->name);
        abort();
    }
}

static void
stop_database(void *context, struct database *database)
{
    (void)context;
    control_stop(&database->control);
}

static void
free_database(void *context, struct database *database)
{
    (void)context;
    shapes_free(&database->shapes);
}

static unsigned
shadow_count(void)
{
    unsigned count = uv_available_parallelism() / 2;
    return count < 1 ? 1 : (count > WORKER_FEEDS ? WORKER_FEEDS : count);
}

static void
wait_for_end(struct serve *serve)
{
    sd_notify(0, "READY=1");
    log_event(LOG_INFO_LEVEL, "ready", "version=%s workers=%u", PGREHEARSE_VERSION,
              workers_count(serve->instance.workers));
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    log_event(LOG_INFO_LEVEL, "stopped", "reason=shutdown");
}

// Starts the threads, waits for their end, and joins them. False: `error`.
static bool
run_threads(struct serve *serve, char *error, size_t error_size)
{
    struct instance *instance = &serve->instance;
    struct http *http = NULL;
    bool is_fine = false;
    instance->guard = guard_new(instance);
    if (!instance->guard) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    databases_on_made(instance->databases, start_database, instance);
    instance->reporter = reporter_start(instance, error, error_size);
    if (!instance->reporter) {
        goto no_reporter;
    }
    if (!guard_start(instance->guard)) {
        snprintf(error, error_size, "cannot start the guard's thread");
        goto no_guard;
    }
    instance->shadows = shadows_start(instance, shadow_count());
    if (!instance->shadows) {
        snprintf(error, error_size, "cannot start the shadow threads");
        goto no_shadows;
    }
    if (!http_start(instance, &http, error, error_size)) {
        goto no_http;
    }
    instance->credentials = credentials_new();
    if (!instance->credentials) {
        snprintf(error, error_size, "out of memory");
        goto no_credentials;
    }
    if (!workers_start(instance, workers_have_ended, serve, error, error_size)) {
        goto no_workers;
    }
    wait_for_end(serve);
    is_fine = true;
    credentials_free(&instance->credentials); // its answers go to the workers' mailboxes
    workers_free(&instance->workers);
no_workers:
    credentials_free(&instance->credentials);
no_credentials:
    http_stop(&http);
no_http:
    shadows_stop(&instance->shadows);
no_shadows:
    guard_stop(instance->guard);
no_guard:
    reporter_stop(&instance->reporter);
no_reporter:
    guard_free(&instance->guard);
    databases_each(instance->databases, stop_database, NULL);
    databases_each(instance->databases, free_database, NULL);
    return is_fine;
}

// A client takes two descriptors; the soft limit is for programs that use select.
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool
serve(const char *path, char error[CONFIGURATION_ERROR_SIZE])
{
    static struct serve running;
    const struct configuration *configuration = configuration_load(path, error);
    if (!configuration) {
        return false;
    }
    if (!instance_init(&running.instance, configuration, error)) {
        return false;
    }
    bool is_fine = false;
    if (start_loop(&running)) {
        is_fine = run_threads(&running, error, CONFIGURATION_ERROR_SIZE);
    } else {
        snprintf(error, CONFIGURATION_ERROR_SIZE, "cannot make an event loop");
    }
    end_loop(&running);
    instance_fini(&running.instance);
    return is_fine;
}

int
serve_run(const char *path)
{
    char error[CONFIGURATION_ERROR_SIZE] = "";
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    if (!masking_init()) {
        fputs("pgrehearse: there is no randomness to make the key of masked values from\n", stderr);
        return 2;
    }
    if (!serve(path, error)) {
        fprintf(stderr, "pgrehearse: %s\n", error);
        return 2;
    }
    return 0;
}
