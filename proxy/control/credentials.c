// Users' secrets, asked for by logins. Each database whose users are asked about has a desk: a thread with a
// queue, a connection to old for auth.query, and a memory of what it answered in the last seconds. So an old that is
// silent holds up its own users alone, and each of them for a connection's limit at most: once it failed,
// those behind are told so at once until it is time to try again.
//
// The connection's search_path is pg_catalog alone: what auth.query calls elsewhere it must name with its schema. A
// role that may not log in, or whose VALID UNTIL has passed, has no secret, whatever the query says.
#include "proxy/control/credentials.h"
#include "config/userlist.h"
#include "proxy/control/side_link.h"
#include "proxy/log.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint64_t second = 1000000000, memory_lasts = 5 * second, complaint_pause = 10 * second;

enum { MEMORY = 1024, ERROR_SIZE = 512 };

struct ask {
    struct ask *next;
    char *user;
    uint64_t deadline; // ns, uv_hrtime
    credentials_answer answer;
    void *context;
};

struct remembered {
    char *user; // NULL: nothing
    char *secret;
    uint64_t until;
};

struct desk {
    struct desk *next;
    struct credentials *credentials;
    struct database *database;
    pthread_t thread;
    // Under the credentials' lock.
    pthread_cond_t arrived;
    struct ask *first, **end;
    // The thread's own.
    struct side_link link;
    uint64_t links_made; // connections that were set up
    struct database_settings *settings;
    uint64_t settings_epoch;
    struct remembered memory[MEMORY]; // by hash of the user
    uint64_t complained_at;
};

struct credentials {
    pthread_mutex_t lock;
    struct desk *desks;
    int stop_fd; // readable when it stops
    bool is_stopping;
};

// ---- memory ----

static void
wipe(char **text)
{
    if (*text != NULL) {
        OPENSSL_cleanse(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

static void
forget(struct remembered *remembered)
{
    wipe(&remembered->secret);
    free(remembered->user);
    remembered->user = NULL;
}

// `until`: what is too old by then.
static void
forget_all(struct desk *desk, uint64_t until)
{
    for (size_t i = 0; i < MEMORY; i++) {
        if (desk->memory[i].until <= until) {
            forget(&desk->memory[i]);
        }
    }
}

static struct remembered *
place_of(struct desk *desk, const char *user)
{
    return &desk->memory[XXH3_64bits(user, strlen(user)) % MEMORY];
}

// Takes `secret`; NULL: no such user.
static void
remember(struct desk *desk, const char *user, char **secret)
{
    struct remembered *place = place_of(desk, user);
    forget(place);
    *place = (struct remembered){strdup(user), *secret, uv_hrtime() + memory_lasts};
    *secret = NULL;
    if (place->user == NULL) {
        forget(place);
    }
}

// ---- auth.query ----

static void
complain(struct desk *desk, const char *event, const char *error)
{
    uint64_t now = uv_hrtime();
    if (desk->complained_at == 0 || now - desk->complained_at >= complaint_pause) {
        desk->complained_at = now;
        log_event(LOG_WARNING_LEVEL, event, "database=%s error=\"%s\"", desk->database->name,
                  error);
    }
}

static PGresult *
query(struct desk *desk, const char *sql, const char *user)
{
    static const char set_up[] =
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false), "
        "pg_catalog.set_config('statement_timeout', '2s', false), "
        "pg_catalog.set_config('default_transaction_read_only', 'on', false)";
    if (!side_link_up(&desk->link, desk->settings->targets[SIDE_OLD])) {
        return NULL;
    }
    if (desk->link.made != desk->links_made) {
        PGresult *result = side_link_query(&desk->link, set_up, NULL);
        PQclear(result);
        if (result == NULL) {
            return NULL;
        }
        desk->links_made = desk->link.made;
    }
    return side_link_query(&desk->link, sql, user);
}

// May this role log in now? Old says so to everybody.
static enum credentials_status
judge(struct desk *desk, const char *user)
{
    static const char sql[] = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname "
                              "OPERATOR(pg_catalog.=) $1::pg_catalog.name "
                              "AND rolcanlogin AND (rolvaliduntil IS NULL OR rolvaliduntil "
                              "OPERATOR(pg_catalog.>) pg_catalog.now())";
    PGresult *result = query(desk, sql, user);
    if (result == NULL) {
        return CREDENTIALS_UNAVAILABLE;
    }
    bool may = PQntuples(result) > 0;
    PQclear(result);
    return may ? CREDENTIALS_FOUND : CREDENTIALS_UNKNOWN;
}

static char *
secret_in(const PGresult *result, const char *user)
{
    for (int row = 0; row < PQntuples(result); row++) {
        if (strcmp(PQgetvalue(result, row, 0), user) == 0 && !PQgetisnull(result, row, 1)) {
            return strdup(PQgetvalue(result, row, 1));
        }
    }
    return NULL;
}

static enum credentials_status
ask_old(struct desk *desk, const char *sql, const char *user, char **secret)
{
    PGresult *result = query(desk, sql, user);
    if (result == NULL) {
        complain(desk, "auth_query_failed", desk->link.error);
        return CREDENTIALS_UNAVAILABLE;
    }
    if (PQnfields(result) < 2) {
        complain(desk, "auth_query_failed", "it must return two columns: user and secret");
        PQclear(result);
        return CREDENTIALS_UNAVAILABLE;
    }
    *secret = secret_in(result, user);
    PQclear(result);
    if (*secret == NULL) {
        return CREDENTIALS_UNKNOWN;
    }
    enum credentials_status status = judge(desk, user);
    if (status != CREDENTIALS_FOUND) {
        wipe(secret);
    }
    return status;
}

// ---- one answer ----

static enum credentials_status
look_up(struct desk *desk, const char *user, char **secret)
{
    const struct configuration_auth *auth = &desk->settings->configuration->auth;
    char error[ERROR_SIZE];
    *secret = NULL;
    if (*auth->file != '\0') {
        if (!userlist_find(auth->file, user, secret, error, sizeof error)) {
            complain(desk, "auth_file_unread", error);
            return CREDENTIALS_UNAVAILABLE;
        }
        if (*secret != NULL) {
            return CREDENTIALS_FOUND;
        }
    }
    return *auth->query != '\0' ? ask_old(desk, auth->query, user, secret) : CREDENTIALS_UNKNOWN;
}

// RELOAD may have changed where to ask, and what.
static void
follow_settings(struct desk *desk)
{
    uint64_t epoch = atomic_load(&desk->database->settings_epoch);
    if (desk->settings != NULL && epoch == desk->settings_epoch) {
        return;
    }
    if (desk->settings != NULL) {
        database_settings_unref(&desk->settings);
    }
    side_link_close(&desk->link);
    desk->link.retry_at = 0;
    forget_all(desk, UINT64_MAX);
    desk->settings = database_settings(desk->database);
    desk->settings_epoch = epoch;
}

static void
serve(struct desk *desk, const struct ask *ask)
{
    follow_settings(desk);
    struct remembered *place = place_of(desk, ask->user);
    if (place->user != NULL && strcmp(place->user, ask->user) == 0 && uv_hrtime() < place->until) {
        ask->answer(ask->context, place->secret != NULL ? CREDENTIALS_FOUND : CREDENTIALS_UNKNOWN,
                    place->secret);
        return;
    }
    char *secret = NULL;
    enum credentials_status status = CREDENTIALS_UNAVAILABLE;
    if (uv_hrtime() < ask->deadline) {
        status = look_up(desk, ask->user, &secret);
    }
    ask->answer(ask->context, status, secret);
    if (status != CREDENTIALS_UNAVAILABLE) {
        remember(desk, ask->user, &secret);
    }
}

// ---- the thread ----

static void
ask_free(struct ask *ask)
{
    free(ask->user);
    free(ask);
}

// NULL: nothing has come for a while, or it stops.
static struct ask *
next_ask(struct desk *desk)
{
    struct credentials *credentials = desk->credentials;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&credentials->lock);
    int is_late = 0;
    while (desk->first == NULL && !credentials->is_stopping && is_late == 0) {
        is_late = pthread_cond_timedwait(&desk->arrived, &credentials->lock, &until);
    }
    struct ask *ask = credentials->is_stopping ? NULL : desk->first;
    if (ask != NULL) {
        desk->first = ask->next;
        desk->end = desk->first == NULL ? &desk->first : desk->end;
    }
    pthread_mutex_unlock(&credentials->lock);
    return ask;
}

static bool
is_stopping(struct credentials *credentials)
{
    pthread_mutex_lock(&credentials->lock);
    bool is = credentials->is_stopping;
    pthread_mutex_unlock(&credentials->lock);
    return is;
}

static void *
run(void *context)
{
    struct desk *desk = context;
    pthread_setname_np(pthread_self(), "credentials");
    while (!is_stopping(desk->credentials)) {
        struct ask *ask = next_ask(desk);
        if (ask != NULL) {
            serve(desk, ask);
            ask_free(ask);
        } else { // nobody has asked for a second: the connection is in nobody's way
            side_link_close(&desk->link);
            forget_all(desk, uv_hrtime());
        }
    }
    return NULL;
}

static void
desk_free(struct desk *desk)
{
    while (desk->first != NULL) {
        struct ask *ask = desk->first;
        desk->first = ask->next;
        ask->answer(ask->context, CREDENTIALS_UNAVAILABLE, NULL);
        ask_free(ask);
    }
    side_link_close(&desk->link);
    forget_all(desk, UINT64_MAX);
    if (desk->settings != NULL) {
        database_settings_unref(&desk->settings);
    }
    pthread_cond_destroy(&desk->arrived);
    free(desk);
}

// Under the lock. NULL: no memory, no thread.
static struct desk *
desk_of(struct credentials *credentials, struct database *database)
{
    struct desk *desk = credentials->desks;
    while (desk != NULL && desk->database != database) {
        desk = desk->next;
    }
    if (desk != NULL || (desk = calloc(1, sizeof *desk)) == NULL) {
        return desk;
    }
    desk->credentials = credentials;
    desk->database = database;
    desk->end = &desk->first;
    side_link_init(&desk->link, credentials->stop_fd);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&desk->arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&desk->thread, NULL, run, desk) != 0) {
        desk_free(desk);
        return NULL;
    }
    desk->next = credentials->desks;
    credentials->desks = desk;
    return desk;
}

// ---- what others call ----

struct credentials *
credentials_new(void)
{
    struct credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        return NULL;
    }
    credentials->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (credentials->stop_fd < 0) {
        free(credentials);
        return NULL;
    }
    pthread_mutex_init(&credentials->lock, NULL);
    return credentials;
}

void
credentials_free(struct credentials **credentials)
{
    struct credentials *gone = *credentials;
    *credentials = NULL;
    if (gone == NULL) {
        return;
    }
    pthread_mutex_lock(&gone->lock);
    gone->is_stopping = true;
    for (struct desk *desk = gone->desks; desk != NULL; desk = desk->next) {
        pthread_cond_signal(&desk->arrived);
    }
    pthread_mutex_unlock(&gone->lock);
    eventfd_write(gone->stop_fd, 1);
    while (gone->desks != NULL) {
        struct desk *desk = gone->desks;
        gone->desks = desk->next;
        pthread_join(desk->thread, NULL);
        desk_free(desk);
    }
    close(gone->stop_fd);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

bool
credentials_ask(struct credentials *credentials, struct database *database, const char *user,
                uint64_t limit, credentials_answer answer, void *context)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL) {
        return false;
    }
    *ask = (struct ask){NULL, strdup(user), uv_hrtime() + limit, answer, context};
    pthread_mutex_lock(&credentials->lock);
    struct desk *desk = ask->user != NULL ? desk_of(credentials, database) : NULL;
    if (desk != NULL) {
        *desk->end = ask;
        desk->end = &ask->next;
        pthread_cond_signal(&desk->arrived);
    }
    pthread_mutex_unlock(&credentials->lock);
    if (desk == NULL) {
        ask_free(ask);
    }
    return desk != NULL;
}
