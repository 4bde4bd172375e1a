// What `check` found: a list by database, and how it is printed. One thread.
#ifndef PROXY_CHECK_FINDINGS_H
#define PROXY_CHECK_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum finding_kind {
#define KIND(name, severity, hint) FINDING_##name,
#include "proxy/check/findings.tbl"
#undef KIND
    FINDING_KINDS,
    FINDING_NONE = FINDING_KINDS, // in tables: is not said
};

enum finding_severity { FINDING_ERROR, FINDING_WARNING, FINDING_NOTE, FINDING_SEVERITIES };

struct finding {
    enum finding_kind kind;
    char *subject, *detail; // owned
};

enum findings_outcome { FINDINGS_FIT, FINDINGS_NOT_FIT, FINDINGS_UNKNOWN }; // as the exit code

struct findings { // of one database
    const char *database;
    char about[2][256]; // old and new: version, place, user
    const char *lag;    // the probe that works, "" if none
    bool is_cut_short;  // a side is out of reach
    bool failed;        // no memory
    struct finding *list;
    size_t count, capacity;
    size_t of_severity[FINDING_SEVERITIES];
};

enum { FINDINGS_LINES = 10 }; // of one kind in the text; the rest is counted

void findings_fini(struct findings *findings);
void findings_add(struct findings *findings, enum finding_kind kind, const char *subject,
                  const char *detail, ...) __attribute__((format(printf, 4, 5)));
enum findings_outcome findings_outcome(const struct findings *findings);

enum finding_severity finding_severity(enum finding_kind kind);
const char *finding_severity_name(enum finding_severity severity);
const char *finding_kind_name(enum finding_kind kind);
const char *finding_hint(enum finding_kind kind);

// All that was found in the databases; false: could not be written.
bool findings_print_text(FILE *out, const struct findings *databases, size_t count);
bool findings_print_json(FILE *out, const struct findings *databases, size_t count);

#endif
