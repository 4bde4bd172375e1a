// What an application says of itself in a comment of its statement, as the sqlcommenter specification has it
// (https://google.github.io/sqlcommenter/spec/): SELECT … /*tenant='42',route='%2Fcart'*/. Pure, without
// memory of its own: workers use it on the hot path.
#ifndef COMPARE_SQL_SQLCOMMENTER_H
#define COMPARE_SQL_SQLCOMMENTER_H

#include <stdbool.h>
#include <stddef.h>

// The value of `name` with its NUL, decoded. False, and "": no comment has it, it holds a NUL, or it does not fit.
bool sqlcommenter_value(const char *sql, size_t length, const char *name, char *value, size_t size);

#endif
