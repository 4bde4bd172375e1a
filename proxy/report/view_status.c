// SHOW STATUS: one row a database.
#include "proxy/report/store.h"
#include "proxy/report/view.h"
#include <stdio.h>

static const struct answer_column status_columns[] = {
    {"database", ANSWER_TEXT},
    {"canary_percent", ANSWER_PERCENT},
    {"canary_state", ANSWER_TEXT},
    {"reads", ANSWER_INTEGER},
    {"compared", ANSWER_INTEGER},
    {"match", ANSWER_INTEGER},
    {"lagging", ANSWER_INTEGER},
    {"unstable", ANSWER_INTEGER},
    {"unverified", ANSWER_INTEGER},
    {"mismatch", ANSWER_INTEGER},
    {"skipped", ANSWER_INTEGER},
    {"dropped", ANSWER_INTEGER},
    {"in_flight", ANSWER_INTEGER},
    {"mismatch_rate", ANSWER_REAL},
    {"mismatch_upper_bound", ANSWER_REAL},
    {"coverage", ANSWER_REAL},
    {"served_old", ANSWER_INTEGER},
    {"served_new", ANSWER_INTEGER},
    {"unanswered", ANSWER_INTEGER},
    {"fallbacks", ANSWER_INTEGER},
    {"other", ANSWER_INTEGER},
    {"lag_seconds", ANSWER_REAL},
    // The contract ends here.
    {"accepted", ANSWER_INTEGER},
    {"distinct", ANSWER_INTEGER},
    {"shadow_percent", ANSWER_PERCENT},
    {"queue_reads", ANSWER_INTEGER},
    {"queue_bytes", ANSWER_INTEGER},
    {"clients", ANSWER_INTEGER},
    {"paused", ANSWER_BOOLEAN},
    {"old_up", ANSWER_BOOLEAN},
    {"new_up", ANSWER_BOOLEAN},
    {"lag_probe", ANSWER_TEXT},
    {"trouble", ANSWER_TEXT},
    {"never_compared", ANSWER_INTEGER},
    {"guardrail", ANSWER_TEXT},
    {"store", ANSWER_TEXT},
};

static void
fill_books(struct answer *answer, const struct books_page *books)
{
    answer_integer(answer, books->reads);
    answer_integer(answer, books->compared);
    answer_integer(answer, books->verdicts[VERDICT_MATCH]);
    answer_integer(answer, books->verdicts[VERDICT_LAGGING]);
    answer_integer(answer, books->verdicts[VERDICT_UNSTABLE]);
    answer_integer(answer, books->verdicts[VERDICT_UNVERIFIED]);
    answer_integer(answer, books->verdicts[VERDICT_MISMATCH]);
    answer_integer(answer, books->skipped_total);
    answer_integer(answer, books->dropped_total);
    answer_integer(answer, books->in_flight);
    answer_real(answer, books->mismatch_rate);
    answer_real(answer, books->mismatch_upper_bound);
    answer_real(answer, books->coverage);
    answer_integer(answer, books->served_old);
    answer_integer(answer, books->served_new);
    answer_integer(answer, books->unanswered);
    answer_integer(answer, books->fallbacks);
    answer_integer(answer, books->other);
}

// What is wrong, in words: the lag probe's trouble, rewrites that lead to nothing, and a side that lets none of our sessions in.
static void
fill_trouble(struct answer *answer, const struct picture *picture)
{
    static const char *const sides[] = {"old", "new"};
    char text[1024 + DATABASE_TROUBLE];
    const char *rewrite = picture->rewrite_trouble;
    size_t length = (size_t)snprintf(text, sizeof text, "%s%s%s%s", picture->lag_trouble,
                                     *picture->lag_trouble && *rewrite ? "; " : "",
                                     *rewrite ? "rewrite: " : "", rewrite);

    for (int side = 0; side < 2; side++) {
        if (picture->refused_logins[side] == 0)
            continue;
        length +=
            (size_t)snprintf(text + length, sizeof text - length,
                             "%slogins on %s refused since the last that was let in: %u (see SHOW "
                             "EVENTS, kind login)",
                             length > 0 ? "; " : "", sides[side], picture->refused_logins[side]);
    }
    answer_text(answer, text);
}

// What only the running proxy knows.
static void
fill_live(struct answer *answer, const struct pictures *pictures, const struct picture *picture)
{
    answer_integer(answer, pictures->queue_reads);
    answer_integer(answer, pictures->queue_bytes);
    answer_integer(answer, picture->clients);
    answer_boolean(answer, picture->is_paused);
    answer_boolean(answer, picture->is_up[SIDE_OLD]);
    answer_boolean(answer, picture->is_up[SIDE_NEW]);
    answer_text(answer, picture->lag_probe);
    fill_trouble(answer, picture);
}

static void
fill_status(struct answer *answer, const struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        const struct picture *picture = &pictures->list[i];

        answer_text(answer, picture->database);
        answer_percent(answer, picture->canary_percent);
        answer_text(answer, picture->canary_state == CANARY_LATCHED ? "latched" : "armed");
        fill_books(answer, &picture->books);
        answer_real(answer, picture->lag_seconds);
        answer_integer(answer, picture->books.accepted);
        answer_integer(answer, picture->totals.distinct);
        answer_percent(answer, picture->shadow_percent);
        if (picture->is_live)
            fill_live(answer, pictures, picture);
        // The last column but two is known of a store, too.
        while ((answer->count + 3) % view_status.shape.count != 0 && !answer->failed)
            answer_null(answer);
        answer_integer(answer, picture->totals.never_compared);
        answer_text(answer, picture->guardrail);
        if (pictures->store[0] == '\0')
            answer_null(answer);
        else
            answer_text(answer, pictures->store);
    }
}

const struct view view_status = {"status", ANSWER_SHAPE(status_columns), PICTURE_BOOKS,
                                 fill_status};

static const struct answer_column events_columns[] = {
    {"at", ANSWER_TIME},    {"database", ANSWER_TEXT}, {"kind", ANSWER_TEXT},
    {"actor", ANSWER_TEXT}, {"detail", ANSWER_TEXT},
};

const struct answer_shape view_events_shape = ANSWER_SHAPE(events_columns);

void
view_event(void *context, const struct store_event *event)
{
    struct answer *answer = context;

    answer_time(answer, event->at);
    answer_text(answer, event->database);
    answer_text(answer, event->kind);
    answer_text(answer, event->actor);
    answer_text(answer, event->detail);
}
