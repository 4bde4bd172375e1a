// What decides how text is ordered and compared: encoding, collations, and the versions of the libraries behind them.
// A version that differs between the sides makes results differ; one that is not the recorded one makes indexes wrong.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"
#include <string.h>

// Columns that a version of the server lacks come as NULL out of the row as JSON.
#define DATABASE(version)                                                                          \
    "SELECT '', '', 'database ' || d.datname, true, pg_encoding_to_char(d.encoding),"              \
    " d.datcollate, d.datctype,"                                                                   \
    " CASE coalesce(j ->> 'datlocprovider', 'c') WHEN 'i' THEN 'ICU' WHEN 'b' THEN 'builtin'"      \
    " ELSE 'libc' END, coalesce(j ->> 'datlocale', j ->> 'daticulocale', ''), " version            \
    ", coalesce(j ->> 'datcollversion', '')"                                                       \
    " FROM pg_database d, LATERAL (SELECT to_jsonb(d)) AS u(j) WHERE d.datname = "                 \
    "current_database()"
#define DATABASE_VERSION "coalesce(pg_database_collation_actual_version(d.oid), '')"

// Collations that users made, or that columns use; C and POSIX are the same everywhere.
static const char collations_sql[] = ASK_RELATIONS
    "SELECT CASE WHEN path.name IS NULL AND n.nspname <> 'pg_catalog' THEN n.nspname || '.'"
    " ELSE '' END || l.collname, '', 'collation ' || n.nspname || '.' || l.collname, true,"
    " CASE l.collprovider WHEN 'i' THEN 'ICU' WHEN 'd' THEN 'default' ELSE 'libc' END,"
    " coalesce(j ->> 'colllocale', j ->> 'colliculocale', j ->> 'collcollate', ''),"
    " coalesce(j ->> 'collisdeterministic', 'true'),"
    " coalesce(pg_collation_actual_version(l.oid), ''), coalesce(l.collversion, '')"
    " FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace"
    " LEFT JOIN path ON path.name = n.nspname, LATERAL (SELECT to_jsonb(l)) AS u(j)"
    " WHERE l.collname NOT IN ('default', 'C', 'POSIX', 'ucs_basic') AND (l.oid >= 16384"
    " OR l.oid IN (SELECT a.attcollation FROM pg_attribute a JOIN relation r ON r.oid = "
    "a.attrelid))"
    " AND l.collencoding IN (-1, (SELECT encoding FROM pg_database"
    " WHERE datname = current_database()))";

enum { DATABASE_ACTUAL = 5, DATABASE_RECORDED, COLLATION_ACTUAL = 3, COLLATION_RECORDED };

// Versions are a locale's: those of two locales, or of two providers, say nothing about each other.
static void
versions_differ(const struct difference *difference)
{
    const struct facts *sides = difference->sides;
    const struct fact *const *facts = difference->facts;

    if (!*difference->values[SIDE_OLD] || !*difference->values[SIDE_NEW])
        return;
    for (size_t i = 0; i < difference->number; i++) {
        if (strcmp(facts_value(&sides[SIDE_OLD], facts[SIDE_OLD], i),
                   facts_value(&sides[SIDE_NEW], facts[SIDE_NEW], i)) != 0)
            return;
    }
    comparison_say(difference);
}

static const struct aspect database_aspects[] = {
    {.name = "server_encoding", .kind = FINDING_encoding},
    {.name = "its collation", .kind = FINDING_collation},
    {.name = "its character classification", .kind = FINDING_collation},
    {.name = "its locale provider", .kind = FINDING_collation},
    {.name = "its ICU locale", .kind = FINDING_collation},
    {.name = "the library's version", .kind = FINDING_collation_version, .differ = versions_differ},
};
static const struct aspect collation_aspects[] = {
    {.name = "its provider", .kind = FINDING_collation},
    {.name = "its locale", .kind = FINDING_collation},
    {.name = "deterministic", .kind = FINDING_collation},
    {.name = "the library's version", .kind = FINDING_collation_version, .differ = versions_differ},
};

// The version that indexes were built by, against the one that is installed.
static void
look_for_stale(struct check *check, enum side side, const char *sql, int actual, int recorded)
{
    PGresult *result = ask_or_note(check, side, sql, "collation versions");

    for (int row = 0; result && row < PQntuples(result); row++) {
        const char *is = PQgetvalue(result, row, FACTS_VALUES + actual);
        const char *was = PQgetvalue(result, row, FACTS_VALUES + recorded);

        if (*is && *was && strcmp(is, was) != 0)
            findings_add(&check->findings, FINDING_collation_stale, PQgetvalue(result, row, 2),
                         "made with version %s on %s, where the library's is now %s", was,
                         check_side_names[side], is);
    }
    PQclear(result);
}

static bool
knows_database_version(const struct check *check, enum side side)
{
    return ask_version(check, side) >= 150000;
}

void
check_collations(struct check *check)
{
    bool have_version =
        knows_database_version(check, SIDE_OLD) && knows_database_version(check, SIDE_NEW);
    const struct comparison database = {
        .what = "encoding and collation",
        .sql = have_version ? DATABASE(DATABASE_VERSION) : DATABASE("''"),
        .missing = FINDING_NONE,
        .extra = FINDING_NONE,
        ASPECTS(database_aspects),
    };
    const struct comparison collations = {
        .what = "collations",
        .sql = collations_sql,
        .missing = FINDING_collation,
        .extra = FINDING_NONE,
        ASPECTS(collation_aspects),
    };

    comparison_run(check, &database, NULL);
    comparison_run(check, &collations, NULL);
    for (int side = 0; side < 2; side++) {
        if (knows_database_version(check, (enum side)side))
            look_for_stale(check, (enum side)side, DATABASE(DATABASE_VERSION), DATABASE_ACTUAL,
                           DATABASE_RECORDED);
        look_for_stale(check, (enum side)side, collations_sql, COLLATION_ACTUAL,
                       COLLATION_RECORDED);
    }
}
