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
// Writes those that the store lacks, oldest first; *upto is to be given to audit_stored when they are
// committed. False: the store failed.
bool audit_write(struct audit *audit, struct store *store, uint64_t *upto);
void audit_stored(struct audit *audit, uint64_t upto);

#endif
