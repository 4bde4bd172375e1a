// `pgrehearse report`: what the store holds, as an operator reads it at night, or as JSON for scripts. Reads the
// store alone: the proxy may be running or not.
#ifndef PROXY_REPORT_REPORT_H
#define PROXY_REPORT_REPORT_H

#include "proxy/report/picture.h"
#include <stdio.h>

struct report_options { // NULL: not given
    const char *format; // text (the default), json; html is not there yet
    const char *since;  // a duration, e.g. "1h"
    const char *database;
    const char *fingerprint;
    bool keys; // the keys of the rows that differ, instead of the report
};

// To stdout; errors to stderr. The exit status: 0, or 2 when there is nothing that it could report from.
int report_run(const char *configuration_path, const struct report_options *options);
// --since, a duration before `now` (both in microseconds since 1970), down to the beginning of its minute; NULL: 0, all that the
// store holds. False: said to stderr what is wrong with it.
bool report_read_since(const char *text, int64_t now, int64_t *since);

struct report_facts { // what stands above the databases
    const char *store;
    int64_t generated_at; // microseconds since 1970
    int64_t since;        // 0: all that the store holds; else the beginning of a minute
};
// False: could not be written (no memory, or the stream failed).
bool report_text(FILE *out, const struct report_facts *facts, const struct pictures *pictures);
bool report_json(FILE *out, const struct report_facts *facts, const struct pictures *pictures);

#endif
