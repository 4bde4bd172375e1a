// What makes equal data look different: encodings, collations, and the settings in which values are
// written. Settings that a client sets itself are replayed on new, and so is every effective value of old
// that the protocol reports; the others take new's default.
#include "proxy/check/check_parts.h"
#include <string.h>

static const struct {
    const char *name;
    const char *effect;
} watched[] = {
    {"TimeZone", "times with a zone look different, and day boundaries move"},
    {"DateStyle", "dates look different, and ambiguous ones are read differently"},
    {"IntervalStyle", "intervals look different"},
    {"extra_float_digits", "floats have other digits"},
    {"bytea_output", "bytea looks different"},
    {"xmlbinary", "bytea in XML looks different"},
    {"xmloption", "XML casts differ"},
    {"lc_monetary", "money looks different"},
    {"lc_numeric", "to_char differs"},
    {"lc_time", "to_char of dates differs"},
    {"default_text_search_config", "full-text searches differ"},
    {"standard_conforming_strings", "backslashes in literals mean something else"},
    {"transform_null_equals", "= NULL means something else"},
    {"array_nulls", "NULL in array literals means something else"},
    {"timezone_abbreviations", "zone abbreviations mean something else"},
    {"row_security", "row security policies may not apply"},
    {"default_transaction_isolation", "snapshots differ within a transaction"},
};

enum { WATCHED = sizeof watched / sizeof *watched };

static const char *
effect_of(const char *name)
{
    for (size_t i = 0; i < WATCHED; i++) {
        if (strcmp(watched[i].name, name) == 0)
            return watched[i].effect;
    }
    return NULL;
}

static const char *
value_of(const PGresult *settings, const char *name)
{
    for (int row = 0; row < PQntuples(settings); row++) {
        if (strcmp(PQgetvalue(settings, row, 0), name) == 0)
            return PQgetvalue(settings, row, 1);
    }
    return NULL;
}

static void
compare_settings(struct check *check)
{
    PGresult *results[2];

    if (!check_ask_both(check, "SELECT name, setting FROM pg_catalog.pg_settings", "the settings",
                        results))
        return;
    for (int row = 0; row < PQntuples(results[SIDE_OLD]); row++) {
        const char *name = PQgetvalue(results[SIDE_OLD], row, 0);
        const char *effect = effect_of(name), *theirs = value_of(results[SIDE_NEW], name);

        if (effect && theirs && strcmp(PQgetvalue(results[SIDE_OLD], row, 1), theirs) != 0)
            check_warn(check, "%s is '%s' on old and '%s' on new: %s; set it alike on new", name,
                       PQgetvalue(results[SIDE_OLD], row, 1), theirs, effect);
    }
    for (int side = 0; side < 2; side++)
        PQclear(results[side]);
}

// Encoding and collation of the database itself.
static void
compare_databases(struct check *check)
{
    static const struct {
        const char *what, *effect;
    } columns[] = {
        {"server_encoding", "characters that one of them lacks cannot be compared"},
        {"collation", "ORDER BY and comparisons of text may differ"},
        {"character classification", "lower(), upper() and patterns may differ"},
        {"collation version", "ORDER BY and comparisons of text may differ"},
    };
    PGresult *results[2];

    if (!check_ask_both(check,
                        "SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype,"
                        " pg_catalog.to_jsonb(d) ->> 'datcollversion' FROM pg_catalog.pg_database d"
                        " WHERE datname = pg_catalog.current_database()",
                        "encoding and collation", results))
        return;
    for (int column = 0; column < (int)(sizeof columns / sizeof *columns); column++) {
        const char *ours = PQgetvalue(results[SIDE_OLD], 0, column);
        const char *theirs = PQgetvalue(results[SIDE_NEW], 0, column);

        if (strcmp(ours, theirs) != 0)
            check_warn(check, "%s is '%s' on old and '%s' on new: %s", columns[column].what, ours,
                       theirs, columns[column].effect);
    }
    for (int side = 0; side < 2; side++)
        PQclear(results[side]);
}

void
check_settings(struct check *check)
{
    int old_version = PQserverVersion(check->links[SIDE_OLD].connection);
    int new_version = PQserverVersion(check->links[SIDE_NEW].connection);

    if (old_version / 10000 > new_version / 10000)
        check_warn(check, "new is an older major version than old; statements may fail there");
    compare_databases(check);
    compare_settings(check);
}
