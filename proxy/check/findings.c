// See findings.h. Kinds, their severity and their hint come from findings.tbl.
#include "proxy/check/findings.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum finding_severity severity;
    const char *hint;
} kinds[] = {
#define KIND(name, severity, hint) {#name, FINDING_##severity, hint},
#include "proxy/check/findings.tbl"
#undef KIND
};

static const char *const severity_names[] = {"error", "warning", "note"};

enum finding_severity
finding_severity(enum finding_kind kind)
{
    return kinds[kind].severity;
}

const char *
finding_severity_name(enum finding_severity severity)
{
    return severity_names[severity];
}

const char *
finding_kind_name(enum finding_kind kind)
{
    return kinds[kind].name;
}

const char *
finding_hint(enum finding_kind kind)
{
    return kinds[kind].hint;
}

void
findings_fini(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->list[i].subject);
        free(findings->list[i].detail);
    }
    free(findings->list);
    findings->list = NULL;
    findings->count = findings->capacity = 0;
}

static bool
grow(struct findings *findings)
{
    if (findings->count < findings->capacity)
        return true;

    size_t capacity = findings->capacity ? findings->capacity * 2 : 64;
    struct finding *list = reallocarray(findings->list, capacity, sizeof *list);

    if (!list)
        return false;
    findings->list = list;
    findings->capacity = capacity;
    return true;
}

// One finding is one line, whatever names and settings hold.
static void
keep_to_a_line(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = ' ';
    }
}

void
findings_add(struct findings *findings, enum finding_kind kind, const char *subject,
             const char *detail, ...)
{
    struct finding made = {.kind = kind, .subject = strdup(subject)};
    va_list arguments;

    va_start(arguments, detail);
    if (vasprintf(&made.detail, detail, arguments) < 0)
        made.detail = NULL;
    va_end(arguments);
    if (!made.subject || !made.detail || !grow(findings)) {
        free(made.subject);
        free(made.detail);
        findings->failed = true;
        return;
    }
    keep_to_a_line(made.subject);
    keep_to_a_line(made.detail);
    findings->list[findings->count++] = made;
    findings->of_severity[kinds[kind].severity]++;
}

enum findings_outcome
findings_outcome(const struct findings *findings)
{
    if (findings->is_cut_short || findings->failed)
        return FINDINGS_UNKNOWN;
    return findings->of_severity[FINDING_ERROR] > 0 ? FINDINGS_NOT_FIT : FINDINGS_FIT;
}
