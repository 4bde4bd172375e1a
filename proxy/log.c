// The log: one line an event to stderr. A line is put together on the stack and written with one
// write(2), so that lines of several threads never mix; what does not fit is cut. Control characters
// (a server's message may hold them) become blanks: one event is one line, whatever it quotes.
// Any thread. The level is one of the two mutable globals that the house allows.
#include "proxy/log.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048, LEVEL_UNSET = -1 };

static const char *const level_names[] = {
    [LOG_DEBUG_LEVEL] = "debug",
    [LOG_INFO_LEVEL] = "info",
    [LOG_WARNING_LEVEL] = "warning",
    [LOG_ERROR_LEVEL] = "error",
};

static atomic_int least_level = LEVEL_UNSET;

static int
level_from_environment(void)
{
    const char *wanted = getenv("PGREHEARSE_LOG");
    for (size_t i = 0; wanted != NULL && i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(wanted, level_names[i]) == 0) {
            return (int)i;
        }
    }
    return LOG_INFO_LEVEL;
}

static bool
is_wanted(enum log_level level)
{
    int least = atomic_load_explicit(&least_level, memory_order_relaxed);
    if (least == LEVEL_UNSET) {
        least = level_from_environment();
        int unset = LEVEL_UNSET;
        atomic_compare_exchange_strong(&least_level, &unset, least);
    }
    return (int)level >= least;
}

// Adds what `printed` (the result of a snprintf into the rest of the line) brought.
static size_t
advance(size_t used, int printed)
{
    if (printed < 0) {
        return used;
    }
    size_t end = used + (size_t)printed;
    return end < LINE_SIZE - 1 ? end : LINE_SIZE - 2;
}

static size_t
print_head(char *line, enum log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    char time_text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &utc);
    return advance(0, snprintf(line, LINE_SIZE, "%s.%03ldZ %s %s ", time_text,
                               now.tv_nsec / 1000000, level_names[level], event));
}

void
log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (!is_wanted(level)) {
        return;
    }
    char line[LINE_SIZE];
    size_t used = print_head(line, level, event);
    va_list arguments;
    va_start(arguments, format);
    used = advance(used, vsnprintf(line + used, LINE_SIZE - used, format, arguments));
    va_end(arguments);
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = ' ';
        }
    }
    while (used > 0 && line[used - 1] == ' ') {
        used--;
    }
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; // there is nowhere to tell it
}
