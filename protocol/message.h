// The message types of protocol 3, by direction (PostgreSQL manual, section 55.7). One table,
// message.tbl, gives the constants, the names and what is legal from which side.
#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H

#include <stdbool.h>

// message.tbl: MESSAGE(DIRECTION, NAME, 'type', "ManualName")
enum message_type {
#define MESSAGE(direction, name, type, title) MESSAGE_##direction##_##name = type,
#include "protocol/message.tbl"
#undef MESSAGE
};

enum message_direction { MESSAGE_FROM_CLIENT, MESSAGE_FROM_SERVER };

bool message_is_known(enum message_direction direction, char type);
const char *message_title(enum message_direction direction, char type); // "?" if unknown

#endif
