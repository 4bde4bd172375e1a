// Settling a suspicion (DESIGN 3.3): fed with fresh readings round by round, says when to read again
// and what the verdict is. Keeps the first round's readings to hold the later ones against. Pure:
// the caller does the reading, the waiting for replication and the clock.
#ifndef COMPARE_ROUNDS_H
#define COMPARE_ROUNDS_H

#include "compare/difference.h"

struct rounds_settings {
    unsigned rounds;   // consecutive rounds that a mismatch takes
    unsigned attempts; // rounds in all
};

enum rounds_step { ROUNDS_AGAIN, ROUNDS_SETTLED };

// Rows that are suspected, each under the key that names it: those that had no equal partner in any round so far.
// Each has its own count of rounds.
struct keyed {
    struct keyed_row *rows; // by key, ascending; owned
    size_t count;
    struct writer forms; // what is compared with tolerance of `rows`
    size_t gone;         // so many of the first round's were found equal since
    bool has_begun;      // the first round was counted in
    bool is_in_use;      // rows have keys: this instead of the next
};

// The same without keys. Rows that have stood still and had no partner through the last rounds, whatever moved beside them,
// so that one hot row does not hide a faulty cold one. By digest, sorted; owned.
struct standing {
    uint64_t *digests[2]; // [0] in every reading of old and in none of new, [1] the other way
    size_t count[2];
    unsigned rounds; // consecutive ones
};

struct rounds {
    struct rounds_settings settings;
    const struct determinacy *determinacy; // borrowed
    const struct difference_rules *rules;  // borrowed
    struct keyed keyed;
    struct standing standing;
    unsigned consecutive; // rounds so far in which both sides stood still and differed
    unsigned attempts;
    // Of the first of the consecutive rounds, or of them the rows that stood still; owned.
    struct result old_result, new_result;
    struct difference difference; // between these two
    enum verdict verdict;         // once settled
    const char *because;          // a few words, or NULL
};

void rounds_init(struct rounds *rounds, const struct rounds_settings *settings,
                 const struct determinacy *determinacy, const struct difference_rules *rules);
void rounds_fini(struct rounds *rounds);
// Old read, (fence), new read, old read again: do they differ, so that new is to be read once more?
bool rounds_wants_new_again(const struct rounds *rounds, const struct result *old_first,
                            const struct result *new_first, const struct result *old_second);
// One finished round; `new_second` is NULL when it was not wanted (a difference without it counts as
// movement). Takes what it keeps out of the results; the caller calls result_fini on them all the same.
enum rounds_step rounds_add(struct rounds *rounds, struct result *old_first,
                            struct result *new_first, struct result *old_second,
                            struct result *new_second);
// A round that could not finish: settles as unverified.
void rounds_give_up(struct rounds *rounds, const char *because);

// SQLSTATE classes 08, 40, 53, 57, 58 and 55P03, 25P03, 25006 say nothing about the representation.
bool rounds_is_circumstance(const char *sqlstate);

#endif
