// From a statement to its shape: looked up, or analysed and published. Shadow threads only (the
// analysis needs their stack).
#ifndef PROXY_SHADOW_CLASSIFY_H
#define PROXY_SHADOW_CLASSIFY_H

#include "compare/sql/parsed.h"
#include "proxy/shadow/mirror.h"
#include "proxy/shadow/shapes.h"

// A reference; NULL while old's or new's catalogs have not been read, or without memory (`parsed` NULL, too), and while
// they are out of date of what a glance tells enough about, and of what reads and leaves nothing in its session.
struct shape *classify(struct mirror *mirror, struct parsed *parsed, const uint32_t *types,
                       size_t type_count);
// Is an execution of it a read in the books? By its analysis where there is one, else by what it calls
// itself and what the server called it (`tag` may be NULL).
bool classify_is_read(const struct shape *shape, const char *sql, size_t length, const char *tag);
bool classify_is_read_tag(const char *tag);
// A name in it is unknown, and reading the catalogs again may help: not asked for this statement in
// the last half minute.
bool classify_wants_catalogs(const struct shape *shape, const char *sql, size_t length);

#endif
