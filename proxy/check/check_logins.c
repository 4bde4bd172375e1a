// Who gets in? Each role that connects to old is tried on both sides: on old without a secret, which tells those whom it
// admits without asking; on new with the secret that the proxy would have, as its own sessions do (DESIGN 3.8). What
// a client shows at its login is not known here: a cleartext password, or the key of a SCRAM exchange, which opens
// the sides that hold the same verifier. Verifiers are compared by their SHA-256, made on the servers.
#include "proxy/check/ask.h"
#include "proxy/check/attempt.h"
#include "proxy/check/check_secrets.h"
#include <string.h>

enum { ATTEMPTS = 50 }; // roles; each costs two connections

enum { VALUE_FORM, VALUE_DIGEST };
static const char verifiers_sql[] =
    "SELECT rolname, '', rolname, true, CASE WHEN rolpassword IS NULL THEN 'no'"
    " WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'SCRAM' ELSE 'md5' END,"
    " coalesce(encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex'), '') FROM pg_authid";

struct logins {
    struct check *check;
    struct facts verifiers[2]; // empty: not readable
    bool is_cleartext_ruled_out;
    size_t clients, able, unknown;
};

static void
read_verifiers(struct logins *logins)
{
    for (int side = 0; side < 2; side++) {
        PGresult *result = ask(logins->check, (enum side)side, verifiers_sql, NULL);

        if (result && !facts_init(&logins->verifiers[side], result))
            logins->check->findings.failed = true;
    }

    PGresult *rules = ask(logins->check, SIDE_OLD,
                          "SELECT FROM pg_hba_file_rules WHERE auth_method IN"
                          " ('password', 'ldap', 'pam', 'radius', 'bsd')",
                          NULL);

    logins->is_cleartext_ruled_out = rules && PQntuples(rules) == 0;
    PQclear(rules);
}

// New asks for a password, and no plain secret is known.
static void
judge_without_password(struct logins *logins, const struct fact *role, bool is_secret_known)
{
    struct findings *findings = &logins->check->findings;
    const struct fact *ours = facts_find(&logins->verifiers[SIDE_OLD], role->object, "");
    const struct fact *theirs = facts_find(&logins->verifiers[SIDE_NEW], role->object, "");
    bool are_known = ours && theirs;
    bool are_equal =
        are_known && strcmp(facts_value(&logins->verifiers[SIDE_OLD], ours, VALUE_DIGEST),
                            facts_value(&logins->verifiers[SIDE_NEW], theirs, VALUE_DIGEST)) == 0;
    bool is_passthrough = logins->check->settings->configuration->auth.type == AUTH_PASSTHROUGH;

    if (are_equal && is_secret_known) {
        logins->able++;
    } else if (are_known && !are_equal) {
        const char *form = facts_value(&logins->verifiers[SIDE_OLD], ours, VALUE_FORM);

        findings_add(findings, FINDING_verifier_differs, role->label,
                     "%s verifier on old is not the one on new (%s)", form,
                     facts_value(&logins->verifiers[SIDE_NEW], theirs, VALUE_FORM));
        logins->unknown += is_passthrough && !logins->is_cleartext_ruled_out;
    } else if (is_secret_known || (is_passthrough && !logins->is_cleartext_ruled_out)) {
        logins->unknown++;
        findings_add(findings, FINDING_login_unknown, role->label,
                     "new asks for its password, and %s",
                     is_secret_known ? "whether both sides hold one verifier cannot be read"
                                     : "neither auth.file nor auth.query has its secret");
    } else {
        findings_add(findings, FINDING_no_login, role->label,
                     "new asks for its password, and neither auth.file nor auth.query has its "
                     "secret");
    }
}

static void
try_new(struct logins *logins, const struct fact *role)
{
    struct check *check = logins->check;
    const struct target *target = check->settings->targets[SIDE_NEW];
    char error[ATTEMPT_ERROR];
    char *secret = check_secrets_of(check, role->object);
    bool is_secret_known = secret != NULL;

    if (secret && !check_secrets_is_plain(secret))
        check_secrets_wipe(&secret);
    if (!secret)
        secret = target_password_for(target, role->object, target->database);
    switch (attempt_login(target, role->object, secret, error)) {
    case ATTEMPT_OPEN:
        logins->able++;
        break;
    case ATTEMPT_NEEDS_SECRET:
        judge_without_password(logins, role, is_secret_known);
        break;
    case ATTEMPT_REFUSED:
        findings_add(&check->findings, FINDING_no_login, role->label, "new refuses it: %s", error);
        break;
    case ATTEMPT_UNKNOWN:
        logins->unknown++;
        break;
    }
    check_secrets_wipe(&secret);
}

// False: old does not let this role in from here at all: it is no client's.
static bool
try_old(struct logins *logins, const struct fact *role)
{
    struct check *check = logins->check;
    const struct configuration_auth *auth = &check->settings->configuration->auth;
    char error[ATTEMPT_ERROR];
    enum attempt attempt =
        attempt_login(check->settings->targets[SIDE_OLD], role->object, NULL, error);

    if (attempt == ATTEMPT_OPEN && auth->type == AUTH_PASSTHROUGH)
        findings_add(&check->findings,
                     auth->unchallenged == UNCHALLENGED_ALLOW ? FINDING_unchallenged_allowed
                                                              : FINDING_unchallenged,
                     role->label, "old admits it without asking for a secret");
    return attempt != ATTEMPT_REFUSED;
}

void
check_logins(struct check *check)
{
    struct logins logins = {.check = check};
    bool is_same = check->settings->entry->identity == IDENTITY_SAME;
    size_t tried = 0, left = 0;

    if (ask_is_alone(check))
        return;
    if (is_same)
        read_verifiers(&logins);
    for (size_t i = 0; i < check->roles[SIDE_OLD].count; i++) {
        const struct fact *role = &check->roles[SIDE_OLD].list[i];

        if (!role->matters || !facts_find(&check->roles[SIDE_NEW], role->object, ""))
            continue;
        if (++tried > ATTEMPTS) {
            left++;
        } else if (try_old(&logins, role) && is_same) {
            logins.clients++;
            try_new(&logins, role);
        }
    }
    if (left > 0)
        findings_add(&check->findings, FINDING_login_unknown, "other roles",
                     "%zu more were not tried", left);
    if (logins.clients > 0 && logins.able == 0 && logins.unknown == 0 && left == 0)
        findings_add(&check->findings, FINDING_nobody_logs_in, "new",
                     "none of the %zu roles that connect to old gets in", logins.clients);
    for (int side = 0; side < 2; side++)
        facts_fini(&logins.verifiers[side]);
}
