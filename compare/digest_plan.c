// How the rows of two sides are digested. The columns are matched as difference.c matches them, by two
// results that have columns and no rows, so that a digest leaves out what a comparison would leave out
// and reads each value as the pair of its columns says. Pure; one thread.
#include "compare/digest_parts.h"
#include <stdlib.h>

static bool
copy_head(struct result *head, const struct result *from)
{
    int16_t *formats = calloc(from->column_count + 1, sizeof *formats);
    result_init(head);
    for (size_t i = 0; formats != NULL && i < from->column_count; i++)
        formats[i] = from->columns[i].format;
    bool is_copied = formats != NULL && result_set_columns(head, from->columns, from->column_count,
                                                           formats, from->column_count);
    free(formats);
    return is_copied;
}

static bool
number_columns(struct digest_plan *plan, size_t side)
{
    size_t width = plan->heads[side].column_count;
    plan->compared[side] = calloc(width + 1, sizeof(size_t));
    if (plan->compared[side] == NULL)
        return false;
    for (size_t i = 0; i < width; i++)
        plan->compared[side][i] = SIZE_MAX;
    for (size_t i = 0; i < plan->rows.column_count; i++)
        plan->compared[side][plan->rows.columns[i].at[side]] = i;
    return true;
}

// Keys that are unique keep a row in its bucket whatever else of it changes.
static enum digest_partition
partition_of(const struct digest_plan *plan, const struct determinacy *determinacy)
{
    bool has_keys = false;
    for (size_t i = 0; i < plan->rows.column_count; i++) {
        const struct rows_column *column = &plan->rows.columns[i];
        if (column->is_key && !digest_column_is_exact(column))
            return PARTITION_UNKNOWN;
        has_keys = has_keys || column->is_key;
    }
    return has_keys && determinacy->is_total ? PARTITION_KEYS : PARTITION_UNKNOWN;
}

struct digest_plan *
digest_plan_new(const struct result *old_head, const struct result *new_head,
                const struct determinacy *determinacy, const struct difference_rules *rules)
{
    struct digest_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    bool has_memory = copy_head(&plan->heads[0], old_head) && copy_head(&plan->heads[1], new_head);
    if (has_memory) {
        plan->is_comparable = rows_init(&plan->rows, &plan->heads[0], &plan->heads[1], determinacy,
                                        rules, ROWS_ACCEPTED);
        has_memory = !plan->rows.failed;
    }
    if (has_memory && plan->is_comparable)
        has_memory = number_columns(plan, 0) && number_columns(plan, 1);
    if (!has_memory) {
        digest_plan_free(&plan);
        return NULL;
    }
    for (size_t i = 0; i < plan->rows.column_count; i++)
        plan->has_inexact |= !digest_column_is_exact(&plan->rows.columns[i]);
    plan->order = determinacy->order;
    plan->order_is_open = determinacy->order == ORDER_HIDDEN && !determinacy->is_total;
    plan->partition = partition_of(plan, determinacy);
    return plan;
}

void
digest_plan_free(struct digest_plan **plan)
{
    struct digest_plan *freed = *plan;
    *plan = NULL;
    if (freed == NULL)
        return;
    rows_fini(&freed->rows);
    result_fini(&freed->heads[0]);
    result_fini(&freed->heads[1]);
    free(freed->compared[0]);
    free(freed->compared[1]);
    free(freed);
}

bool
digest_plan_is_comparable(const struct digest_plan *plan)
{
    return plan->is_comparable;
}

bool
digest_plan_has_type_change(const struct digest_plan *plan)
{
    return plan->rows.has_type_change;
}
