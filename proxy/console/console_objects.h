// Prepared statements and portals of a console session. Where something is wrong, `error` says it.
#ifndef PROXY_CONSOLE_CONSOLE_OBJECTS_H
#define PROXY_CONSOLE_CONSOLE_OBJECTS_H

#include "protocol/request.h"
#include "proxy/console/console_parts.h"

void console_statement_add(struct console_session *session, const struct parse_request *request,
                           struct console_error *error);
struct console_statement *console_statement_find(struct console_session *session, const char *name,
                                                 struct console_error *error);
void console_statement_remove(struct console_session *session, const char *name);
void console_statements_remove(struct console_session *session); // all

void console_portal_add(struct console_session *session, const struct bind_request *request,
                        struct console_error *error);
struct console_portal *console_portal_find(struct console_session *session, const char *name,
                                           struct console_error *error);
void console_portal_remove(struct console_session *session, const char *name);
void console_portals_remove(struct console_session *session); // all

#endif
