// Whose reads are served by new: the cohort key of a session or of one read, and whether the cohort holds it
// (DESIGN 3.7). What is not known for certain is no key. Pure, any thread.
#ifndef PROXY_CANARY_CANARY_KEY_H
#define PROXY_CANARY_CANARY_KEY_H

#include "compare/sql/state.h"
#include "config/configuration.h"
#include <stddef.h>

enum {
    CANARY_KEY_MAX = 256
}; // with its NUL; what is longer is no key, for a key that is cut would be another's

struct canary_subject {         // what keys are taken from; all borrowed, NULL where there is none
    const char *session;        // random, made at the login
    const char *user;           // who logged in, whatever SET ROLE says
    const char *client_address; // "local" on a Unix socket
    const struct state_snapshot *state;
    const char *sql; // with the comments around it
    size_t sql_length;
};

// The key is the same for the whole session: it needs neither its state nor a statement.
bool canary_key_is_sessions(const struct configuration_canary *canary);
// The key's value; "" if it has none, and then it is in no cohort.
void canary_key_of(const struct configuration_canary *canary, const struct canary_subject *subject,
                   char key[CANARY_KEY_MAX]);

enum canary_standing {
    CANARY_KEY_IS_EMPTY,
    CANARY_KEY_IS_EXCLUDED,
    CANARY_KEY_IS_INCLUDED,
    CANARY_KEY_IS_PLACED, // its place alone decides
};

struct canary_key_place {
    bool is_in;
    enum canary_standing standing;
    int place; // of 10000; -1: an empty key has none
};

// How the cohort at `percent` (hundredths) has this key, with include and exclude.
struct canary_key_place canary_key_place(const struct configuration_canary *canary, const char *key,
                                         unsigned percent);

#endif
