// The names of the message types, by direction: a table that message.tbl fills.
#include "protocol/message.h"

#include <stddef.h>

enum { TYPES = 128 };

static const char *const titles[][TYPES] = {
#define MESSAGE(direction, name, type, title) [MESSAGE_FROM_##direction][type] = title,
#include "protocol/message.tbl"
#undef MESSAGE
};

static const char *
find(enum message_direction direction, char type)
{
    unsigned char index = (unsigned char)type;
    return index < TYPES ? titles[direction][index] : NULL;
}

bool
message_is_known(enum message_direction direction, char type)
{
    return find(direction, type) != NULL;
}

const char *
message_title(enum message_direction direction, char type)
{
    const char *title = find(direction, type);
    return title != NULL ? title : "?";
}
