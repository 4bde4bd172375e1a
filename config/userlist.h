// PgBouncer's userlist.txt: lines of "user" "secret", quotes doubled within, `;` begins a comment.
#ifndef CONFIG_USERLIST_H
#define CONFIG_USERLIST_H

#include <stdbool.h>
#include <stddef.h>

// The user's secret (plain, "md5…" or "SCRAM-SHA-256$…") into *secret: the caller wipes and frees it; NULL:
// the file does not have the user. False: the file cannot be read or is malformed, `error` says where.
bool userlist_find(const char *path, const char *user, char **secret, char *error,
                   size_t error_size);

#endif
