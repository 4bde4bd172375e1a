// What is told of a session when its login is complete: the facts to its shadow thread (settings of the
// startup packet, values that old reported, who it is), and the entry in the registry for cancels and
// SHOW CLIENTS. And that it has ended.
#include "proxy/log.h"
#include "proxy/relay/parting.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/session_parts.h"
#include "proxy/shadow/shadow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

// Adds a pair; takes both strings, which may be NULL for want of memory.
static bool
add_taken(struct session *session, char *name, char *value)
{
    struct session_facts *facts = session->facts;
    if (name && value && facts->parameter_count == session->facts_capacity) {
        size_t capacity = 2 * session->facts_capacity + 16;
        char **grown = realloc(facts->parameters, (2 * capacity + 1) * sizeof(*grown));
        if (grown) {
            facts->parameters = grown;
            session->facts_capacity = capacity;
        }
    }
    if (!name || !value || facts->parameter_count == session->facts_capacity) {
        free(name);
        free(value);
        return false;
    }
    facts->parameters[2 * facts->parameter_count] = name;
    facts->parameters[2 * facts->parameter_count + 1] = value;
    facts->parameter_count++;
    facts->parameters[2 * facts->parameter_count] = NULL;
    return true;
}

static bool
add(struct session *session, const char *name, const char *value)
{
    return add_taken(session, strdup(name), strdup(value));
}

// The next word of `options`, as the backend takes them apart: blanks separate, a backslash escapes.
// `word` has room for the rest of the text. False: no more.
static bool
next_word(const char **text, char *word)
{
    *text += strspn(*text, " \t\n\r\f\v");
    if (**text == '\0') {
        return false;
    }
    while (**text != '\0' && !strchr(" \t\n\r\f\v", **text)) {
        if (**text == '\\' && (*text)[1] != '\0') {
            (*text)++;
        }
        *word++ = *(*text)++;
    }
    *word = '\0';
    return true;
}

// "name=value" of -c or --, whose name may have dashes for underscores.
static bool
add_assignment(struct session *session, char *assignment)
{
    char *equals = strchr(assignment, '=');
    if (!equals) {
        return true;
    }
    *equals = '\0';
    for (char *at = assignment; *at; at++) {
        *at = *at == '-' ? '_' : *at;
    }
    return add(session, assignment, equals + 1);
}

static bool
add_options(struct session *session, const char *options)
{
    char *word = malloc(strlen(options) + 1);
    if (!word) {
        return false;
    }
    bool is_fine = true;
    while (is_fine && next_word(&options, word)) {
        if (strcmp(word, "-c") == 0) {
            is_fine = !next_word(&options, word) || add_assignment(session, word);
        } else if (strncmp(word, "-c", 2) == 0 || strncmp(word, "--", 2) == 0) {
            is_fine = add_assignment(session, word + 2);
        }
    }
    free(word);
    return is_fine;
}

static bool
is_setting(const char *name)
{
    return strcmp(name, "user") != 0 && strcmp(name, "database") != 0 &&
           strcmp(name, "replication") != 0 && strcmp(name, "options") != 0 &&
           strncmp(name, "_pq_.", 5) != 0;
}

// The server applies `options` first, then the parameters of their own.
static bool
add_startup(struct session *session)
{
    const struct startup *startup = &session->startup;
    const char *options = startup_parameter(startup, "options");
    bool is_fine = !options || add_options(session, options);
    for (size_t i = 0; is_fine && i < startup->parameter_count; i++) {
        if (is_setting(startup->parameters[i].name)) {
            is_fine = add(session, startup->parameters[i].name, startup->parameters[i].value);
        }
    }
    return is_fine;
}

static bool
begin(struct session *session)
{
    const char *application = startup_parameter(&session->startup, "application_name");
    session->facts = calloc(1, sizeof(*session->facts));
    if (!session->facts) {
        return false;
    }
    struct session_facts *facts = session->facts;
    facts->id = session->id;
    facts->database = session->database;
    facts->user = strdup(session->user);
    facts->application_name = strdup(application ? application : "");
    facts->client_address = strdup(session->address);
    if (!facts->user || !facts->application_name || !facts->client_address ||
        !add_startup(session)) {
        return false;
    }
    facts->reported_from = facts->parameter_count;
    return true;
}

bool
session_facts_report(struct session *session, const char *name, const char *value)
{
    if (strcmp(name, "default_transaction_read_only") == 0) {
        session->defaults_to_read_only = strcmp(value, "on") == 0;
    }
    return (session->facts || begin(session)) && add(session, name, value);
}

static void
register_client(struct session *session)
{
    const char *application = startup_parameter(&session->startup, "application_name");
    struct registry_client *client = &session->registered;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    client->session = session->id;
    client->worker = session->worker->index;
    client->database = session->database;
    client->user = session->user;
    client->application_name = application ? application : "";
    client->address = session->address;
    client->port = session->port;
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random)) {
        random = uv_hrtime() ^ (uint64_t)worker_random(session->worker) << 32;
    }
    snprintf(session->cohort_key, sizeof(session->cohort_key), "%016llx",
             (unsigned long long)random);
    client->cohort_key = session->cohort_key;
    client->is_tls = stream_is_tls(session->client);
    client->connected_at = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    registry_add(session->worker->instance->registry, client);
    session->is_registered = true;
}

// Shown at once, so that the first read that comes can be new's: many a session has no other.
static bool
show_state(struct session *session)
{
    struct session_facts *facts = session->facts;
    const char *const *pairs = (const char *const *)facts->parameters;
    session->view = session_view_new();
    facts->state = state_new(pairs, facts->reported_from);
    bool is_fine = session->view && facts->state;
    for (size_t i = facts->reported_from; is_fine && i < facts->parameter_count; i++) {
        is_fine = state_reported(facts->state, pairs[2 * i], pairs[2 * i + 1]);
    }
    if (is_fine) {
        facts->view = session_view_ref(session->view);
        session_view_publish(session->view, 0, facts->state);
        session_facts_forget_parameters(facts);
    }
    return is_fine;
}

// Replication connections are no business of the shadow's.
static bool
tell_shadow(struct session *session)
{
    struct session_facts *facts = session->facts;
    if (!show_state(session)) {
        return false;
    }
    facts->secret = session_auth_secret(session);
    facts->awaits_secret = session_auth_awaits_secret(session);
    session->own_secret = secret_ref(facts->secret);
    facts->backend_pid = session->registered.backend_pid;
    session->feed = shadows_feed(session->worker->instance->shadows, session->id);
    struct feed_event event = {.kind = FEED_SESSION_BEGUN, .session = session->id, .facts = facts};
    session->is_unfed = !feed_push(session->feed, &event, session->settings->entry->shadow.memory);
    if (!session->is_unfed) {
        session->facts = NULL;
        worker_note_feed(session->worker, session->feed, true);
    }
    return true;
}

void
session_facts_publish(struct session *session)
{
    bool is_replication = startup_is_replication(&session->startup);
    databases_admit(session->worker->instance->databases, session->database);
    session_auth_let_in(session);
    if ((!session->facts && !begin(session)) || (!is_replication && !tell_shadow(session))) {
        session_close(session, "out of memory");
        return;
    }
    session_facts_free(&session->facts);
    register_client(session);
    log_event(LOG_DEBUG_LEVEL, "client_connected",
              "session=%llu database=%s user=%s address=%s backend_pid=%u",
              (unsigned long long)session->id, session->database_name, session->user,
              session->address, session->registered.backend_pid);
}

void
session_facts_secret(struct session *session, struct secret **secret)
{
    struct secret *known = *secret;
    *secret = NULL;
    if (!session->feed || session->is_unfed) {
        secret_unref(&known);
        return;
    }
    secret_unref(&session->own_secret);
    session->own_secret = secret_ref(known);
    worker_tell_secret(session->worker, session->feed, session->id, &known);
}

void
session_facts_end(struct session *session)
{
    if (session->is_registered) {
        registry_remove(session->worker->instance->registry, &session->registered);
        session->is_registered = false;
    }
    session_facts_free(&session->facts);
    if (session->feed && !session->is_unfed && !parting_begin(session)) {
        worker_end_session(session->worker, session->feed, session->id);
    }
}
