// See lag.h. What a probe cannot read is unknown and never zero: a NULL, a missing row and an error all
// end in a trouble with its reason. Logical: the apply worker's replay_lsn, as the walsender of the
// subscription's slot shows it; it covers what is committed on new. A subscription counts only when
// each of its tables is ready, since tables that are still copied have positions of their own.
#include "proxy/control/lag.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

// How often old's position is sampled at the most, unless the probe compares times.
static const uint64_t sample_gap = 200000000;

static const char *const side_names[] = {"old", "new"};

// Asked anew each time: a standby may be promoted while its connections live on, and what it had replayed then stays.
#define OLD_POSITION                                                                               \
    "(CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"           \
    " ELSE pg_catalog.pg_current_wal_insert_lsn() END)"

// A standby's log is flushed before it is replayed.
#define OLD_FLUSHED                                                                                \
    "(CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"           \
    " ELSE pg_catalog.pg_current_wal_flush_lsn() END)"

const char lag_position_sql[] = "SELECT " OLD_POSITION "::pg_catalog.text";

static enum lag_state unknown(struct lag *lag, enum lag_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum lag_state
unknown(struct lag *lag, enum lag_state state, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(lag->trouble, sizeof lag->trouble, format, arguments);
    va_end(arguments);
    return state;
}

static enum lag_state
link_failed(struct lag *lag, const struct side_link *link, enum side side)
{
    return unknown(lag, LAG_STATE_SILENT, "%s: %s", side_names[side],
                   link->error[0] ? link->error : "not connected");
}

void
lag_init(struct lag *lag)
{
    *lag = (struct lag){.probe = LAG_AUTO};
}

void
lag_forget(struct lag *lag)
{
    lag_init(lag);
}

// A server that answers with fewer rows or columns than it was asked for has said nothing.
static const char *
value(const PGresult *result, int row, int column)
{
    bool is_there = row < PQntuples(result) && column < PQnfields(result);

    return is_there ? PQgetvalue(result, row, column) : "";
}

bool
lag_read_position(const char *text, uint64_t *position)
{
    char *end;
    unsigned long long high = strtoull(text, &end, 16);

    if (end == text || *end != '/' || high > UINT32_MAX)
        return false;

    const char *second = end + 1;
    unsigned long long low = strtoull(second, &end, 16);

    if (end == second || *end || low > UINT32_MAX)
        return false;
    *position = (uint64_t)high << 32 | low;
    return true;
}

uint64_t
lag_settled_position(const struct lag *lag, uint64_t position)
{
    enum { PAGE_HEADER = 24, SEGMENT_HEADER = 40 }; // access/xlog_internal.h, 8-byte aligned

    if (lag->segment_size && position % lag->segment_size == SEGMENT_HEADER)
        return position - SEGMENT_HEADER;
    if (lag->block_size && position % lag->block_size == PAGE_HEADER)
        return position - PAGE_HEADER;
    return position;
}

// What a side is, for the choice of a probe.
struct cluster {
    char identifier[32], started[32];
    bool is_in_recovery;
    uint64_t block_size, segment_size;
};

static bool
read_cluster(struct side_link *link, struct cluster *cluster)
{
    PGresult *result = side_link_query(
        link,
        "SELECT c.system_identifier, extract(epoch FROM pg_catalog.pg_postmaster_start_time()),"
        " pg_catalog.pg_is_in_recovery(),"
        " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_block_size'),"
        " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size')"
        " FROM pg_catalog.pg_control_system() c",
        NULL);

    if (!result)
        return false;
    snprintf(cluster->identifier, sizeof cluster->identifier, "%s", value(result, 0, 0));
    snprintf(cluster->started, sizeof cluster->started, "%s", value(result, 0, 1));
    cluster->is_in_recovery = value(result, 0, 2)[0] == 't';
    cluster->block_size = strtoull(value(result, 0, 3), NULL, 10);
    cluster->segment_size = strtoull(value(result, 0, 4), NULL, 10);
    PQclear(result);
    return true;
}

// The subscriptions of new's database.
struct subscriptions {
    unsigned long count, unready_tables;
    char *slots;        // a text[] literal; owned
    char disabled[128]; // names, "" if none
    char detached[128]; // without a slot
};

static bool
read_subscriptions(struct side_link *link, struct subscriptions *subscriptions)
{
    PGresult *result = side_link_query(
        link,
        "SELECT count(*), coalesce(array_agg(subslotname::text)"
        " FILTER (WHERE subslotname IS NOT NULL), '{}')::text,"
        " string_agg(subname, ', ') FILTER (WHERE NOT subenabled),"
        " string_agg(subname, ', ') FILTER (WHERE subslotname IS NULL),"
        " (SELECT count(*) FROM pg_catalog.pg_subscription_rel WHERE srsubstate <> 'r')"
        " FROM pg_catalog.pg_subscription WHERE subdbid ="
        " (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
        NULL);

    if (!result)
        return false;
    subscriptions->count = strtoul(value(result, 0, 0), NULL, 10);
    subscriptions->slots = strdup(value(result, 0, 1));
    snprintf(subscriptions->disabled, sizeof subscriptions->disabled, "%s", value(result, 0, 2));
    snprintf(subscriptions->detached, sizeof subscriptions->detached, "%s", value(result, 0, 3));
    subscriptions->unready_tables = strtoul(value(result, 0, 4), NULL, 10);
    PQclear(result);
    return subscriptions->slots != NULL;
}

// One row a slot of new's subscriptions: its name, whether old has it, its walsender's position.
static PGresult *
read_slots(struct side_link *link, const char *slots)
{
    return side_link_query(
        link,
        "SELECT n.name, s.slot_name IS NOT NULL, s.active_pid IS NOT NULL, r.replay_lsn"
        " FROM unnest($1::pg_catalog.text[]) AS n(name)"
        " LEFT JOIN pg_catalog.pg_replication_slots s"
        " ON s.slot_name = n.name AND s.database = current_database()"
        " LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid",
        slots);
}

// Does new subscribe to old: is there a subscription of new whose slot is old's?
static bool
find_publisher(struct side_link links[2], bool *is_subscribed, enum side *failed)
{
    struct subscriptions subscriptions = {0};

    *is_subscribed = false;
    *failed = SIDE_NEW;
    if (!read_subscriptions(&links[SIDE_NEW], &subscriptions))
        return false;

    PGresult *slots = NULL;

    if (subscriptions.count > 0) {
        *failed = SIDE_OLD;
        slots = read_slots(&links[SIDE_OLD], subscriptions.slots);
        for (int row = 0; slots && row < PQntuples(slots); row++)
            *is_subscribed |= value(slots, row, 1)[0] == 't';
    }
    free(subscriptions.slots);

    bool is_known = subscriptions.count == 0 || slots;

    PQclear(slots);
    return is_known;
}

// LAG_STATE_KNOWN: the probe is chosen.
static enum lag_state
resolve_auto(struct lag *lag, struct side_link links[2], const struct cluster clusters[2])
{
    bool is_same = strcmp(clusters[0].identifier, clusters[1].identifier) == 0;
    bool is_subscribed;
    enum side failed;

    if (clusters[SIDE_NEW].is_in_recovery) {
        if (!is_same)
            return unknown(lag, LAG_STATE_UNRESOLVED,
                           "new is a standby, but of another cluster than old; set lag.probe");
        lag->probe = LAG_PHYSICAL;
        return LAG_STATE_KNOWN;
    }
    if (!find_publisher(links, &is_subscribed, &failed))
        return link_failed(lag, &links[failed], failed);
    if (is_subscribed)
        lag->probe = LAG_LOGICAL;
    else if (is_same && strcmp(clusters[0].started, clusters[1].started) == 0)
        lag->probe = LAG_NONE;
    else
        return unknown(
            lag, LAG_STATE_UNRESOLVED,
            "new is no standby of old, has no subscription to it and is another cluster; "
            "set lag.probe to query, or to none if new is never behind");
    return LAG_STATE_KNOWN;
}

static enum lag_state
resolve(struct lag *lag, struct side_link links[2], const struct configuration_lag *settings)
{
    struct cluster clusters[2];

    for (int side = 0; side < 2; side++) {
        if (!read_cluster(&links[side], &clusters[side]))
            return link_failed(lag, &links[side], (enum side)side);
    }
    lag->block_size = clusters[SIDE_OLD].block_size;
    lag->segment_size = clusters[SIDE_OLD].segment_size;
    lag->probe = settings->probe;

    enum lag_state state = LAG_STATE_KNOWN;

    if (settings->probe == LAG_AUTO)
        state = resolve_auto(lag, links, clusters);
    lag->is_resolved = state == LAG_STATE_KNOWN;
    for (int side = 0; side < 2; side++)
        lag->links_made[side] = links[side].made;
    return state;
}

// Up to where what is flushed can have been replayed. Between commits whole pages are flushed: the last record of such a
// page goes on behind it, and is not sent before its end is flushed, too.
static uint64_t
sendable_position(const struct lag *lag)
{
    bool is_torn = lag->tail_since && lag->block_size && lag->old_flushed % lag->block_size == 0;
    size_t count = lag->history.count;
    uint64_t before = count > 0 ? lag->history.samples[count - 1].flushed : 0;

    if (!is_torn)
        return lag->old_flushed;
    return before < lag->old_flushed ? before : lag->old_flushed;
}

static void
note_old(struct lag *lag, uint64_t position, uint64_t flushed, int64_t clock)
{
    uint64_t now = uv_hrtime();

    lag->sampled_at = now;
    lag->wants_sample = false;
    lag->old_position = lag_settled_position(lag, position);
    if (flushed >= lag->old_position)
        lag->tail_since = 0;
    else if (lag->tail_since == 0 || flushed != lag->old_flushed)
        lag->tail_since = now;
    lag->old_flushed = flushed < lag->old_position ? flushed : lag->old_position;
    lag_history_add(&lag->history, lag->old_position, sendable_position(lag), now, clock);
}

static enum lag_state
sample_old(struct lag *lag, struct side_link *link)
{
    uint64_t asked_at = uv_hrtime();
    PGresult *result =
        side_link_query(link,
                        "SELECT " OLD_POSITION
                        ", (extract(epoch FROM clock_timestamp()) * 1000000)::pg_catalog.int8"
                        ", " OLD_FLUSHED,
                        NULL);
    uint64_t position, flushed;

    if (!result)
        return link_failed(lag, link, SIDE_OLD);
    if (!lag_read_position(value(result, 0, 0), &position) ||
        !lag_read_position(value(result, 0, 2), &flushed)) {
        PQclear(result);
        return unknown(lag, LAG_STATE_SILENT, "old has no position");
    }
    lag->old_asked_at = asked_at;
    note_old(lag, position, flushed, strtoll(value(result, 0, 1), NULL, 10));
    PQclear(result);
    return LAG_STATE_KNOWN;
}

void
lag_push_tail(struct lag *lag, struct side_link *old)
{
    // The end of a transaction that has an ID, though it commits nothing, asks the WAL writer to flush.
    PQclear(side_link_query(old, "SELECT pg_catalog.txid_current()", NULL));
    lag->tail_since = uv_hrtime();
}

static enum lag_state
poll_physical(struct lag *lag, struct side_link *link, uint64_t *replayed)
{
    PGresult *result = side_link_query(link,
                                       "SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
                                       " THEN pg_catalog.pg_last_wal_replay_lsn() END",
                                       NULL);

    if (!result)
        return link_failed(lag, link, SIDE_NEW);

    bool is_known = lag_read_position(value(result, 0, 0), replayed);

    PQclear(result);
    if (is_known)
        return LAG_STATE_KNOWN;
    lag->is_resolved = false;
    return unknown(lag, LAG_STATE_SILENT, "new is not in recovery, or has replayed nothing yet");
}

static enum lag_state
poll_slots(struct lag *lag, struct side_link *link, const char *slots, uint64_t *replayed)
{
    PGresult *result = read_slots(link, slots);
    enum lag_state state = LAG_STATE_KNOWN;

    if (!result)
        return link_failed(lag, link, SIDE_OLD);
    *replayed = UINT64_MAX;
    for (int row = 0; state == LAG_STATE_KNOWN && row < PQntuples(result); row++) {
        const char *name = value(result, row, 0);
        uint64_t position;

        if (value(result, row, 1)[0] != 't')
            state = unknown(lag, LAG_STATE_SILENT,
                            "new subscribes to slot %s, which old's database does not have", name);
        else if (value(result, row, 2)[0] != 't')
            state = unknown(lag, LAG_STATE_SILENT, "nobody receives from old's slot %s", name);
        else if (!lag_read_position(value(result, row, 3), &position))
            state = unknown(lag, LAG_STATE_SILENT,
                            "old does not show how far slot %s has been replayed; grant "
                            "pg_monitor to the user of `old`",
                            name);
        else if (position < *replayed)
            *replayed = position;
    }
    PQclear(result);
    return state;
}

static enum lag_state
poll_logical(struct lag *lag, struct side_link links[2], uint64_t *replayed)
{
    struct subscriptions subscriptions = {0};
    enum lag_state state;

    if (!read_subscriptions(&links[SIDE_NEW], &subscriptions))
        return link_failed(lag, &links[SIDE_NEW], SIDE_NEW);
    if (subscriptions.count == 0) {
        lag->is_resolved = false;
        state = unknown(lag, LAG_STATE_SILENT, "new has no subscription");
    } else if (subscriptions.disabled[0]) {
        state = unknown(lag, LAG_STATE_SILENT, "new's subscription %s is disabled",
                        subscriptions.disabled);
    } else if (subscriptions.detached[0]) {
        state = unknown(lag, LAG_STATE_SILENT, "new's subscription %s has no slot",
                        subscriptions.detached);
    } else if (subscriptions.unready_tables > 0) {
        state =
            unknown(lag, LAG_STATE_SILENT, "%lu of new's subscribed tables are still being copied",
                    subscriptions.unready_tables);
    } else {
        state = poll_slots(lag, &links[SIDE_OLD], subscriptions.slots, replayed);
    }
    free(subscriptions.slots);
    return state;
}

// The answer to lag.sql: a position, or a time on old that the history turns into one.
static enum lag_state
read_answer(struct lag *lag, struct side_link *link, const PGresult *answer, uint64_t *replayed)
{
    enum { TIMESTAMPTZ = 1184 };

    if (PQntuples(answer) != 1 || PQnfields(answer) != 1)
        return unknown(lag, LAG_STATE_SILENT, "lag.sql gives %d rows of %d columns; one is needed",
                       PQntuples(answer), PQnfields(answer));
    if (PQgetisnull(answer, 0, 0))
        return unknown(lag, LAG_STATE_SILENT, "lag.sql gives NULL");
    if (PQftype(answer, 0) != TIMESTAMPTZ)
        return lag_read_position(value(answer, 0, 0), replayed)
                   ? LAG_STATE_KNOWN
                   : unknown(lag, LAG_STATE_SILENT,
                             "lag.sql gives neither a pg_lsn nor a timestamptz");

    PGresult *clock = side_link_query(
        link, "SELECT (extract(epoch FROM $1::timestamptz) * 1000000)::pg_catalog.int8",
        value(answer, 0, 0));

    if (!clock)
        return link_failed(lag, link, SIDE_NEW);
    *replayed = lag_history_position(&lag->history, strtoll(value(clock, 0, 0), NULL, 10));
    PQclear(clock);
    return *replayed ? LAG_STATE_KNOWN
                     : unknown(lag, LAG_STATE_SILENT,
                               "lag.sql gives a time before old's position was first noted");
}

static enum lag_state
poll_query(struct lag *lag, struct side_link *link, const char *sql, uint64_t *replayed)
{
    PGresult *begin = side_link_query(link, "BEGIN READ ONLY", NULL);
    PGresult *answer = begin ? side_link_query(link, sql, NULL) : NULL;
    enum lag_state state = answer ? read_answer(lag, link, answer, replayed)
                                  : unknown(lag, LAG_STATE_SILENT, "lag.sql: %s", link->error);

    if (begin && link->connection)
        PQclear(side_link_query(link, "ROLLBACK", NULL));
    PQclear(begin);
    PQclear(answer);
    return state;
}

static enum lag_state
poll_none(struct lag *lag, struct side_link *link, uint64_t *replayed)
{
    PGresult *result = side_link_query(link, "SELECT 1", NULL);

    if (!result)
        return link_failed(lag, link, SIDE_NEW);
    PQclear(result);
    *replayed = 0;
    return LAG_STATE_KNOWN;
}

enum lag_state
lag_poll(struct lag *lag, struct side_link links[2], const struct configuration_lag *settings,
         uint64_t *replayed)
{
    enum lag_state state = LAG_STATE_KNOWN;

    if (lag->is_resolved && (lag->links_made[SIDE_OLD] != links[SIDE_OLD].made ||
                             lag->links_made[SIDE_NEW] != links[SIDE_NEW].made))
        lag->is_resolved = false;
    if (!lag->is_resolved)
        state = resolve(lag, links, settings);
    if (state == LAG_STATE_KNOWN &&
        (settings->probe == LAG_QUERY || lag->sampled_at == 0 || lag->wants_sample ||
         uv_hrtime() - lag->sampled_at >= sample_gap))
        state = sample_old(lag, &links[SIDE_OLD]);
    if (state != LAG_STATE_KNOWN)
        return state;
    switch (lag->probe) {
    case LAG_PHYSICAL:
        state = poll_physical(lag, &links[SIDE_NEW], replayed);
        break;
    case LAG_LOGICAL:
        state = poll_logical(lag, links, replayed);
        break;
    case LAG_QUERY:
        state = poll_query(lag, &links[SIDE_NEW], settings->sql, replayed);
        break;
    default:
        state = poll_none(lag, &links[SIDE_NEW], replayed);
    }
    if (state == LAG_STATE_KNOWN)
        lag->trouble[0] = '\0';
    return state;
}
