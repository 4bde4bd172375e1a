// Text that came from a server or a client may be in any encoding, or cut in the middle of a character;
// what is shown to people and written as JSON is UTF-8.
#ifndef PROTOCOL_UTF8_H
#define PROTOCOL_UTF8_H

// Replaces each byte that is no part of a well-formed character (RFC 3629) by '?', in place.
void utf8_repair(char *text);

#endif
