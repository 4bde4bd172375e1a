// The names of verdicts, reasons and classes, from the tables that also give the enums: metrics,
// console, store and reports all take their words from here. Pure data, any thread. A value from
// outside the enums (an old store's file) gets "?" rather than a crash.
#include "compare/verdict.h"
#include <stddef.h>

static const struct {
    const char *name;
    bool is_covered;
} verdicts[] = {
#define VERDICT(NAME, name, is_covered, help) [VERDICT_##NAME] = {#name, is_covered},
#include "compare/verdict.tbl"
#undef VERDICT
};

static const char *const skip_reasons[] = {
    [SKIP_NONE] = "none",
#define SKIPPED(NAME, name, help) [SKIP_##NAME] = #name,
#include "compare/reasons.tbl"
};

static const char *const drop_reasons[] = {
    [DROP_NONE] = "none",
#define DROPPED(NAME, name, help) [DROP_##NAME] = #name,
#include "compare/reasons.tbl"
};

static const char *const classes[] = {
    [DIFFERENCE_NONE] = "none",
#define DIFFERENCE(NAME, name, help) [DIFFERENCE_##NAME] = #name,
#include "compare/difference_class.tbl"
#undef DIFFERENCE
};

const char *
verdict_name(enum verdict verdict)
{
    return (unsigned)verdict < VERDICT_COUNT ? verdicts[verdict].name : "?";
}

const char *
skip_reason_name(enum skip_reason reason)
{
    return (unsigned)reason < SKIP_COUNT ? skip_reasons[reason] : "?";
}

const char *
drop_reason_name(enum drop_reason reason)
{
    return (unsigned)reason < DROP_COUNT ? drop_reasons[reason] : "?";
}

const char *
difference_class_name(enum difference_class difference)
{
    return (unsigned)difference < DIFFERENCE_COUNT ? classes[difference] : "?";
}

bool
verdict_is_covered(enum verdict verdict)
{
    return (unsigned)verdict < VERDICT_COUNT && verdicts[verdict].is_covered;
}
