// libpq connection strings, as far as the configuration looks at them.
#ifndef CONFIG_CONNECTION_H
#define CONFIG_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

// Does PQconninfoParse take it? False: `problem` says why, in one line.
bool connection_check(const char *string, char *problem, size_t size);
// As key=value with every secret as ***; the caller frees it. NULL: no memory, or not parsable.
char *connection_masked(const char *string);
// The same string, with dbname=`name` where it names neither a database nor a service that may. The
// caller wipes and frees it. NULL: no memory, or not parsable.
char *connection_with_database(const char *string, const char *name);

#endif
