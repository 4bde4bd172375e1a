// The settings that the store keeps, as this proxy knows them: which value, of which version, and which of ours the store
// still lacks; and how each takes effect. What lowers the risk is in force before the store has it. Any thread;
// not while databases_each runs (this looks databases up).
#ifndef PROXY_REPORT_KEPT_H
#define PROXY_REPORT_KEPT_H

#include "proxy/databases.h"
#include "proxy/report/store.h"

struct kept;

struct kept *kept_new(struct databases *databases); // NULL: no memory
void kept_free(struct kept **kept);

// In force at once, and waits for the store. A database's canary_percent stays 0 while canary_state is latched.
void kept_lower(struct kept *kept, const struct store_setting *settings, size_t count);
// Those that wait; owned by the caller (kept_waiting_free). NULL with a count of 0: none.
struct store_setting *kept_waiting(struct kept *kept, size_t *count);
void kept_waiting_free(struct store_setting **settings, size_t count);
bool kept_is_waiting(struct kept *kept); // for the store, any of them

// What the store has. What still waits is not overridden by it, except by its own way through the store (`is_ours`).
// True: it was not in force here; `before` is what was ("" where nobody had said anything).
enum { KEPT_BEFORE = 64 };
bool kept_take(struct kept *kept, const struct store_setting *setting, bool is_ours,
               char before[KEPT_BEFORE]);
// The newest version up to which all of the store's settings were taken; -1: none were.
int64_t kept_version(struct kept *kept);
void kept_reach(struct kept *kept, int64_t version);
// The store is another one or an older copy of it: what is latched here, and every percentage, waits for it again.
void kept_start_over(struct kept *kept, const char *member);
// The store was away when it was made (databases_hold), and is there: unless somebody has said otherwise, it is armed and
// its percentage is the configuration's.
void kept_follow_configuration(struct kept *kept, struct database *database);
// False: nobody has said it. Cut to `size`.
bool kept_value(struct kept *kept, const char *database, const char *name, char *value,
                size_t size);

#endif
