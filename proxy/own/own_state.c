// Brings an own session to the state of a client's: first back to its defaults, then, with set_role, to
// the user with the user's own settings, then what the client's session has, then without JIT where a
// switched-off plan alone would call for it, and last what is pinned: the settings in the target's `options`,
// and our time-outs. A Query is one implicit transaction: it holds as a whole or not at all. With set_role,
// going back and the role are a Query of their own.
//
// DISCARD ALL cannot run there; what it does beyond this (LISTEN, temporary tables, advisory locks) own
// sessions never have, as they only run `BEGIN READ ONLY … ROLLBACK`.
#include "compare/sql/quote.h"
#include "proxy/own/own_parts.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NANOSECONDS_A_MILLISECOND = 1000000 };

static const struct configuration_database *
entry_of(const struct own_session *session)
{
    return session->settings->entry;
}

static const char *
options_of(const struct own_session *session)
{
    return session->settings->targets[session->group->place->side]->options;
}

// ---- time-outs ----

struct timeout {
    const char *name;
    uint64_t milliseconds;
};

enum { TIMEOUT_COUNT = 3 };

enum { OLD_LOCK_TIMEOUT_MS = 100 };

// A lock that is not had by half the time is not worth the wait: a waiting reader holds up others. On old it gives up
// far below deadlock_timeout, so that in a deadlock with a client it is never the client that gives way.
static void
fill_timeouts(const struct own_session *session, struct timeout timeouts[TIMEOUT_COUNT])
{
    uint64_t whole = entry_of(session)->shadow.timeout / NANOSECONDS_A_MILLISECOND;
    if (whole == 0) {
        whole = 1;
    }
    timeouts[0] = (struct timeout){"statement_timeout", whole};
    uint64_t lock = whole / 2 + 1;
    if (session->group->place->side == SIDE_OLD && lock > OLD_LOCK_TIMEOUT_MS) {
        lock = OLD_LOCK_TIMEOUT_MS;
    }
    timeouts[1] = (struct timeout){"lock_timeout", lock};
    timeouts[2] = (struct timeout){"idle_in_transaction_session_timeout", whole * 2};
}

char *
own_state_options(const struct own_session *session)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return NULL;
    }
    struct timeout timeouts[TIMEOUT_COUNT];
    fill_timeouts(session, timeouts);
    fputs(options_of(session), out);
    for (size_t i = 0; i < TIMEOUT_COUNT; i++) {
        fprintf(out, " -c %s=%llu", timeouts[i].name, (unsigned long long)timeouts[i].milliseconds);
    }
    return fclose(out) == 0 ? text : NULL;
}

// ---- writing SQL ----

// In ASCII, since the session may still speak the encoding of the client before; E'…' means the same whatever
// standard_conforming_strings says. False: no memory.
static bool
put_literal(FILE *out, const char *value)
{
    struct text text = {0};
    text_add_literal(&text, value);
    char *literal = text_take(&text);
    bool is_fine =
        literal != NULL && fprintf(out, "%s%s", *literal == '\'' ? "E" : "", literal) > 0;
    free(literal);
    return is_fine;
}

// set_config takes a value as `options` and pg_db_role_setting write it; SET would quote lists.
static bool
put_setting(FILE *out, const char *name, const char *value)
{
    fputs("SELECT pg_catalog.set_config(", out);
    bool is_fine = put_literal(out, name);
    fputs(", ", out);
    is_fine = put_literal(out, value) && is_fine;
    fputs(", false);\n", out);
    return is_fine;
}

// The settings that the user would get by logging in; ALTER ROLE … IN DATABASE wins, so it comes last.
static bool
put_role(FILE *out, const char *user)
{
    fputs("SELECT pg_catalog.set_config(name, value, false) FROM (SELECT "
          "pg_catalog.split_part(setting, '=', 1) AS name, pg_catalog.substr(setting, "
          "pg_catalog.strpos(setting, '=') OPERATOR(pg_catalog.+) 1) AS value FROM "
          "pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS setting WHERE "
          "s.setrole OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_roles WHERE rolname "
          "OPERATOR(pg_catalog.=) ",
          out);
    bool is_fine = put_literal(out, user);
    fputs(") AND (s.setdatabase OPERATOR(pg_catalog.=) 0 OR s.setdatabase OPERATOR(pg_catalog.=) "
          "(SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) "
          "pg_catalog.current_database())) ORDER BY s.setdatabase) AS given WHERE NOT EXISTS "
          "(SELECT FROM pg_catalog.pg_settings AS p WHERE p.name OPERATOR(pg_catalog.=) given.name "
          "AND p.context OPERATOR(pg_catalog.<>) 'user');\nSET ROLE ",
          out);
    is_fine = put_literal(out, user) && is_fine;
    fputs(";\n", out);
    return is_fine;
}

// The client's SET ROLE NONE, or its like, goes back to whom the client is, not to whom we logged in as.
static void
put_role_again(FILE *out, const char *user)
{
    fputs("SELECT pg_catalog.set_config('role', ", out);
    put_literal(out, user);
    fputs(", false) WHERE pg_catalog.current_setting('role') OPERATOR(pg_catalog.=) 'none';\n",
          out);
}

// A method of planning that is switched off costs 1e10, which is above jit_above_cost however small the statement is: a
// side that lacks the index which the client meant would compile for half a second what then runs in a millisecond.
// -1 is `never`; `jit` itself, which is rather asked for, stays what it is.
static void
put_no_compiling(FILE *out, const struct state_snapshot *snapshot)
{
    char value[32];
    if (strstr(snapshot->replay, "enable_") == NULL ||
        state_value(snapshot, "jit", value, sizeof value) ||
        state_value(snapshot, "jit_above_cost", value, sizeof value)) {
        return;
    }
    fputs("SELECT pg_catalog.set_config('jit_above_cost', '-1', false) WHERE "
          "pg_catalog.current_setting('jit', true) OPERATOR(pg_catalog.=) 'on' AND 'off' "
          "OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT pg_catalog.current_setting('enable_' "
          "OPERATOR(pg_catalog.||) method) FROM pg_catalog.unnest('{bitmapscan,hashagg,hashjoin,"
          "indexonlyscan,indexscan,mergejoin,nestloop,seqscan,sort,tidscan}'::pg_catalog.text[]) "
          "AS method));\n",
          out);
}

// ---- the target's options ----

// The next word, as the backend takes them apart: blanks separate, a backslash escapes.
static bool
next_word(const char **at, char *word)
{
    while (isspace((unsigned char)**at)) {
        ++*at;
    }
    if (**at == '\0') {
        return false;
    }
    for (; **at != '\0' && !isspace((unsigned char)**at); ++*at) {
        if (**at == '\\' && (*at)[1] != '\0') {
            ++*at;
        }
        *word++ = **at;
    }
    *word = '\0';
    return true;
}

static bool
put_assignment(FILE *out, char *assignment)
{
    char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        return true;
    }
    *equals = '\0';
    for (char *at = assignment; *at != '\0'; at++) {
        if (*at == '-') {
            *at = '_';
        }
    }
    return put_setting(out, assignment, equals + 1);
}

// -c name=value, -cname=value and --name=value; other switches are no settings. False: no memory.
static bool
put_pinned(FILE *out, const char *options)
{
    char *word = malloc(strlen(options) + 1);
    if (word == NULL) {
        return false;
    }
    bool is_fine = true;
    while (is_fine && next_word(&options, word)) {
        if (strcmp(word, "-c") == 0) {
            is_fine = !next_word(&options, word) || put_assignment(out, word);
        } else if (strncmp(word, "-c", 2) == 0 || strncmp(word, "--", 2) == 0) {
            is_fine = put_assignment(out, word + 2);
        }
    }
    free(word);
    return is_fine;
}

// ---- the whole ----

static uint64_t
digest_of(const struct state_snapshot *snapshot)
{
    return snapshot != NULL ? snapshot->digest : 0;
}

static bool
is_empty(const struct state_snapshot *snapshot)
{
    return snapshot == NULL || snapshot->replay == NULL || *snapshot->replay == '\0';
}

bool
own_state_differs(const struct own_session *session, const struct state_snapshot *snapshot)
{
    if (session->state_is_known && session->state_digest == digest_of(snapshot)) {
        return false;
    }
    bool login_leaves_all_done =
        session->has_options && entry_of(session)->identity != IDENTITY_SET_ROLE;
    return !(session->is_fresh && login_leaves_all_done && is_empty(snapshot));
}

// Finishes what open_memstream began. NULL: no memory.
static char *
take_text(FILE *out, char **text, bool is_fine)
{
    if (fclose(out) != 0 || !is_fine) {
        free(*text);
        return NULL;
    }
    return *text;
}

static void
put_reset(FILE *out, const struct own_session *session)
{
    if (!session->is_fresh) {
        fputs("RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\nDEALLOCATE ALL;\n", out);
    }
}

// Row security would not hold for such a user, and what comes after a RESET ROLE could do anything. The name
// keeps the planner from evaluating the text, whose cast is the error.
static void
put_refusal_of_superusers(FILE *out)
{
    fputs("SELECT CASE WHEN rolsuper OR rolbypassrls THEN pg_catalog.int4in(pg_catalog.textout("
          "pg_catalog.concat(rolname, ' is a superuser or has BYPASSRLS, which identity: set_role "
          "refuses'))) END FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) "
          "session_user;\n",
          out);
}

char *
own_state_role_sql(const struct own_session *session)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return NULL;
    }
    put_reset(out, session);
    put_refusal_of_superusers(out);
    bool is_fine = put_role(out, session->group->user);
    return take_text(out, &text, is_fine);
}

char *
own_state_sql(const struct own_session *session, const struct state_snapshot *snapshot)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return NULL;
    }
    if (entry_of(session)->identity != IDENTITY_SET_ROLE) {
        put_reset(out, session);
    }
    if (!is_empty(snapshot)) {
        fprintf(out, "%s;\n", snapshot->replay);
        put_no_compiling(out, snapshot);
    }
    if (entry_of(session)->identity == IDENTITY_SET_ROLE) {
        put_role_again(out, session->group->user);
    }
    bool is_fine = put_pinned(out, options_of(session));
    struct timeout timeouts[TIMEOUT_COUNT];
    fill_timeouts(session, timeouts);
    for (size_t i = 0; i < TIMEOUT_COUNT; i++) {
        char value[24];
        snprintf(value, sizeof value, "%llu", (unsigned long long)timeouts[i].milliseconds);
        is_fine = put_setting(out, timeouts[i].name, value) && is_fine;
    }
    is_fine = put_setting(out, "application_name", "pgrehearse") &&
              is_fine; // a pooler's RESET ALL forgets it
    return take_text(out, &text, is_fine);
}
