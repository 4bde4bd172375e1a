// The parts of `check`, one a subject. Each looks at both sides over the links and says what it finds.
#ifndef PROXY_CHECK_CHECK_PARTS_H
#define PROXY_CHECK_CHECK_PARTS_H

#include "proxy/control/side_link.h"
#include "proxy/database.h"

struct check {
    const struct database_settings *settings;
    struct side_link links[2];
    unsigned failures, warnings;
};

// fail: forbids to rely on the figures. warn: may make results differ, or reads go uncompared. note:
// good to know.
void check_fail(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_warn(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_note(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Runs the same statement on both sides. False: said as a failure to find out `what`, and there is
// nothing to clear.
bool check_ask_both(struct check *check, const char *sql, const char *what, PGresult *results[2]);

void check_lag(struct check *check);
void check_schema(struct check *check);    // relations, columns, types
void check_settings(struct check *check);  // encodings, collations, settings that change results
void check_roles(struct check *check);     // roles, what they may read, identity
void check_functions(struct check *check); // reads that will be skipped

enum { CHECK_LINES = 25 }; // of one kind; the rest is counted

#endif
