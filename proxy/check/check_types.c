// What values are made of and what searches use: user-defined types, extensions, text search. Types of extensions
// are the extension's version.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"

// A range's and a domain's definition name other types; the session's schemas are taken off when they are compared.
static const char types_sql[] = ASK_PATH "SELECT " ASK_NAME(
    "t.typname",
    "t.typname") ", '', n.nspname || '.' || t.typname, true,"
                 " CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range'"
                 " WHEN 'c' THEN 'composite' ELSE 'base' END,"
                 " CASE t.typtype"
                 " WHEN 'e' THEN (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)"
                 " FROM pg_enum e WHERE e.enumtypid = t.oid)"
                 " WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ||"
                 " CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END ||"
                 " coalesce((SELECT string_agg(' ' || pg_get_constraintdef(k.oid), '' ORDER BY "
                 "k.conname)"
                 " FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '')"
                 " WHEN 'r' THEN (SELECT format_type(g.rngsubtype, NULL) FROM pg_range g"
                 " WHERE g.rngtypid = t.oid)"
                 " WHEN 'c' THEN (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, "
                 "a.atttypmod),"
                 " ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = t.typrelid"
                 " AND a.attnum > 0 AND NOT a.attisdropped) END"
                 " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
                 " LEFT JOIN path ON path.name = n.nspname LEFT JOIN pg_class c ON c.oid = "
                 "t.typrelid"
                 " WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')"
                 " OR (t.typtype = 'b' AND t.typelem = 0)) AND " ASK_NO_SYSTEM
                 " AND " ASK_NO_EXTENSION("pg_type", "t.oid");

static const struct aspect type_aspects[] = {
    {.name = "its kind", .kind = FINDING_type_differs},
    {.name = "its definition", .kind = FINDING_type_differs},
};
static const struct comparison types = {
    .what = "types",
    .sql = types_sql,
    .missing = FINDING_type_differs,
    .extra = FINDING_NONE,
    ASPECTS(type_aspects),
};

static const struct aspect extension_aspects[] = {
    {.name = "its version", .kind = FINDING_extension_version},
};
static const struct comparison extensions = {
    .what = "extensions",
    .sql = "SELECT extname, '', extname, true, extversion FROM pg_extension",
    .missing = FINDING_missing_extension,
    .extra = FINDING_NONE,
    ASPECTS(extension_aspects),
};

// 16384: the first OID that is not initdb's.
static const char configurations_sql[] = ASK_PATH "SELECT " ASK_NAME(
    "c.cfgname", "c.cfgname") ", '',"
                              " 'configuration ' || n.nspname || '.' || c.cfgname, true, p.prsname,"
                              " (SELECT string_agg(t.alias || ' ' || d.dictname, ', ' ORDER BY "
                              "t.alias, m.mapseqno)"
                              " FROM pg_ts_config_map m JOIN pg_ts_dict d ON d.oid = m.mapdict"
                              " JOIN ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype "
                              "WHERE m.mapcfg = c.oid)"
                              " FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace"
                              " JOIN pg_ts_parser p ON p.oid = c.cfgparser LEFT JOIN path ON "
                              "path.name = n.nspname"
                              " WHERE c.oid >= 16384 AND " ASK_NO_EXTENSION("pg_ts_config",
                                                                            "c.oid");
static const char dictionaries_sql[] = ASK_PATH "SELECT " ASK_NAME(
    "x.dictname",
    "x.dictname") ", '',"
                  " 'dictionary ' || n.nspname || '.' || x.dictname, true, t.tmplname,"
                  " coalesce(x.dictinitoption, '')"
                  " FROM pg_ts_dict x JOIN pg_namespace n ON n.oid = x.dictnamespace"
                  " JOIN pg_ts_template t ON t.oid = x.dicttemplate LEFT JOIN path ON path.name = "
                  "n.nspname"
                  " WHERE x.oid >= 16384 AND " ASK_NO_EXTENSION("pg_ts_dict", "x.oid");

static const struct aspect configuration_aspects[] = {
    {.name = "its parser", .kind = FINDING_text_search},
    {.name = "its mapping", .kind = FINDING_text_search, .is_long = true},
};
static const struct aspect dictionary_aspects[] = {
    {.name = "its template", .kind = FINDING_text_search},
    {.name = "its options", .kind = FINDING_text_search},
};
static const struct comparison configurations = {
    .what = "text search configurations",
    .sql = configurations_sql,
    .missing = FINDING_text_search,
    .extra = FINDING_NONE,
    ASPECTS(configuration_aspects),
};
static const struct comparison dictionaries = {
    .what = "text search dictionaries",
    .sql = dictionaries_sql,
    .missing = FINDING_text_search,
    .extra = FINDING_NONE,
    ASPECTS(dictionary_aspects),
};

void
check_types(struct check *check)
{
    comparison_run(check, &types, NULL);
    comparison_run(check, &extensions, NULL);
    comparison_run(check, &configurations, NULL);
    comparison_run(check, &dictionaries, NULL);
}
