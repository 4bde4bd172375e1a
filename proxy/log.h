// The log: one line an event to stderr, `time level event key=value …`. Never SQL values, passwords
// or rows. PGREHEARSE_LOG=debug|info|warning|error says what is logged (info). Any thread.
#ifndef PROXY_LOG_H
#define PROXY_LOG_H

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARNING_LEVEL, LOG_ERROR_LEVEL };

// `event` is a word ("client_closed"); `format` gives the key=value pairs that follow it.
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
