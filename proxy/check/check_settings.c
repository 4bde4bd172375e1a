// Settings that change results: what each side's session starts with (reset_val: the server's, the database's, the
// connection string's user's, the options'). Settings that a client makes itself are replayed on new, and so is what
// the protocol reports of old; the others take new's default. Roles' own settings too, and custom ones, which
// policies and functions read.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"
#include <string.h>
#include <strings.h>

// clang-format off
static const char settings_sql[] =
    "SELECT v.name, '', v.name, true, v.reset_val FROM pg_settings v"
    " WHERE lower(v.name) IN (SELECT lower(s) FROM unnest(ARRAY[''"
#define SETTING(name, effect) ", '" name "'"
#include "proxy/check/settings.tbl"
#undef SETTING
    "]) AS w(s))";

// The setting for this database wins over the one for all.
#define ROLE_SETTINGS                                                                              \
    "SELECT DISTINCT ON (1, 2) coalesce(r.rolname::text, ''), v.name,"                             \
    " coalesce('role ' || r.rolname, 'all roles') || ' ' || v.name, true, v.value"                 \
    " FROM pg_db_role_setting d LEFT JOIN pg_roles r ON r.oid = d.setrole,"                        \
    " LATERAL (SELECT split_part(e, '=', 1) AS name, substr(e, strpos(e, '=') + 1) AS value"       \
    " FROM unnest(d.setconfig) AS u(e)) AS v"                                                      \
    " WHERE (d.setdatabase = 0 OR d.setdatabase ="                                                 \
    " (SELECT oid FROM pg_database WHERE datname = current_database()))"
#define LATEST " ORDER BY 1, 2, d.setdatabase DESC"
static const char role_settings_sql[] =
    ROLE_SETTINGS " AND r.rolname IS NOT NULL AND (v.name LIKE '%.%'"
    " OR lower(v.name) IN (SELECT lower(s) FROM unnest(ARRAY[''"
#define SETTING(name, effect) ", '" name "'"
#include "proxy/check/settings.tbl"
#undef SETTING
    "]) AS w(s)))" LATEST;
// clang-format on
static const char custom_settings_sql[] =
    ROLE_SETTINGS " AND d.setrole = 0 AND v.name LIKE '%.%'" LATEST;

static const struct {
    const char *name, *effect;
} watched[] = {
#define SETTING(name, effect) {name, effect},
#include "proxy/check/settings.tbl"
#undef SETTING
};

static const char *
effect_of(const char *name)
{
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        if (strcasecmp(watched[i].name, name) == 0)
            return watched[i].effect;
    }
    return "results may differ";
}

static void
settings_differ(const struct difference *difference)
{
    const char *name = difference->facts[SIDE_OLD]->object;
    const char *values[2];

    for (int side = 0; side < 2; side++) // schemas are what search_path is about
        values[side] = facts_value(&difference->sides[side], difference->facts[side], 0);
    findings_add(&difference->check->findings,
                 strcmp(name, "search_path") == 0 ? FINDING_search_path : FINDING_setting, name,
                 "'%s' on old and '%s' on new: %s", values[SIDE_OLD], values[SIDE_NEW],
                 effect_of(name));
}

static const struct aspect setting_aspects[] = {
    {.name = "setting", .kind = FINDING_setting, .differ = settings_differ},
};
static const struct aspect role_setting_aspects[] = {
    {.name = "it", .kind = FINDING_role_setting},
};
static const struct comparison settings = {
    .what = "settings",
    .sql = settings_sql,
    .missing = FINDING_NONE,
    .extra = FINDING_NONE,
    ASPECTS(setting_aspects),
};
static const struct comparison custom_settings = {
    .what = "settings of the database",
    .sql = custom_settings_sql,
    .missing = FINDING_role_setting,
    .extra = FINDING_role_setting,
    ASPECTS(role_setting_aspects),
};

void
check_settings(struct check *check)
{
    comparison_run(check, &settings, NULL);
    comparison_run(check, &custom_settings, NULL);
}

void
check_role_settings(struct check *check)
{
    const struct comparison role_settings = {
        .what = "roles' settings",
        .sql = role_settings_sql,
        .missing = FINDING_role_setting,
        .extra = FINDING_role_setting,
        .owners = check->roles,
        ASPECTS(role_setting_aspects),
    };

    comparison_run(check, &role_settings, NULL);
}
