// What one side's catalog says about one subject: rows that have an object, a member of it ('' for the object itself),
// a label for people, whether it matters, and then the values that are to be compared. Sorted, found by bisection.
#ifndef PROXY_CHECK_FACTS_H
#define PROXY_CHECK_FACTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

struct fact { // strings are the result's
    const char *object, *member, *label;
    bool matters;
    int row;
};

struct facts {
    PGresult *result;
    struct fact *list; // by object, member
    size_t count;
};

enum { FACTS_VALUES = 4 }; // the column of the first value

// Takes the result. False: no memory, and `facts` is empty.
bool facts_init(struct facts *facts, PGresult *result);
void facts_fini(struct facts *facts);
const struct fact *facts_find(const struct facts *facts, const char *object, const char *member);
const char *facts_value(const struct facts *facts, const struct fact *fact, size_t value);

#endif
