// What speaks against mirroring a read: see DESIGN 3.1 and 3.2 for the reasons.
#ifndef PROXY_SHADOW_READ_OBJECTION_H
#define PROXY_SHADOW_READ_OBJECTION_H

#include "proxy/shadow/read.h"

// SKIP_NONE: it may be mirrored. Takes from the database's reads a second if so.
enum skip_reason read_skip_of(struct mirror *mirror, const struct read_facts *facts);
// DROP_NONE: there is room for it.
enum drop_reason read_drop_of(struct mirror *mirror, const struct read_facts *facts);

#endif
