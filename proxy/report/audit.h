// The audit log in memory: the newest events, and which of them the store still lacks. Any thread.
#ifndef PROXY_REPORT_AUDIT_H
#define PROXY_REPORT_AUDIT_H

#include "proxy/report/store.h"

enum { AUDIT_KEPT = 1000 };

struct audit;

struct audit *audit_new(void);
void audit_free(struct audit **audit);
void audit_add(struct audit *audit, const struct store_event *event, bool is_stored); // copies
// Newest first.
void audit_each(struct audit *audit, unsigned limit,
                void (*each)(void *context, const struct store_event *event), void *context);
// Copies of those that the store lacks, oldest first, owned by the caller; *upto is to be given to audit_stored when
// they are committed. NULL with a count of 0: none.
struct store_event *audit_unstored(struct audit *audit, size_t *count, uint64_t *upto);
void audit_unstored_free(struct store_event **events, size_t count);
void audit_stored(struct audit *audit, uint64_t upto);
uint64_t audit_lost(struct audit *audit); // those that left the ring before the store had them

#endif
