// PAUSE, RESUME, RELOAD and SHUTDOWN. On the reporter's threads.
#include "proxy/console/console_commands.h"
#include "proxy/report/reporter.h"

static void
set_paused(struct console_run *run, struct database *database, void *context)
{
    const bool *is_paused = context;

    if (atomic_exchange(&database->is_paused, *is_paused) != *is_paused)
        reporter_event(run->instance->reporter, database, *is_paused ? "pause" : "resume",
                       run->actor, "%s",
                       *is_paused ? "sessions are held between their units" : "sessions go on");
}

void
console_pause(struct console_run *run)
{
    bool is_paused = true;

    (void)console_each_database(run, set_paused, &is_paused);
}

void
console_resume(struct console_run *run)
{
    bool is_paused = false;

    (void)console_each_database(run, set_paused, &is_paused);
}

// A fleet is asked whether it goes with its other proxies.
static void
reload_with_store(struct console_run *run)
{
    char error[CONFIGURATION_ERROR_SIZE] = "";

    if (instance_reload(run->instance, error)) {
        reporter_event(run->instance->reporter, NULL, "reload", run->actor,
                       "the configuration was read again");
        return;
    }
    reporter_event(run->instance->reporter, NULL, "reload", run->actor, "refused: %s", error);
    console_fail(&run->error, "F0000", "The configuration that was running stays in force.", "%s",
                 error);
}

void
console_reload(struct console_run *run)
{
    run->then = reload_with_store;
}

void
console_shut_down(struct console_run *run)
{
    reporter_event(run->instance->reporter, NULL, "shutdown", run->actor, "%s",
                   run->call->is_wait ? "when the clients have left" : "at once");
    instance_shutdown(run->instance, run->call->is_wait);
}
