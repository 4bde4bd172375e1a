// Two results, one answer: equal under the rules, or what kind of difference it is and where. The
// quick way first: results that are byte for byte the same need one memcmp. Else equal rows are
// taken away (difference_match.c), and the class follows from what is left on which side; rows that
// correspond (difference_pair.c) tell which column is wrong.
//
// It is looked three times, at more each time. First at what the statement determines, without the
// columns that have an `accept` rule: a difference there is one. When that agrees, at what the
// statement leaves open of its values too: a difference there is open (difference_open.c says what
// else is). Last at all columns: what differs then is accepted. Pure; one thread at a time; memory
// in proportion to the rows.
#include "compare/difference.h"
#include "compare/difference_rows.h"
#include <stdlib.h>
#include <string.h>

struct finding { // while one comparison runs
    struct rows rows;
    struct match match;
    bool is_at_boundary; // nothing is left but rows whose coming LIMIT or OFFSET leaves open
    const struct determinacy *determinacy;
    struct difference *difference;
};

static bool
kind_has_rows(const struct result *result)
{
    return result->kind == RESULT_ROWS || result->kind == RESULT_PARTIAL;
}

// What the ends of the two results say already.
static bool
find_by_kind(const struct result *old_result, const struct result *new_result,
             enum difference_class *class)
{
    bool old_failed = old_result->kind == RESULT_ERROR;
    bool new_failed = new_result->kind == RESULT_ERROR;
    *class = DIFFERENCE_NONE;
    if (old_failed && new_failed) {
        if (strcmp(old_result->sqlstate, new_result->sqlstate) != 0)
            *class = DIFFERENCE_ERROR_CODE;
        return true;
    }
    if (old_failed || new_failed) {
        *class = old_failed ? DIFFERENCE_ERROR_OLD : DIFFERENCE_ERROR_NEW;
        return true;
    }
    if (kind_has_rows(old_result) && kind_has_rows(new_result))
        return false;
    const char *old_tag = old_result->tag != NULL ? old_result->tag : "";
    const char *new_tag = new_result->tag != NULL ? new_result->tag : "";
    if (old_result->kind != new_result->kind || strcmp(old_tag, new_tag) != 0)
        *class = DIFFERENCE_COLUMNS;
    return true;
}

static bool
is_identical(const struct result *old_result, const struct result *new_result)
{
    if (old_result->row_count != new_result->row_count ||
        old_result->rows_length != new_result->rows_length ||
        old_result->column_count != new_result->column_count ||
        old_result->has_columns != new_result->has_columns)
        return false;
    for (size_t i = 0; i < old_result->column_count; i++) {
        const struct reply_column *old_column = &old_result->columns[i];
        const struct reply_column *new_column = &new_result->columns[i];
        if (old_column->type != new_column->type || old_column->format != new_column->format ||
            strcmp(old_column->name, new_column->name) != 0)
            return false;
    }
    return old_result->rows_length == 0 ||
           memcmp(old_result->rows, new_result->rows, old_result->rows_length) == 0;
}

static void
add_sample(struct finding *finding, size_t old_row, size_t new_row, size_t column)
{
    struct difference *difference = finding->difference;
    if (difference->sample_count == DIFFERENCE_SAMPLES)
        return;
    struct difference_sample *sample = &difference->samples[difference->sample_count++];
    *sample =
        (struct difference_sample){.old_row = old_row, .new_row = new_row, .column = SIZE_MAX};
    if (column == SIZE_MAX)
        return;
    sample->column = finding->rows.columns[column].at[0];
    sample->old_value = *rows_cell(&finding->rows, 0, old_row, column);
    sample->new_value = *rows_cell(&finding->rows, 1, new_row, column);
}

static void
add_lone_rows(struct finding *finding, size_t side)
{
    for (size_t i = 0; i < finding->match.count[side]; i++) {
        size_t row = finding->match.left[side][i];
        add_sample(finding, side == 0 ? row : SIZE_MAX, side == 1 ? row : SIZE_MAX, SIZE_MAX);
    }
}

// The column in which most of the pairs differ; the first of them where several do.
static size_t
most_differing(struct finding *finding, const struct row_pair *pairs, size_t count)
{
    size_t best = SIZE_MAX, most = 0;
    for (size_t column = 0; column < finding->rows.column_count; column++) {
        size_t differing = 0;
        for (size_t i = 0; i < count; i++)
            differing +=
                !rows_column_equal(&finding->rows, column, pairs[i].old_row, pairs[i].new_row);
        if (differing > most) {
            most = differing;
            best = column;
        }
    }
    return best;
}

static void
sample_pairs(struct finding *finding, const struct row_pair *pairs, size_t count, size_t first)
{
    struct rows *rows = &finding->rows;
    for (size_t i = 0; i < count && finding->difference->sample_count < DIFFERENCE_SAMPLES; i++) {
        if (!rows_column_equal(rows, first, pairs[i].old_row, pairs[i].new_row))
            add_sample(finding, pairs[i].old_row, pairs[i].new_row, first);
        for (size_t column = 0; column < rows->column_count; column++)
            if (column != first &&
                !rows_column_equal(rows, column, pairs[i].old_row, pairs[i].new_row))
                add_sample(finding, pairs[i].old_row, pairs[i].new_row, column);
    }
}

static bool
find_values(struct finding *finding)
{
    struct row_pair *pairs;
    size_t count;
    if (!pair_rows(&finding->rows, &finding->match, &pairs, &count))
        return false;
    size_t column = most_differing(finding, pairs, count);
    finding->difference->class = DIFFERENCE_VALUE;
    finding->difference->rows = count;
    if (column != SIZE_MAX) {
        finding->difference->column = finding->rows.columns[column].at[0];
        sample_pairs(finding, pairs, count, column);
    }
    free(pairs);
    return !finding->rows.failed;
}

static bool
are_at_end(const struct finding *finding, size_t side)
{
    const struct match *match = &finding->match;
    return match->left[side][0] == finding->rows.results[side]->row_count - match->count[side];
}

// A row that is missing from the middle of a limited, ordered result moves all after it up, and rows
// from behind the limit come in at the end: as many rows as before, but it is no value that differs.
static size_t
side_of_gap(const struct finding *finding)
{
    const struct determinacy *determinacy = finding->determinacy;
    bool has_seen_keys = determinacy->key_count > 0 && finding->match.keys_agree;
    if (!determinacy->is_limited || determinacy->order == ORDER_NONE || has_seen_keys)
        return SIZE_MAX;
    if (are_at_end(finding, 1) && !are_at_end(finding, 0))
        return 0;
    if (are_at_end(finding, 0) && !are_at_end(finding, 1))
        return 1;
    return SIZE_MAX;
}

static void
find_lone_rows(struct finding *finding, size_t side)
{
    finding->difference->class = side == 0 ? DIFFERENCE_MISSING_ROWS : DIFFERENCE_EXTRA_ROWS;
    finding->difference->rows = finding->match.count[side];
    add_lone_rows(finding, side);
}

// Rows are left over: of which class are they?
static bool
find_rows(struct finding *finding)
{
    const size_t *left = finding->match.count;
    if (left[0] == 0 || left[1] == 0) {
        find_lone_rows(finding, left[0] == 0 ? 1 : 0);
        return true;
    }
    if (left[0] == left[1]) {
        size_t side = side_of_gap(finding);
        if (side == SIZE_MAX)
            return find_values(finding);
        find_lone_rows(finding, side);
        return true;
    }
    finding->difference->class = DIFFERENCE_ROW_COUNT;
    finding->difference->rows = left[0] > left[1] ? left[0] : left[1];
    add_lone_rows(finding, left[0] > left[1] ? 0 : 1);
    add_lone_rows(finding, left[0] > left[1] ? 1 : 0);
    return true;
}

// The column that says the order is wrong: a sort key where they can be seen.
static size_t
disordered_column(struct finding *finding)
{
    struct rows *rows = &finding->rows;
    size_t row = finding->match.first_disordered;
    for (int pass = 0; pass < 2; pass++)
        for (size_t column = 0; column < rows->column_count; column++)
            if ((pass == 1 || rows->columns[column].is_key) &&
                !rows_column_equal(rows, column, row, row))
                return column;
    return SIZE_MAX;
}

// The same rows, but in another order than ORDER BY allows.
static void
find_order(struct finding *finding)
{
    const struct determinacy *determinacy = finding->determinacy;
    const struct match *match = &finding->match;
    struct difference *difference = finding->difference;
    if (determinacy->order == ORDER_NONE || match->is_same_sequence ||
        (determinacy->order == ORDER_VISIBLE && match->keys_agree))
        return;
    difference->class = DIFFERENCE_ORDER;
    difference->rows = match->disordered;
    size_t column = disordered_column(finding);
    if (!match->keys_agree) {
        size_t collated = order_find_collation(&finding->rows, determinacy);
        difference->is_collation = collated != SIZE_MAX;
        column = difference->is_collation ? collated : column;
    }
    if (column == SIZE_MAX)
        return;
    difference->column = finding->rows.columns[column].at[0];
    add_sample(finding, match->first_disordered, match->first_disordered, column);
}

static bool
find_difference(struct finding *finding)
{
    struct match *match = &finding->match;
    bool is_found = true;
    if (match->count[0] > 0 || match->count[1] > 0) {
        finding->is_at_boundary = open_at_boundary(&finding->rows, finding->determinacy, match);
        is_found = find_rows(finding);
    } else {
        find_order(finding);
    }
    finding->difference->is_open = open_is_class(
        finding->determinacy, match, finding->difference->class, finding->is_at_boundary);
    return is_found;
}

// One look. *has_open: there is more in these results that the statement leaves open.
static bool
look(const struct result *old_result, const struct result *new_result,
     const struct determinacy *determinacy, const struct difference_rules *rules, unsigned scope,
     struct difference *difference, bool *has_open)
{
    bool has_type_change = difference->has_type_change;
    *difference = (struct difference){.class = DIFFERENCE_NONE, .column = SIZE_MAX};
    struct finding finding = {.determinacy = determinacy, .difference = difference};
    bool is_found = rows_init(&finding.rows, old_result, new_result, determinacy, rules, scope);
    difference->has_type_change = has_type_change || finding.rows.has_type_change;
    *has_open = finding.rows.has_open;
    if (!is_found) {
        difference->class = DIFFERENCE_COLUMNS;
        is_found = !finding.rows.failed;
        goto out;
    }
    is_found = match_rows(&finding.rows, determinacy, &finding.match) && find_difference(&finding);
    is_found &= !finding.rows.failed;
    match_fini(&finding.match);
out:
    rows_fini(&finding.rows);
    return is_found;
}

static bool
has_accepted_columns(const struct difference_rules *rules)
{
    for (size_t i = 0; rules->columns != NULL && i < rules->column_count; i++)
        if (rules->columns[i].accept != NULL)
            return true;
    return false;
}

bool
difference_find(const struct result *old_result, const struct result *new_result,
                const struct determinacy *determinacy, const struct difference_rules *rules,
                struct difference *difference)
{
    *difference = (struct difference){.class = DIFFERENCE_NONE, .column = SIZE_MAX};
    if (find_by_kind(old_result, new_result, &difference->class))
        return true;
    if (is_identical(old_result, new_result))
        return true;
    bool has_open;
    if (!look(old_result, new_result, determinacy, rules, ROWS_DETERMINED, difference, &has_open))
        return false;
    if (difference->class == DIFFERENCE_NONE && has_open) {
        if (!look(old_result, new_result, determinacy, rules, ROWS_OPEN, difference, &has_open))
            return false;
        difference->is_open = difference->class != DIFFERENCE_NONE;
    }
    if (difference->class == DIFFERENCE_NONE && has_accepted_columns(rules)) {
        if (!look(old_result, new_result, determinacy, rules, ROWS_ACCEPTED, difference, &has_open))
            return false;
        difference->is_accepted = difference->class != DIFFERENCE_NONE;
    }
    return true;
}
