// One subject compared on both sides: one statement asked of each, the rows merged by name, and every aspect in
// which they differ said as a finding. What belongs to something that new lacks is not said again.
#ifndef PROXY_CHECK_COMPARISON_H
#define PROXY_CHECK_COMPARISON_H

#include "proxy/check/check_parts.h"

struct comparison;
struct aspect;

// Two facts that correspond and their values, which are not equal.
struct difference {
    struct check *check;
    const struct facts *sides; // [2]
    const struct fact *facts[2];
    const char *values[2]; // without the session's schemas
    const struct aspect *aspect;
    size_t number; // of the aspect
};

struct aspect { // the values of a fact, in the order of the statement's columns
    const char *name;
    enum finding_kind kind;
    bool is_long;                                        // too long to be printed
    void (*differ)(const struct difference *difference); // NULL: comparison_say
};

struct comparison {
    const char *what; // the facts, for `not_readable`
    const char *sql;  // object, member, label, matters, a value an aspect
    enum finding_kind missing, extra;
    const char *missing_text;   // what is wrong when new lacks it
    const struct facts *owners; // [2]; what `object` must be there in, or NULL
    // Instead of `missing` and `extra`, or NULL.
    void (*is_missing)(struct check *check, const struct facts sides[2], const struct fact *fact);
    void (*is_extra)(struct check *check, const struct fact *fact);
    const struct aspect *aspects;
    size_t aspect_count;
};

// False: it could not be made, which has been said. `keep`: takes both sides' facts, to be finished by the caller; or
// NULL.
bool comparison_run(struct check *check, const struct comparison *comparison, struct facts keep[2]);
// "label: NAME is 'x' on old and 'y' on new".
void comparison_say(const struct difference *difference);
// For values that are lists of roles, a line a role: those of old that new lacks, as "a, b and 3 more". Roles that are
// not on new, or that do not connect to old, are left out. The caller frees it; NULL: there are none.
char *comparison_lost_roles(const struct difference *difference);

#define ASPECTS(array) .aspects = (array), .aspect_count = sizeof(array) / sizeof *(array)

#endif
