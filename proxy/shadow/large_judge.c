// What the readings of a large read's pass say. The rounds are those of compare/rounds, over the rows that were
// selected; of the rows that were not, the digests say whether they agree:
//
//     survey: the digests agree ................................ match
//             they differ in what the statement leaves open .... unstable
//             they differ inexactly alone ...................... a check, else rounds
//     check:  the values agree within their tolerance .......... match
//     round:  the selected rows agree on all readings,
//               the others too ................................. lagging
//               the others don't ............................... other rows are selected, from the start
//             the selected rows differ: new is read again, and if it stood still, as compare/rounds says, but only
//               while there are as many others on both sides, because else the partner of a selected row may be
//               among them
//     too many rows to keep, or a value that only its bytes were looked at: unverified
//
// A round takes all rows again on both sides, whatever was selected. The session's shadow thread.
#include "proxy/shadow/large_parts.h"
#include "proxy/shadow/suspicion.h"
#include "proxy/shadow/throttle.h"
#include <string.h>

static const struct determinacy *
determinacy_of(const struct large *large)
{
    return &large->read->shape->analysis->determinacy;
}

static bool
has_rows(const struct large_reading *reading)
{
    return reading->result.kind == RESULT_ROWS && reading->digest;
}

// Are there digests to hold against each other, or is it errors, columns and tags that differ?
static bool
are_digested(const struct large *large, size_t readings)
{
    for (size_t i = 0; i < readings; i++)
        if (!has_rows(&large->readings[i]))
            return false;
    return digest_plan_is_comparable(large->plan);
}

static bool
is_circumstance(const struct large_reading *reading)
{
    return reading->result.kind == RESULT_ERROR && rounds_is_circumstance(reading->result.sqlstate);
}

// Of what was selected. False: no memory.
static bool
find_difference(const struct large *large, const struct large_reading *old_reading,
                const struct large_reading *new_reading, struct difference *difference)
{
    const struct read *read = large->read;
    if (large->has_selection && large->selection.is_by_place)
        return digest_find_order(&old_reading->result, &new_reading->result, determinacy_of(large),
                                 &read->rules.difference, difference);
    return read_differs(read, &old_reading->result, &new_reading->result, difference);
}

// Does the selection hold all that it should, and is what differs in it a difference?
static bool
is_selection_sound(const struct large *large, size_t readings)
{
    for (size_t i = 0; i < readings; i++) {
        const struct digest *digest = large->readings[i].digest;
        if ((!large->selection.is_by_place && digest_has_overflown(digest)) ||
            digest_is_uncertain(digest, &large->selection))
            return false;
    }
    return true;
}

// --- rounds -----------------------------------------------------------------------------------

static void
rounds_begin(struct large *large, unsigned attempts)
{
    const struct configuration_recheck *recheck = &large->read->settings->entry->shadow.recheck;
    struct rounds_settings settings = {.rounds = recheck->rounds, .attempts = recheck->attempts};
    rounds_fini(&large->rounds);
    rounds_init(&large->rounds, &settings, determinacy_of(large), &large->read->rules.difference);
    large->rounds.attempts = attempts;
}

static bool
select_rows(struct large *large, const struct large_reading *old_reading,
            const struct large_reading *new_reading)
{
    large->has_selection =
        digest_select(old_reading->digest, new_reading->digest, &large->selection);
    return large->has_selection && !digest_is_uncertain(old_reading->digest, &large->selection) &&
           !digest_is_uncertain(new_reading->digest, &large->selection);
}

// Something moved: the rounds begin again, with what differs now. Old's last reading and new's are
// looked at; where these agree, the selection stays.
static void
begin_again(struct large *large)
{
    const struct large_reading *old_reading = &large->readings[LARGE_OLD_SECOND];
    const struct large_reading *new_reading = &large->readings[LARGE_NEW_FIRST];
    unsigned attempts = large->rounds.attempts + 1;
    if (attempts >= large->rounds.settings.attempts) {
        large_settle(large, VERDICT_UNSTABLE);
        return;
    }
    if (are_digested(large, LARGE_NEW_SECOND) &&
        digest_compare(old_reading->digest, new_reading->digest) != DIGEST_SAME &&
        !select_rows(large, old_reading, new_reading)) {
        large_settle(large, VERDICT_UNVERIFIED);
        return;
    }
    rounds_begin(large, attempts);
    large_pass_begin(large, LARGE_ROUND);
}

// Confirmed on what was selected. Where only the order differs, that is what is told of it.
static void
confirm(struct large *large)
{
    struct rounds *rounds = &large->rounds;
    uint64_t rows[2] = {digest_rows(large->readings[LARGE_OLD_SECOND].digest),
                        digest_rows(large->readings[LARGE_NEW_FIRST].digest)};
    rounds->old_result.left_out = rows[0] - rounds->old_result.row_count;
    rounds->new_result.left_out = rows[1] - rounds->new_result.row_count;
    if (large->selection.is_by_place) {
        struct difference order;
        bool is_found = digest_find_order(&rounds->old_result, &rounds->new_result,
                                          rounds->determinacy, rounds->rules, &order) &&
                        order.class == DIFFERENCE_ORDER;
        if (!is_found)
            order = (struct difference){
                .class = DIFFERENCE_ORDER, .column = SIZE_MAX, .rows = rounds->difference.rows};
        rounds->difference = order;
    }
    large_mismatch(large);
}

// Did new stand still, too?
static bool
has_new_stood(const struct large *large)
{
    const struct large_reading *first = &large->readings[LARGE_NEW_FIRST];
    const struct large_reading *second = &large->readings[LARGE_NEW_SECOND];
    uint64_t digests[2][2];
    if (first->digest && second->digest && digest_plan_is_comparable(large->plan))
        return digest_selected_agree(first->digest, second->digest, &large->selection);
    result_digest(&first->result, digests[0]);
    result_digest(&second->result, digests[1]);
    return memcmp(digests[0], digests[1], sizeof(digests[0])) == 0;
}

// The readings of old and of new differ. New is read again before it counts.
static void
add_round(struct large *large, bool is_digested)
{
    if (large->stage == LARGE_OLD_SECOND) {
        large_read_new_again(large);
        return;
    }
    if (!has_new_stood(large)) {
        begin_again(large);
        return;
    }
    struct rounds *rounds = &large->rounds;
    struct large_reading *readings = large->readings;
    if (rounds_add(rounds, &readings[LARGE_OLD_FIRST].result, &readings[LARGE_NEW_FIRST].result,
                   &readings[LARGE_OLD_SECOND].result,
                   &readings[LARGE_NEW_SECOND].result) != ROUNDS_SETTLED)
        large_pass_begin(large, LARGE_ROUND);
    else if (rounds->verdict != VERDICT_MISMATCH)
        large_settle(large, rounds->verdict);
    else if (is_digested)
        confirm(large);
    else
        large_mismatch(large);
}

// May what differs among the selected rows be told from movement among the others?
static bool
is_countable(const struct large *large)
{
    const struct large_reading *readings = large->readings;
    for (size_t i = LARGE_OLD_FIRST; i <= LARGE_OLD_SECOND; i += 2) {
        const struct digest *old_digest = readings[i].digest;
        const struct digest *new_digest = readings[LARGE_NEW_FIRST].digest;
        if (large->selection.is_by_place
                ? digest_compare(old_digest, new_digest) != DIGEST_ORDER
                : !digest_rest_counts_agree(old_digest, new_digest, &large->selection))
            return false;
    }
    return true;
}

static void
judge_round(struct large *large)
{
    const struct large_reading *readings = large->readings;
    const struct digest *new_digest = readings[LARGE_NEW_FIRST].digest;
    struct difference first, second;
    if (!are_digested(large, LARGE_NEW_SECOND)) {
        large->has_selection = false;
        add_round(large, false);
        return;
    }
    if (!large->has_selection) { // an error before, and rows now
        begin_again(large);
        return;
    }
    if (!is_selection_sound(large, LARGE_NEW_SECOND) ||
        !find_difference(large, &readings[LARGE_OLD_FIRST], &readings[LARGE_NEW_FIRST], &first) ||
        !find_difference(large, &readings[LARGE_OLD_SECOND], &readings[LARGE_NEW_FIRST], &second)) {
        large_settle(large, VERDICT_UNVERIFIED);
        return;
    }
    if (first.class == DIFFERENCE_NONE && second.class == DIFFERENCE_NONE) {
        if (digest_rest_agrees(readings[LARGE_OLD_FIRST].digest, new_digest, &large->selection) &&
            digest_rest_agrees(readings[LARGE_OLD_SECOND].digest, new_digest, &large->selection))
            large_settle(large, VERDICT_LAGGING);
        else
            begin_again(large);
        return;
    }
    if (is_countable(large))
        add_round(large, true);
    else
        begin_again(large);
}

// --- the first comparison ---------------------------------------------------------------------

static void
suspect(struct large *large, enum large_pass pass)
{
    rounds_begin(large, 0);
    large_pass_begin(large, pass);
}

// Over recheck.max_per_second, the verdict of the same read with the same results.
static bool
may_recheck(struct large *large)
{
    struct read *read = large->read;
    struct mirror *mirror = read->mirror;
    uint32_t most = read->settings->entry->shadow.recheck.max_per_second;
    large->key.read = suspicion_read_of(read);
    for (size_t i = 0; i <= LARGE_NEW_FIRST; i++) {
        uint64_t digest[2];
        result_digest(&large->readings[i].result, digest);
        large->key.sides[i] = digest[0];
        if (large->readings[i].digest)
            large->key.sides[i] ^= digest_mark(large->readings[i].digest);
    }
    large->was_judged = large->was_judged ||
                        throttle_pass(&mirror->at->database->rechecks_until, most, uv_hrtime());
    return large->was_judged;
}

static void
judge_by_memory(struct large *large)
{
    struct verdict_remembered what = suspicion_recall(large->read, &large->key);
    large_settle_as(large, what.verdict, what.class);
}

// Errors, commands, or columns without a correspondence.
static void
judge_ends(struct large *large)
{
    const struct large_reading *old_reading = &large->readings[LARGE_OLD_FIRST];
    const struct large_reading *new_reading = &large->readings[LARGE_NEW_FIRST];
    struct difference difference;
    if (is_circumstance(old_reading) || is_circumstance(new_reading) ||
        !find_difference(large, old_reading, new_reading, &difference))
        large_settle(large, VERDICT_UNVERIFIED);
    else if (difference.class == DIFFERENCE_NONE)
        large_settle(large, VERDICT_MATCH);
    else if (!may_recheck(large))
        judge_by_memory(large);
    else
        suspect(large, LARGE_ROUND);
}

static void
judge_survey(struct large *large)
{
    const struct large_reading *old_reading = &large->readings[LARGE_OLD_FIRST];
    const struct large_reading *new_reading = &large->readings[LARGE_NEW_FIRST];
    const struct determinacy *determinacy = determinacy_of(large);
    if (!are_digested(large, LARGE_NEW_FIRST + 1)) {
        judge_ends(large);
        return;
    }
    enum digest_relation relation = digest_compare(old_reading->digest, new_reading->digest);
    bool is_open_order =
        relation == DIGEST_ORDER && determinacy->order == ORDER_HIDDEN && !determinacy->is_total;
    // Which rows are open at a cut, and which values, is told of whole results alone (difference_open.c).
    bool is_cut = !determinacy->is_total && (determinacy->cuts_start || determinacy->cuts_end);
    bool has_open = is_cut || determinacy->has_open_rows || determinacy->open != NULL ||
                    determinacy->open_rest != OPEN_NOTHING;
    if (relation == DIGEST_SAME)
        large_settle(large, VERDICT_MATCH);
    else if (is_open_order || has_open)
        large_settle(large, VERDICT_UNSTABLE);
    else if (!may_recheck(large))
        judge_by_memory(large);
    else if (!select_rows(large, old_reading, new_reading))
        large_settle(large, VERDICT_UNVERIFIED);
    else
        suspect(large, relation == DIGEST_INEXACT ? LARGE_CHECK : LARGE_ROUND);
}

static void
judge_check(struct large *large)
{
    const struct large_reading *old_reading = &large->readings[LARGE_OLD_FIRST];
    const struct large_reading *new_reading = &large->readings[LARGE_NEW_FIRST];
    struct difference difference;
    if (!are_digested(large, LARGE_NEW_FIRST + 1)) {
        judge_ends(large);
    } else if (!is_selection_sound(large, LARGE_NEW_FIRST + 1) ||
               !find_difference(large, old_reading, new_reading, &difference)) {
        large_settle(large, VERDICT_UNVERIFIED);
    } else if (difference.class != DIFFERENCE_NONE) {
        large_pass_begin(large, LARGE_ROUND);
    } else if (digest_rest_agrees(old_reading->digest, new_reading->digest, &large->selection)) {
        large_settle(large, VERDICT_MATCH);
    } else if (digest_compare(old_reading->digest, new_reading->digest) == DIGEST_INEXACT) {
        large_settle(large, VERDICT_UNVERIFIED); // more of them than can be kept
    } else if (select_rows(large, old_reading, new_reading)) {
        large_pass_begin(large, LARGE_ROUND);
    } else {
        large_settle(large, VERDICT_UNVERIFIED);
    }
}

void
large_judge(struct large *large)
{
    switch (large->pass) {
    case LARGE_SURVEY:
        judge_survey(large);
        break;
    case LARGE_CHECK:
        judge_check(large);
        break;
    case LARGE_ROUND:
        judge_round(large);
        break;
    }
}
