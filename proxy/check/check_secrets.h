// Users' secrets, as far as the configuration leads to them.
#ifndef PROXY_CHECK_CHECK_SECRETS_H
#define PROXY_CHECK_CHECK_SECRETS_H

#include "proxy/check/check_parts.h"

// auth.file and admin.file: readable, well-formed, closed to others.
void check_secrets_files(struct findings *findings, const struct configuration *configuration);
void check_secrets_query(struct check *check); // auth.query: does it run, and give two columns?
// The user's secret of auth.file, else of auth.query; NULL: neither has it. The caller wipes it.
char *check_secrets_of(struct check *check, const char *user);
bool check_secrets_is_plain(const char *secret); // and neither a verifier nor a hash
void check_secrets_wipe(char **secret);          // and frees it

#endif
