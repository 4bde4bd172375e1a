// What of a difference the statement leaves open. Under LIMIT and OFFSET without a total order, which
// rows come is open only among those that tie with the last or the first of them: all others, the
// sort keys of every row, and how many rows come are determined. Keys that can't be seen may tie
// anywhere. Pure.
#include "compare/difference_rows.h"

// A text that says LIMIT 10 cuts nothing off a result of nine rows.
static bool
cuts_end(const struct determinacy *determinacy, const struct rows *rows)
{
    return determinacy->cuts_end &&
           (determinacy->limit == UINT64_MAX || rows->results[0]->row_count >= determinacy->limit);
}

// Rows [*from, *end) of a side tie neither with its first row, where OFFSET cut before it, nor with
// its last, where LIMIT cut behind it.
static void
find_inside(struct rows *rows, const struct determinacy *determinacy, size_t side, size_t *from,
            size_t *end)
{
    size_t count = rows->results[side]->row_count;
    *from = 0;
    *end = count;
    if (cuts_end(determinacy, rows))
        while (*end > 0 && rows_tie(rows, side, *end - 1, count - 1))
            --*end;
    if (determinacy->cuts_start)
        while (*from < *end && rows_tie(rows, side, *from, 0))
            ++*from;
}

bool
open_at_boundary(struct rows *rows, const struct determinacy *determinacy, struct match *match)
{
    bool is_cut = determinacy->cuts_start || cuts_end(determinacy, rows);
    if (!is_cut || determinacy->is_total || !match->keys_agree)
        return false;
    size_t kept[2][2]; // by side: from, end among the rows that are left
    for (size_t side = 0; side < 2; side++) {
        size_t from, end;
        find_inside(rows, determinacy, side, &from, &end);
        kept[side][0] = 0;
        kept[side][1] = match->count[side];
        while (kept[side][0] < match->count[side] && match->left[side][kept[side][0]] < from)
            kept[side][0]++;
        while (kept[side][1] > kept[side][0] && match->left[side][kept[side][1] - 1] >= end)
            kept[side][1]--;
    }
    if (kept[0][0] == kept[0][1] && kept[1][0] == kept[1][1])
        return true;
    for (size_t side = 0; side < 2; side++) {
        size_t count = kept[side][1] - kept[side][0];
        for (size_t i = 0; i < count; i++)
            match->left[side][i] = match->left[side][kept[side][0] + i];
        match->count[side] = count;
    }
    return false;
}

bool
open_is_class(const struct determinacy *determinacy, const struct match *match,
              enum difference_class class, bool is_at_boundary)
{
    if (class == DIFFERENCE_NONE || class == DIFFERENCE_COLUMNS)
        return false;
    if (determinacy->has_open_rows)
        return true;
    if (class == DIFFERENCE_ORDER)
        return determinacy->order == ORDER_HIDDEN && !determinacy->is_total && match->keys_agree;
    return is_at_boundary;
}
