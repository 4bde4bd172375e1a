// Users' secrets for the proxy itself (DESIGN 3.8): auth.file, then auth.query on old. Threads of their own ask, one a
// database; who wants to know is called there and passes the answer on to its own thread. What is known is kept for a
// short while, so that a storm of logins asks once. One in the process.
#ifndef PROXY_CONTROL_CREDENTIALS_H
#define PROXY_CONTROL_CREDENTIALS_H

#include "proxy/database.h"

struct credentials;

enum credentials_status {
    CREDENTIALS_FOUND,
    CREDENTIALS_UNKNOWN, // no such user, or one whose secret has expired (VALID UNTIL): not to be told apart
    CREDENTIALS_UNAVAILABLE, // the file cannot be read, old cannot be asked: the log says why
};

// `secret`: plain, "md5…" or "SCRAM-SHA-256$…", wiped after the call; NULL unless FOUND.
typedef void (*credentials_answer)(void *context, enum credentials_status status,
                                   const char *secret);

struct credentials *credentials_new(void); // NULL: no memory. Threads start with the first ask
// Those who still wait are answered UNAVAILABLE. Ends the threads.
void credentials_free(struct credentials **credentials);
// `answer` is called once, on the credentials' thread; old that does not answer is UNAVAILABLE, and after `limit` ns in the
// queue old is not asked. False: no memory, and `answer` is not called. Any thread. Nothing is configured: UNKNOWN.
bool credentials_ask(struct credentials *credentials, struct database *database, const char *user,
                     uint64_t limit, credentials_answer answer, void *context);

#endif
