// Follows one session. Each unit is taken to pieces (proxy/dissect) and its requests are gone through
// in order, as the server did: Parse and Bind fill the tables, an Execute or a statement of a Query is an
// execution, an execution is analysed (proxy/classify), moves the session's state when old accepted it, and is
// a read or is not. Units wait while catalogs are read again, after DDL and when a name was unknown, and while what
// opens the user's sessions is looked up; order is kept. A gap in the units' numbers means that one was lost, unless it
// was shed (relay/session_shedding.c): from there on the session's state is unknown and its reads are skipped as
// session_state, up to a DISCARD ALL.
//
// One shadow thread, the session's.

#include "proxy/shadow/mirror.h"
#include "compare/sql/lexer.h"
#include "protocol/message.h"
#include "proxy/control/control.h"
#include "proxy/log.h"
#include "proxy/relay/session_view.h"
#include "proxy/shadow/classify.h"
#include "proxy/shadow/dissect.h"
#include "proxy/shadow/encoding.h"
#include "proxy/shadow/execution.h"
#include "proxy/shadow/mirror_requests.h"
#include "proxy/shadow/read.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

// With catalogs, and with a user's secret.
static const uint64_t PATIENCE_NS = CONTROL_CATALOGS_PATIENCE_NS;

struct mirror *
mirror_new(struct shadow *shadow, struct session_facts **facts)
{
    struct mirror *mirror = calloc(1, sizeof(*mirror));
    if (!mirror)
        return NULL;
    mirror->id = (*facts)->id;
    mirror->shadow = shadow;
    mirror->references = 1;
    mirror->waiting_end = &mirror->waiting;
    mirror->at = shadow_database(shadow, (*facts)->database);
    if (!mirror->at) {
        free(mirror);
        return NULL;
    }
    mirror->facts = *facts;
    *facts = NULL;
    mirror->state = mirror->facts->state;
    mirror->facts->state = NULL;
    mirror->secret_until = mirror->facts->awaits_secret ? uv_hrtime() + PATIENCE_NS : 0;
    return mirror;
}

void
mirror_regain(struct mirror *mirror)
{
    if (!mirror->lost_because)
        return;
    mirror->lost_because = NULL;
    portals_clear(&mirror->portals);
    log_event(LOG_INFO_LEVEL, "session_state_regained", "session=%llu",
              (unsigned long long)mirror->id);
}

void
mirror_lose(struct mirror *mirror, const char *because)
{
    if (mirror->lost_because)
        return;
    mirror->lost_because = because;
    atomic_store(&mirror->facts->view->is_usable, false);
    log_event(LOG_WARNING_LEVEL, "session_state_lost", "session=%llu because=\"%s\"",
              (unsigned long long)mirror->id, because);
}

void
mirror_unref(struct mirror **mirror)
{
    struct mirror *gone = *mirror;
    *mirror = NULL;
    if (--gone->references > 0)
        return;
    assert(!gone->waiting);
    portals_clear(&gone->portals);
    statements_clear(&gone->statements);
    state_free(&gone->state);
    session_facts_free(&gone->facts);
    free(gone);
}

// --- units ------------------------------------------------------------------------------------

// ParameterStatus: what old reports of its settings, whenever it comes.
static void
take_reports(struct mirror *mirror, const struct unit *unit)
{
    struct capture_cursor cursor;
    struct message message;
    if (unit->has_reports && unit->is_reply_cut)
        state_reports_lost(mirror->state);
    capture_cursor_init(&cursor, &unit->reply);
    while (capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        const char *name, *value;
        if (message.type == MESSAGE_SERVER_PARAMETER_STATUS &&
            reply_read_parameter_status(message.body, message.length, &name, &value))
            (void)state_reported(mirror->state, name, value);
    }
    capture_cursor_fini(&cursor);
}

// Does a statement of the unit name what the catalogs do not know?
static bool
unit_wants_catalogs(struct mirror *mirror, const struct dissected *dissected)
{
    bool wants = false;
    for (size_t i = 0; i < dissected->count && !wants; i++) {
        const struct step *step = &dissected->steps[i];
        if (step->is_cut ||
            (step->type != MESSAGE_CLIENT_QUERY && step->type != MESSAGE_CLIENT_PARSE))
            continue;
        const char *sql;
        struct parse_request parse = {0};
        if (step->type == MESSAGE_CLIENT_PARSE) {
            if (!request_read_parse(step->body, step->length, &parse))
                continue;
            sql = parse.sql;
        } else if (!request_read_query(step->body, step->length, &sql)) {
            continue;
        }
        struct encoded text;
        encoding_read(&text, state_client_encoding(mirror->state), sql, strlen(sql));
        struct parsed *parsed = parsed_new(text.text, text.length);
        struct shape *shape = classify(mirror, parsed, parse.types, parse.type_count);
        // A relation of the session alone is in no catalog that is read.
        wants = !execution_names_temporary(mirror, shape, text.text, text.length) &&
                classify_wants_catalogs(shape, text.text, text.length);
        shape_unref(&shape);
        parsed_free(&parsed);
        encoding_fini(&text);
        request_parse_fini(&parse);
    }
    return wants;
}

static void
park(struct mirror *mirror)
{
    if (mirror->is_parked)
        return;
    mirror->is_parked = true;
    mirror->references++;
    shadow_park(mirror->shadow, mirror);
}

static void
park_for_catalogs(struct mirror *mirror, const struct unit *unit, uint64_t epoch)
{
    mirror->waits_for_epoch = epoch;
    mirror->waits_until = unit->ended + PATIENCE_NS;
    control_call(mirror->at->database->control);
    park(mirror);
}

// CREATE TABLE … AS has a read's tag, too: what a Query reads has columns. Those of an Execute were described elsewhere.
static bool
may_be_of_read(const struct step *step, const struct result *result)
{
    bool has_columns = step->type != MESSAGE_CLIENT_QUERY || result->has_columns;
    return !result->tag || (classify_is_read_tag(result->tag) && has_columns);
}

// Is there a read in the unit, or what cannot be told? What else there is needs no catalog.
static bool
unit_may_read(const struct dissected *dissected)
{
    for (size_t i = 0; i < dissected->count; i++) {
        const struct step *step = &dissected->steps[i];
        bool runs = step->type == MESSAGE_CLIENT_QUERY || step->type == MESSAGE_CLIENT_EXECUTE;
        if (runs && step->result_count == 0)
            return true;
        for (size_t j = 0; runs && j < step->result_count; j++)
            if (may_be_of_read(step, &step->results[j]))
                return true;
    }
    return false;
}

// Was old's catalog read after the unit had ended? Then what it changed, and all that was changed before it, is there,
// however late it is seen because its session waited. Where nobody stayed for its answer, old may have gone on with it.
static bool
has_all_before(const struct database_catalogs *catalogs, const struct unit *unit)
{
    return catalogs && catalogs->old_as_of > unit->ended && !unit->is_lost;
}

// Do the catalogs lack DDL that may have come before the unit?
static bool
is_stale(const struct mirror *mirror, const struct unit *unit)
{
    const struct database_catalogs *catalogs = mirror->at->catalogs;
    bool are_known = catalogs && catalogs->catalogs[SIDE_OLD] && catalogs->catalogs[SIDE_NEW];
    uint64_t epoch = catalogs ? catalogs->epoch : 0;
    return atomic_load(&mirror->at->database->catalogs_wanted) > epoch &&
           !(are_known && has_all_before(catalogs, unit));
}

// Must the unit wait, for the secret or for catalogs? Asks for these if so: DDL alone has nothing read. Where nothing is
// mirrored, what the catalogs say decides nothing; and no unit waits for longer than PATIENCE_NS, however often catalogs
// change.
static bool
must_wait(struct mirror *mirror, const struct unit *unit, const struct dissected *dissected)
{
    struct database *database = mirror->at->database;
    struct database_catalogs *catalogs = mirror->at->catalogs;
    bool is_old_known = catalogs && catalogs->catalogs[SIDE_OLD];
    bool is_read_once = is_old_known && catalogs->catalogs[SIDE_NEW];
    uint64_t wanted = atomic_load(&database->catalogs_wanted);
    bool is_idle = unit->is_unsampled && database_is_idle(database) && is_old_known;
    if (is_idle && wanted > catalogs->epoch)
        control_settle_catalogs(database->control, wanted);
    if (mirror->shadow->is_stopping || is_idle || uv_hrtime() >= unit->ended + PATIENCE_NS)
        return false;
    if (mirror->secret_until != 0 && unit_may_read(dissected)) {
        park(mirror);
        return true;
    }
    if (mirror->is_stale && is_read_once && !unit_may_read(dissected))
        return false;
    if (mirror->is_stale) {
        // In vain before: a reading is promised already, and what the unit names asks for none that would come sooner.
        if (mirror->waits_for_epoch >= wanted && uv_hrtime() >= mirror->waits_until)
            return false;
        control_ensure_catalogs(database->control, wanted);
        park_for_catalogs(mirror, unit, wanted);
        return true;
    }
    if (unit_wants_catalogs(mirror, dissected)) {
        park_for_catalogs(mirror, unit, control_request_catalogs(database->control));
        return true;
    }
    return false;
}

// Whatever failed took the rest of its transaction with it, an implicit one too: of several statements in a
// Query, or of the messages up to a Sync.
static bool
has_failed(const struct dissected *dissected)
{
    for (size_t i = 0; i < dissected->count; i++)
        if (dissected->steps[i].outcome == STEP_FAILED)
            return true;
    return false;
}

// What a read needs is read when one comes. What a write may do to its session by what was just made must be known before.
static void
distrust_catalogs(struct mirror *mirror)
{
    struct database *database = mirror->at->database;
    bool is_urgent = mirror->has_made_keepers && !database_is_idle(database);
    database_want_catalogs(database, (is_urgent ? control_request_catalogs
                                                : control_distrust_catalogs)(database->control));
}

static void
end_unit(struct mirror *mirror, const struct unit *unit, bool failed)
{
    struct database *database = mirror->at->database;
    if (!state_end_unit(mirror->state, unit->status_after ? unit->status_after : 'I',
                        failed || unit->status_after == 'E', !unit->is_reply_cut))
        mirror_lose(mirror, "no memory for the session's state");
    if (unit->status_after == 'I' || unit->status_after == 0) {
        portals_clear(&mirror->portals);
        mirror->has_written = false;
        if (mirror->has_ddl && database->control && !has_all_before(mirror->at->catalogs, unit))
            distrust_catalogs(mirror);
        mirror->has_ddl = mirror->has_made_keepers = false;
    }
    if (!mirror->lost_because)
        session_view_publish(mirror->facts->view, unit->sequence, mirror->state);
}

// What was shed left nothing behind but what the unnamed statement and portal are now.
static void
follow_on(struct mirror *mirror, const struct unit *unit)
{
    if (unit->passed_over > 0) {
        statements_remove(&mirror->statements, "");
        portals_remove(&mirror->portals, "");
    }
    if (unit->sequence != mirror->sequence + unit->passed_over + 1)
        mirror_lose(mirror, "a unit was lost on the way to the shadow");
    mirror->sequence = unit->sequence;
}

// True: taken in and freed; false: it has to wait.
static bool
take_now(struct mirror *mirror, struct unit *unit)
{
    struct dissected dissected;
    mirror->at = shadow_database(mirror->shadow, mirror->at->database);
    mirror->is_stale = is_stale(mirror, unit);
    bool is_dissected = dissect(unit, &dissected);
    if (is_dissected && must_wait(mirror, unit, &dissected)) {
        dissected_fini(&dissected);
        return false;
    }
    follow_on(mirror, unit);
    if (!is_dissected || dissected.is_junk)
        mirror_lose(mirror, is_dissected ? "a unit could not be followed" : "no memory for a unit");
    bool failed = is_dissected && has_failed(&dissected);
    if (is_dissected) {
        // What a COPY brought or took is not captured, but for its end; where in the unit it wrote is not looked at.
        mirror->has_written = mirror->has_written || unit->is_copy;
        for (size_t i = 0; i < dissected.count; i++)
            mirror_take_step(mirror, unit, &dissected.steps[i]);
        dissected_fini(&dissected);
        take_reports(mirror, unit);
    }
    end_unit(mirror, unit, failed);
    feed_release(mirror->shadow->feed, unit_memory(unit));
    unit_free(&unit);
    return true;
}

void
mirror_take(struct mirror *mirror, struct unit **unit)
{
    struct unit *taken = *unit;
    *unit = NULL;
    taken->next = NULL;
    if (!mirror->waiting && !mirror->is_parked && take_now(mirror, taken))
        return;
    *mirror->waiting_end = taken;
    mirror->waiting_end = &taken->next;
}

void
mirror_end(struct mirror *mirror)
{
    mirror->is_ended = true;
    mirror_unref(&mirror);
}

void
mirror_secret(struct mirror *mirror, struct secret **secret)
{
    secret_unref(&mirror->facts->secret);
    mirror->facts->secret = *secret;
    *secret = NULL;
    mirror->secret_until = 0;
    if (mirror->is_parked)
        mirror_unpark(mirror, false);
}

// Have the catalogs come that its first unit waits for? For DDL any will do that are newer than the unit; for a name that
// they did not know, those that were asked for.
static bool
has_catalogs(struct mirror *mirror)
{
    mirror->at = shadow_database(mirror->shadow, mirror->at->database);
    struct database_catalogs *catalogs = mirror->at->catalogs;
    return (catalogs ? catalogs->epoch : 0) >= mirror->waits_for_epoch ||
           (mirror->is_stale && mirror->waiting && !is_stale(mirror, mirror->waiting));
}

void
mirror_unpark(struct mirror *mirror, bool by_force)
{
    uint64_t now = uv_hrtime();
    assert(mirror->is_parked);
    if (by_force || now >= mirror->secret_until)
        mirror->secret_until = 0;
    if (!by_force && now < mirror->waits_until && !has_catalogs(mirror)) {
        control_call(mirror->at->database->control); // its session may have gone meanwhile
        return;
    }
    if (mirror->secret_until != 0)
        return;
    struct mirror **link = &mirror->shadow->parked;
    while (*link != mirror)
        link = &(*link)->next_parked;
    *link = mirror->next_parked;
    mirror->is_parked = false;
    while (mirror->waiting && !mirror->is_parked) {
        struct unit *unit = mirror->waiting, *next = unit->next;
        if (!take_now(mirror, unit))
            break;
        mirror->waiting = next;
        if (!next)
            mirror->waiting_end = &mirror->waiting;
    }
    mirror_unref(&mirror);
}
