// The views that console, HTTP and report share: what columns each has (a contract for scripts, DESIGN
// 2.3: more may follow them, none change) and how it is filled from pictures.
#ifndef PROXY_REPORT_VIEW_H
#define PROXY_REPORT_VIEW_H

#include "proxy/report/answer.h"
#include "proxy/report/picture.h"

struct store_event;

struct view {
    const char *name; // "status", as in /api/v1/status and the report's JSON
    struct answer_shape shape;
    enum picture_depth depth;
    void (*fill)(struct answer *answer, const struct pictures *pictures);
};

extern const struct view view_status, view_queries, view_mismatches, view_tables, view_skipped,
    view_uncompared; // view_uncompared is for the report alone

// One mismatch in full; no row when no picture holds it.
extern const struct answer_shape view_mismatch_shape;
void view_mismatch(struct answer *answer, const struct pictures *pictures, uint64_t id);

// One event of the audit log, as reporter_events gives them: a row of the answer that `context` is.
extern const struct answer_shape view_events_shape;
void view_event(void *context, const struct store_event *event);

#endif
