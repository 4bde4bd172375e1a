// SQL made from names and values.
#ifndef COMPARE_SQL_QUOTE_H
#define COMPARE_SQL_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

struct text {    // grows; sticks on lack of memory
    char *bytes; // owned, ends in NUL; NULL: empty
    size_t length, capacity;
    bool has_failed;
};

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_literal(struct text *text, const char *value); // 'value'
void text_add_setting(struct text *text, const char *name);  // "a"."b" of a.b
char *text_take(struct text *text); // owned; "" when empty; NULL: no memory
void text_fini(struct text *text);

// A statement that gives a setting this value, written as in postgresql.conf.
char *quote_setting(const char *name, const char *value);
// Settings that change no result, and time-outs: they are not replayed (DESIGN 3.8). statement_timeout is: the proxy's own
// sessions put theirs over it, but a read that new serves is under the client's.
bool quote_is_replayed(const char *setting);

#endif
