// Takes an ended unit to pieces: its requests in order, each with what was answered to it. Pure over
// what the unit captured; the shadow thread's.
#ifndef PROXY_SHADOW_DISSECT_H
#define PROXY_SHADOW_DISSECT_H

#include "compare/result.h"
#include "proxy/relay/unit.h"

enum step_outcome {
    STEP_UNKNOWN, // the unit's reply was cut away
    STEP_COMPLETED,
    STEP_FAILED,    // an ErrorResponse answered it
    STEP_SKIPPED,   // the server passed it over after an earlier error
    STEP_UNANSWERED // the session ended first
};

struct step { // one request message
    char type;
    const uint8_t *body; // borrowed from `dissected.request`
    size_t length;
    bool is_cut;      // the body is only the beginning of the message
    bool is_answered; // of a kind that gets replies (Flush and Terminate do not)
    uint64_t number;  // in the unit's pairing
    enum step_outcome outcome;
    struct result *results; // owned: one for each statement that was answered
    size_t result_count;
    uint8_t *parameters; // of a Describe: the ParameterDescription's body; owned, NULL: none
    size_t parameters_length;
};

struct dissected {
    struct step *steps; // owned
    size_t count;
    uint8_t *request; // the requests end to end; owned
    bool is_junk; // requests and replies could not be paired: nothing in `steps` is to be trusted
};

// False: no memory.
bool dissect(const struct unit *unit, struct dissected *dissected);
void dissected_fini(struct dissected *dissected);

#endif
