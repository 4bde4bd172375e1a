// Where rows have no name by which to know them again (rounds_keyed.c). In a result with a row that is written all the
// time no round finds old standing still, and a row
// beside it that is wrong on new would never be found. So rows are judged by themselves too. A row
// that every reading of old has had, and none of new, is missing on new or has another value there;
// the same the other way. No key is needed: a row is what all its columns say, to the bit.
//
// Movement still starts the count again, for the rows that it may concern: a row that stands on old
// counts only while no more rows move on new than on old, because else its partner may be what moves.
// Statements whose rows are open (LIMIT without a total order) are left out, and so are columns whose
// values are. Pure.
#include "compare/rounds_standing.h"
#include "compare/difference_rows.h"
#include <stdlib.h>
#include <string.h>

struct left { // rows without a partner, by side; sorted digests
    uint64_t *digests[2];
    size_t count[2];
};

static void
left_fini(struct left *left)
{
    free(left->digests[0]);
    free(left->digests[1]);
}

void
standing_fini(struct standing *standing)
{
    free(standing->digests[0]);
    free(standing->digests[1]);
    *standing = (struct standing){0};
}

static int
digest_order(const void *one, const void *other)
{
    const uint64_t *a = one;
    const uint64_t *b = other;
    return (*a > *b) - (*a < *b);
}

static bool
find_left(const struct rounds *rounds, const struct result *old_result,
          const struct result *new_result, struct left *left)
{
    struct rows rows;
    struct match match = {0};
    *left = (struct left){0};
    bool has_columns =
        rows_init(&rows, old_result, new_result, rounds->determinacy, rounds->rules, ROWS_ACCEPTED);
    bool is_done = !rows.failed && (!has_columns || match_rows(&rows, rounds->determinacy, &match));
    for (size_t side = 0; side < 2 && is_done; side++) {
        left->count[side] = match.count[side];
        left->digests[side] = calloc(match.count[side] + 1, sizeof(uint64_t));
        is_done = left->digests[side] != NULL;
        for (size_t i = 0; is_done && i < match.count[side]; i++)
            left->digests[side][i] = rows_full_digest(&rows, side, match.left[side][i]);
        if (is_done)
            qsort(left->digests[side], left->count[side], sizeof(uint64_t), digest_order);
    }
    is_done &= !rows.failed;
    match_fini(&match);
    rows_fini(&rows);
    return is_done;
}

// Keeps of `digests` what is among `others` too; both are sorted. How many are kept.
static size_t
intersect(uint64_t *digests, size_t count, const uint64_t *others, size_t other_count)
{
    size_t kept = 0;
    for (size_t i = 0, k = 0; i < count && k < other_count;) {
        if (digests[i] == others[k]) {
            digests[kept++] = digests[i++];
            k++;
        } else if (digests[i] < others[k]) {
            i++;
        } else {
            k++;
        }
    }
    return kept;
}

// What stands is taken from this round alone.
static void
begin(struct standing *standing, struct left *left)
{
    standing_fini(standing);
    for (size_t side = 0; side < 2; side++) {
        standing->digests[side] = left->digests[side];
        standing->count[side] = left->count[side];
        left->digests[side] = NULL;
    }
    standing->rounds = standing->count[0] > 0 || standing->count[1] > 0;
}

// `totals`: rows without a partner in this round, by side. Asked from the second round on: in one
// round alone every row of new's one reading stands.
static bool
may_count(const size_t standing[2], const size_t totals[2])
{
    size_t moving[2] = {totals[0] - standing[0], totals[1] - standing[1]};
    return (standing[0] > 0 && moving[1] <= moving[0]) ||
           (standing[1] > 0 && moving[0] <= moving[1]);
}

static void
count_in(struct standing *standing, struct left *round, const size_t totals[2])
{
    size_t kept[2] = {0, 0};
    for (size_t side = 0; side < 2 && standing->rounds > 0; side++)
        kept[side] = standing->count[side] =
            intersect(standing->digests[side], standing->count[side], round->digests[side],
                      round->count[side]);
    if (standing->rounds == 0 || !may_count(kept, totals))
        begin(standing, round);
    else
        standing->rounds++;
}

static bool
has_rows(const struct result *result)
{
    return result->kind == RESULT_ROWS && result->row_count > 0;
}

bool
standing_add(struct standing *standing, const struct rounds *rounds, const struct result *old_first,
             const struct result *new_first, const struct result *old_second,
             const struct result *new_second)
{
    const struct result *const pairs[][2] = {
        {old_first, new_first}, {old_second, new_first}, {old_second, new_second}};
    enum { PAIRS = sizeof pairs / sizeof pairs[0] };
    struct left left[PAIRS] = {0};
    const struct determinacy *determinacy = rounds->determinacy;
    bool is_open = determinacy->has_open_rows ||
                   (!determinacy->is_total && (determinacy->cuts_start || determinacy->cuts_end));
    bool is_done = true;
    if (is_open || !has_rows(old_first) || !has_rows(new_first) || !has_rows(old_second) ||
        !has_rows(new_second)) {
        standing_fini(standing);
        return true;
    }
    for (size_t i = 0; i < PAIRS && is_done; i++)
        is_done = find_left(rounds, pairs[i][0], pairs[i][1], &left[i]);
    for (size_t i = 1; i < PAIRS && is_done; i++)
        for (size_t side = 0; side < 2; side++)
            left[0].count[side] = intersect(left[0].digests[side], left[0].count[side],
                                            left[i].digests[side], left[i].count[side]);
    if (is_done)
        count_in(standing, &left[0], left[PAIRS - 1].count);
    for (size_t i = 0; i < PAIRS; i++)
        left_fini(&left[i]);
    return is_done;
}

// The rows of a side that stand; as many of equal ones as stand. False: no memory.
static bool
take_side(const struct standing *standing, struct rows *rows, size_t side, struct result *taken)
{
    const struct result *result = rows->results[side];
    size_t *numbers = calloc(result->row_count + 1, sizeof *numbers), count = 0;
    bool *is_taken = calloc(standing->count[side] + 1, sizeof *is_taken);
    bool is_done = numbers != NULL && is_taken != NULL;
    for (size_t row = 0; is_done && row < result->row_count; row++) {
        uint64_t digest = rows_full_digest(rows, side, row);
        const uint64_t *found = bsearch(&digest, standing->digests[side], standing->count[side],
                                        sizeof digest, digest_order);
        if (found == NULL)
            continue;
        size_t at = (size_t)(found - standing->digests[side]);
        while (at > 0 && standing->digests[side][at - 1] == digest)
            at--;
        while (at < standing->count[side] && standing->digests[side][at] == digest && is_taken[at])
            at++;
        if (at == standing->count[side] || standing->digests[side][at] != digest)
            continue; // more of them than stand
        is_taken[at] = true;
        numbers[count++] = row;
    }
    is_done = is_done && !rows->failed && rows_copy(rows, side, numbers, count, taken);
    free(numbers);
    free(is_taken);
    return is_done;
}

bool
standing_take(const struct standing *standing, const struct rounds *rounds,
              const struct result *old_result, const struct result *new_result,
              struct result taken[2])
{
    struct rows rows;
    result_init(&taken[0]);
    result_init(&taken[1]);
    bool is_done =
        rows_init(&rows, old_result, new_result, rounds->determinacy, rounds->rules, ROWS_ACCEPTED);
    for (size_t side = 0; side < 2 && is_done; side++)
        is_done = take_side(standing, &rows, side, &taken[side]);
    rows_fini(&rows);
    if (!is_done) {
        result_fini(&taken[0]);
        result_fini(&taken[1]);
    }
    return is_done;
}
