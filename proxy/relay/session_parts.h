// What a session is made of, for the files session*.c alone. One worker's thread owns all of it.
//
//   session.c          states, beginning, closing
//   session_streams.c  what the client's stream and old's say, and who is paused
//   session_startup.c  the client's first packets, up to the choice of what serves it
//   session_admission.c  logins take turns
//   session_login.c    the old session, and the login through it
//   session_login_messages.c  what old says meanwhile
//   session_auth.c     who authenticates the client, and what is learnt of its secret
//   session_old_login.c  the proxy logs in on old itself
//   session_way.c      old is reached with TLS or without, as it will have the login
//   session_facts.c    what shadow and registry are told after the login
//   session_request.c  bytes from the client to old
//   session_reply.c    bytes from old to the client
//   session_pass.c     what both directions do alike
//   session_canary*.c  reads that new serves, and what the session wrote
//   session_transaction.c  the transaction block that is open, for those
//   session_statements.c  prepared statements, for those
//   session_units.c    units: filled from the bytes that pass, given to the shadow
//   session_shedding.c  those that the shadow does without while it has too much to do
//   session_hold.c     bytes of the client that wait: PAUSE, and the end of the login
#ifndef PROXY_RELAY_SESSION_PARTS_H
#define PROXY_RELAY_SESSION_PARTS_H

#include "protocol/frame.h"
#include "protocol/login.h"
#include "protocol/message.h"
#include "protocol/pairing.h"
#include "protocol/reader.h"
#include "protocol/reply.h"
#include "protocol/startup.h"
#include "proxy/relay/feed.h"
#include "proxy/relay/registry.h"
#include "proxy/relay/session.h"
#include "proxy/relay/session_view.h"
#include "proxy/relay/worker.h"
#include "proxy/transport/connector.h"

// STARTUP ──► SECURING ──► STARTUP        (SSLRequest, direct TLS)
// STARTUP ──► [WAITING ──►] CONNECTING ◄──► LOGIN ──► RELAY | OPAQUE
// STARTUP ──► GONE                        (handed over: console, cancel)
// any ──► CLOSING ──► GONE
enum session_phase {
    SESSION_STARTUP,    // the client's first packets
    SESSION_SECURING,   // TLS handshake with the client
    SESSION_WAITING,    // for its turn to log in
    SESSION_CONNECTING, // to old
    SESSION_LOGIN,      // up to old's first ReadyForQuery
    SESSION_RELAY,
    SESSION_OPAQUE,  // replication, and what pairing gave up on: bytes only
    SESSION_CLOSING, // the streams' on_closed are awaited
    SESSION_GONE,
};

// Why a stream is not read from; it is read when none holds.
enum pause_reason {
    PAUSE_OTHER_IS_FULL = 1, // the other side's queue is over its high-water mark
    PAUSE_HELD = 2,          // bytes of it are held (session_hold.c)
    PAUSE_NOT_YET = 4,       // its phase has not come
    PAUSE_CANARY = 8,        // a read is served by new
    PAUSE_REFUSED = 16,      // the client sent junk; what came before is still answered
};

struct canary;
struct session_auth;
struct old_login;
struct secret;

struct held {            // bytes of the client's that wait
    struct chunk *chunk; // a reference, NULL: none
    size_t offset, length;
};

// The transaction block that is open, as far as canary reads have to know it (session_transaction.c).
struct session_transaction {
    bool is_clean;         // a command alone began it, and all units since are known to be harmless
    bool may_be_read_only; // its commands or the session's default say so; whether it is, old knows
    bool is_asked;         // and has told:
    bool is_servable;      // READ ONLY, and READ COMMITTED
};

struct session {
    struct worker *worker;
    struct session *next, *previous; // in worker->sessions
    uint64_t id;
    enum session_phase phase;
    uint64_t deadline;           // uv_hrtime; 0: none
    struct stream *client, *old; // NULL: not open
    struct connector *connector;
    unsigned client_pauses, old_pauses; // enum pause_reason
    bool is_unix;
    bool counts_as_client;      // in instance->client_connections
    bool is_shutting_down;      // FATAL 57P01 at the end of the unit
    bool client_has_ended;      // its orderly end was seen; old's answers still go out
    uint64_t ended_at;          // uv_hrtime of that
    bool client_has_terminated; // Terminate has passed
    bool old_has_ended;
    enum stream_end old_end; // how
    char refusal[64];        // FATAL 08P01 at the end of the answers that are outstanding; "": none
    uint64_t stalled_since;  // the ended client takes nothing more since then; 0: it does

    // Startup. The packet's bytes stay for the life of the session: `startup` borrows from them.
    uint8_t *packet;
    size_t packet_length;
    struct startup startup;
    bool has_asked_tls, has_asked_gss;
    bool is_waiting, has_turn;        // session_admission.c
    struct session *next_waiting;     // in worker->first_waiting
    bool is_direct_tls;               // the handshake came without SSLRequest
    const char *user, *database_name; // from the packet
    char address[64];
    int port;

    // Where it belongs, after the startup packet.
    struct database *database;
    struct database_settings *settings; // a reference, renewed between units
    uint64_t settings_epoch;

    // Login.
    uint8_t *login_bytes; // of old's, not yet a whole message
    size_t login_length, login_capacity;
    bool is_reading_login;       // session_login_go_on is under way
    struct frame login_frame;    // the client's messages during the login
    struct session_auth *auth;   // who the client is; outlives the login while a secret is awaited
    struct old_login *old_login; // the proxy logs in on old itself; NULL: old asks the client
    bool was_challenged;
    enum session_way {
        WAY_FIRST,       // as sslmode of `old` says
        WAY_OTHER,       // old has refused the first
        WAY_FOR_BINDING, // without TLS, for a client that could else not bind to the channel
        WAY_BACK,        // with TLS again, since old has refused that
    } way;
    bool has_negotiated;         // NegotiateProtocolVersion has passed
    bool answer_is_due;          // old has asked, and the client's answer has not passed
    struct session_facts *facts; // being filled in; then the feed's
    size_t facts_capacity;

    // Relay.
    struct frame client_frame, old_frame;
    struct pairing pairing;
    struct held held;
    bool is_held_by_pause;
    bool message_ends_unit;              // the client's message that is under way
    bool message_is_cut;                 // the same: its beginning was captured, and no more is
    char last_from_old;                  // type of old's last message
    struct unit *first_unit, *last_unit; // unanswered ones, oldest first
    struct unit *filling;                // the last one, while its requests are not complete
    uint64_t sequence;                   // of the last unit
    struct feed *feed;
    struct session_view *view;
    bool is_stray;        // first_unit is a ParameterStatus that came between units
    bool is_unfed;        // the shadow does not know of it: its reads are booked here
    uint64_t passed_over; // units since the last one that the shadow got, and may do without

    // Canary.
    struct canary *canary;      // a read is on its way, NULL: none
    char cohort_key[17];        // random, for canary.key: session
    struct secret *own_secret;  // opens further sessions as this user, NULL: not known; a reference
    void *statements;           // as old has them (proxy/shadow/statement.h)
    uint64_t stateful_sequence; // of the last unit that is not known to leave no state behind
    uint64_t last_write; // uv_hrtime of the last unit that is not known to be harmless; 0: none
    struct written_keys {
        uint16_t slots[4]; // of key_writes.h
        unsigned count;
        bool is_all; // more than these, or it is not known whose
    } written_keys;  // by the transaction that is open, for canary.after_write_scope: key
    enum unit_route next_route; // of the unit that begins next
    char new_error[6]; // SQLSTATE that new gave for the UNIT_ROUTE_FALLBACK under way; "": none
    bool next_is_harmless;
    enum unit_move next_move;
    bool next_may_be_read_only;
    struct session_transaction transaction;
    bool defaults_to_read_only; // as old reported default_transaction_read_only at the login
    uint64_t old_asked_at;      // uv_hrtime: when old was sent something last
    bool
        next_is_wanted; // it is mirrored whatever shadow.percent says: old's columns are to be learnt
    struct registry_client registered;
    bool is_registered;
    uint64_t began; // uv_hrtime
};

void session_move(struct session *session, enum session_phase phase);
// Closes both sides after what is queued for them; `reason` is for the log. Idempotent.
void session_close(struct session *session, const char *reason);
// The client broke the protocol: `refusal` is told, now.
void session_refuse_junk(struct session *session);
// An ErrorResponse of our own, then the close.
void session_refuse(struct session *session, const struct reply_error_text *error);
void session_refuse_fatal(struct session *session, const char *sqlstate, const char *message,
                          const char *hint); // `hint` may be NULL
bool session_is_closing(const struct session *session);
void session_client_pause(struct session *session, enum pause_reason reason);
void session_client_resume(struct session *session, enum pause_reason reason);
void session_old_pause(struct session *session, enum pause_reason reason);
void session_old_resume(struct session *session, enum pause_reason reason);
void session_to_client(struct session *session, const void *bytes, size_t length); // copies
void session_say_goodbye(struct session *session);  // the client's end was seen: old hears of it
void session_end_with_old(struct session *session); // with its reason, where that is not told yet
void session_to_old(struct session *session, const void *bytes, size_t length); // copies
extern const struct stream_callbacks session_client_callbacks, session_old_callbacks;
void session_release_stream(struct session *session); // the client's stream is another's now
void session_free_if_closed(struct session *session); // when both streams have closed

void session_startup_bytes(struct session *session, const uint8_t *bytes, size_t length);
void session_startup_secured(struct session *session);
// Has the client shown a verified certificate of its user? False: it was refused in PostgreSQL's words.
bool session_certificate_is_users(struct session *session);
void session_startup_not_secured(struct session *session, enum stream_end why); // says why

// Connects to old, now or when its turn to log in has come.
void session_admission_ask(struct session *session);
void session_admission_leave(struct session *session); // its login, or it, is over; idempotent

void session_connect(struct session *session);
void session_login_from_client(struct session *session, struct chunk *chunk, size_t offset,
                               size_t length);
void session_login_from_old(struct session *session, struct chunk *chunk, size_t offset,
                            size_t length);
void session_login_message(struct session *session, const struct message *message); // of old's
// What old has said so far, as far as it may be heard now.
void session_login_go_on(struct session *session);
void session_login_fini(struct session *session);
// The database's name on old: the connection string's, else the client's.
const char *session_old_database(const struct session *session);

void session_old_login_answer(struct session *session, const struct message *message);
void session_old_login_refused(struct session *session, const struct message *message); // logs it
void session_old_login_free(struct session *session);

// Called with the first messages of a login. True: they are not for the client, old is connected to anew.
bool session_way_refused(struct session *session, const struct message *message);
bool session_way_cannot_bind(struct session *session);
// Connected anew to old.
void session_login_again(struct session *session, enum session_way way);

// ParameterStatus during the login. False: no memory.
bool session_facts_report(struct session *session, const char *name, const char *value);
void session_facts_publish(struct session *session); // the login is complete
// What opens further sessions was looked up when the login was over; takes it, NULL: it is not known.
void session_facts_secret(struct session *session, struct secret **secret);
void session_facts_end(struct session *session); // the session is over

void session_relay_from_client(struct session *session, struct chunk *chunk, size_t offset,
                               size_t length);
void session_relay_to_old(struct session *session, struct chunk *chunk, size_t offset,
                          size_t length); // the same, and never to new
void session_relay_was_sent(struct session *session, struct chunk *chunk, size_t offset,
                            size_t length); // the same, and old has these bytes already
void session_relay_from_old(struct session *session, struct chunk *chunk, size_t offset,
                            size_t length);
void session_relay_after_unit(struct session *session); // between units: what waited for that

// A unit begins; NULL: no memory, and the session is closing.
struct unit *session_unit_begin(struct session *session, uint64_t now);
void session_unit_end_request(struct unit *unit); // nothing more of its request is kept
void session_unit_request(struct session *session, struct chunk *chunk, const uint8_t *from,
                          const uint8_t *to);
void session_unit_reply(struct session *session, struct chunk *chunk, const uint8_t *from,
                        const uint8_t *to);
void session_unit_join(struct session *session, unsigned units, bool reopens);
void session_unit_end(struct session *session, uint64_t now);
// The end of a unit that is in no list: books what is noted of it, and hands it over.
void session_unit_settle(struct session *session, struct unit *unit);
// ParameterStatus that came between units: a unit without a request. `bytes` NULL: it was too large to be kept.
void session_unit_stray(struct session *session, const uint8_t *bytes, size_t length);
void session_units_lose(struct session *session); // those that will not be answered
// Does the shadow, which has too much to do, do without it? Then it is known to be harmless, and is in the books.
bool session_unit_shed(struct session *session, const struct unit *unit);
// What it executed goes into the books, as dropped: it found no room on the way to the shadow.
void session_unit_book(struct session *session, const struct unit *unit);
void session_renew_settings(struct session *session);
void session_statements_follow(struct session *session, const struct unit *unit);
// The unit has ended: what it means for the transaction block. May find that it is harmless.
void session_transaction_follow(struct session *session, struct unit *unit);
// May reads in the block that is open, or that a unit with a BEGIN of such modes begins, go to new, as far as is known?
bool session_transaction_may_serve(const struct session *session, bool begins,
                                   bool may_be_read_only);
bool session_is_between_units(const struct session *session);

// May the next unit begin? Holds the bytes if not.
bool session_must_hold(struct session *session);
void session_hold(struct session *session, struct chunk *chunk, const uint8_t *from,
                  const uint8_t *to);
void session_hold_for_pause(struct session *session); // what is held waits for RESUME
void session_unhold(struct session *session);         // passes on what was held
void session_held_fini(struct session *session);

#endif
