// Everything that the proxy writes into SQL of its own goes through here: literals with doubled quotes
// and, where there are backslashes, as E'', so that standard_conforming_strings does not matter.
#include "compare/sql/quote.h"

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

void
text_add_literal(struct text *text, const char *value)
{
    text_add(text, strchr(value, '\\') == NULL ? "'" : " E'");
    for (const char *c = value; *c != '\0'; c++) {
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
        "statement_timeout",
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
