// Functions of PostgreSQL's own and of extensions that the catalog's volatility does not tell enough about.
#ifndef COMPARE_SQL_KNOWN_FUNCTION_H
#define COMPARE_SQL_KNOWN_FUNCTION_H

#include "compare/sql/catalog_data.h"
#include <stdbool.h>
#include <stddef.h>

enum known_class { NEVER, KEEPS, HARMLESS, SHOWS }; // see functions.tbl

struct known_function {
    const char *name; // or what the names begin with
    size_t length;    // of it
    enum known_class class;
    unsigned value; // VALUE_…: what its value shows
};

const struct known_function *known_function(const char *name); // NULL: its volatility tells all
bool known_function_keeps(const char *name);                   // is it of class KEEPS?
// PostgreSQL's own, and proven to only read and to give what its arguments determine. NULL: false.
bool known_function_is_plain(const struct catalog_function *function);

#endif
