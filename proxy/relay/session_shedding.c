// Units that the shadow does not get: what they executed goes into the books here, so that these balance.
//
// While the shadow has too much to do, it does without reads that are known to leave nothing behind: what its session's
// state is it follows all the same. Else its feed would run full, a unit that changes state would be lost with the rest,
// and the session's reads would be neither compared nor new's from then on. The same where new may serve reads and the
// shadow is late: the state that a read needs is to be known soon, and old serves it until then.
//
// The unit is looked at here only then; the shape of each of its reads must be known.
#include "compare/sql/lexer.h"
#include "proxy/canary/session_canary.h"
#include <string.h>

static bool
are_harmless(const struct session *session, const struct canary_unit *unit)
{
    struct state_snapshot *state = session_view_latest(session->view);
    bool are = state && !unit->has_begin;
    for (size_t i = 0; i < unit->read_count && are; i++) {
        struct shape *shape = session_canary_shape(session, &unit->reads[i], state);
        are = shape && shape->analysis->is_read && shape->analysis->is_harmless &&
              !shape->analysis->has_effects;
        shape_unref(&shape);
    }
    state_snapshot_unref(&state);
    return are;
}

// How many of its executions the server came to.
static size_t
count_answers(const struct unit *unit)
{
    struct capture_cursor cursor;
    struct message message;
    size_t count = 0;
    capture_cursor_init(&cursor, &unit->reply);
    while (capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        count += message.type == MESSAGE_SERVER_COMMAND_COMPLETE ||
                 message.type == MESSAGE_SERVER_ERROR_RESPONSE;
    }
    capture_cursor_fini(&cursor);
    return count;
}

static enum served
served_by(const struct unit *unit)
{
    if (unit->is_lost) {
        return SERVED_UNANSWERED;
    }
    return unit->route == UNIT_ROUTE_NEW
               ? SERVED_NEW
               : (unit->route == UNIT_ROUTE_FALLBACK ? SERVED_FALLBACK : SERVED_OLD);
}

static void
book_reads(struct books *books, const struct unit *unit, size_t count, enum drop_reason reason)
{
    for (size_t i = 0; i < count; i++) {
        books_begin(books, served_by(unit));
        if (unit->is_unsampled) {
            books_skipped(books, SKIP_SAMPLED_OUT);
        } else {
            books_dropped(books, reason);
        }
    }
}

// Nothing but reads whose effects are known, and the transaction goes on as it was.
static bool
book_if_harmless(struct session *session, const struct unit *unit, enum drop_reason reason)
{
    const struct slice *bytes = &unit->request.slices[0];
    struct canary_unit parts;
    bool is = canary_unit_read(&parts, bytes->chunk->bytes + bytes->offset, bytes->length,
                               &session->statements) == CANARY_UNIT_READS &&
              are_harmless(session, &parts);
    if (is) {
        size_t answers = unit->is_reply_cut ? parts.read_count : count_answers(unit);
        book_reads(&session->database->books, unit,
                   answers < parts.read_count ? answers : parts.read_count, reason);
    }
    canary_unit_fini(&parts);
    return is;
}

bool
session_unit_shed(struct session *session, const struct unit *unit)
{
    bool may_be = unit->request.count == 1 && unit->status_after == unit->status_before &&
                  !unit->is_request_cut && !unit->has_statements && !unit->has_reports &&
                  !unit->is_copy && !session->is_unfed && session->feed && session->view;
    size_t limit = session->settings->entry->shadow.memory;
    enum drop_reason reason =
        may_be ? feed_sheds(session->feed, unit, limit, session_canary_is_open(session))
               : DROP_NONE;
    if (reason == DROP_NONE || !book_if_harmless(session, unit, reason)) {
        return false;
    }
    session->passed_over++;
    return true;
}

// --- what found no room ----

static bool
is_read_word(const char *word)
{
    static const char *const words[] = {"select", "values", "table", "show", "explain"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct unit_books {
    struct books *books;
    enum served served;
};

static bool
book_statement(void *context, const char *sql, size_t length)
{
    const struct unit_books *booked = context;
    char word[32];
    lexer_first_word(sql, length, word);
    if (is_read_word(word)) {
        books_begin(booked->books, booked->served);
        books_dropped(booked->books, DROP_QUEUE_FULL);
    } else if (word[0] != '\0') {
        books_other(booked->books);
    }
    return true;
}

// By the words that its statements begin with; for an Execute, whose statement is not at hand, by the reply's command
// tags, which begin alike.
void
session_unit_book(struct session *session, const struct unit *unit)
{
    struct unit_books booked = {&session->database->books, served_by(unit)};
    struct capture_cursor cursor;
    struct message message;
    const char *text;
    bool is_simple = false;
    capture_cursor_init(&cursor, &unit->request);
    while (capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        // Without the reply there are no tags: what had a result too large to keep was a read.
        if (message.type == MESSAGE_CLIENT_EXECUTE && unit->is_reply_cut) {
            book_statement(&booked, "select", strlen("select"));
        }
        if (message.type == (char)(MESSAGE_CLIENT_QUERY | UNIT_CUT)) {
            book_statement(&booked, (const char *)message.body, message.length);
            is_simple = true;
        }
        if (message.type == MESSAGE_CLIENT_QUERY &&
            request_read_query(message.body, message.length, &text)) {
            lexer_split(text, strlen(text), book_statement, &booked);
            is_simple = true;
        }
    }
    capture_cursor_fini(&cursor);
    capture_cursor_init(&cursor, &unit->reply);
    while (!is_simple && capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        if (message.type == MESSAGE_SERVER_COMMAND_COMPLETE &&
            reply_read_command_tag(message.body, message.length, &text)) {
            book_statement(&booked, text, strlen(text));
        }
    }
    capture_cursor_fini(&cursor);
}
