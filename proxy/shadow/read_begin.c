// A read begins: it goes into the books, what can be learnt of it at once is, and it either ends here, since something
// speaks against mirroring it (read_objection.c), or is made to live on its own and starts its mirrored run.

#include "proxy/shadow/large.h"
#include "proxy/shadow/read.h"
#include "proxy/shadow/read_objection.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static enum side
served_side_of(const struct unit *unit)
{
    return unit->route == UNIT_ROUTE_NEW ? SIDE_NEW : SIDE_OLD;
}

// A read that ends as it begins: nothing was made for it yet.
static void
end_at_once(struct mirror *mirror, const struct read_facts *facts, enum served served,
            enum skip_reason skip, enum drop_reason drop)
{
    struct database *database = mirror->at->database;
    const struct unit *unit = facts->unit;
    if (skip != SKIP_NONE)
        books_skipped(&database->books, skip);
    else
        books_dropped(&database->books, drop);
    if (!facts->shape)
        return;
    struct figures_read figures = {
        .analysis = facts->shape->analysis,
        .served = served,
        .served_ns = unit->ended > unit->begun ? unit->ended - unit->begun : 0,
        .served_is_new = unit->route == UNIT_ROUTE_NEW,
        .skipped = skip,
        .dropped = drop,
    };
    figures_add(database->figures, &figures);
}

// Columns of a served result whose RowDescription came with an earlier Describe, or never.
static void
complete_columns(struct read *read, const struct read_facts *facts)
{
    struct result *served = &read->results[read->served_side];
    struct bind_request bind;
    if (served->has_columns || !facts->statement || served->kind != RESULT_ROWS)
        return;
    if (!request_read_bind(facts->bind, facts->bind_length, &bind))
        return;
    struct shapes *shapes = read->mirror->at->database->shapes;
    const struct statement_columns *described = &facts->statement->columns[read->served_side];
    struct shape_columns *learnt = shape_columns(shapes, read->shape, read->served_side);
    if (described->list)
        result_set_columns(served, described->list, described->count, bind.result_formats,
                           bind.result_format_count);
    else if (learnt)
        result_set_columns(served, learnt->columns, learnt->count, bind.result_formats,
                           bind.result_format_count);
    shape_columns_unref(&learnt);
    request_bind_fini(&bind);
}

static bool
copy_request(struct read *read, const struct read_facts *facts)
{
    XXH3_state_t *digest = XXH3_createState();
    if (!digest)
        return false;
    XXH3_64bits_reset(digest);
    XXH3_64bits_update(digest, facts->sql, facts->sql_length);
    if (facts->bind) {
        // The portal's and the statement's names do not matter: from the first format on.
        const uint8_t *values = facts->bind, *end = facts->bind + facts->bind_length;
        for (int names = 0; names < 2 && values < end; values++)
            names += *values == 0;
        XXH3_64bits_update(digest, values, (size_t)(end - values));
        read->bind = malloc(facts->bind_length ? facts->bind_length : 1);
        if (read->bind)
            memcpy(read->bind, facts->bind, facts->bind_length);
        read->bind_length = facts->bind_length;
    }
    read->parameters_digest = XXH3_64bits_digest(digest);
    XXH3_freeState(digest);
    read->sql = strndup(facts->sql, facts->sql_length);
    return read->sql && (!facts->bind || read->bind);
}

// Everything that the read needs to live on its own, after the unit is gone.
static struct read *
read_new(struct mirror *mirror, const struct read_facts *facts, enum served served)
{
    struct read *read = calloc(1, sizeof(*read));
    if (!read)
        return NULL;
    struct shadow *shadow = mirror->shadow;
    read->mirror = mirror;
    mirror->references++;
    atomic_fetch_add(&facts->shape->references, 1);
    read->shape = facts->shape;
    read->settings = mirror->at->settings;
    atomic_fetch_add(&read->settings->references, 1);
    read->catalogs = mirror->at->catalogs;
    atomic_fetch_add(&read->catalogs->references, 1);
    read->state = state_snapshot(mirror->state);
    read->served = served;
    read->served_side = served_side_of(facts->unit);
    read->served_at = read_wall_clock(facts->unit->begun);
    read->served_ns = facts->unit->ended - facts->unit->begun;
    result_init(&read->results[SIDE_OLD]);
    result_init(&read->results[SIDE_NEW]);
    if (facts->result) {
        read->results[read->served_side] = *facts->result;
        result_init(facts->result);
    }
    read->held = sizeof(*read) + result_memory(&read->results[read->served_side]) +
                 facts->sql_length * 2 + facts->bind_length * 2;
    read->link = &shadow->reads;
    read->next = shadow->reads;
    if (read->next)
        read->next->link = &read->next;
    shadow->reads = read;
    atomic_fetch_add(&shadow->held_bytes, read->held);
    atomic_fetch_add(&shadow->held_reads, 1);
    return read;
}

// At once, and of what is not mirrored, too: without old's columns new can't serve such a read. Where it serves none,
// nothing is learnt of what is not even mirrored.
static void
learn_served(struct mirror *mirror, const struct read_facts *facts)
{
    struct shapes *shapes = mirror->at->database->shapes;
    enum side side = served_side_of(facts->unit);
    const struct result *served = facts->result;
    const struct statement_columns *described =
        facts->statement ? &facts->statement->columns[side] : NULL;
    bool is_idle = facts->unit->is_unsampled && database_is_idle(mirror->at->database);
    if (is_idle || !facts->shape || !served || served->kind != RESULT_ROWS)
        return;
    if (served->has_columns)
        shape_learn(shapes, facts->shape, side, served->columns, served->column_count);
    else if (described && described->list)
        shape_learn(shapes, facts->shape, side, described->list, described->count);
}

static enum served
served_of(const struct unit *unit)
{
    if (unit->is_lost)
        return SERVED_UNANSWERED;
    switch (unit->route) {
    case UNIT_ROUTE_NEW:
        return SERVED_NEW;
    case UNIT_ROUTE_FALLBACK:
        return SERVED_FALLBACK;
    default:
        return SERVED_OLD;
    }
}

void
read_begin(struct mirror *mirror, const struct read_facts *facts)
{
    enum served served = served_of(facts->unit);
    books_begin(&mirror->at->database->books, served);
    learn_served(mirror, facts);
    enum skip_reason skip = read_skip_of(mirror, facts);
    enum drop_reason drop = skip == SKIP_NONE ? read_drop_of(mirror, facts) : DROP_NONE;
    if (skip != SKIP_NONE || drop != DROP_NONE) {
        end_at_once(mirror, facts, served, skip, drop);
        return;
    }
    struct read *read = read_new(mirror, facts, served);
    if (!read) {
        end_at_once(mirror, facts, served, SKIP_NONE, DROP_MEMORY);
        return;
    }
    complete_columns(read, facts);
    bool is_refused = false;
    if (!read->state || !copy_request(read, facts) ||
        !read_write_messages(read, facts, &is_refused))
        read_end_dropped(&read, DROP_MEMORY);
    else if (is_refused)
        read_end_skipped(&read, SKIP_REWRITE);
    else if (!facts->result)
        large_begin(read);
    else if (!read_run_mirrored(read))
        read_end_dropped(&read, DROP_MEMORY);
}
