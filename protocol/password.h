// What a password becomes before it is sent or summed up: SASLprep (RFC 4013) for SCRAM, and MD5.
#ifndef PROTOCOL_PASSWORD_H
#define PROTOCOL_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

enum { PASSWORD_MD5_TEXT = 35 }; // characters: "md5" and 32 hexadecimal digits

// The password as SCRAM sums it up: normalised, or as it is where that fails, as PostgreSQL does
// (manual 55.3.1). The caller wipes it and frees it; NULL: no memory.
char *password_prepare(const char *password);
// "md5" and the sum of the secret and what salts it: the user's name for what is kept, and for what is
// sent the digits of that and the server's four bytes (manual 55.2.1). With a NUL behind.
// False: OpenSSL may be set up without MD5.
bool password_md5(const void *secret, size_t secret_length, const void *salt, size_t salt_length,
                  char text[PASSWORD_MD5_TEXT + 1]);
// Is it a secret as pg_authid keeps it by MD5? NULL is none.
bool password_is_md5(const char *secret);

#endif
