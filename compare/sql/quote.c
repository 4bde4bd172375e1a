// Everything that the proxy writes into SQL of its own goes through here: literals with doubled quotes
// and, where there are backslashes or more than ASCII, as E'', so that neither standard_conforming_strings nor
// client_encoding matters. Names and values are UTF-8.
#include "compare/sql/quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
text_add_bytes(struct text *text, const char *bytes, size_t length)
{
    if (text->has_failed)
        return;
    if (length >= text->capacity - text->length) {
        size_t capacity = (text->length + length + 1) * 2;
        char *larger = realloc(text->bytes, capacity);
        if (larger == NULL) {
            text->has_failed = true;
            return;
        }
        text->bytes = larger;
        text->capacity = capacity;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void
text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

// The character at `c`, which takes *size bytes; 0: it is no UTF-8.
static unsigned
character(const char *c, size_t *size)
{
    const unsigned char *bytes = (const unsigned char *)c;
    static const struct {
        unsigned char mask, lead;
    } leads[] = {{0xE0, 0xC0}, {0xF0, 0xE0}, {0xF8, 0xF0}};
    for (size_t more = 1; more <= 3; more++) {
        if ((bytes[0] & leads[more - 1].mask) != leads[more - 1].lead)
            continue;
        unsigned value = bytes[0] & (unsigned)(unsigned char)~leads[more - 1].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((bytes[i] & 0xC0) != 0x80)
                return 0;
            value = value << 6 | (bytes[i] & 0x3Fu);
        }
        *size = more + 1;
        return value;
    }
    return 0;
}

// All in ASCII: it means the same in whatever encoding the session speaks.
void
text_add_literal(struct text *text, const char *value)
{
    bool is_plain = true;
    for (const char *c = value; *c != '\0'; c++)
        is_plain = is_plain && *c != '\\' && (unsigned char)*c < 128;
    text_add(text, is_plain ? "'" : " E'");
    for (const char *c = value; *c != '\0'; c++) {
        size_t size = 1;
        unsigned wide = (unsigned char)*c < 128 ? 0 : character(c, &size);
        char escape[16];
        if (wide != 0) {
            (void)snprintf(escape, sizeof(escape), wide > 0xFFFF ? "\\U%08X" : "\\u%04X", wide);
            text_add(text, escape);
            c += size - 1;
            continue;
        }
        if (*c == '\'' || *c == '\\')
            text_add_bytes(text, c, 1);
        text_add_bytes(text, c, 1);
    }
    text_add(text, "'");
}

void
text_add_setting(struct text *text, const char *name)
{
    text_add(text, "\"");
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '.')
            text_add(text, "\".\"");
        else if (*c == '"')
            text_add(text, "\"\"");
        else
            text_add_bytes(text, c, 1);
    }
    text_add(text, "\"");
}

char *
text_take(struct text *text)
{
    text_add(text, "");
    char *bytes = text->bytes;
    if (text->has_failed) {
        free(bytes);
        bytes = NULL;
    }
    *text = (struct text){0};
    return bytes;
}

void
text_fini(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

char *
quote_setting(const char *name, const char *value)
{
    struct text text = {0};
    if (strcasecmp(name, "role") == 0 || strcasecmp(name, "session_authorization") == 0) {
        text_add(&text, strcasecmp(name, "role") == 0 ? "SET ROLE " : "SET SESSION AUTHORIZATION ");
        if (strcmp(value, "none") == 0)
            text_add(&text, "NONE");
        else
            text_add_literal(&text, value);
        return text_take(&text);
    }
    // SET would take the whole list for one name where the setting quotes its elements.
    text_add(&text, "SELECT pg_catalog.set_config(");
    text_add_literal(&text, name);
    text_add(&text, ", ");
    text_add_literal(&text, value);
    text_add(&text, ", false)");
    return text_take(&text);
}

bool
quote_is_replayed(const char *setting)
{
    static const char *const names[] = {
        "application_name",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "transaction_timeout",
        "deadlock_timeout",
        "client_connection_check_interval",
        "client_min_messages",
        "transaction_isolation",
        "synchronous_commit",
        "transaction_read_only",
        "user",
        "transaction_deferrable",
        "database",
        "options",
        "replication",
    };
    static const char *const prefixes[] = {"log_", "track_", "tcp_", "debug_", "_pq_."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i], setting) == 0)
            return false;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncasecmp(prefixes[i], setting, strlen(prefixes[i])) == 0)
            return false;
    return true;
}
