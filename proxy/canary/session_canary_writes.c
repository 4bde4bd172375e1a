// What a session wrote, it reads: its reads stay on old until new has replayed its writes.
//
// Nothing is asked of anybody on the hot path. A write leaves the time of its end; the control thread asks old for its
// position now and then, and says up to which time everything acknowledged is on new (database->writes_replayed).
// With a lag probe that alone decides, however long it takes, also while the probe is silent: then nobody knows. Where
// there is no probe, or none fits, canary.after_write does.
//
// With canary.after_write_scope: key it is the writes of all sessions of the same cohort key. A transaction's writes
// count from each of its units' ends, the last of which is its COMMIT's.
#include "compare/sql/lexer.h"
#include "protocol/request.h"
#include "proxy/canary/key_writes.h"
#include "proxy/canary/session_canary.h"
#include "proxy/control/control.h"
#include <string.h>

static const struct configuration_canary *
canary_settings(const struct session *session)
{
    return &session->settings->entry->canary;
}

// ---- a write ----

static void
add_slot(struct written_keys *written, size_t slot)
{
    for (unsigned i = 0; i < written->count; i++) {
        if (written->slots[i] == slot) {
            return;
        }
    }
    if (written->count == sizeof(written->slots) / sizeof(written->slots[0])) {
        written->is_all = true;
        return;
    }
    written->slots[written->count++] = (uint16_t)slot;
}

static void
add_key(struct session *session, const struct state_snapshot *state, const char *sql, size_t length)
{
    char key[CANARY_KEY_MAX];
    session_canary_key(session, state, sql, length, key);
    if (key[0] != '\0') {
        add_slot(&session->written_keys, key_writes_slot(key, strlen(key)));
    }
}

static bool
count_statement(void *context, const char *sql, size_t length)
{
    (void)sql, (void)length;
    ++*(unsigned *)context;
    return true;
}

// The comment of its statement. False: it runs one that is not at hand, or several, each with its own.
static bool
add_keys_of_message(struct session *session, const struct message *message, char parsed[64])
{
    struct parse_request parse;
    struct bind_request bind;
    const char *sql;
    unsigned count = 0;
    bool is_known = true;
    switch (message->type) {
    case MESSAGE_CLIENT_QUERY:
        if (!request_read_query(message->body, message->length, &sql) ||
            !lexer_split(sql, strlen(sql), count_statement, &count) || count > 1) {
            return false;
        }
        add_key(session, NULL, sql, strlen(sql));
        return true;
    case MESSAGE_CLIENT_PARSE:
        if (!request_read_parse(message->body, message->length, &parse)) {
            return false;
        }
        add_key(session, NULL, parse.sql, strlen(parse.sql));
        is_known = strlen(parse.statement) < 64;
        strncpy(parsed, parse.statement, 63);
        request_parse_fini(&parse);
        return is_known;
    case MESSAGE_CLIENT_BIND:
        if (!request_read_bind(message->body, message->length, &bind)) {
            return false;
        }
        if (strcmp(bind.statement, parsed) != 0) {
            const struct statement *statement =
                statements_find(&session->statements, bind.statement);
            is_known = statement && !statement->is_cut;
            if (is_known) {
                add_key(session, NULL, statement->sql, strlen(statement->sql));
            }
        }
        request_bind_fini(&bind);
        return is_known;
    default:
        return true;
    }
}

static bool
add_keys_of_comments(struct session *session, const struct unit *unit)
{
    char parsed[64] = "\1"; // the statement that the unit's last Parse made; no name at first
    struct capture_cursor cursor;
    struct message message;
    enum capture_status status;
    bool is_known = !unit->is_request_cut;
    capture_cursor_init(&cursor, &unit->request);
    while (is_known && (status = capture_cursor_next(&cursor, &message)) != CAPTURE_END) {
        is_known = status == CAPTURE_MESSAGE && add_keys_of_message(session, &message, parsed);
    }
    capture_cursor_fini(&cursor);
    return is_known;
}

// Else one statement of it may have changed the state for the next.
static bool
is_one_statement(const struct unit *unit)
{
    unsigned count = 0;
    const char *sql;
    struct capture_cursor cursor;
    struct message message;
    enum capture_status status;
    bool is_sound = !unit->is_request_cut;
    capture_cursor_init(&cursor, &unit->request);
    while (is_sound && (status = capture_cursor_next(&cursor, &message)) != CAPTURE_END) {
        is_sound = status == CAPTURE_MESSAGE;
        if (is_sound && message.type == MESSAGE_CLIENT_QUERY) {
            is_sound = request_read_query(message.body, message.length, &sql) &&
                       lexer_split(sql, strlen(sql), count_statement, &count);
        }
        count += is_sound && (message.type == MESSAGE_CLIENT_EXECUTE ||
                              message.type == MESSAGE_CLIENT_FUNCTION_CALL);
    }
    capture_cursor_fini(&cursor);
    return is_sound && count <= 1;
}

// By the state that the unit found, which is known once the shadow has followed the session up to there.
static bool
add_key_of_state(struct session *session, const struct unit *unit)
{
    bool is_known =
        atomic_load(&session->view->covers) >= session->stateful_sequence && is_one_statement(unit);
    struct state_snapshot *state = is_known ? session_view_latest(session->view) : NULL;
    if (!state) {
        return false;
    }
    add_key(session, state, NULL, 0);
    state_snapshot_unref(&state);
    return true;
}

static bool
add_keys(struct session *session, const struct unit *unit)
{
    if (canary_key_is_sessions(canary_settings(session))) {
        add_key(session, NULL, NULL, 0);
        return true;
    }
    return canary_settings(session)->key == COHORT_COMMENT ? add_keys_of_comments(session, unit)
                                                           : add_key_of_state(session, unit);
}

static void
note_keys(struct session *session, const struct unit *unit)
{
    struct written_keys *written = &session->written_keys;
    struct key_writes *writes = key_writes_of(&session->database->key_writes, unit->ended);
    if (!add_keys(session, unit)) {
        written->is_all = true;
    }
    for (unsigned i = 0; writes && i < written->count; i++) {
        key_writes_note(writes, written->slots[i], unit->ended);
    }
    if (writes && written->is_all) {
        key_writes_note_all(writes, unit->ended);
    }
    if (unit->status_after != 'T' && unit->status_after != 'E') {
        *written = (struct written_keys){0};
    }
}

void
session_canary_note_write(struct session *session, const struct unit *unit)
{
    session->last_write = unit->ended;
    if (canary_settings(session)->after_write_scope == WRITE_SCOPE_KEY && session->view) {
        note_keys(session, unit);
    }
}

// ---- a read ----

static bool
is_on_new(const struct session *session, uint64_t written, uint64_t now)
{
    struct database *database = session->database;
    if (written == 0) {
        return true;
    }
    uint64_t replayed = atomic_load(&database->writes_replayed);
    if (replayed == WRITES_UNTOLD) {
        return now >= written && now - written >= canary_settings(session)->after_write;
    }
    if (written >= replayed && database->control) {
        control_await_writes(database->control);
    }
    return written < replayed;
}

bool
session_canary_has_own_writes(const struct session *session, uint64_t now)
{
    return is_on_new(session, session->last_write, now);
}

bool
session_canary_has_key_writes(const struct session *session, const struct state_snapshot *state,
                              const char *sql, size_t sql_length, uint64_t now)
{
    char key[CANARY_KEY_MAX];
    if (canary_settings(session)->after_write_scope == WRITE_SCOPE_SESSION) {
        return true;
    }
    session_canary_key(session, state, sql, sql_length, key);
    // No memory for what others wrote: they may have.
    struct key_writes *writes = key_writes_of(&session->database->key_writes, now);
    return writes &&
           is_on_new(session, key_writes_last(writes, key_writes_slot(key, strlen(key))), now);
}
