// Settles a suspicion. A round is old, then new behind the fence, then old again; where these still differ, new
// again: what flips at random, and much faster than it is read, then needs four readings by turns in a
// round and passes for a mismatch once in a million, not once in five thousand times. DESIGN 3.3:
//
//     a reading failed for a circumstance ............. unverified
//     old stood still, and new agrees with it ......... lagging
//     the statement leaves open what differs .......... unstable
//     (what it leaves open and else moves is no movement)
//     both stood still, new differs, and both are as
//       they were in the rounds before: one more ...... mismatch, once there are `rounds` of them
//     the same, of rows that stood still beside others
//       that moved (rounds_keyed.c, rounds_standing.c)  mismatch, as well
//     anything moved .................................. the count begins again with this round
//     `attempts` used up .............................. unstable
//
// Readings of one side are held against each other with the same rules as the two sides are, so that
// what the rules don't see is no movement. Pure; runs on a shadow thread.
#include "compare/rounds.h"
#include "compare/rounds_keyed.h"
#include "compare/rounds_standing.h"
#include <stdlib.h>
#include <string.h>

enum comparison { SAME, DIFFERENT, OPEN, UNKNOWN };

void
rounds_init(struct rounds *rounds, const struct rounds_settings *settings,
            const struct determinacy *determinacy, const struct difference_rules *rules)
{
    *rounds = (struct rounds){.settings = *settings, .determinacy = determinacy, .rules = rules};
    result_init(&rounds->old_result);
    result_init(&rounds->new_result);
}

void
rounds_fini(struct rounds *rounds)
{
    result_fini(&rounds->old_result);
    result_fini(&rounds->new_result);
    keyed_fini(&rounds->keyed);
    standing_fini(&rounds->standing);
}

bool
rounds_is_circumstance(const char *sqlstate)
{
    static const char *const states[] = {"08", "40", "53", "57", "58", "55P03", "25P03", "25006"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strncmp(sqlstate, states[i], strlen(states[i])) == 0)
            return true;
    return false;
}

static enum rounds_step
settle(struct rounds *rounds, enum verdict verdict, const char *because)
{
    rounds->verdict = verdict;
    rounds->because = because;
    return ROUNDS_SETTLED;
}

void
rounds_give_up(struct rounds *rounds, const char *because)
{
    settle(rounds, VERDICT_UNVERIFIED, because);
}

static enum comparison
judge(const struct difference *difference)
{
    if (difference->class == DIFFERENCE_NONE)
        return SAME;
    return difference->is_open ? OPEN : DIFFERENT;
}

// The rules of old's columns, by new's: extra columns on new are ignored. NULL: no memory.
static struct column_rule *
rules_of_new(const struct rounds *rounds, const struct result *old_result,
             const struct result *new_result)
{
    struct column_rule *columns = calloc(new_result->column_count + 1, sizeof *columns);
    for (size_t i = 0; columns != NULL && i < new_result->column_count; i++) {
        columns[i] = (struct column_rule){.tolerance = -1, .ignore = true};
        for (size_t k = 0; k < old_result->column_count; k++) {
            if (strcmp(new_result->columns[i].name, old_result->columns[k].name) != 0)
                continue;
            columns[i].ignore = false;
            if (rounds->rules->columns != NULL && k < rounds->rules->column_count)
                columns[i] = rounds->rules->columns[k];
            break;
        }
    }
    return columns;
}

static enum comparison
compare_readings(const struct rounds *rounds, const struct result *one, const struct result *other,
                 const struct difference_rules *rules)
{
    struct difference difference;
    if (!difference_find(one, other, rounds->determinacy, rules, &difference))
        return UNKNOWN;
    return judge(&difference);
}

static enum comparison
compare_old(const struct rounds *rounds, const struct result *one, const struct result *other)
{
    struct difference_rules rules = *rounds->rules;
    rules.new_types = rules.old_types;
    return compare_readings(rounds, one, other, &rules);
}

static enum comparison
compare_new(const struct rounds *rounds, const struct result *one, const struct result *other)
{
    struct difference_rules rules = *rounds->rules;
    struct column_rule *columns = NULL;
    rules.old_types = rules.new_types;
    if (rules.allow_extra_columns) {
        columns = rules_of_new(rounds, &rounds->old_result, one);
        if (columns == NULL)
            return UNKNOWN;
        rules.columns = columns;
        rules.column_count = one->column_count;
        rules.allow_extra_columns = false;
    }
    enum comparison comparison = compare_readings(rounds, one, other, &rules);
    free(columns);
    return comparison;
}

static bool
is_circumstance(const struct result *result)
{
    return result->kind == RESULT_OPEN ||
           (result->kind == RESULT_ERROR && rounds_is_circumstance(result->sqlstate));
}

static void
keep(struct result *kept, struct result *result)
{
    result_fini(kept);
    *kept = *result;
    result_init(result);
}

// Old stood still in this round and new differs. Does the round go on with the ones before?
static enum comparison
compare_with_kept(const struct rounds *rounds, const struct result *old_result,
                  const struct result *new_result)
{
    if (rounds->consecutive == 0)
        return DIFFERENT;
    enum comparison old_side = compare_old(rounds, &rounds->old_result, old_result);
    if (old_side == DIFFERENT || old_side == UNKNOWN)
        return old_side;
    return compare_new(rounds, &rounds->new_result, new_result);
}

// The rows that have stood for long enough, as results of their own. False: none, or no memory.
static bool
take_rows(const struct rounds *rounds, const struct result *old_result,
          const struct result *new_result, struct result taken[2])
{
    if (rounds->keyed.is_in_use)
        return keyed_is_settled(&rounds->keyed, rounds) &&
               keyed_take(&rounds->keyed, rounds, old_result, new_result, taken);
    return rounds->standing.rounds >= rounds->settings.rounds &&
           standing_take(&rounds->standing, rounds, old_result, new_result, taken);
}

// Something moved in this or an earlier round, but there may be rows that did not.
static bool
settle_rows(struct rounds *rounds, const struct result *old_result, const struct result *new_result)
{
    struct result kept[2];
    struct determinacy of_rows = *rounds->determinacy;
    if (!take_rows(rounds, old_result, new_result, kept))
        return false;
    if (rounds->keyed.is_in_use) { // some rows of a result are neither in order nor cut
        of_rows.order = ORDER_NONE;
        of_rows.is_limited = of_rows.cuts_start = of_rows.cuts_end = false;
    }
    struct difference difference;
    if (!difference_find(&kept[0], &kept[1], &of_rows, rounds->rules, &difference) ||
        judge(&difference) != DIFFERENT) {
        result_fini(&kept[0]);
        result_fini(&kept[1]);
        return false;
    }
    rounds->difference = difference;
    keep(&rounds->old_result, &kept[0]); // the samples borrow from these
    keep(&rounds->new_result, &kept[1]);
    settle(rounds, VERDICT_MISMATCH, NULL);
    return true;
}

// `old_result`, `new_result`: this round's.
static enum rounds_step
go_on(struct rounds *rounds, const struct result *old_result, const struct result *new_result)
{
    if (rounds->consecutive >= rounds->settings.rounds)
        return settle(rounds, VERDICT_MISMATCH, NULL);
    if (settle_rows(rounds, old_result, new_result))
        return ROUNDS_SETTLED;
    if (rounds->attempts >= rounds->settings.attempts)
        return settle(rounds, VERDICT_UNSTABLE, "the result kept moving");
    return ROUNDS_AGAIN;
}

static enum rounds_step
settle_open(struct rounds *rounds)
{
    const char *because = rounds->determinacy->open_because;
    return settle(rounds, VERDICT_UNSTABLE,
                  because != NULL ? because : "the statement does not determine its result");
}

// New's second reading has its columns held against new's first.
static enum comparison
compare_new_pair(const struct rounds *rounds, const struct result *new_first,
                 const struct result *old_second, const struct result *new_second)
{
    struct rounds of_this_round = *rounds;
    of_this_round.old_result = *old_second;
    return compare_new(&of_this_round, new_first, new_second);
}

// Counts the round in for each row by itself. `new_second` NULL: new's first reading is as old's second. False: no
// memory.
static bool
add_rows(struct rounds *rounds, const struct result *old_first, const struct result *new_first,
         const struct result *old_second, const struct result *new_second)
{
    if (!keyed_add(&rounds->keyed, rounds, old_first, new_first, old_second,
                   new_second ? new_second : new_first))
        return false;
    if (!rounds->keyed.is_in_use && new_second)
        return standing_add(&rounds->standing, rounds, old_first, new_first, old_second,
                            new_second);
    standing_fini(&rounds->standing);
    return true;
}

bool
rounds_wants_new_again(const struct rounds *rounds, const struct result *old_first,
                       const struct result *new_first, const struct result *old_second)
{
    struct difference difference;
    if (is_circumstance(old_first) || is_circumstance(new_first) || is_circumstance(old_second))
        return false;
    return difference_find(old_second, new_first, rounds->determinacy, rounds->rules,
                           &difference) &&
           judge(&difference) == DIFFERENT;
}

enum rounds_step
rounds_add(struct rounds *rounds, struct result *old_first, struct result *new_first,
           struct result *old_second, struct result *new_second)
{
    static const char no_memory[] = "out of memory";
    struct difference difference;
    rounds->attempts++;
    if (is_circumstance(old_first) || is_circumstance(new_first) || is_circumstance(old_second) ||
        (new_second && is_circumstance(new_second)))
        return settle(rounds, VERDICT_UNVERIFIED, "a reading failed for a passing reason");
    enum comparison old_side = compare_old(rounds, old_first, old_second);
    if (old_side == UNKNOWN ||
        !difference_find(old_second, new_first, rounds->determinacy, rounds->rules, &difference))
        return settle(rounds, VERDICT_UNVERIFIED, no_memory);
    if (old_side == SAME && difference.class == DIFFERENCE_NONE)
        return settle(rounds, VERDICT_LAGGING, NULL);
    // What the statement leaves open may move: it hides no fault in what is determined.
    if (judge(&difference) == OPEN || (old_side == OPEN && difference.class == DIFFERENCE_NONE)) {
        rounds->difference = difference;
        keep(&rounds->old_result, old_second); // the samples borrow from these
        keep(&rounds->new_result, new_first);
        return settle_open(rounds);
    }
    enum comparison new_side =
        new_second ? compare_new_pair(rounds, new_first, old_second, new_second) : DIFFERENT;
    if (new_side == UNKNOWN || !add_rows(rounds, old_first, new_first, old_second, new_second))
        return settle(rounds, VERDICT_UNVERIFIED, no_memory);
    struct result *new_result = new_second ? new_second : new_first;
    // The samples are to borrow from the reading that is kept.
    if (!difference_find(old_second, new_result, rounds->determinacy, rounds->rules, &difference))
        return settle(rounds, VERDICT_UNVERIFIED, no_memory);
    if (old_side == DIFFERENT || new_side == DIFFERENT || judge(&difference) != DIFFERENT) {
        rounds->consecutive = 0;
        return go_on(rounds, old_second, new_result);
    }
    enum comparison before = compare_with_kept(rounds, old_second, new_result);
    if (before == UNKNOWN)
        return settle(rounds, VERDICT_UNVERIFIED, no_memory);
    if (before == SAME || before == OPEN) {
        rounds->consecutive++;
        return go_on(rounds, old_second, new_result);
    }
    rounds->consecutive = 1;
    rounds->difference = difference;
    keep(&rounds->old_result, old_second);
    keep(&rounds->new_result, new_result);
    return go_on(rounds, &rounds->old_result, &rounds->new_result);
}
