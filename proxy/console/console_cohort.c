// SHOW COHORT: would a session or a read with this cohort key be served by new, and why? The first reason that
// stands against it is told, in the order in which the canary itself asks. On the reporter thread.
#include "config/units.h"
#include "proxy/canary/canary_key.h"
#include "proxy/console/console_commands.h"
#include <stdio.h>
#include <string.h>

static const struct answer_column cohort_columns[] = {
    {"database", ANSWER_TEXT},     {"key", ANSWER_TEXT},    {"value", ANSWER_TEXT},
    {"in_cohort", ANSWER_BOOLEAN}, {"reason", ANSWER_TEXT}, {"canary_percent", ANSWER_PERCENT},
    {"place", ANSWER_INTEGER},
};

const struct answer_shape console_cohort_shape = ANSWER_SHAPE(cohort_columns);

enum { REASON_SIZE = 128 };

static void
say_place(const struct canary_key_place *place, unsigned percent, char reason[REASON_SIZE])
{
    char shown[16];

    units_write_percent(percent, shown);
    snprintf(reason, REASON_SIZE, "its place %d is %s %u, which is %s %%", place->place,
             place->is_in ? "below" : "not below", percent, shown);
}

// Has the canary of this database a reason to serve nobody? NULL: none.
static const char *
closed_because(const struct database *database, const struct configuration_database *entry)
{
    if (atomic_load(&database->canary_state) == CANARY_LATCHED)
        return "the canary was rolled back and is latched until ARM CANARY";
    return entry->identity == IDENTITY_SERVICE ? "with identity: service no read is served by new"
                                               : NULL;
}

// True: in.
static bool
judge(const struct database *database, const struct configuration_database *entry,
      const char *value, const struct canary_key_place *place, unsigned percent,
      char reason[REASON_SIZE])
{
    static const char *const standings[] = {
        [CANARY_KEY_IS_EMPTY] = "an empty value is in no cohort",
        [CANARY_KEY_IS_EXCLUDED] = "canary.exclude names it",
        [CANARY_KEY_IS_INCLUDED] = "canary.include names it",
    };
    const char *closed = closed_because(database, entry);
    bool is_too_long = strlen(value) >= CANARY_KEY_MAX;

    if (closed != NULL)
        snprintf(reason, REASON_SIZE, "%s", closed);
    else if (is_too_long)
        snprintf(reason, REASON_SIZE, "a value of more than %d bytes is in no cohort",
                 CANARY_KEY_MAX - 1);
    else if (place->standing == CANARY_KEY_IS_PLACED)
        say_place(place, percent, reason);
    else
        snprintf(reason, REASON_SIZE, "%s", standings[place->standing]);
    return closed == NULL && !is_too_long && place->is_in;
}

static void
add(struct console_run *run, struct database *database, void *context)
{
    const char *value = context;
    struct database_settings *settings = database_settings(database);
    const struct configuration_canary *canary = &settings->entry->canary;
    unsigned percent = atomic_load(&database->canary_percent);
    struct canary_key_place place = canary_key_place(canary, value, percent);
    char reason[REASON_SIZE];
    char key[COHORT_KEY_TEXT];

    cohort_key_text(canary->key, canary->key_name, key);
    answer_text(&run->answer, database->name);
    answer_text(&run->answer, key);
    answer_text(&run->answer, value);
    answer_boolean(&run->answer, judge(database, settings->entry, value, &place, percent, reason));
    answer_text(&run->answer, reason);
    answer_percent(&run->answer, percent);
    if (place.place < 0)
        answer_null(&run->answer);
    else
        answer_integer(&run->answer, (uint64_t)place.place);
    database_settings_unref(&settings);
}

void
console_show_cohort(struct console_run *run)
{
    const char *value = run->call->slots[CONSOLE_KEY];
    char none[] = ""; // a parameter that is NULL

    if (console_each_database(run, add, value == NULL ? none : (void *)(uintptr_t)value))
        snprintf(run->tag, sizeof run->tag, "SHOW %zu", answer_rows(&run->answer));
}
