// Whose reads are served by new: the cohort key of a session or of one read, and the decision
// (DESIGN 3.7). The worker's thread.
#ifndef PROXY_CANARY_CANARY_KEY_H
#define PROXY_CANARY_CANARY_KEY_H

#include "compare/sql/state.h"
#include "config/configuration.h"
#include <stddef.h>

enum { CANARY_KEY_MAX = 256 };

struct canary_subject {  // what keys are taken from; all borrowed, NULL where there is none
    const char *session; // random, made at the login
    const char *user, *application_name, *client_address;
    const char *parameter; // the startup parameter that the configuration names
    const struct state_snapshot *state;
    const char *sql;
    size_t sql_length;
};

// The key's value; "" if it has none, and then it is in no cohort.
void canary_key_of(const struct configuration_canary *canary, const struct canary_subject *subject,
                   char key[CANARY_KEY_MAX]);
// What the state's replay sets a parameter to; `value` stays as it is when it does not.
void canary_setting_of(const struct state_snapshot *state, const char *name,
                       char value[CANARY_KEY_MAX]);
// Does the cohort at `percent` (hundredths) hold this key, with include and exclude?
bool canary_key_is_in(const struct configuration_canary *canary, const char *key, unsigned percent);

#endif
