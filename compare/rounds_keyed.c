// One row that is written all the time keeps its whole result moving, and a row beside it that is wrong on new would
// never be found. So where rows have names, each is judged by itself, as if it were a result of its own: it is
// confirmed when both sides' rows of that name stood still and differed in enough consecutive rounds; when they move
// only their own count begins again; when they are equal in a round nothing is held against them any more, and what
// was equal in the first round never is. No row on one side is as good a value as any: such a row is missing, or extra.
// Several rows of one name (a join that does not put out all keys) are taken together, as a multiset, and only those
// of them count that have no equal partner.
//
// The more rows move, the more chances there are that one of them shows the same by accident in every reading: one
// that is tossed like a coin does so in a sixteenth of the rounds. So it takes a round more for each sixteenfold of
// rows that have moved, and a false alarm stays as unlikely as with one.
//
// Not judged: rows that the statement leaves open. Under LIMIT and OFFSET without a total order those are the ones that
// tie with the first or the last; where the sort keys themselves move nothing is known of that round. Pure; memory
// in proportion to the rows that differ.
#include "compare/rounds_keyed.h"
#include "compare/difference_rows.h"
#include <stdlib.h>

enum { ODDS = 16 };

struct keyed_side {  // the rows of one name without an equal partner, of one side
    uint64_t digest; // as a multiset, without the columns that are compared with tolerance,
    size_t forms, forms_length; // which are here of a single row
    size_t count;
};

struct keyed_row {
    uint64_t key; // digest
    struct keyed_side sides[2];
    unsigned rounds; // consecutive ones in which both sides stood still and differed
    bool has_moved;  // ever
};

struct left { // the rows without an equal partner between one reading of old and one of new
    struct rows rows;
    struct match match;
    struct keyed_row *keys; // ascending; owned
    size_t count;
    struct writer forms;
    bool has_key;
    bool is_unknown; // which of them the statement leaves open can't be told
};

struct entry {
    uint64_t key;
    size_t side, row;
};

void
keyed_fini(struct keyed *keyed)
{
    free(keyed->rows);
    writer_fini(&keyed->forms);
    *keyed = (struct keyed){0};
}

// --- what is left of one reading of each side -------------------------------------------------

static void
left_fini(struct left *left)
{
    match_fini(&left->match);
    rows_fini(&left->rows);
    writer_fini(&left->forms);
    free(left->keys);
}

static int
entry_order(const void *one, const void *other)
{
    const struct entry *a = one;
    const struct entry *b = other;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->side != b->side)
        return a->side < b->side ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

// `entries` are one side's of one name.
static struct keyed_side
side_of(struct left *left, const struct entry *entries, size_t count)
{
    struct keyed_side side = {.count = count, .forms = left->forms.length};
    if (count == 1) {
        side.digest = rows_digest(&left->rows, entries->side, entries->row);
        rows_add_inexact(&left->rows, entries->side, entries->row, &left->forms);
    }
    for (size_t i = 0; count > 1 && i < count; i++)
        side.digest += rows_full_digest(&left->rows, entries[i].side, entries[i].row);
    side.forms_length = left->forms.length - side.forms;
    return side;
}

static bool
gather(struct left *left)
{
    const struct match *match = &left->match;
    size_t count = match->count[0] + match->count[1], filled = 0;
    struct entry *entries = calloc(count + 1, sizeof *entries);
    left->keys = calloc(count + 1, sizeof *left->keys);
    bool is_done = entries != NULL && left->keys != NULL;
    for (size_t side = 0; is_done && side < 2; side++)
        for (size_t i = 0; i < match->count[side]; i++) {
            size_t row = match->left[side][i];
            entries[filled++] = (struct entry){rows_key_digest(&left->rows, side, row), side, row};
        }
    if (is_done)
        qsort(entries, filled, sizeof *entries, entry_order);
    for (size_t i = 0, end; is_done && i < filled; i = end) {
        end = i + 1;
        while (end < filled && entries[end].key == entries[i].key &&
               entries[end].side == entries[i].side)
            end++;
        if (left->count == 0 || left->keys[left->count - 1].key != entries[i].key)
            left->keys[left->count++].key = entries[i].key;
        left->keys[left->count - 1].sides[entries[i].side] = side_of(left, entries + i, end - i);
    }
    free(entries);
    return is_done && !left->rows.failed && !left->forms.failed;
}

// False: no memory; left_fini in any case.
static bool
find_left(struct left *left, const struct rounds *rounds, const struct result *old_result,
          const struct result *new_result)
{
    const struct determinacy *determinacy = rounds->determinacy;
    bool is_cut = !determinacy->is_total && (determinacy->cuts_start || determinacy->cuts_end);
    *left = (struct left){0};
    writer_init(&left->forms);
    if (!rows_init(&left->rows, old_result, new_result, determinacy, rounds->rules, ROWS_ACCEPTED))
        return !left->rows.failed;
    left->has_key = rows_have_key(&left->rows, determinacy);
    if (!left->has_key)
        return true;
    if (!match_rows(&left->rows, determinacy, &left->match))
        return false;
    left->is_unknown = is_cut && !left->match.keys_agree;
    if (is_cut && open_at_boundary(&left->rows, determinacy, &left->match))
        left->match.count[0] = left->match.count[1] = 0;
    return gather(left);
}

// --- counting ---------------------------------------------------------------------------------

static const uint8_t *
forms_of(const struct keyed_side *side, const struct writer *forms)
{
    return side->forms_length > 0 ? forms->bytes + side->forms : NULL;
}

static bool
is_same(const struct rows *rows, const struct keyed_row *one, const struct writer *one_forms,
        const struct keyed_row *other, const struct writer *other_forms)
{
    for (size_t side = 0; side < 2; side++) {
        const struct keyed_side *a = &one->sides[side], *b = &other->sides[side];
        if (a->count != b->count || a->digest != b->digest)
            return false;
        if (a->count == 1 && !rows_inexact_agree(rows, forms_of(a, one_forms), a->forms_length,
                                                 forms_of(b, other_forms), b->forms_length))
            return false;
    }
    return true;
}

static const struct keyed_row *
find_key(const struct keyed_row *rows, size_t count, uint64_t key)
{
    size_t from = 0, end = count;
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (rows[middle].key == key)
            return &rows[middle];
        if (rows[middle].key < key)
            from = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

// How the row `key` came out of this round. `before`: what it was; NULL in the first round.
static struct keyed_row
count_row(const struct keyed *keyed, const struct left *first, const struct left *second,
          const struct keyed_row *before, uint64_t key)
{
    const struct keyed_row *one = find_key(first->keys, first->count, key);
    const struct keyed_row *other = find_key(second->keys, second->count, key);
    struct keyed_row row = other != NULL ? *other : (struct keyed_row){.key = key};
    bool stands = one != NULL && other != NULL &&
                  is_same(&second->rows, one, &first->forms, other, &second->forms);
    bool goes_on = stands && before != NULL && before->rounds > 0 &&
                   is_same(&second->rows, before, &keyed->forms, other, &second->forms);
    row.rounds = goes_on ? before->rounds + 1 : stands;
    row.has_moved = before != NULL ? before->has_moved || !goes_on : !stands;
    return row;
}

// The smallest key from *one or *other on, which step over it.
static uint64_t
next_key(const struct left *first, size_t *one, const struct left *second, size_t *other)
{
    uint64_t key = UINT64_MAX;
    if (*one < first->count)
        key = first->keys[*one].key;
    if (*other < second->count && second->keys[*other].key < key)
        key = second->keys[*other].key;
    *one += *one < first->count && first->keys[*one].key == key;
    *other += *other < second->count && second->keys[*other].key == key;
    return key;
}

static bool
count_in(struct keyed *keyed, const struct left *first, struct left *second)
{
    struct keyed_row *rows = calloc(first->count + second->count + 1, sizeof *rows);
    size_t count = 0, one = 0, other = 0;
    if (rows == NULL)
        return false;
    while (one < first->count || other < second->count) {
        uint64_t key = next_key(first, &one, second, &other);
        const struct keyed_row *before = find_key(keyed->rows, keyed->count, key);
        if (before != NULL || !keyed->has_begun)
            rows[count++] = count_row(keyed, first, second, before, key);
    }
    keyed->gone += keyed->has_begun ? keyed->count - count : 0;
    keyed->has_begun = true;
    keyed->count = count;
    free(keyed->rows);
    keyed->rows = rows;
    writer_fini(&keyed->forms);
    keyed->forms = second->forms;
    writer_init(&second->forms);
    return true;
}

static void
begin_all_again(struct keyed *keyed)
{
    for (size_t i = 0; i < keyed->count; i++) {
        keyed->rows[i].rounds = 0;
        keyed->rows[i].has_moved = true;
    }
}

static bool
are_rows(const struct result *const results[4])
{
    for (size_t i = 0; i < 4; i++)
        if (results[i]->kind != RESULT_ROWS)
            return false;
    return true;
}

bool
keyed_add(struct keyed *keyed, const struct rounds *rounds, const struct result *old_first,
          const struct result *new_first, const struct result *old_second,
          const struct result *new_second)
{
    const struct determinacy *determinacy = rounds->determinacy;
    const struct result *const readings[] = {old_first, new_first, old_second, new_second};
    struct left first, second;
    if (determinacy->row_key_count == 0 || determinacy->has_open_rows || !are_rows(readings)) {
        keyed_fini(keyed);
        return true;
    }
    bool is_done = find_left(&first, rounds, old_first, new_first);
    is_done = find_left(&second, rounds, old_second, new_second) && is_done;
    keyed->is_in_use = is_done && first.has_key && second.has_key;
    if (!keyed->is_in_use)
        keyed_fini(keyed);
    else if (first.is_unknown || second.is_unknown)
        begin_all_again(keyed);
    else
        is_done = count_in(keyed, &first, &second);
    left_fini(&first);
    left_fini(&second);
    return is_done;
}

// --- the end ----------------------------------------------------------------------------------

static unsigned
rounds_needed(const struct keyed *keyed, const struct rounds *rounds)
{
    unsigned needed = rounds->settings.rounds;
    size_t moved = keyed->gone;
    for (size_t i = 0; i < keyed->count; i++)
        moved += keyed->rows[i].has_moved;
    for (; moved > 1; moved = (moved + ODDS - 1) / ODDS)
        needed++;
    return needed;
}

bool
keyed_is_settled(const struct keyed *keyed, const struct rounds *rounds)
{
    unsigned needed = rounds_needed(keyed, rounds);
    for (size_t i = 0; i < keyed->count; i++)
        if (keyed->rows[i].rounds >= needed)
            return true;
    return false;
}

struct chosen { // rows to be taken, by side
    size_t *numbers;
    bool *are_lone; // their name is on this side only
    size_t count;
    size_t first_lone; // SIZE_MAX: none
};

static bool
choose(struct chosen *chosen, const struct keyed *keyed, unsigned needed, struct left *left,
       size_t side)
{
    size_t count = left->match.count[side];
    chosen->numbers = calloc(count + 1, sizeof *chosen->numbers);
    chosen->are_lone = calloc(count + 1, sizeof *chosen->are_lone);
    chosen->first_lone = SIZE_MAX;
    if (chosen->numbers == NULL || chosen->are_lone == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t number = left->match.left[side][i];
        uint64_t key = rows_key_digest(&left->rows, side, number);
        const struct keyed_row *row = find_key(keyed->rows, keyed->count, key);
        if (row == NULL || row->rounds < needed)
            continue;
        bool is_lone = row->sides[1 - side].count == 0;
        if (is_lone && chosen->first_lone == SIZE_MAX)
            chosen->first_lone = number; // they ascend
        chosen->are_lone[chosen->count] = is_lone;
        chosen->numbers[chosen->count++] = number;
    }
    return true;
}

// A row that is missing from a limited result lets another in from behind the limit: that one is no fault.
static void
drop_let_in(struct chosen chosen[2])
{
    size_t side = chosen[0].first_lone > chosen[1].first_lone ? 0 : 1;
    size_t kept = 0;
    if (chosen[side].first_lone == SIZE_MAX ||
        chosen[side].first_lone == chosen[1 - side].first_lone)
        return;
    for (size_t i = 0; i < chosen[side].count; i++)
        if (!chosen[side].are_lone[i])
            chosen[side].numbers[kept++] = chosen[side].numbers[i];
    chosen[side].count = kept;
}

bool
keyed_take(const struct keyed *keyed, const struct rounds *rounds, const struct result *old_result,
           const struct result *new_result, struct result taken[2])
{
    const struct determinacy *determinacy = rounds->determinacy;
    struct chosen chosen[2] = {0};
    struct left left;
    result_init(&taken[0]);
    result_init(&taken[1]);
    unsigned needed = rounds_needed(keyed, rounds);
    bool is_done = find_left(&left, rounds, old_result, new_result);
    for (size_t side = 0; side < 2 && is_done; side++)
        is_done = choose(&chosen[side], keyed, needed, &left, side);
    if (is_done && determinacy->is_limited && determinacy->order != ORDER_NONE)
        drop_let_in(chosen);
    for (size_t side = 0; side < 2 && is_done; side++)
        is_done =
            rows_copy(&left.rows, side, chosen[side].numbers, chosen[side].count, &taken[side]);
    is_done = is_done && !left.rows.failed;
    for (size_t side = 0; side < 2; side++) {
        free(chosen[side].numbers);
        free(chosen[side].are_lone);
        if (!is_done)
            result_fini(&taken[side]);
    }
    left_fini(&left);
    return is_done;
}
