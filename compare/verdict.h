// The words of the books: verdicts, reasons, classes. One table each gives the enum and the names.
#ifndef COMPARE_VERDICT_H
#define COMPARE_VERDICT_H

#include <stdbool.h>

enum verdict {
#define VERDICT(NAME, name, is_covered, help) VERDICT_##NAME,
#include "compare/verdict.tbl"
#undef VERDICT
    VERDICT_COUNT
};

enum skip_reason {
    SKIP_NONE, // may be mirrored
#define SKIPPED(NAME, name, help) SKIP_##NAME,
#include "compare/reasons.tbl"
    SKIP_COUNT
};

enum drop_reason {
    DROP_NONE,
#define DROPPED(NAME, name, help) DROP_##NAME,
#include "compare/reasons.tbl"
    DROP_COUNT
};

enum difference_class {
    DIFFERENCE_NONE,
#define DIFFERENCE(NAME, name, help) DIFFERENCE_##NAME,
#include "compare/difference_class.tbl"
#undef DIFFERENCE
    DIFFERENCE_COUNT
};

const char *verdict_name(enum verdict verdict);
const char *skip_reason_name(enum skip_reason reason);
const char *drop_reason_name(enum drop_reason reason);
const char *difference_class_name(enum difference_class difference);
bool verdict_is_covered(enum verdict verdict);

#endif
