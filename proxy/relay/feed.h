// The way from the workers to one shadow thread: bounded, in session order, never waited on. When
// it is nearly full, reads that are known to be harmless are to stay out of it (feed_sheds), units lose their
// replies and their reads are dropped (`queue_full`, `memory`), but state still gets through; when it is full, the
// push fails, and the session is `session_state` for the shadow until its next DISCARD ALL. Many workers push, one
// shadow thread pulls.
#ifndef PROXY_RELAY_FEED_H
#define PROXY_RELAY_FEED_H

#include "proxy/relay/unit.h"
#include <stdbool.h>
#include <uv.h>

struct database;
struct session_view;
struct secret;

// What the shadow must know of a session from its login on. Immutable; the event owns it.
struct session_facts {
    uint64_t id;
    struct database *database; // not owned; databases live as long as the process
    char *user;                // owned
    struct secret *secret;     // opens further sessions as this user, NULL: not known; a reference
    bool awaits_secret;        // FEED_SECRET follows
    char *application_name;    // owned, "" if none
    char *client_address;      // owned
    uint32_t backend_pid;
    struct session_view *view; // a reference
    struct state *state;       // of the session as it begins, which the view shows already; owned
    // Until `state` has been made of them: startup parameters that are settings, and ParameterStatus' values at login:
    // name, value, …, NULL; `options` taken to pieces; owned.
    char **parameters;
    size_t parameter_count; // pairs
    size_t reported_from;   // pairs from here on are ParameterStatus'
};
void session_facts_forget_parameters(struct session_facts *facts);
void session_facts_free(struct session_facts **facts);

enum feed_kind {
    FEED_SESSION_BEGUN,
    FEED_SECRET, // what opens further sessions was awaited when the login was over
    FEED_UNIT,
    FEED_SESSION_ENDED,
};

struct feed_event {
    enum feed_kind kind;
    uint64_t session;
    union {
        struct session_facts *facts; // FEED_SESSION_BEGUN
        struct secret *secret;       // FEED_SECRET; a reference, NULL: it did not become known
        struct unit *unit;           // FEED_UNIT
    };
};

struct feed;

// `wake` is sent (uv_async_send) when there is something to pull. `depth`: events.
struct feed *feed_new(unsigned depth, uv_async_t *wake);
void feed_free(struct feed **feed); // frees the events still in it
// Takes the event. False: full even for state; the event is still the caller's, as it was. May strip the
// unit that it takes of its reply and set its `dropped`. Does not wake; call feed_flush at the end of the loop's turn.
bool feed_push(struct feed *feed, struct feed_event *event, size_t memory_limit);
// For a unit that the reader can do without, why it should not get it now, DROP_NONE: it should. It has too much to do;
// or its view is `is_awaited`, and it is so late that nothing but what it needs should come until it has caught up.
enum drop_reason feed_sheds(struct feed *feed, const struct unit *unit, size_t memory_limit,
                            bool is_awaited);
// Wakes the shadow if something was pushed. `is_urgent` false: only when much waits, or 20 ms passed.
void feed_flush(struct feed *feed, bool is_urgent);
// The reader says that it looks into the feed by itself, every few milliseconds: writers then leave
// it asleep, unless much waits, and save the wake. After the end of a watch it has to look once more.
void feed_watch(struct feed *feed, bool is_watched);
bool feed_pull(struct feed *feed, struct feed_event *event);
// Memory pinned by what was pushed and not yet given back; the shadow gives back when it is done
// with a unit.
void feed_release(struct feed *feed, size_t memory);
void feed_depth(const struct feed *feed, uint64_t *events, uint64_t *bytes);

#endif
