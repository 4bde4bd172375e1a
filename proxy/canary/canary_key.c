// Cohort keys, and whom a cohort holds. A setting's value is what the session's state says, in which every SET, RESET
// and rollback that old accepted is followed; application_name is what old reports; a comment is the statement's own.
#include "proxy/canary/canary_key.h"
#include "compare/cohort.h"
#include "compare/sql/sqlcommenter.h"
#include <string.h>
#include <strings.h>

static void
copy(char key[CANARY_KEY_MAX], const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length > 0 && length < CANARY_KEY_MAX) {
        memcpy(key, text, length + 1);
    }
}

static void
copy_setting(char key[CANARY_KEY_MAX], const struct state_snapshot *state, const char *name)
{
    if (state && strcasecmp(name, "application_name") == 0) {
        copy(key, state->application_name);
    } else if (state) {
        (void)state_value(state, name, key, CANARY_KEY_MAX);
    }
}

bool
canary_key_is_sessions(const struct configuration_canary *canary)
{
    return canary->key == COHORT_SESSION || canary->key == COHORT_USER ||
           canary->key == COHORT_CLIENT_ADDR;
}

void
canary_key_of(const struct configuration_canary *canary, const struct canary_subject *subject,
              char key[CANARY_KEY_MAX])
{
    key[0] = '\0';
    switch (canary->key) {
    case COHORT_SESSION:
        copy(key, subject->session);
        break;
    case COHORT_USER:
        copy(key, subject->user);
        break;
    case COHORT_CLIENT_ADDR:
        copy(key, subject->client_address);
        break;
    case COHORT_APPLICATION_NAME:
        copy_setting(key, subject->state, "application_name");
        break;
    case COHORT_PARAMETER:
        copy_setting(key, subject->state, canary->key_name);
        break;
    case COHORT_COMMENT:
        if (subject->sql) {
            (void)sqlcommenter_value(subject->sql, subject->sql_length, canary->key_name, key,
                                     CANARY_KEY_MAX);
        }
        break;
    }
}

static bool
is_listed(char *const *list, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], key) == 0) {
            return true;
        }
    }
    return false;
}

struct canary_key_place
canary_key_place(const struct configuration_canary *canary, const char *key, unsigned percent)
{
    struct canary_key_place place = {.place = cohort_place(canary->salt, key, strlen(key))};
    if (key[0] == '\0') {
        place.standing = CANARY_KEY_IS_EMPTY;
    } else if (is_listed(canary->exclude, canary->exclude_count, key)) {
        place.standing = CANARY_KEY_IS_EXCLUDED;
    } else if (is_listed(canary->include, canary->include_count, key)) {
        place.standing = CANARY_KEY_IS_INCLUDED;
        place.is_in = true;
    } else {
        place.standing = CANARY_KEY_IS_PLACED;
        place.is_in = cohort_holds(place.place, percent);
    }
    return place;
}
