// A value is found alike each time, ends where it says, and reads nothing beyond the statement.
#include "compare/sql/sqlcommenter.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char value[16], again[16], large[4096];
    const char *sql = (const char *)data;
    memset(value, 'x', sizeof(value));
    bool is_found = sqlcommenter_value(sql, size, "a", value, sizeof(value));
    if (memchr(value, '\0', sizeof(value)) == NULL || (!is_found && value[0] != '\0') ||
        sqlcommenter_value(sql, size, "a", again, sizeof(again)) != is_found ||
        strcmp(value, again) != 0)
        abort();
    // What fits is the same with more room.
    if (is_found &&
        (!sqlcommenter_value(sql, size, "a", large, sizeof(large)) || strcmp(value, large) != 0))
        abort();
    return 0;
}
